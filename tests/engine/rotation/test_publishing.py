"""A new version: what its source is asked, what the record says first, and what happens on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import (
    AccessDenied,
    NeedsHuman,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import SecretRef, Sensitive
from engine.state.record_parts import Past
from engine.state.request import operation_id
from engine.state.tags import CREDENTIAL, RETIRE, Pending
from simulator.wire import Request
from tests.engine.rotation.held import SPACING, AtFirstWrite
from tests.engine.rotation.plain_kind import (
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    Able,
    Plain,
    Work,
    replicas,
    rotating,
    working,
)
from tests.shared.heard import LOST
from tests.shared.scene import NAME, refuse, to_vault

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
ZERO = timedelta()
COPY = "copy"
SINGLE: dict[str, str | None] = {"Single": "true"}


def retires(work: Work) -> Pending:
    return Pending.parse((work.latest.tags or {})[RETIRE])


async def rotate(work: Work, *, at_once: bool = False) -> None:
    version = await work.rotate(work.secret, "due", at_once=at_once)
    assert version.version == work.latest.version
    assert work.progress.new_version == work.progress.proven == version.version
    assert (work.progress.result, work.progress.reason) == ("rotated", "due")
    assert work.observed.audited
    assert work.at.record.unreported


@pytest.mark.parametrize(("at_once", "overlap"), [(False, DAY), (True, ZERO)])
async def test_a_credential_is_made_proven_and_published_beside_the_one_before(
    *, at_once: bool, overlap: timedelta
) -> None:
    kind = Plain()
    async with rotating(kind) as work:
        await rotate(work, at_once=at_once)
        assert kind.calls == ["issue", f"verify {NEW_ID} {NEW}"]
        assert work.latest.value == NEW
        assert retires(work).version == work.secret.version
        assert retires(work).credential_id == OLD_ID
        end = work.at.now + overlap
        assert end <= retires(work).at <= end + SECOND
        assert work.rig.vault.versions(NAME)[0].enabled
        record = work.at.record
        assert record.published
        assert (record.published.replaces, record.stale) == (work.secret.version, ())
        assert work.at.posted() == []


@pytest.mark.parametrize(
    ("facts", "born"),
    [
        ({}, None),
        ({"incident": HOUR}, HOUR),
        ({"incident": HOUR, "compromised": ("1" * 32,)}, HOUR),
        ({"incident": ZERO}, None),
        ({"incident": -HOUR}, None),
    ],
)
async def test_a_credential_is_of_the_incident_that_its_clock_has_yet_to_reach(
    facts: dict[str, Any], born: timedelta | None
) -> None:
    """It would else be replaced for that very incident once more, also where that is over."""
    async with rotating(Plain()) as work:
        work.at.know(**work.at.times(facts))
        await rotate(work)
        published = work.at.record.published
        assert published
        assert published.born == (None if born is None else work.at.now + born)


async def test_what_no_source_accepts_is_not_published() -> None:
    async with rotating(Plain(works=False)) as work:
        await work.fails(VerificationFailed)
        assert work.latest.value == OLD
        assert work.at.record.pending_write is None


@pytest.mark.parametrize(
    ("ends", "overlap"),
    [(None, DAY), (10 * DAY, DAY), (2 * DAY, DAY), (DAY, DAY / 2), (HOUR, HOUR / 2)],
)
async def test_an_overlap_takes_at_most_half_of_the_life_that_a_source_gives(
    ends: timedelta | None, overlap: timedelta
) -> None:
    kind = Plain()
    async with rotating(kind) as work:
        now = work.at.now
        kind.issues = replace(kind.issues, expires=None if ends is None else now + ends)
        await rotate(work)
        end = now + overlap
        assert end <= retires(work).at <= end + SECOND


async def test_a_single_slots_version_is_disabled_at_once_and_a_look_is_promised_before() -> None:
    kind = Able()
    kind.issues = replace(kind.issues, supersedes=None)
    async with rotating(kind, SINGLE) as work:
        await rotate(work)
        assert kind.calls == [f"accepts {OLD_ID} {OLD}", "issue", f"verify {NEW_ID} {NEW}"]
        assert [version.enabled for version in work.rig.vault.versions(NAME)] == [False, True]
        assert work.at.record.stale == ()
        assert work.at.record.verified.repaired_at is None
        ((seconds, look),) = work.at.posted()
        assert (timedelta(seconds=seconds), look["follow_up"]) == (SPACING, 1)


@pytest.mark.parametrize("tag", ["ProviderAddress", "Rotator", "Logins", "Manual", "DerivedFrom"])
@pytest.mark.parametrize("when", ["before it is announced", "before it is published"])
async def test_a_tag_that_decides_and_was_changed_since_stops_a_rotation(
    tag: str, when: str
) -> None:
    """Nothing is announced then, and no replica is written, if it is seen in time."""
    kind = Plain()
    async with rotating(kind, replicas(COPY)) as work:
        work.put_replica()

        def change() -> None:
            tags = {**work.rig.tags(NAME), tag: "changed"}
            work.rig.vault.amend(work.latest, tags=tags)

        if when == "before it is announced":
            change()
        else:
            work.rig.world.faults.append(AtFirstWrite(change))
        error = await work.fails(TransientError)
        assert "its owner has changed its tags" in error.what
        assert work.latest.value == OLD
        announced = when == "before it is published"
        assert bool(work.at.record.pending_write) is announced
        assert (work.rig.latest(COPY).value == NEW) is announced


@pytest.mark.parametrize(
    ("wrote", "credential_id", "value", "is_read"),
    [
        (True, OLD_ID, OLD, True),
        (True, OLD_ID, f"Key={OLD}", True),
        (False, OLD_ID, OLD, True),
        (True, None, OLD, True),
        (True, OLD_ID, "no form", True),
        (True, OLD_ID, OLD, False),
    ],
)
async def test_the_record_remembers_a_replaced_credential_only_where_it_is_certain(
    wrote: bool, credential_id: str | None, value: str, *, is_read: bool
) -> None:
    """It is not where nobody knows by which template the version is read."""
    shape = "{key}" if value == OLD else "Key={key}"
    tags = {CREDENTIAL: credential_id, "ValueTemplate": shape}
    async with working(Plain(), tags, value=value) as work:
        version = str(work.at.secret.version)
        work.at.know(proven=version, followed=(shape,) if is_read else ())
        if wrote:
            work.published()
        await work.rotate(work.at.secret, "due", at_once=False)
        record = work.at.record
        certain = wrote and is_read and bool(credential_id) and value != "no form"
        digest = record.digest(OLD_ID, Sensitive(OLD))
        past = Past(str(work.at.secret.version), OLD_ID, digest)
        assert record.history.credentials == ((past,) if certain else ())


async def test_a_rotator_learns_what_an_earlier_try_asked_for_and_what_was_revoked() -> None:
    kind = Plain()
    async with rotating(kind) as work:
        version, now = str(work.secret.version), work.at.now
        gone = tuple(Past(known, known, "x") for known in ("a", OLD_ID))
        work.at.know(
            touched=version,
            asked=now - HOUR,
            begun=now - SECOND,
            waiting=now - HOUR,
            mark="a mark",
            past=gone,
            gone=dict.fromkeys(("a", OLD_ID), ""),
        )
        await rotate(work)
        (job,) = kind.jobs
        assert (job.asked, job.sent) == (now - HOUR, now - SECOND)
        assert (job.under_way, job.mark) == (True, "a mark")
        assert job.revoked == {"a"}
        assert job.proven
        assert job.operation == operation_id(SecretRef(work.rig.vault.url, NAME), version)


@pytest.mark.parametrize("touched", ["this", "another"])
async def test_a_change_that_was_about_another_version_is_not_told(touched: str) -> None:
    kind = Plain()
    async with rotating(kind) as work:
        version = str(work.secret.version) if touched == "this" else "1" * 32
        work.at.know(touched=version, asked=work.at.now - HOUR, begun=work.at.now - HOUR)
        await rotate(work)
        (job,) = kind.jobs
        assert job.asked == (work.at.now - HOUR if touched == "this" else None)
        assert not job.under_way


@pytest.mark.parametrize(
    ("error", "unsent", "is_noted"),
    [
        (AccessDenied, True, False),
        (TransientError, True, False),
        (NeedsHuman, False, False),
        (AccessDenied, False, True),
    ],
)
async def test_only_a_change_that_cannot_have_come_is_not_noted(
    error: type[RekeyError], *, unsent: bool, is_noted: bool
) -> None:
    """Else a key that another deployment makes meanwhile passes for one's own."""
    problem = error("no right to list the keys")
    problem.unsent = unsent
    async with rotating(Plain(problem=problem)) as work:
        work.at.know(touched="earlier", begun=work.at.now - HOUR, changing=work.at.now - HOUR)
        await work.fails(error)
        record = work.at.record
        begun = (str(work.secret.version), work.at.now)
        assert (record.change.version, record.change.started_at) == (
            begun if is_noted else ("earlier", work.at.now - HOUR)
        )
        assert record.change.open_since == work.at.now - HOUR


