"""One instance of a kind serves every secret of the app, for days, beside other instances."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from conformance.contract import credential, expect, is_single, refused
from conformance.faults import Striker
from conformance.scene import Begin, Scene
from engine.contract import Issued, Job, Recognise
from engine.errors import PermanentError, RekeyError
from engine.secret import Sensitive

STALE = "an instance relies on what it saw before another one rotated"


async def rotated(scene: Scene, rotator: Any) -> Issued:
    """Issue in place of what is held, and let the vault hold it."""
    issued = await scene.issue(rotator)
    scene.hold(issued, credential(rotator, issued))
    return issued


async def what_another_instance_changed_is_noticed(begin: Begin) -> None:
    """One rotates, then another one once or twice, and then the first one again."""
    scene = await begin()
    first = scene.rotator()
    await rotated(scene, first)
    for times in (1, 2):
        for _ in range(times):
            await rotated(scene, scene.rotator())
        await _rotates_again(scene, first)
        await _recognises(scene, first)


async def _rotates_again(scene: Scene, first: Any) -> None:
    single, held_id, held = is_single(scene, first), scene.held_id, Sensitive(scene.held)
    await first.verify(scene.source, held_id, held)
    issued = await rotated(scene, first)
    live = await scene.live()
    expect(single or held.reveal() in live, f"{STALE}: issue cuts off what that one published (P4)")
    expect(scene.held in live, f"{STALE}: what it issues is not accepted")
    expect(single or issued.supersedes == held_id, f"{STALE}: issue names another one superseded")
    if not single:
        other, now = scene.rotator(), Sensitive(scene.held)
        await scene.retire(other, held_id, now, scene.held_id)
    accepted = await first.accepts(scene.source, held_id, held)
    expect(not accepted, f"{STALE}: accepts takes what another one revoked")


async def _recognises(scene: Scene, rotator: Any) -> None:
    if isinstance(rotator, Recognise):
        recognised = await rotator.recognise(scene.job(proven=False))
        expect(recognised.credential_id == scene.held_id, f"{STALE}: recognise names another one")


async def a_try_that_another_instance_repeated_may_come_again(begin: Begin) -> None:
    """Two tries of one operation by two instances, and a third one by the first of them."""
    scene = await begin()
    first, other = scene.rotator(), scene.rotator()
    for rotator in (first, other, first):
        issued = await scene.issue_again(rotator)
        live = await scene.live()
        expect(credential(rotator, issued).reveal() in live, f"{STALE}: its try is not accepted")
        expect(is_single(scene, rotator) or scene.held in live, f"{STALE}: the one held is cut off")


async def one_instance_serves_every_source(begin: Begin) -> None:
    """What it saw of one source says nothing of another one, not even while both are worked on."""
    scene = await begin()
    rotator: Any = scene.rotator(Turns())
    missing = rotator.canonical(scene.sandbox.missing, scene.tags)
    elsewhere = scene.job(source=missing)
    what = "issue works at a source that does not exist, after work at another one (P7)"
    both: tuple[Issued, RekeyError | None] = await asyncio.gather(
        scene.issue(rotator), _tried(rotator, elsewhere)
    )
    issued, other = both
    expect(isinstance(other, PermanentError), f"{what}; both at a time")
    new = credential(rotator, issued)
    expect(new.reveal() in await scene.live(), "work at two sources at a time is mixed up (P7)")
    scene.hold(issued, new)
    await refused(PermanentError, rotator.issue(scene.job(source=missing)), what)
    again = await scene.issue(rotator)
    live = await scene.live()
    expect(credential(rotator, again).reveal() in live, "issue fails after work at another source")


async def _tried(rotator: Any, job: Job) -> RekeyError | None:
    try:
        await rotator.issue(job)
    except RekeyError as error:
        return error
    return None


@dataclass
class Turns(Striker):
    """Lets whatever else is at work have its turn before each call."""

    async def call[T](self, name: str, effect: Any, *rest: Any, **options: Any) -> T:
        """Make one call."""
        await asyncio.sleep(0)
        result: T = await super().call(name, effect, *rest, **options)
        await asyncio.sleep(0)
        return result


INSTANCES = (
    what_another_instance_changed_is_noticed,
    a_try_that_another_instance_repeated_may_come_again,
    one_instance_serves_every_source,
)
