"""Keys of Batch accounts.

Source:
https://learn.microsoft.com/rest/api/batchservice/authenticate-requests-to-the-azure-batch-service.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import ClassVar

from cloud.rest.data_plane import Answer, Signed
from rotators.shared.key_facts import Facts, KeyPlace, Pair, Slot
from rotators.shared.key_proof import ProvenByRequest
from rotators.shared.key_signing import batch_request


class BatchKey(ProvenByRequest):
    """Rotates the keys of Batch accounts."""

    kind: ClassVar[str] = "batch-key"
    facts: ClassVar[Facts] = Facts(
        noun="Batch account",
        types=("Microsoft.Batch/batchAccounts",),
        version="2024-07-01",
        replaces="regenerateKeys",
        pairs=(Pair(Slot("primary", "Primary"), Slot("secondary", "Secondary")),),
        shape=re.compile(r"[A-Za-z0-9+/]{86}=="),
        switches={"allowedAuthenticationModes": "SharedKey"},
        address="accountEndpoint",
        called=re.compile(r"[a-z0-9]{3,24}"),
    )

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """List the applications."""
        url = f"https://{host}/applications?api-version=2024-07-01.20.0"
        return batch_request(url, place.name, key, self._clock.now())

    def refuses(self, answer: Answer) -> bool:
        """Return whether the signature is wrong, which the service calls forbidden."""
        forbidden = answer.status == HTTPStatus.FORBIDDEN and "AuthenticationFailed" in answer.text
        return forbidden or super().refuses(answer)