@pytest.mark.parametrize(
    ("proven", "fields", "leaked", "is_notified"),
    [
        (True, {}, (), True),
        (True, {"compromised": True}, (), False),
        (True, {}, ("1" * 32,), False),
        (False, {}, (), False),
    ],
)
async def test_a_plug_in_is_told_when_a_source_was_changed_last(
    fields: dict[str, Any], leaked: tuple[str, ...], *, proven: bool, is_notified: bool
) -> None:
    kind = Plain()
    async with working(kind, **{"trigger": "event", **fields}) as work:
        if proven:
            work.published()
        work.at.know(touched="earlier", begun=work.at.now - DAY, compromised=leaked)
        await rotate(work)
        (job,) = kind.jobs
        assert job.changed == (work.at.now - DAY if is_notified else None)


@pytest.mark.parametrize("tags", [{}, SINGLE])
async def test_a_change_without_an_answer_is_noted_and_may_leave_a_password_that_nobody_knows(
    tags: dict[str, str | None],
) -> None:
    kind = Plain(problem=TransientError("no answer"))
    async with rotating(kind, tags) as work:
        error = await work.fails(TransientError)
        assert (LOST in error.what) is bool(tags)
        assert work.at.record.change.version == work.secret.version
        assert work.at.record.change.open_since == work.at.now
        assert work.at.record.kind == "plain"


