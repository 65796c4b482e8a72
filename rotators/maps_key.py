"""Keys of Azure Maps accounts.

Source: https://learn.microsoft.com/azure/azure-maps/azure-maps-authentication.
"""

from __future__ import annotations

import re
from typing import ClassVar

from cloud.rest.client import Json
from cloud.rest.data_plane import Signed
from rotators.shared.key_facts import LOWER_CASE, Facts, Key, KeyPlace, Keys, moment, text_of
from rotators.shared.key_proof import ProvenByRequest


class MapsKey(ProvenByRequest):
    """Rotates the keys of Azure Maps accounts."""

    kind: ClassVar[str] = "maps-key"
    tells_ages: ClassVar[bool] = True
    facts: ClassVar[Facts] = Facts(
        noun="Azure Maps account",
        types=("Microsoft.Maps/accounts",),
        version="2023-06-01",
        names_it="keyType",
        pairs=(LOWER_CASE,),
        shape=re.compile(r"[A-Za-z0-9_-]{32,128}"),
        host="atlas.microsoft.com",
        called=re.compile(r"[a-z0-9][a-z0-9_.-]{0,97}"),
    )

    def keys(self, answer: Json, place: KeyPlace) -> Keys:
        """Read both keys, and since when each is there."""
        listed = super().keys(answer, place)
        return {
            name: Key(key.value, moment(text_of(answer, f"{name}LastUpdated")))
            for name, key in listed.items()
        }

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """List the time zones that Windows knows."""
        del place
        return Signed(
            f"https://{host}/timezone/enumWindows/json?api-version=1.0", {"subscription-key": key}
        )
