"""Access keys of App Configuration: two that may write, two that only read.

The credential is the connection string. A key is named by an id that belongs to its value, so what
a consumer needs is both. Switching local authentication off deletes the keys. Source:
https://learn.microsoft.com/azure/azure-app-configuration/rest-api-authentication-hmac
"""

from __future__ import annotations

import re
from typing import ClassVar

from cloud.rest.client import Json
from cloud.rest.data_plane import Signed
from engine.errors import VerificationFailed
from rotators.shared.key_facts import Facts, KeyPlace, Keys, Pair, Slot, rows_of
from rotators.shared.key_proof import ProvenByRequest
from rotators.shared.key_signing import hmac_request

CONNECTION = re.compile(
    r"Endpoint=https://[^;]+;Id=(?P<id>[^;]+);Secret=(?P<secret>[A-Za-z0-9+/=]{32,128})"
)
NAME = re.compile(r"[a-z0-9_-]{5,50}")
"""A store's name, in lower case: Azure/bicep-types-az, appconfiguration 2024-06-01."""


class AppConfigurationKey(ProvenByRequest):
    """Rotates the access keys of App Configuration stores."""

    kind: ClassVar[str] = "app-configuration-key"
    value_field: ClassVar[str] = "connection_string"
    template_fields: ClassVar[frozenset[str]] = frozenset({"connection_string", "host", "name"})
    lists_first: ClassVar[bool] = True
    facts: ClassVar[Facts] = Facts(
        noun="App Configuration store",
        types=("Microsoft.AppConfiguration/configurationStores",),
        version="2024-06-01",
        pairs=(
            Pair(Slot("Primary"), Slot("Secondary")),
            Pair(Slot("Primary Read Only"), Slot("Secondary Read Only"), "read-only"),
        ),
        shape=CONNECTION,
        called=NAME,
        host="{name}.azconfig.io",
        address="endpoint",
    )

    def keys(self, answer: Json, place: KeyPlace) -> Keys:
        """Read the keys of a list, or the one of an answer to its replacement."""
        value = answer.get("value")
        rows = value if isinstance(value, list) else [answer]
        return rows_of(rows, place.pair, "name", "connectionString", "lastModified")

    def request(self, place: KeyPlace, slot: Slot, keys: Keys) -> tuple[str, Json | None]:
        """Name the key by its id."""
        del place
        return self.facts.replaces, {"id": _parts(keys[slot.name].value.reveal())[0]}

    def made_up(self, key: str) -> str:
        """Return the same connection string with a secret that nobody has."""
        secret = _parts(key)[1]
        return key.removesuffix(secret) + super().made_up(secret)

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Read the first page of key-values, which every key may."""
        del place
        credential, secret = _parts(key)
        return hmac_request(
            f"https://{host}/kv?api-version=1.0", secret, self._clock.now(), credential
        )


def _parts(connection: str) -> tuple[str, str]:
    """Return a connection string's id and secret."""
    match = CONNECTION.fullmatch(connection)
    if match is None:
        raise VerificationFailed(
            "the value is not a connection string of App Configuration",
            fix="write the connection string as the value, or describe it in the tag ValueTemplate",
        )
    return match["id"], match["secret"]
