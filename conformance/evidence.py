"""What a kind may rely on: what its source says, never a tag alone; and what it leaves alone."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from conformance.contract import credential, expect, is_single
from conformance.instances import rotated
from conformance.scene import Begin, Scene
from engine.contract import Recognise, Tidy
from engine.errors import RekeyError
from engine.secret import Sensitive


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


EVIDENCE = (
    a_wrong_tag_costs_nobody_a_credential,
    healing_leaves_the_other_credential_alone,
    any_id_means_any_credential,
    a_proof_changes_nothing,
    tidying_spares_what_it_was_not_told_of,
)
