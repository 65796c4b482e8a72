"""Keys of Cosmos DB accounts: two that may write, two that only read.

Replacing one takes minutes, and at times hours. An earlier try's change is known by the key's
generation time, so it is never asked for twice. Source:
https://learn.microsoft.com/azure/cosmos-db/how-to-rotate-keys and keysMetadata of
azure-mgmt-cosmosdb 10.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

from cloud.rest.data_plane import Signed
from engine.contract import Lingering
from rotators.shared.key_facts import (
    PROPAGATION,
    Facts,
    KeyPlace,
    Keys,
    Pair,
    Slot,
    moment,
    text_of,
)
from rotators.shared.key_proof import ProvenByRequest
from rotators.shared.key_signing import cosmos_request


class CosmosDbKey(ProvenByRequest):
    """Rotates the keys of Cosmos DB accounts."""

    kind: ClassVar[str] = "cosmos-db-key"
    lingers = Lingering(
        "the old key works until Azure has replaced it, which takes from a minute to several hours",
        "https://learn.microsoft.com/azure/cosmos-db/how-to-rotate-keys",
    )
    tells_ages: ClassVar[bool] = True
    lists_first: ClassVar[bool] = True
    tells_times: ClassVar[bool] = True
    patience: ClassVar[float] = 6 * 3600.0
    afterwards: ClassVar[float] = 900.0
    facts: ClassVar[Facts] = Facts(
        noun="Cosmos DB account",
        types=("Microsoft.DocumentDB/databaseAccounts",),
        version="2024-11-15",
        names_it="keyKind",
        pairs=(
            Pair(
                Slot("primaryMasterKey", "primary", ("Primary", "PrimaryMasterKey")),
                Slot("secondaryMasterKey", "secondary", ("Secondary", "SecondaryMasterKey")),
            ),
            Pair(
                Slot("primaryReadonlyMasterKey", "primaryReadonly", ("PrimaryReadonlyMasterKey",)),
                Slot(
                    "secondaryReadonlyMasterKey",
                    "secondaryReadonly",
                    ("SecondaryReadonlyMasterKey",),
                ),
                "read-only",
            ),
        ),
        shape=re.compile(r"[A-Za-z0-9+/]{86}=="),
        address="documentEndpoint",
        spread=(*PROPAGATION, 60.0, 60.0),
    )

    async def dated(self, place: KeyPlace, keys: Keys) -> Keys:
        """Add when each key was made, which the account tells and a listing does not."""
        times = await self._source.read(place)
        made = {
            name: text_of(times, "properties", "keysMetadata", name, "generationTime")
            for name in keys
        }
        return {name: replace(key, made=moment(made[name])) for name, key in keys.items()}

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """List the databases, which every key may."""
        del place
        return cosmos_request(f"https://{host}/dbs", key, self._clock.now())
