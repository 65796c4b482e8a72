"""Keys of Communication Services.

Source: https://learn.microsoft.com/rest/api/communication/authentication.
"""

from __future__ import annotations

import re
from typing import ClassVar

from cloud.rest.data_plane import Signed
from rotators.shared.key_facts import Facts, KeyPlace
from rotators.shared.key_proof import ProvenByRequest
from rotators.shared.key_signing import hmac_request


class CommunicationKey(ProvenByRequest):
    """Rotates the keys of Communication Services resources."""

    kind: ClassVar[str] = "communication-key"
    facts: ClassVar[Facts] = Facts(
        noun="Communication Services resource",
        types=("Microsoft.Communication/communicationServices",),
        version="2025-09-01",
        names_it="keyType",
        shape=re.compile(r"[A-Za-z0-9+/=]{44,128}"),
        address="hostName",
    )

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """List the phone numbers that the resource has."""
        del place
        return hmac_request(
            f"https://{host}/phoneNumbers?api-version=2022-12-01", key, self._clock.now()
        )
