"""Keys of sundials, as a contributor writes a kind. Source: none, there is no such service."""

from __future__ import annotations

from typing import ClassVar

from cloud.rest.data_plane import Signed
from rotators.shared.key_facts import KEY1_KEY2, Facts, KeyPlace
from rotators.shared.key_proof import ProvenByRequest


class SundialKey(ProvenByRequest):
    """Rotates the keys of sundials."""

    kind: ClassVar[str] = "sundial-key"
    facts: ClassVar[Facts] = Facts(
        noun="sundial",
        types=("Microsoft.Sundial/dials",),
        version="2026-01-01",
        pairs=(KEY1_KEY2,),
        address="endpoint",
    )

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        del place
        return Signed(f"https://{host}/time", {"x-dial-key": key})
