"""Time in which nothing changes, most of which is left out.

An incident that only people can end is tried again every quarter of an hour for a month, and a
change that does not end is asked about every three minutes for a day. Once a dozen ticks of the timer
in a row have changed nothing that lasts, the others are left out, but those of the last hour: the
world is as it was, and everything that is due falls due so much later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.contract import LONGEST_CHANGE
from engine.state.record import Record
from engine.state.record_parts import Change
from engine.state.request import TRIED_ON, WorkItem
from engine.state.sweep_order import SweepOrder
from tests.proof.kernel import EPOCH
from tests.proof.seen import held_by, is_failing
from tests.proof.sources import Slots
from tests.proof.world import TICK, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

ENOUGH = 12
"""How many tries in a row change nothing before the others are left out."""
LAST = timedelta(hours=1)
"""What is played before a request is given up, or something falls due."""


@dataclass
class Stillness:
    """Since how many ticks of the timer nothing has changed that lasts."""

    before: object = None
    ticks: int = 0

    def leap(self, world: World) -> float:
        """Return how many seconds a tick leaves out, whole periods of the timer; 0 for none."""
        lasts = _lasting(world)
        is_still = lasts == self.before and not world.messages and not is_failing(world)
        self.ticks = self.ticks + 1 if is_still else 0
        self.before = lasts
        if self.ticks < ENOUGH:
            return 0.0
        self.ticks = 0
        now = world.kernel.now()
        left = min(_dues(world, now), default=now) - LAST - now
        return max(left.total_seconds() // TICK * TICK, 0.0)


def put_off(world: World, seconds: float) -> None:
    """Let everything that the timer asks for fall due so much later."""
    later = timedelta(seconds=seconds)
    for name, (text, due) in world.requests.items():
        world.requests[name] = (text, due + later)
        world.promised[name] += seconds
    for claim in (*world.claims.values(), *world.far.values()):
        if at := claim.record.change.recheck_at:
            claim.record = claim.record.with_recheck(at + later)


def _lasting(world: World) -> object:
    claims = [*world.claims.items(), *world.far.items()]
    return (
        [(ref, tuple(versions)) for ref, versions in world.vault.items()],
        [(name, held_by(world, name)) for name in world.sources],
        [(source, _untimed(claim.record)) for source, claim in claims],
        {*world.requests},
    )


def _untimed(record: Record) -> Record:
    change = Change(version=record.change.version, password_unknown=record.change.password_unknown)
    verified = replace(record.verified, at=None, notified_at=None)
    return replace(record, change=change, verified=verified)


def _reported(text: str, now: datetime) -> datetime | None:
    """Return when the incident was reported that a stored order or item is of."""
    if "incident" in json.loads(text):
        incident = SweepOrder.from_json(text, now).incident
        return incident.reported if incident else None
    item = WorkItem.from_json(text)
    return item.reported_at if item.compromised else None


def _dues(world: World, now: datetime) -> Iterator[datetime]:
    """Yield when incidents and changes are given up, changes end, and retirements fall due."""
    for text, _ in world.requests.values():
        if reported := _reported(text, now):
            yield reported + TRIED_ON
    for claim in (*world.claims.values(), *world.far.values()):
        change, due = claim.record.change, [it.at for it in claim.record.to_retire]
        due += [change.uncertain_until] if change.uncertain_until else []
        yield from (at for at in due if at > now)
        if change.in_progress_since:
            yield change.in_progress_since + LONGEST_CHANGE
    for source in world.sources.values():
        if isinstance(source, Slots) and source.lasting and (lasting := source.lasting.change):
            yield EPOCH + timedelta(seconds=lasting.ends)
