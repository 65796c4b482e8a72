"""An HTTPS endpoint on the stand: a real one, perhaps on localhost, over real TLS.

It is looked at as Rekey looks at it, by its own `verify`, and its source lives on from scene to
scene. So each scene begins with whatever the endpoint accepts by then, and removes what the scene
before left behind.
"""

from __future__ import annotations

import ssl
import string
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport

from cloud.azure import Azure
from cloud.rest.signing import SigningKey
from conformance.endpoint_file import Plan
from conformance.faults import Broken, Mode, Striker
from conformance.hearing import Heard
from conformance.kit import Check
from conformance.memory import KitClock
from conformance.sandbox import Calls
from conformance.scene import Begin, Scene
from conformance.signatures import Sent, Signatures
from engine.contract import Rotator
from engine.errors import ConfigError, TransientError
from engine.secret import Sensitive
from rotators.own.endpoint import rotator

MISSING = "no-such-source"
"""A name that no endpoint may know."""
DIGITS, LETTERS = string.digits, string.ascii_letters
NEXT = str.maketrans(DIGITS + LETTERS, DIGITS[1:] + DIGITS[0] + LETTERS[1:] + LETTERS[0])
"""Turns a value into another one of the same form."""
STATUSES: Mapping[Mode, int] = {"throttle": 429, "forbid": 403}


class RealTime(KitClock):
    """The kit's clock with the real time of day, which the endpoint compares with its own."""

    def __init__(self, kit: KitClock) -> None:
        super().__init__()
        self._kit = kit

    def now(self) -> datetime:
        """Return the real time of day."""
        return KitClock().now()

    async def sleep(self, seconds: float) -> None:
        """Move the kit's time on."""
        await self._kit.sleep(seconds)


class StruckTransport(AsyncHttpTransport[Any, Any]):
    """Real HTTP over shared connections, through the calls of a scene."""

    def __init__(self, calls: Calls, stand: EndpointStand) -> None:
        self._calls, self._stand = calls, stand

    async def send(self, request: Any, **options: Any) -> Any:
        """Send one request, unless the scene says otherwise."""

        def refuse(mode: Mode) -> Any:
            return _Refusal(request, STATUSES[mode])

        path = urlsplit(request.url).path
        changes = not path.endswith("/verify")

        async def sent() -> Any:
            self._stand.changes += changes
            self._stand.sent.append(Sent.of(request))
            return await self._stand.transport.send(request, **options)

        with suppress(ConnectionError):
            return await self._calls(f"POST {path}", sent, refuse, changes=changes)
        raise ServiceRequestError("lost on its way")

    async def open(self) -> None:
        """Leave the connections to the stand."""

    async def close(self) -> None:
        """Leave the connections to the stand."""

    async def __aexit__(self, *_: object) -> None:
        """Leave the connections to the stand."""


class _Refusal:
    """An answer that no endpoint gave."""

    def __init__(self, request: Any, status: int) -> None:
        self.request, self.status_code, self.reason = request, status, "struck"
        self.headers: Mapping[str, str] = {"Retry-After": "7"} if status == 429 else {}  # noqa: PLR2004
        self.content_type = None

    async def close(self) -> None:
        """Close nothing."""


