"""How two keys are listed and replaced: Resource Manager over the one JSON client.

The management library of one service is 2 to 30 MB and 300 files, and each has three calls of
interest here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

from cloud.azure import Azure
from cloud.rest.arm import Arm
from cloud.rest.client import Json
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    RekeyError,
    TransientError,
)
from rotators.shared.key_facts import Facts, Place, text_of

PUBLIC_CLOUD = "https://management.azure.com"


class KeySource:
    """The resources of one kind as Resource Manager shows them."""

    def __init__(self, azure: Azure, facts: Facts) -> None:
        self._public = azure.arm_endpoint == PUBLIC_CLOUD
        self._facts = facts
        self._arm = Arm(azure, facts.version, facts.role)
        self._reader = Arm(azure, facts.version, role="Reader")
        self._known: dict[str, Json] = {}

    async def list(self, place: Place) -> Json:
        """List the keys."""
        path = f"{_path(place.resource)}/{self._facts.lists}"
        return await self._arm.ask(path, f"listing the {self._facts.short}'s keys", place.resource)

    async def resources(self, scope: str, path: str) -> AsyncIterator[Json]:
        """Stream what a scope holds of a type, or a resource of its parts, page by page."""
        what = f"listing {path.rpartition('/')[2]}"
        async for row in self._reader.pages(f"{_path(scope)}/{path}", what, scope):
            yield row

    def is_off(self, resource: Json) -> bool:
        """Return whether a resource takes no keys."""
        name, off = self._facts.off
        state = (resource.get("properties") or {}).get(name) if name else None
        # A list names the ways in that are open; anything else is a switch.
        return off not in state if isinstance(state, list) else bool(name) and state == off

    async def replace(
        self, place: Place, name: str, operation: str, body: Json | None
    ) -> Json | None:
        """Replace one key, never twice; None where the change goes on after the answer."""
        return await self._arm.begin(
            f"{_path(place.resource)}/{operation}", body, f"regenerating {name}", place.resource
        )

    async def read(self, place: Place) -> Json:
        """Read the resource at the top: its switches, and where it is."""
        resource = await self._reader.read(
            _path(place.account), f"reading the {self._facts.short}", place.account
        )
        self._known[place.account] = resource
        return resource

    def is_known(self, place: Place) -> bool:
        """Return whether the resource at the top has been read."""
        return place.account in self._known

    async def known(self, place: Place) -> Json:
        """Return the resource at the top as it was read last, for what never changes."""
        return self._known.get(place.account) or await self.read(place)

    async def refuse_keyless(self, place: Place) -> None:
        """Raise NeedsHuman where keys are switched off."""
        name = self._facts.off[0]
        if name and self.is_off(await self.read(place)):
            raise NeedsHuman(
                f"the {self._facts.noun} does not accept keys (see its property {name})",
                where=place.account,
                fix=f"remove the secret, since consumers cannot use its value, or change {name}",
            )

    async def explained(self, place: Place, error: RekeyError) -> RekeyError:
        """Return why a request was refused: keys are switched off, or what the service said."""
        if isinstance(error, NotFound):
            return error
        try:
            await self.refuse_keyless(place)
        except (AccessDenied, NotFound, TransientError):
            return error
        except NeedsHuman as keyless:
            return keyless
        return error

    async def host(self, place: Place) -> str:
        """Return the host at which the keys are used: by convention, or as the resource says."""
        if self._public and self._facts.host:
            return self._facts.host.format(name=place.name)
        address = text_of(await self.known(place), "properties", self._facts.address)
        parts = urlsplit(address if "://" in address else f"https://{address}")
        if parts.scheme != "https" or not parts.hostname or parts.username:
            raise NeedsHuman(
                f"the {self._facts.noun} reports no address at which a key can be proven",
                where=place.account,
                fix="see whether the deployment of the resource has finished",
            )
        return parts.netloc.removesuffix(":443")


def _path(resource: str) -> str:
    return quote(resource, safe="/()~!$'*,;=:@&+")
