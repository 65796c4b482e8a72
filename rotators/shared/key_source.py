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
from rotators.shared.key_facts import Facts, KeyPlace, properties_of, text_of

PUBLIC_CLOUD = "https://management.azure.com"


class KeySource:
    """The resources of one kind as Resource Manager shows them."""

    def __init__(self, azure: Azure, facts: Facts, role: str) -> None:
        self._public = azure.arm_endpoint == PUBLIC_CLOUD
        self._facts = facts
        self._arm = Arm(azure, facts.version, role)
        self._reader = Arm(azure, facts.version, role="Reader")
        self._known: dict[str, Json] = {}

    async def list(self, place: KeyPlace) -> Json:
        """List the keys."""
        path = self._path(f"{place.resource}/{self._facts.lists}")
        return await self._arm.ask(path, f"listing the {self._facts.short}'s keys", place.resource)

    async def resources(self, scope: str, path: str) -> AsyncIterator[Json]:
        """Stream what a scope holds of a type, or a resource of its parts, page by page."""
        what = f"listing {path.rpartition('/')[2]}"
        async for row in self._reader.pages(self._path(f"{scope}/{path}"), what, scope):
            yield row

    def switch(self, resource: Json) -> str:
        """Return the property by which a resource takes no keys; empty where it takes them."""
        properties = properties_of(resource)
        return next(
            (
                name
                for name, off in self._facts.switches.items()
                if _switches(properties.get(name), off)
            ),
            "",
        )

    def way_off(self, resource: Json) -> str:
        """Return the property with the value that switches keys off, where the resource has one.

        A state is none: it says that the resource is of no use at all.
        """
        properties = properties_of(resource)
        for name, off in self._facts.switches.items():
            if name in properties and not isinstance(off, tuple):
                if isinstance(properties[name], list):
                    return f"{name} without {off}"
                return f"{name}={str(off).lower() if isinstance(off, bool) else off}"
        return ""

    async def replace(
        self, place: KeyPlace, name: str, operation: str, body: Json | None
    ) -> Json | None:
        """Replace one key, never twice; None where the change goes on after the answer."""
        path = self._path(f"{place.resource}/{operation}")
        return await self._arm.begin(path, body, f"regenerating {name}", place.resource)

    async def read(self, place: KeyPlace) -> Json:
        """Read the resource at the top: its switches, and where it is."""
        resource = await self._reader.read(
            self._path(place.account), f"reading the {self._facts.short}", place.account
        )
        self._known[place.account] = resource
        return resource

    def is_known(self, place: KeyPlace) -> bool:
        """Return whether the resource at the top has been read."""
        return place.account in self._known

    async def known(self, place: KeyPlace) -> Json:
        """Return the resource at the top as it was read last, for what never changes."""
        return self._known.get(place.account) or await self.read(place)

    def forget(self, place: KeyPlace) -> bool:
        """Forget where a resource is that does not answer there; return whether it was known.

        One that was deleted and made again may be elsewhere.
        """
        return self._known.pop(place.account, None) is not None

    async def refuse_keyless(self, place: KeyPlace) -> None:
        """Raise NeedsHuman where keys are switched off."""
        if not self._facts.switches:
            return
        if name := self.switch(await self._switched(place)):
            raise NeedsHuman(
                f"the {self._facts.noun} does not accept keys (see its property {name})",
                where=place.resource if self._facts.switched_below else place.account,
                fix=f"remove the secret, since consumers cannot use its value, or change {name}",
            )

    async def _switched(self, place: KeyPlace) -> Json:
        """Read the resource that has the switches."""
        return await (self.detail(place) if self._facts.switched_below else self.read(place))

    async def detail(self, place: KeyPlace) -> Json:
        """Read what lists the keys, where that is not the resource at the top alone."""
        return await self.at(place.resource)

    async def at(self, resource: str) -> Json:
        """Read a resource by its id."""
        what = f"reading {resource.split('/')[-2]}"
        return await self._reader.read(self._path(resource), what, resource)

    async def explained(self, place: KeyPlace, error: RekeyError) -> RekeyError:
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

    async def host(self, place: KeyPlace) -> str:
        """Return the host at which the keys are used: by convention, or as the resource says."""
        if self._public and self._facts.host:
            return self._facts.host.format(name=place.name)
        path = self._facts.addresses.get(place.top, self._facts.address).split(".")
        address = text_of(await self.known(place), "properties", *path)
        parts = urlsplit(address if "://" in address else f"https://{address}")
        if parts.scheme != "https" or not parts.hostname or parts.username:
            raise NeedsHuman(
                f"the {self._facts.noun} reports no address at which a key can be proven",
                where=place.account,
                fix="see whether the deployment of the resource has finished",
            )
        return parts.netloc.removesuffix(":443")

    def _path(self, path: str) -> str:
        """Return the path of a request, with the api-version where its type has its own."""
        written, inside = quote(path, safe="/()~!$'*,;=:@&+"), f"{path.lower()}/"
        versions = self._facts.versions.items()
        own = next((own for top, own in versions if f"/providers/{top}/" in inside), "")
        return f"{written}?api-version={own}" if own else written


def _switches(state: object, off: object) -> bool:
    """Return whether the state of a property switches keys off."""
    if isinstance(state, list):
        # It names the ways in that are open.
        return off not in state
    return state in off if isinstance(off, tuple) else state == off
