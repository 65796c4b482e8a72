"""Where a subscription of API Management is proven: at an operation that answers by itself.

A success alone proves nothing there, since an API may let everybody in. So a made-up key is always
tried beside the key, and must be refused.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote

from cloud.azure import Azure
from cloud.rest.data_plane import Answer, Signed
from engine.errors import NeedsHuman, RekeyError
from engine.ports import Clock
from rotators.shared.key_facts import SEGMENT, KeyPlace, text_of
from rotators.shared.key_proof import ProvenByRequest

OPERATION = "rekey-proof"
HEADER = "Ocp-Apim-Subscription-Key"


class Gateway(ProvenByRequest):
    """Two keys that a gateway asks for."""

    unproven_fix: ClassVar[str] = (
        f"give the API an operation GET {OPERATION} that answers by itself and wants a key, as the "
        "page of api-management-key shows"
    )

    def __init__(self, azure: Azure, clock: Clock) -> None:
        super().__init__(azure, clock)
        self._targets: dict[str, tuple[str, str]] = {}

    async def explained(self, place: KeyPlace, error: RekeyError) -> RekeyError:
        """Return why a key was not proven; the operation is looked up afresh the next time."""
        self._targets.pop(place.source, None)
        return await super().explained(place, error)

    def proves(self, answer: Answer) -> bool:
        """Return that no answer does by itself."""
        del answer
        return False

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Ask for the operation that proves keys."""
        if place.source not in self._targets:
            self._targets[place.source] = await self._target(place)
        path, header = self._targets[place.source]
        return Signed(f"https://{host}{path}", {header: key})

    async def _target(self, place: KeyPlace) -> tuple[str, str]:
        """Return the operation's path, and the header that has the key.

        A subscription of one API is good for that API alone; any other one is proven at an API
        that is called as the operation is.
        """
        scope = text_of(await self._source.detail(place), "properties", "scope")
        parent, _, name = scope.rpartition("/")
        if not parent.lower().endswith("/apis"):
            return f"/{OPERATION}", HEADER
        if not SEGMENT.fullmatch(name):
            raise NeedsHuman("the subscription's scope is no API's id", where=place.source)
        api = await self._source.at(f"{place.account}/apis/{name}")
        path = text_of(api, "properties", "path").strip("/")
        header = text_of(api, "properties", "subscriptionKeyParameterNames", "header")
        return f"/{quote(f'{path}/{OPERATION}'.lstrip('/'), safe='/')}", header or HEADER
