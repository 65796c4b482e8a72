"""What a kind may rely on: what its source says, never a tag alone; and what it leaves alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from conformance.contract import credential, expect, is_single
from conformance.faults import Broken, Striker
from conformance.instances import rotated
from conformance.scene import Begin, Scene
from engine.contract import Recognise, Tidy
from engine.errors import RekeyError, TransientError, VerificationFailed
from engine.secret import Sensitive

SILENT = 100
"""Calls in a row that are lost: more than any rotator makes in vain."""


async def a_wrong_tag_costs_nobody_a_credential(begin: Begin) -> None:
    """`CredentialId` names another credential than the vault holds, as only a person writes it."""
    scene = await begin()
    rotator = scene.rotator()
    if is_single(scene, rotator):
        return
    for _ in range(2):
        issued = await scene.issue(rotator)
        await _mistaken(scene, rotator, issued.credential_id)
        await rotated(scene, rotator)


async def _mistaken(scene: Scene, rotator: Any, tag: str) -> None:
    mistaken = {"held_id": tag, "proven": False}
    if isinstance(rotator, Recognise):
        with suppress(RekeyError):
            believed = (await rotator.recognise(scene.job(**mistaken))).credential_id == tag
            expect(not believed, "recognise believes the tag CredentialId, not the source (P4)")
    with suppress(RekeyError):
        await scene.issue(rotator, **mistaken)
    what = "issue believes the tag CredentialId of a version that a person wrote"
    expect(scene.held in await scene.live(), f"{what}, and cuts off the one held (P4)")


async def healing_leaves_the_other_credential_alone(begin: Begin) -> None:
    """With `in_place`, `issue` replaces what is held; the one before it is in its overlap."""
    scene = await begin()
    rotator = scene.rotator()
    before, single = scene.held, is_single(scene, rotator)
    await rotated(scene, rotator)
    healed = await scene.issue(rotator, in_place=True)
    live = await scene.live()
    expect(credential(rotator, healed).reveal() in live, "what is issued in place is not accepted")
    expect(single or before in live, "issue in place cuts off the one in its overlap (P4)")
    expect(healed.supersedes is None, "what is issued in place supersedes something")


async def any_id_means_any_credential(begin: Begin) -> None:
    """An empty id asks `accepts` whether the source takes a value, under whatever id."""
    scene = await begin()
    rotator = scene.rotator()
    accepted = await rotator.accepts(scene.source, "", Sensitive(scene.held))
    expect(accepted, "accepts refuses what the vault holds where no id is named")
    wrong = await rotator.accepts(scene.source, "", Sensitive(scene.sandbox.wrong))
    expect(not wrong, "accepts takes a wrong credential where no id is named (P3)")


async def a_proof_changes_nothing(begin: Begin) -> None:
    """`accepts` and `verify` try a credential without a side effect, however often."""
    scene = await begin()
    rotator = scene.rotator()
    issued = await scene.issue(rotator)
    await rotator.verify(scene.source, issued.credential_id, credential(rotator, issued))
    before = await scene.live()
    for value in (Sensitive(scene.held), Sensitive(scene.sandbox.wrong)) * 2:
        await rotator.accepts(scene.source, scene.held_id, value)
        await rotator.accepts(scene.source, issued.credential_id, value)
    expect(await scene.live() == before, "a proof changes the source")


async def tidying_spares_what_it_was_not_told_of(begin: Begin) -> None:
    """`tidy` removes what one operation made, but for the credential that it keeps."""
    scene = await begin()
    rotator: Any = scene.rotator()
    if not isinstance(rotator, Tidy):
        return
    operation, issued = scene.operation, await rotated(scene, rotator)
    both = await scene.live()
    await rotator.tidy(scene.source, scene.operation, keep=None)
    expect(await scene.live() == both, "tidy removes what another operation made (P5)")
    await rotator.tidy(scene.source, operation, keep=issued.credential_id)
    expect(await scene.live() == both, "tidy removes what it is told to keep (P1)")


async def silence_is_no_answer(begin: Begin) -> None:
    """Where the source answers no more, no method says yes or no, but raises a TransientError."""

    async def issue(scene: Scene, rotator: Any) -> None:
        await scene.issue(rotator)

    async def accept(scene: Scene, rotator: Any) -> None:
        accepted = await rotator.accepts(scene.source, scene.held_id, Sensitive(scene.held))
        expect(accepted, "accepts refuses what the vault holds (P5)")

    async def refuse(scene: Scene, rotator: Any) -> None:
        wrong = Sensitive(scene.sandbox.wrong)
        accepted = await rotator.accepts(scene.source, scene.held_id, wrong)
        expect(not accepted, "accepts takes a wrong credential (P3)")

    async def prove(scene: Scene, rotator: Any) -> None:
        await rotator.verify(scene.source, scene.held_id, Sensitive(scene.held))

    async def disprove(scene: Scene, rotator: Any) -> None:
        with suppress(VerificationFailed):
            await rotator.verify(scene.source, scene.held_id, Sensitive(scene.sandbox.wrong))
            raise Broken("verify accepts a wrong credential (P3)")

    async def retire(scene: Scene, rotator: Any) -> None:
        if not is_single(scene, rotator):
            issued = await scene.issue(scene.rotator())
            await scene.retire(rotator, scene.held_id, credential(rotator, issued))
            expect(scene.held not in await scene.live(), "retire revokes nothing (P5)")

    for act in (issue, accept, refuse, prove, disprove, retire):
        await _unanswered(begin, act)


async def _unanswered(begin: Begin, act: Callable[[Scene, Any], Awaitable[None]]) -> None:
    """Let the source fall silent at each call of `act`."""
    scene, sound = await begin(), Striker()
    await act(scene, scene.rotator(sound))
    for at, (name, _) in enumerate(sound.calls):
        scene, silent = await begin(), Striker(dict.fromkeys(range(at, at + SILENT), "unreachable"))
        where = f"call {at} ({name}) and all after it: unreachable"
        try:
            await act(scene, scene.rotator(silent))
        except TransientError:
            continue
        except Broken as broken:
            raise Broken(f"{broken}; {where}") from None
        except RekeyError as error:
            what = f"{act.__name__}: silence is no {type(error).__name__}: {error}"
            raise Broken(f"{what}; {where}") from None


EVIDENCE = (
    a_wrong_tag_costs_nobody_a_credential,
    healing_leaves_the_other_credential_alone,
    any_id_means_any_credential,
    a_proof_changes_nothing,
    tidying_spares_what_it_was_not_told_of,
    silence_is_no_answer,
)
