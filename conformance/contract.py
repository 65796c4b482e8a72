"""What engine/contract.py promises, as checks; each gets a fresh scene and raises Broken."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from conformance.faults import Broken
from conformance.sandbox import Slow
from conformance.scene import Begin, Scene
from engine.contract import Issued, Preflight, Recognise, Undo
from engine.errors import NeedsHuman, PermanentError, RekeyError, VerificationFailed
from engine.secret import Sensitive

NONSENSE = (
    "",
    "nonsense",
    "/subscriptions/x",
    "https://example.com",
    "/kinds/another-kind/orders",
    "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90",
    "/subscriptions/s1/resourcegroups/g1/providers/microsoft.storage/storageaccounts/acc1",
)
"""Addresses that belong to nobody, or to another kind."""
SPREADING = 20.0


def expect(condition: object, broken: str) -> None:
    """Raise Broken unless the condition holds."""
    if not condition:
        raise Broken(broken)


async def refused(error: type[RekeyError], work: Awaitable[object], broken: str) -> RekeyError:
    """Return the error that work raises; raises Broken if it raises none of this class."""
    try:
        await work
    except error as problem:
        return problem
    except RekeyError as problem:
        raise Broken(f"{broken}, but raises {type(problem).__name__}: {problem}") from None
    raise Broken(broken)


def credential(rotator: Any, issued: Issued) -> Sensitive:
    """Return the credential itself."""
    return issued.fields[rotator.value_field]


def is_single(scene: Scene, rotator: Any) -> bool:
    """Return whether a new credential replaces the live one."""
    return bool(rotator.single_slot(scene.tags))


async def an_address_has_one_spelling(begin: Begin) -> None:
    """`canonical` knows one spelling of each source, and no address of anybody else."""
    scene = await begin()
    rotator, address = scene.rotator(), scene.sandbox.address
    spelled = rotator.canonical(f" {address}/ ", scene.tags)
    expect(spelled == scene.source, "an address with blanks around it is another source")
    again = rotator.canonical(scene.source, scene.tags)
    expect(again in (None, scene.source), "the canonical spelling has a canonical spelling itself")
    for foreign in NONSENSE:
        claimed = foreign != address and rotator.canonical(foreign, {"Rotator": scene.kind})
        expect(not claimed, f"canonical claims {foreign!r}, which is no source of the kind")


async def what_the_vault_holds_is_accepted(begin: Begin) -> None:
    """The sandbox begins with a credential that works, so that what follows means something."""
    scene = await begin()
    rotator = scene.rotator()
    live = await scene.live()
    expect(scene.held in live, "the sandbox itself does not accept what the vault holds")
    await rotator.verify(scene.source, scene.held_id, Sensitive(scene.held))
    accepted = await rotator.accepts(scene.source, scene.held_id, Sensitive(scene.held))
    expect(accepted, "accepts refuses what the vault holds")
    expect(len(scene.striker.calls) > 0, "no call goes through `calls`, so no fault can strike")


async def a_new_credential_is_accepted(begin: Begin) -> None:
    """`issue` makes a credential beside the one held, or in its place where there is one slot."""
    scene = await begin()
    rotator = scene.rotator()
    issued = await scene.issue(rotator)
    new = credential(rotator, issued)
    await rotator.verify(scene.source, issued.credential_id, new)
    live = await scene.live()
    expect(new.reveal() in live, "verify accepts a new credential that the source does not accept")
    if is_single(scene, rotator):
        expect(live == {new.reveal()}, "the single slot accepts more than the new credential")
        expect(issued.supersedes is None, "with a single slot nothing is left to supersede")
        return
    expect(scene.held in live, "issue cuts off the credential that the vault holds (P4)")
    expect(issued.supersedes == scene.held_id, "issue does not name what it supersedes")
    expect(issued.credential_id != scene.held_id, "the new credential has the old one's id")


async def every_credential_is_a_new_one(begin: Begin) -> None:
    """Two rotations in a row have two values."""
    scene = await begin()
    rotator = scene.rotator()
    first = await scene.issue(rotator)
    value = credential(rotator, first)
    values = {scene.held, value.reveal()}
    scene.hold(first, value)
    second = await scene.issue(rotator)
    values |= {credential(rotator, second).reveal()}
    expect(len(values) > 2, "issue answers the same credential twice")  # noqa: PLR2004


async def a_wrong_credential_is_refused(begin: Begin) -> None:
    """`verify` and `accepts` prove something: what the source never made is refused."""
    scene = await begin()
    rotator = scene.rotator()
    issued = await scene.issue(rotator)
    wrong, where = Sensitive(scene.sandbox.wrong), (scene.source, issued.credential_id)
    scene.heard.values.add(scene.sandbox.wrong)
    await refused(
        VerificationFailed, rotator.verify(*where, wrong), "verify accepts a wrong credential (P3)"
    )
    expect(not await rotator.accepts(*where, wrong), "accepts a wrong credential (P3)")
    for nonsense in ("", " ", "ü"):
        work = rotator.verify(*where, Sensitive(nonsense))
        await refused(PermanentError, work, f"verify accepts {nonsense!r} (P3)")


async def a_proof_waits_until_a_credential_has_spread(begin: Begin) -> None:
    """A new credential may be refused at first; one that never spreads fails in the end."""
    scene = await begin()
    if not isinstance(scene.sandbox, Slow):
        return
    rotator = scene.rotator()
    scene.sandbox.spread_slowly(SPREADING)
    issued = await scene.issue(rotator)
    await rotator.verify(scene.source, issued.credential_id, credential(rotator, issued))
    scene = await begin()
    rotator = scene.rotator()
    assert isinstance(scene.sandbox, Slow)  # noqa: S101 - every scene is of one class
    scene.sandbox.spread_slowly(86_400)
    issued = await scene.issue(rotator)
    proof = rotator.verify(scene.source, issued.credential_id, credential(rotator, issued))
    await refused(VerificationFailed, proof, "verify accepts what has not spread")


async def retiring_twice_revokes_the_superseded_credential(begin: Begin) -> None:
    """`retire` revokes it, leaves the new one, and may be repeated."""
    scene = await begin()
    rotator = scene.rotator()
    if is_single(scene, rotator):
        return
    issued = await scene.issue(rotator)
    new = credential(rotator, issued)
    for _ in range(2):
        await scene.retire(rotator, str(issued.supersedes), new)
        live = await scene.live()
        expect(scene.held not in live, "retire leaves the superseded credential alive (P5)")
        expect(new.reveal() in live, "retire revokes the credential that the vault holds (P1)")


async def the_credential_held_is_never_revoked(begin: Begin) -> None:
    """`retire` raises NeedsHuman rather than revoke what the vault holds, or may hold."""
    scene = await begin()
    rotator = scene.rotator()
    if is_single(scene, rotator):
        return
    for held in (Sensitive(scene.held), None):
        work = rotator.retire(scene.source, scene.held_id, held)
        what = (
            "the credential held"
            if held
            else "a credential of which nobody knows that it is not held"
        )
        problem = ""
        try:
            await refused(NeedsHuman, work, f"retire does not refuse to revoke {what} (P1)")
        except Broken as broken:
            problem = str(broken)
        expect(scene.held in await scene.live(), f"retire revokes {what} (P1)")
        expect(not problem, problem)


async def what_is_no_id_is_never_retired(begin: Begin) -> None:
    """An id that the kind never has is a mistake in a tag."""
    scene = await begin()
    rotator = scene.rotator()
    if is_single(scene, rotator):
        return
    work = rotator.retire(scene.source, "not an id", Sensitive(scene.held))
    await refused(NeedsHuman, work, "retire takes any text for an id")
    expect(scene.held in await scene.live(), "retire with a wrong id revokes something (P1)")


async def a_missing_source_is_named(begin: Begin) -> None:
    """An error says which source is not there, and what to do; there is nothing left to retire."""
    scene = await begin()
    rotator = scene.rotator()
    source = rotator.canonical(scene.sandbox.missing, scene.tags)
    expect(source, "canonical does not take the sandbox's address of a missing source")
    work = rotator.issue(scene.job(source=source))
    error = await refused(PermanentError, work, "issue at a source that does not exist")
    expect(source in str(error) and error.fix, "the error names neither the source nor a fix")
    with suppress(RekeyError):
        accepted = await rotator.accepts(source, scene.held_id, Sensitive(scene.held))
        expect(not accepted, "accepts takes a credential of a source that does not exist (P3)")
    if not is_single(scene, rotator):
        await rotator.retire(source, scene.held_id, Sensitive("something newer"))


async def tries_of_one_operation_never_pile_up(begin: Begin) -> None:
    """However often an operation is tried, there are two credentials at most.

    What an earlier try made may have been revoked since: a repeated one works nevertheless.
    """
    scene = await begin()
    rotator = scene.rotator()
    single, held = is_single(scene, rotator), Sensitive(scene.held)
    for revoked in (False, False, True, False):
        issued = await scene.issue_again(rotator)
        if revoked and not single:
            await scene.retire(rotator, issued.credential_id, held, scene.held_id)
            issued = await scene.issue(rotator)
        live = await scene.live()
        expect(credential(rotator, issued).reveal() in live, "a repeated try is not accepted")
        expect(single or scene.held in live, "a repeated try cuts off the one held (P4)")
        expect(len(live) <= (1 if single else 2), "tries of one operation pile up (P5)")


async def looking_changes_nothing(begin: Begin) -> None:
    """`preflight` and `recognise` only look."""
    scene = await begin()
    rotator = scene.rotator()
    before = await scene.live()
    if isinstance(rotator, Preflight):
        await rotator.preflight(scene.job())
        await rotator.preflight(scene.job(proven=False))
    if isinstance(rotator, Recognise):
        recognised = await rotator.recognise(scene.job(proven=False))
        expect(recognised.credential_id == scene.held_id, "recognise names another credential")
    expect(await scene.live() == before, "a look changes the source")


async def a_password_can_be_set_back(begin: Begin) -> None:
    """`undo` makes a single slot accept again what the vault holds."""
    scene = await begin()
    rotator = scene.rotator()
    if not isinstance(rotator, Undo):
        return
    undoing: Any = rotator
    await scene.issue(undoing)
    await undoing.undo(scene.job(), Sensitive(scene.held))
    await undoing.verify(scene.source, scene.held_id, Sensitive(scene.held))
    expect(await scene.live() == {scene.held}, "undo does not set back what the vault holds (P1)")
    again = credential(rotator, await scene.issue(undoing))
    expect(await scene.live() == {again.reveal()}, "what is issued after an undo is not accepted")


CHECKS = (
    an_address_has_one_spelling,
    what_the_vault_holds_is_accepted,
    a_new_credential_is_accepted,
    every_credential_is_a_new_one,
    a_wrong_credential_is_refused,
    a_proof_waits_until_a_credential_has_spread,
    retiring_twice_revokes_the_superseded_credential,
    the_credential_held_is_never_revoked,
    what_is_no_id_is_never_retired,
    a_missing_source_is_named,
    tries_of_one_operation_never_pile_up,
    looking_changes_nothing,
    a_password_can_be_set_back,
)