async def test_nothing_is_made_for_a_version_that_somebody_has_just_replaced() -> None:
    kind = Plain()
    async with rotating(kind) as work:
        secret = work.secret
        work.rig.vault.put(NAME, OLD, tags=work.rig.tags(NAME))
        with pytest.raises(TransientError, match="somebody has written a version"):
            await work.rotate(secret, "due", at_once=False)
        assert kind.calls == []


@pytest.mark.parametrize("tags", [{}, SINGLE])
@pytest.mark.parametrize("works", [True, False])
async def test_what_its_source_did_not_confirm_is_published_once_it_is_accepted(
    tags: dict[str, str | None], *, works: bool
) -> None:
    doubt = TransientError("the source gave no answer")
    kind = Plain(works=works)
    kind.issues = replace(kind.issues, doubt=doubt)
    async with rotating(kind, tags) as work:
        if works:
            await rotate(work)
        else:
            assert await work.fails(TransientError) is doubt
            assert (LOST in doubt.what) is bool(tags)
        assert work.latest.value == (NEW if works else OLD)


@pytest.mark.parametrize(
    ("tags", "status", "code", "wish", "pauses"),
    [
        (SINGLE, 503, "ServerBusy", None, 1),
        (SINGLE, 503, "ServerBusy", 7, 7),
        (SINGLE, 503, "ServerBusy", 40, None),
        (SINGLE, 412, "LeaseLost", None, None),
        ({}, 503, "ServerBusy", None, None),
    ],
    ids=["none", "seconds", "too long", "the lease is lost", "several slots"],
)
async def test_a_single_slots_version_is_announced_again_while_the_lease_lasts(
    tags: dict[str, str | None], status: int, code: str, wish: int | None, pauses: int | None
) -> None:
    """Its source has changed already. Where no time is left to try again, it is set back."""
    kind = Able()
    async with rotating(kind, tags) as work:

        def notes_a_version(request: Request) -> bool:
            stores = request.host.startswith("rekeyhost.blob") and request.method == "PUT"
            return stores and "comp" not in request.query and "issue" in kind.calls

        headers: dict[str, Any] = {"retry_after": str(wish)} if wish else {}
        refuse(work.rig, status, code, notes_a_version, **headers)
        began = work.at.now
        if pauses:
            await rotate(work)
            assert (work.latest.value, work.at.now - began) == (NEW, timedelta(seconds=pauses))
        else:
            await work.fails(TransientError)
            assert (work.latest.value, work.at.now) == (OLD, began)
            is_undone = code == "ServerBusy" and bool(tags)
            assert (f"undo {OLD}" in kind.calls) is is_undone


@pytest.mark.parametrize("single", [False, True])
async def test_a_single_slot_is_set_back_only_once_a_late_version_would_have_been_seen(
    *, single: bool
) -> None:
    kind = Able()
    async with rotating(kind, SINGLE if single else {}) as work:
        refuse(work.rig, 503, "ServerBusy", to_vault("PUT"))
        began = work.at.now
        await work.fails(TransientError)
        assert work.at.now - began == timedelta(seconds=5 if single else 0)


async def test_a_repair_is_told_as_one_and_is_over_once_it_is_published() -> None:
    """What fails after it must not call the secret drifted."""
    async with rotating(Plain()) as work:
        replaced = str(work.secret.version)
        work.progress.drifted = True
        await rotate(work)
        record = work.at.record
        assert record.published_as == "healed"
        assert replaced not in record.stale, "it is disabled by now"
        assert not work.rig.vault.versions(NAME)[0].enabled
        assert not work.progress.drifted
