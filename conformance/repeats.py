"""Whatever happens at any call of a method, the next process does it again: as checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from conformance.contract import credential, expect, is_single
from conformance.faults import Broken, Died, Striker, plans
from conformance.scene import Begin, Scene
from engine.contract import Issued, Tidy, Undo
from engine.errors import NeedsHuman, RekeyError
from engine.secret import Sensitive

LATER = 60.0
"""Seconds after which a change that takes its time has come to its end."""


async def issuing_may_be_repeated_after_any_fault(begin: Begin) -> None:
    """A fault at any call of `issue`, and the next process issues again."""

    async def act(scene: Scene, rotator: Any, _: object) -> None:
        before = await scene.live()
        try:
            await scene.issue(rotator)
        except RekeyError as error:
            is_sure = isinstance(error, NeedsHuman) or error.unsent
            what = f"{type(error).__name__} promises that nothing was changed: {error}"
            expect(not is_sure or await scene.live() == before, what)
            raise

    async def check(scene: Scene, rotator: Any, _: object) -> None:
        issued = await scene.issue_again(rotator)
        live, single = await scene.live(), is_single(scene, rotator)
        expect(credential(rotator, issued).reveal() in live, "what is issued then is not accepted")
        expect(single or scene.held in live, "the one held is cut off (P4)")
        expect(len(live) <= (1 if single else 2), "a credential is left behind (P5)")

    await _struck(begin, act, check)


async def proving_may_be_repeated_after_any_fault(begin: Begin) -> None:
    """A fault at any call of `verify`, and the next process proves again."""

    async def prove(scene: Scene, rotator: Any, _: object) -> None:
        await rotator.verify(scene.source, scene.held_id, Sensitive(scene.held))

    await _struck(begin, prove, prove)


async def retiring_may_be_repeated_after_any_fault(begin: Begin) -> None:
    """A fault at any call of `retire`, and the next process retires again."""

    async def prepare(scene: Scene) -> Issued | None:
        rotator = scene.rotator()
        return None if is_single(scene, rotator) else await scene.issue(rotator)

    async def act(scene: Scene, rotator: Any, issued: Issued | None) -> None:
        if issued:
            new = credential(rotator, issued)
            await scene.retire(rotator, str(issued.supersedes), new)

    async def check(scene: Scene, rotator: Any, issued: Issued | None) -> None:
        await act(scene, rotator, issued)
        live = await scene.live()
        expect(not issued or scene.held not in live, "the superseded one stays alive (P5)")
        expect(
            not issued or credential(rotator, issued).reveal() in live, "the one held is gone (P1)"
        )

    await _struck(begin, act, check, prepare)


async def tidying_may_be_repeated_after_any_fault(begin: Begin) -> None:
    """A fault at any call of `tidy`, and the next process tidies again."""

    async def prepare(scene: Scene) -> Issued | None:
        rotator: Any = scene.rotator()
        tidies = isinstance(rotator, Tidy)
        return await scene.issue(scene.rotator()) if tidies else None

    async def act(scene: Scene, rotator: Any, issued: Issued | None) -> None:
        if issued:
            await rotator.tidy(scene.source, scene.job().operation, keep=None)

    async def check(scene: Scene, rotator: Any, issued: Issued | None) -> None:
        await act(scene, rotator, issued)
        expect(not issued or await scene.live() == {scene.held}, "tidy leaves something (P5)")

    await _struck(begin, act, check, prepare)


async def setting_back_may_be_repeated_after_any_fault(begin: Begin) -> None:
    """A fault at any call of `undo`, and the next process sets back what is held again."""

    async def prepare(scene: Scene) -> None:
        await scene.issue(scene.rotator())

    async def act(scene: Scene, rotator: Any, _: object) -> None:
        if isinstance(rotator, Undo):
            undoing: Any = rotator
            await undoing.undo(scene.job(), Sensitive(scene.held))

    async def check(scene: Scene, rotator: Any, _: object) -> None:
        await act(scene, rotator, None)
        undone = not isinstance(rotator, Undo) or await scene.live() == {scene.held}
        expect(undone, "undo does not set back what the vault holds (P1)")

    await _struck(begin, act, check, prepare)


async def _nothing(scene: Scene) -> None:
    del scene


async def _struck(
    begin: Begin,
    act: Callable[[Scene, Any, Any], Awaitable[object]],
    check: Callable[[Scene, Any, Any], Awaitable[object]],
    prepare: Callable[[Scene], Awaitable[Any]] = _nothing,
) -> None:
    """Let every fault strike every call of `act`, and have a fresh process check."""
    scene, sound = await begin(), Striker()
    prepared = await prepare(scene)
    await act(scene, scene.rotator(sound), prepared)
    for at, mode, name in plans(sound.calls):
        scene = await begin()
        prepared = await prepare(scene)
        try:
            with suppress(Died, RekeyError):
                await act(scene, scene.rotator(Striker({at: mode})), prepared)
            # A change that takes its time comes to its end.
            scene.clock.advance(LATER)
            await check(scene, scene.rotator(), prepared)
        except (Broken, RekeyError) as error:
            what = error if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
            raise Broken(f"{what}; call {at} ({name}): {mode}") from None


REPEATS = (
    issuing_may_be_repeated_after_any_fault,
    proving_may_be_repeated_after_any_fault,
    retiring_may_be_repeated_after_any_fault,
    tidying_may_be_repeated_after_any_fault,
    setting_back_may_be_repeated_after_any_fault,
)
