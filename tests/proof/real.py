"""One rotation and its retirement through Microsoft's SDKs, under a plan of faults.

Every kind, every strategy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from engine.errors import RekeyError
from engine.service import Service
from simulator.reach.sabotage import MODES, Died, Mode, Saboteur, share
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.proof.overheard import Overheard
from tests.proof.places import STORIES
from tests.rotators.sas_scenes import EXTENT, KEY, SAS
from tests.shared.delivery import Delivery
from tests.shared.edge import Edge
from tests.shared.edge_sources import Account, Passwords, Signatures, Source, logins
from tests.shared.edge_state import State
from tests.shared.graph_rig import GraphRig
from tests.shared.promises import (
    Broken,
    Ear,
    Place,
    Promises,
    emitted_to_host_storage,
    everything,
)
from tests.shared.sql_product import SqlProduct

DAY = 86400
PREFIX = "real:"
SHARED = (".vault.azure.net/", " rekeyhost.")
"""Whom every kind calls alike."""
SOON = 4


@dataclass
class Recorder(Saboteur):
    """A saboteur that says what it saw, so that a plan can be read and played again."""

    trace: list[str] = field(default_factory=list)
    edge: Edge | None = None
    """Who writes down what happens, if somebody does."""

    async def __call__(self, request: Request, call: Call) -> Response:
        """Let one call through, or strike."""
        mode = self.plan.get(self.calls, "")
        if not self.dead:
            self.trace.append(
                f"{self.calls:>4}  {request.method} {request.host}{request.path} {mode}"
            )
        return await (self._overheard if self.edge and not self.dead else super().__call__)(
            request, call
        )

    async def _overheard(self, request: Request, call: Call) -> Response:
        edge = self.edge
        assert edge
        edge.sent(request)
        if self.calls in self.plan:
            edge.say("fault")

        async def served() -> Response:
            response = await call()
            edge.served(request)
            return response

        response = None
        try:
            response = await super().__call__(request, served)
        except Exception:
            edge.answered(request, None)
            raise
        edge.answered(request, response)
        return response


@dataclass(frozen=True, slots=True)
class RealCase:
    """A kind and the faults at numbered calls: `real:storage-key@3:die after+9:forbid`."""

    place: str
    plan: tuple[tuple[int, Mode], ...] = ()

    def __str__(self) -> str:
        return f"{PREFIX}{self.place}@{'+'.join(f'{at}:{mode}' for at, mode in self.plan)}"

    @classmethod
    def parse(cls, text: str) -> RealCase:
        """Read what `str` wrote; raises ValueError."""
        name, _, plan = text.removeprefix(PREFIX).partition("@")
        faults = [part.partition(":") for part in plan.split("+") if part]
        if name not in STORIES or any(mode not in MODES for _, _, mode in faults):
            raise ValueError(f"{text!r} is not {PREFIX}<kind>@<call>:<fault>+…")
        return cls(name, tuple((int(at), cast("Mode", mode)) for at, _, mode in faults))


class Stage:
    """One case, from its request to the days after its overlap."""

    def __init__(self, case: RealCase, ear: Ear | None = None, *, witnessed: bool = False) -> None:
        """Set the scene; `ear` hears what is logged, and who is witnessed is overheard."""
        self.case, self._ear = case, ear
        self.place = STORIES[case.place]()
        self.rig = self.place.rig
        self.promises = Promises(self.place)
        self.saboteur = Recorder(dict(case.plan), self.promises.instant)
        self.delivery = Delivery(self.rig, self.start)
        self.edge = self.saboteur.edge = self._edge() if witnessed else None

    def _edge(self) -> Edge:
        rig = self.rig
        state = State(rig.world, rig.vault.name, rig.host.name, sources(self.place))
        return Edge(state, str(self.case))

    def start(self) -> Service:
        """Start a fresh process."""
        self.saboteur.revive()
        service = self.rig.service(self.saboteur)
        return cast("Service", Overheard(service, self.edge)) if self.edge else service

    async def rotate(self) -> None:
        """Ask for the rotation; deliver until nothing is left, nor due within an hour."""
        version = self.rig.latest(self.place.name).version
        item = self.rig.item(
            self.place.name, version=version, trigger="event", compromised=self.place.compromised
        )
        await self.rig.service().engine.queue.post_rotation(item)
        await self.delivery.run()
        await self.delivery.recheck(self.rig.clock.now() + timedelta(hours=1))

    async def play(self) -> None:
        """Rotate; wait out what a refusal parked.

        Let the overlap pass and retire; then come daily audits.
        """
        await self.rotate()
        for days in (1, 8, 1, 1, 8, 1):
            self.rig.clock.advance(days * DAY + 60)
            await self.sweep()
            if days == 1 and self._settled():
                break
        self.promises.settled()
        self._nothing_leaked()

    def _settled(self) -> bool:
        try:
            self.promises.settled()
        except Broken:
            return False
        return True

    async def sweep(self) -> None:
        """Sweep, with the whole day's audits, as the queue would let it.

        Until it comes to an end.
        """
        now = self.rig.clock.now().timestamp()
        since = (
            self.rig.clock.now().fromtimestamp(now - DAY, self.rig.clock.now().tzinfo).isoformat()
        )
        for _ in range(4):
            try:
                await self.start().sweep_vault(
                    f'{{"vault": "{self.rig.vault.url}", "since": "{since}"}}'
                )
            except Died:
                continue
            except RekeyError as error:
                self.delivery.errors.append(error)
                continue
            break
        await self.delivery.run()

    def _nothing_leaked(self) -> None:
        heard = self._ear.heard if self._ear else []
        emitted = "\n".join(
            [*heard, *map(everything, self.delivery.errors), emitted_to_host_storage(self.rig)]
        )
        if any(value in emitted for value in self.promises.planted):
            raise Broken("P6: a value leaked")


def play(case: RealCase) -> tuple[str | None, Sequence[str]]:
    """Play a case; returns which promise was broken, and how, or None, with the trace."""

    async def run() -> tuple[str | None, Sequence[str]]:
        stage = Stage(case)
        try:
            await stage.play()
        except AssertionError as broken:
            return str(broken), stage.saboteur.trace
        return None, stage.saboteur.trace

    return asyncio.run(run())


def sources(place: Place) -> Mapping[str, Source]:
    """Return what stands behind each secret of a story of which a history is written."""
    rig, now = place.rig, place.rig.clock.now
    if isinstance(rig, SqlProduct):
        return {place.name: logins(rig.server, now)}
    if isinstance(rig, GraphRig):
        return {place.name: Passwords(rig.app, now)}
    account, began = Account(rig.world.accounts["appdata"]), now()
    if place.name != SAS:
        return {place.name: account}
    extent = EXTENT.removeprefix("sas/")
    signed = Signatures(account, extent, lambda at: (at - began).total_seconds())
    return {SAS: signed, KEY: account}


KINDS = ("storage-key", "storage-sas", "service-principal-secret", "sql-admin", "sql-login")
WITNESSED = tuple(
    name for name in STORIES if name.startswith(KINDS) and not name.endswith("of a user")
)
"""The stories of which histories are written: one at least for each strategy."""


def is_witnessed(text: str) -> bool:
    """Return whether a history of a case can be written."""
    return RealCase.parse(text).place in WITNESSED


def history(case: RealCase) -> tuple[str | None, list[str]]:
    """Play a case; returns which promise was broken, and how, or None, with its history."""
    stage = Stage(case, witnessed=True)
    assert stage.edge
    problem = None
    try:
        asyncio.run(stage.play())
    except AssertionError as broken:
        problem = str(broken)
    stage.edge.say("end")
    return problem, stage.edge.lines


def calls_of(place: str) -> int:
    """Count the calls of a kind when everything goes well."""
    return len(play(RealCase(place))[1])


def own_calls(trace: Sequence[str]) -> list[int]:
    """Return the numbers of a story's calls to its source: each other one when it comes first."""
    first: dict[str, int] = {}
    for at, call in enumerate(trace):
        if not any(service in call for service in SHARED):
            first.setdefault(call.split(maxsplit=1)[1], at)
    return list(first.values())


def singles(place: str, own: int, shared: int, every: int) -> Iterator[RealCase]:
    """Yield faults at calls, so many of the six at each, in turn.

    `own`: at each call to the kind's source. `shared`: at those that every kind makes alike, one
    in `every` of them.
    """
    for at, call in enumerate(play(RealCase(place))[1]):
        is_shared = any(service in call for service in SHARED)
        if is_shared and at % every:
            continue
        turn = at // every if is_shared else at
        for mode in share(turn, shared if is_shared else own):
            yield RealCase(place, ((at, mode),))


def pairs(place: str) -> Iterator[RealCase]:
    """Yield every pair of faults of which the second strikes during the recovery from the first."""
    for first in range(calls_of(place)):
        for second in range(first + 1, first + 1 + SOON):
            for mode in MODES:
                for other in MODES:
                    yield RealCase(place, ((first, mode), (second, other)))
