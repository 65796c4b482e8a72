"""Keys of Azure AI services, Azure OpenAI among them.

The old key is refused at once. Accounts of other kinds than OpenAI do not know the path that is
asked for, and still refuse a wrong key. Source:
https://learn.microsoft.com/azure/ai-services/authentication
"""

from __future__ import annotations

import re
from typing import ClassVar

from cloud.rest.data_plane import Signed
from rotators.shared.key_facts import Facts, KeyPlace, Pair, Slot
from rotators.shared.key_proof import ProvenByRequest

ASKED = "openai/deployments?api-version=2022-12-01"


class AiServicesKey(ProvenByRequest):
    """Rotates the keys of AI services accounts."""

    kind: ClassVar[str] = "ai-services-key"
    facts: ClassVar[Facts] = Facts(
        noun="AI services account",
        types=("Microsoft.CognitiveServices/accounts",),
        version="2024-10-01",
        pairs=(Pair(Slot("key1", "Key1"), Slot("key2", "Key2")),),
        shape=re.compile(r"[A-Za-z0-9]{32,128}"),
        address="endpoint",
        called=re.compile(r"[a-z0-9][a-z0-9_.-]{1,63}"),
    )

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """List the deployments."""
        del place
        return Signed(f"https://{host}/{ASKED}", {"api-key": key, "Ocp-Apim-Subscription-Key": key})
