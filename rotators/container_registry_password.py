"""The two passwords of a container registry's admin user. Tokens of a registry are of another kind.

Source:
https://learn.microsoft.com/azure/container-registry/container-registry-authentication#admin-account
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import ClassVar

from cloud.rest.client import Json
from cloud.rest.data_plane import Signed
from engine.contract import Lingering
from engine.secret import Sensitive
from rotators.shared.key_facts import Facts, KeyPlace, Keys, Pair, Slot, rows_of, text_of
from rotators.shared.key_proof import ProvenByRequest


class ContainerRegistryPassword(ProvenByRequest):
    """Rotates the passwords of registries' admin users."""

    kind: ClassVar[str] = "container-registry-password"
    lingers = Lingering(
        "tokens that the registry gave for it work until they end",
        "https://github.com/Azure/acr/blob/main/docs/Token-BasicAuth.md",
    )
    value_field: ClassVar[str] = "password"
    template_fields: ClassVar[frozenset[str]] = frozenset({"host", "name", "password"})
    facts: ClassVar[Facts] = Facts(
        noun="container registry",
        types=("Microsoft.ContainerRegistry/registries",),
        version="2023-07-01",
        lists="listCredentials",
        replaces="regenerateCredential",
        names_it="name",
        pairs=(Pair(Slot("password"), Slot("password2")),),
        shape=re.compile(r"[A-Za-z0-9+/=]{32,128}"),
        switches={"adminUserEnabled": False},
        address="loginServer",
    )

    def keys(self, answer: Json, place: KeyPlace) -> Keys:
        """Read both passwords."""
        return rows_of(answer.get("passwords"), place.pair, "name", "value")

    async def fields(
        self, place: KeyPlace, slot: Slot, key: Sensitive, options: Mapping[str, str]
    ) -> dict[str, Sensitive]:
        """Return the password, the login server and the user, who is called as the registry is."""
        fields = await super().fields(place, slot, key, options)
        return {**fields, "name": Sensitive(await self._user(place))}

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Ask whether the registry speaks version 2 of the interface: only users get an answer."""
        basic = base64.b64encode(f"{await self._user(place)}:{key}".encode()).decode()
        return Signed(f"https://{host}/v2/", {"Authorization": f"Basic {basic}"})

    async def _user(self, place: KeyPlace) -> str:
        return text_of(await self._source.known(place), "name") or place.name
