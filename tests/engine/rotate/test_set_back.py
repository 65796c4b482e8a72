"""A new version that cannot be published, or whose replicas cannot: what is done about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import (
    AccessDenied,
    PermanentError,
    TransientError,
    VerificationFailed,
)
from engine.model.tags import CREDENTIAL
from tests.engine.rotate.held import AtFirstWrite
from tests.engine.rotate.plain_kind import (
    NEW,
    NEW_ID,
    OLD,
    Able,
    Plain,
    replicas,
    working,
)
from tests.shared.heard import LOST
from tests.shared.scene import NAME, refuse, to_vault

COPY, OTHER = "copy", "other-copy"
SET_BACK = "what the vault holds was set back"
SINGLE: dict[str, str | None] = {"Single": "true"}


async def test_a_replica_that_cannot_be_written_keeps_the_primary_from_being_published() -> None:
    async with working(Able(), replicas(COPY)) as work:
        work.put_replica()
        work.published()
        refuse(work.rig, 403, "Forbidden", to_vault("PUT"))
        await work.fails(PermanentError)
        assert work.latest.value == OLD
        assert work.at.record.pending_write


async def test_a_single_slots_secret_does_not_wait_for_a_replica_which_is_told_of() -> None:
    async with working(Able(), {**SINGLE, **replicas(COPY, OTHER)}) as work:
        work.put_replica()
        work.put_replica(OTHER)
        work.published()
        refuse(work.rig, 403, "Forbidden", to_vault("PUT"))
        error = await work.fails(AccessDenied)
        assert COPY in error.where
        assert work.latest.value == work.rig.latest(OTHER).value == NEW
        assert (work.progress.result, work.at.record.unreported) == ("rotated", True)


@pytest.mark.parametrize(
    ("copies", "refused", "is_undone"),
    [((), 1, True), ((COPY,), 2, True), ((COPY,), 1, None), ((COPY, OTHER), 1, None)],
)
async def test_a_password_that_no_replica_holds_is_set_back_where_it_cannot_be_published(
    copies: tuple[str, ...], refused: int, *, is_undone: bool | None
) -> None:
    """What a replica holds is not lost: the next try reads it from there."""
    kind = Able()
    async with working(kind, {**SINGLE, **replicas(*copies)}) as work:
        for name in copies:
            work.put_replica(name)
        work.published()
        own = to_vault("PUT")

        def writes(request: Any) -> bool:
            held_back = is_undone is None and f"/secrets/{NAME}" not in request.url
            return own(request) and not held_back

        refuse(work.rig, 403, "Forbidden", writes, times=refused)
        error = await work.fails(AccessDenied)
        assert (f"undo {OLD}" in kind.calls) is bool(is_undone)
        assert (SET_BACK in error.what) is bool(is_undone)


@pytest.mark.parametrize("announced", [False, True])
async def test_a_password_that_was_proven_and_then_changed_by_somebody_is_left_to_them(
    *, announced: bool
) -> None:
    kind = Able()
    async with working(kind, {**SINGLE, **(replicas(COPY) if announced else {})}) as work:
        work.put_replica()
        work.published()

        def change() -> None:
            work.rig.vault.amend(work.latest, tags={**work.rig.tags(NAME), "Manual": "true"})
            kind.accepted = {"by-hand"}

        async def verify(*_: object) -> None:
            if not announced:
                change()

        kind.verify = verify  # type: ignore[assignment, method-assign]
        if announced:
            work.rig.world.faults.append(AtFirstWrite(change))
        error = await work.fails(TransientError)
        assert "it was left alone" in error.what
        assert kind.accepted == {"by-hand"}


@pytest.mark.parametrize("item", [{"compromised": True}, {}])
@pytest.mark.parametrize("noted", [False, True])
async def test_a_compromised_password_is_not_set_back(item: dict[str, Any], *, noted: bool) -> None:
    kind = Able(works=False)
    async with working(kind, SINGLE, **item) as work:
        work.published()
        if noted:
            work.at.know(compromised=("1" * 32,))
        error = await work.fails(VerificationFailed)
        is_unwanted = bool(item) or noted
        assert (LOST in error.what) is is_unwanted
        assert (f"undo {OLD}" in kind.calls) is not is_unwanted


@pytest.mark.parametrize(
    ("accepted", "restorable", "is_undone"),
    [(True, True, True), (False, True, False), (True, False, False)],
)
async def test_only_a_password_that_its_source_accepted_until_now_is_set_back(
    *, accepted: bool, restorable: bool, is_undone: bool
) -> None:
    kind = Able(works=False, accepted={OLD} if accepted else set())
    kind.issues = replace(kind.issues, restorable=restorable)
    async with working(kind, {**SINGLE, CREDENTIAL: None}) as work:
        work.published()
        error = await work.fails(VerificationFailed)
        assert kind.calls[0] == f"accepts  {OLD}", "no tag says which it is"
        assert (f"undo {OLD}" in kind.calls) is is_undone
        assert (SET_BACK in error.what) is is_undone


async def test_a_value_in_no_form_is_not_said_to_have_been_written_by_somebody_meanwhile() -> None:
    kind = Able(works=False)
    async with working(kind, {**SINGLE, "ValueTemplate": "Key={key}"}) as work:
        work.published()
        error = await work.fails(VerificationFailed)
        assert error.what == f"the source refuses it; {LOST}"
        assert kind.calls == ["issue", f"verify {NEW_ID} {NEW}"]


async def test_a_kind_that_cannot_set_back_is_not_asked_what_it_accepts() -> None:
    kind = Plain(works=False)
    async with working(kind, SINGLE) as work:
        work.published()
        error = await work.fails(VerificationFailed)
        assert kind.calls == ["issue", f"verify {NEW_ID} {NEW}"]
        assert LOST in error.what