@dataclass(frozen=True)
class EndpointSandbox:
    """An endpoint's source, as a scene sees it."""

    stand: EndpointStand
    clock: KitClock
    held_id: str
    value: str = field(repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The ProviderAddress."""
        return f"/kinds/{self.stand.kind}/{self.stand.plan.source}"

    @property
    def missing(self) -> str:
        """The ProviderAddress of a source that the endpoint must not know."""
        return f"/kinds/{self.stand.kind}/{MISSING}"

    @property
    def wrong(self) -> str:
        """A value of the same form as the one held."""
        return self.value.translate(NEXT)

    def rotator(self, calls: Calls) -> Rotator:
        """Return the rotator as the product has it, over real TLS."""
        plan = self.stand.plan

        async def key() -> SigningKey:
            return plan.key

        options = {"transport": StruckTransport(calls, self.stand)}
        # Nothing here signs in to Azure.
        azure = Azure(None, options=options)  # type: ignore[arg-type]
        return rotator(plan.endpoint, azure, RealTime(self.clock), key)

    async def held(self) -> str:
        """Return what the vault holds."""
        return self.value

    async def live(self) -> set[str]:
        """Return which of the values seen the endpoint accepts now; asked anew after a change."""
        if self.stand.known[0] != (self.stand.changes, len(self.stand.seen)):
            values = frozenset(value for _, value in await self.accepted())
            self.stand.known = ((self.stand.changes, len(self.stand.seen)), values)
        return set(self.stand.known[1])

    async def accepted(self) -> list[tuple[str, str]]:
        """Return the ids and values that the endpoint accepts now."""
        probe, source = self.rotator(Striker().call), self.address.lower()
        return [
            (credential_id, value)
            for credential_id, value in self.stand.seen
            if await probe.accepts(source, credential_id, Sensitive(value))
        ]


@dataclass
class EndpointStand:
    """One endpoint, whose source lives on from scene to scene."""

    plan: Plan
    transport: AioHttpTransport
    seen: dict[tuple[str, str], None] = field(default_factory=dict)
    """Ids with the values that were issued under them, in their order."""
    changes: int = 0
    """How many requests were sent that may have changed something."""
    known: tuple[tuple[int, int], frozenset[str]] = ((-1, 0), frozenset())
    """After how many changes, and of how many values, which ones were accepted."""
    sent: list[Sent] = field(default_factory=list)
    """Every request of the scene."""

    @classmethod
    def at(cls, plan: Plan) -> EndpointStand:
        """Stand before an endpoint; called inside the event loop."""
        import aiohttp

        # One context for all requests: a transport that is given a file makes one for each, and
        # then no connection is used twice.
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=plan.ca_file))
        session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        transport = AioHttpTransport(session=session)
        return cls(plan, transport, {(plan.held_id, plan.held): None})

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return self.plan.endpoint.kind

    @property
    def checks(self) -> tuple[Check, ...]:
        """What is checked besides what every kind promises."""
        return Signatures(self).checks

    @property
    def key(self) -> SigningKey:
        """The key that the endpoint knows."""
        return self.plan.key

    async def reach(self) -> None:
        """Raise ConfigError unless the endpoint answers, and accepts what the file says it does."""
        problem = "it refuses held: write what it accepts now, or correct its verify"
        try:
            if await EndpointSandbox(self, KitClock(), "", "").accepted():
                return
        except TransientError as error:
            problem = str(error)
        raise ConfigError([f"{self.plan.endpoint.url} cannot be played: {problem}"])

    async def status(self, request: Sent) -> int:
        """Send a request as it is, and return the status of its answer."""
        from azure.core.rest import HttpRequest

        headers = dict(request.headers)
        made = HttpRequest("POST", request.url, headers=headers, content=request.body)
        response = await self.transport.send(made)
        self.changes += 1
        return int(response.status_code)

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    def begin(self, heard: Heard) -> Begin:
        """Return what sets scenes: each begins with what the endpoint accepts by then."""
        heard.issued = self.seen

        async def scene() -> Scene:
            clock = KitClock()
            held_id, value = await self._left(clock)
            heard.values.add(value)
            sandbox = EndpointSandbox(self, clock, held_id, value)
            return Scene(self.kind, clock, sandbox, heard, value, held_id)

        return scene

    async def _left(self, clock: KitClock) -> tuple[str, str]:
        """Return the newest credential that works, and remove the others that were seen."""
        sandbox = EndpointSandbox(self, clock, "", "")
        live = await sandbox.accepted()
        if not live:
            raise Broken("the endpoint accepts none of the credentials that it has issued (P1)")
        *others, held = live
        source, probe = sandbox.address.lower(), sandbox.rotator(Striker().call)
        for credential_id, _ in others:
            await probe.retire(source, credential_id, Sensitive(held[1]), held[0])
        self.seen.clear()
        self.sent.clear()
        self.seen[held] = None
        self.known = ((-1, 0), frozenset())
        return held
