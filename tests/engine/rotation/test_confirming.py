"""A version is proven: what is tidied up and marked with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.contract import LATE
from engine.errors import AccessDenied, NeedsHuman, TransientError, VerificationFailed
from engine.secret import SecretRef, Sensitive
from engine.state.record_parts import Past
from engine.state.request import operation_id
from engine.state.tags import CREDENTIAL, MAX_TAGS, OPERATION, PROOF, RETIRE, STATE, Pending
from tests.engine.rotation.held import held
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
from tests.rotators.sas_scenes import SAS, managed
from tests.shared.heard import LOST
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, to_vault

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
V1, V2 = "1" * 32, "2" * 32
DAYS_AHEAD = datetime(2027, 1, 1, tzinfo=UTC)
PROVEN = f"verify {OLD_ID} {OLD}"


def tidied(work: Work, version: str, keep: str | None = None) -> str:
    """Return the call that removes what the operation made which replaces this version."""
    return f"tidy {operation_id(SecretRef(work.rig.vault.url, NAME), version)} but {keep}"


async def confirm(work: Work) -> None:
    confirmed = await work.confirm(work.secret, "audited")
    assert confirmed.version == work.latest.version


def patches(work: Work) -> int:
    return sum(exchange.request.method == "PATCH" for exchange in work.rig.world.exchanges)


@pytest.mark.parametrize("credential_id", [OLD_ID, None])
async def test_a_version_that_its_source_accepts_is_confirmed_and_nothing_is_written(
    credential_id: str | None,
) -> None:
    kind = Plain()
    async with working(kind, {CREDENTIAL: credential_id}) as work:
        await confirm(work)
        assert kind.calls == [f"verify {credential_id or ''} {OLD}"]
        assert work.observed.audited
        progress = work.progress
        assert (progress.result, progress.reason) == ("confirmed", "audited")
        assert progress.proven == work.latest.version
        assert progress.managed == work.at.managed
        assert patches(work) == 0


@pytest.mark.parametrize(
    ("fields", "is_unparked"),
    [
        ({"action": "audit", "trigger": "manual"}, True),
        ({"action": "audit", "trigger": "sweep"}, False),
        ({"action": "audit", "trigger": "manual", "recheck": 1}, False),
        ({"action": "audit", "trigger": "manual", "follows": True}, False),
        ({"action": "rotate", "trigger": "manual"}, False),
    ],
)
async def test_a_person_who_unparks_a_secret_vouches_for_what_its_source_shows(
    fields: dict[str, Any], *, is_unparked: bool
) -> None:
    kind = Able()
    async with rotating(kind, **fields) as work:
        before = work.at.know(begun=work.at.now - DAY).change.started_at
        await confirm(work)
        assert work.at.record.change.started_at == (work.at.now if is_unparked else before)
        changed = [job.changed for job in kind.jobs if kind.jobs]
        assert all((at is None) is is_unparked for at in changed)


async def test_what_was_done_before_stays_the_result() -> None:
    async with working(Plain()) as work:
        work.progress.result, work.progress.reason = "retired", "its overlap passed"
        await confirm(work)
        assert (work.progress.result, work.progress.reason) == ("retired", "its overlap passed")


async def test_a_value_in_another_form_is_neither_confirmed_nor_replaced() -> None:
    kind = Plain()
    async with working(kind, {"ValueTemplate": "Key={key}"}) as work:
        with pytest.raises(NeedsHuman, match="the value does not follow ValueTemplate"):
            await confirm(work)
        assert kind.calls == []


async def test_what_is_out_of_use_is_disabled_with_a_proof() -> None:
    async with working(Plain()) as work:
        earlier = work.latest.version
        work.rig.vault.put(NAME, OLD, tags=work.rig.tags(NAME))
        work.at.secret = await work.at.parts.vaults.read(work.at.secret.ref)
        work.at.know(unused=(earlier,))
        await confirm(work)
        assert [version.enabled for version in work.rig.vault.versions(NAME)] == [False, True]


PARKED = {STATE: "parked 2026-01-01T00:00:00Z 0123456789ab"}


async def test_a_version_that_is_overtaken_once_it_is_proven_is_looked_at_again() -> None:
    """The vault may only have lagged: else the work would end with nothing to report."""

    class Overtaken(Plain):
        async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
            await super().verify(source, credential_id, credential)
            work.rig.vault.put(NAME, NEW)

    async with rotating(Overtaken(), PARKED) as work:
        with pytest.raises(TransientError, match="in the meantime"):
            await work.confirm(work.secret, "audited")
        assert (work.progress.proven, work.progress.result) == (None, None)


@pytest.mark.parametrize(
    "mark", [PARKED, {**PARKED, "RekeyReason": "a right is missing"}, {**PARKED, PROOF: "a digest"}]
)
async def test_a_proof_takes_marks_off_and_leaves_all_other_tags(mark: dict[str, str]) -> None:
    kept = {OPERATION: "op", "team": "a", "RekeyCause": "a sweep"}
    async with rotating(Plain(), {**kept, **mark}) as work:
        left = {tag: text for tag, text in work.rig.tags(NAME).items() if tag not in mark}
        await confirm(work)
        assert work.rig.tags(NAME) == work.observed.shown.tags == left


async def test_tags_that_claim_what_the_record_does_not_know_are_taken_off() -> None:
    async with working(Plain(), {"RekeyRetire": f"2026-12-01T00:00:00Z {V1} x"}) as work:
        await confirm(work)
        assert "RekeyRetire" not in work.rig.tags(NAME)


async def test_an_audit_of_a_kind_that_is_not_derived_tries_no_earlier_version() -> None:
    """What was superseded has a retirement of its own."""
    kind = Plain()
    async with working(kind, action="audit") as work:
        earlier = work.latest.version
        work.rig.vault.put(NAME, OLD, tags=work.rig.tags(NAME))
        work.at.secret = await work.at.parts.vaults.read(work.at.secret.ref)
        work.at.know(earlier=(earlier,))
        await confirm(work)
        assert kind.calls == [PROVEN]
        assert all(version.enabled for version in work.rig.vault.versions(NAME))


@pytest.mark.parametrize("action", ["audit", "rotate"])
async def test_only_an_audit_tries_what_a_derived_secret_held_before(action: str) -> None:
    """Nothing but its own end, or that of its key, revokes it."""
    scene = managed(days_left=50)
    rig = scene.rig
    nobodys = scene.rig.latest(SAS).value.replace("sig=", "sig=0")
    current = rig.latest(SAS)
    ended = rig.vault.put(SAS, nobodys, tags=current.tags)
    rig.vault.put(SAS, current.value, tags=current.tags)
    async with held(rig, SAS) as at:
        at.know(earlier=(ended.version,))
        steps = at.steps(action=action)
        await steps.observed.observe()
        await steps.confirm(at.secret, "audited")
    enabled = [version.enabled for version in rig.vault.versions(SAS)]
    assert enabled == [True, action != "audit", True]


async def test_a_replica_that_missed_a_rotation_gets_what_was_proven() -> None:
    url = "https://prod.vault.azure.net/secrets"
    tags: dict[str, str | None] = {"Replicas": f"{url}/copy"}
    async with working(Plain(), tags) as work:
        consent = {"ReplicaOf": f"{url}/{NAME}", "ValueTemplate": "Key={key}"}
        work.rig.vault.put("copy", "Key=older", tags=consent)
        await confirm(work)
        assert work.rig.latest("copy").value == f"Key={OLD}"


# What an audit looks for besides.


async def test_a_proof_removes_what_its_own_operation_left_and_an_audit_what_the_next_did() -> None:
    kind = Able()
    async with rotating(kind, {OPERATION: "op"}) as work:
        await confirm(work)
        assert kind.calls == [PROVEN, f"tidy op but {OLD_ID}"]
        kind.calls.clear()
        work.progress.item = replace(work.progress.item, action="audit")
        work.at.know(touched=V1)
        await confirm(work)
        version = str(work.at.secret.version)
        assert kind.calls == [
            PROVEN,
            f"tidy op but {OLD_ID}",
            tidied(work, version),
            tidied(work, V1, OLD_ID),
            "preflight",
            "forewarn",
        ]


@pytest.mark.parametrize(
    ("facts", "is_tidied"),
    [({"touched": V1}, True), ({"touched": V1, "earlier": (V1,)}, False), ({}, False)],
)
async def test_an_audit_removes_what_was_made_for_a_version_that_a_person_replaced(
    facts: dict[str, Any], *, is_tidied: bool
) -> None:
    kind = Able()
    async with working(kind, action="audit") as work:
        work.at.know(**facts)
        await confirm(work)
        assert (tidied(work, V1, OLD_ID) in kind.calls) is is_tidied


@pytest.mark.parametrize(
    ("facts", "keep"),
    [
        ({}, None),
        ({"pending": Pending(DAYS_AHEAD, V2, "two")}, "two"),
        # V2 was healed in place, so what it held is refused.
        ({"pending": Pending(DAYS_AHEAD, V1, "one")}, None),
        ({"open_until": None}, None),
        ({"past": ()}, "-"),
        ({"twins": {V2: V1}}, None),
        ({"earlier": (V2,)}, "-"),
        # A person wrote the current version: it may hold what V2 did.
        ({"published": None}, "-"),
    ],
)
async def test_an_audit_removes_what_came_late_of_the_operation_before_the_last(
    facts: dict[str, Any], keep: str | None
) -> None:
    """Nobody else would: each later version has an operation of its own."""
    kind = Able()
    async with working(kind, action="audit", recheck=1) as work:
        known = {"earlier": (V2, V1), "past": (Past(V2, "two", "digest"),)}
        work.at.published(OLD_ID, open_until=work.at.now + HOUR)
        work.at.know(**(known | facts))
        await confirm(work)
        late = [call for call in kind.calls if call.startswith(tidied(work, V1)[:-4])]
        assert late == ([] if keep == "-" else [tidied(work, V1, keep)])


async def test_what_was_made_for_the_current_version_is_removed_once() -> None:
    kind = Able()
    async with working(kind, action="audit") as work:
        version = str(work.at.secret.version)
        work.at.know(touched=version)
        await confirm(work)
        assert [call for call in kind.calls if call.startswith("tidy")] == [tidied(work, version)]


@pytest.mark.parametrize(
    ("ago", "is_tidied"), [(LATE - SECOND, False), (LATE, True), (LATE + HOUR, True)]
)
async def test_what_is_announced_is_removed_once_it_can_arrive_no_more_and_the_vault_takes_writes(
    ago: timedelta, *, is_tidied: bool
) -> None:
    kind = Able()
    async with working(kind, action="audit") as work:
        work.at.know(ahead=work.at.announced(ago))
        await confirm(work)
        version = str(work.at.secret.version)
        assert (tidied(work, version) in kind.calls) is is_tidied
        assert patches(work) == is_tidied


async def test_nothing_is_removed_for_a_vault_that_takes_no_write() -> None:
    kind = Able()
    async with working(kind, action="audit") as work:
        work.at.know(ahead=work.at.announced(LATE))
        refuse(work.rig, 403, "Forbidden", to_vault("PATCH"))
        with pytest.raises(AccessDenied):
            await confirm(work)
        assert kind.calls == [PROVEN]


async def test_of_a_kind_that_leaves_nothing_behind_an_audit_asks_its_vault_for_no_write() -> None:
    """A vault that takes none, for whatever reason, then parks nothing."""
    kind = Plain()
    async with working(kind, action="audit") as work:
        work.at.know(ahead=work.at.announced(LATE))
        await confirm(work)
        assert kind.calls == [PROVEN]
        assert patches(work) == 0


async def test_an_audit_says_what_would_prevent_the_next_rotation() -> None:
    kind = Able(problem=NeedsHuman("a right is missing"))
    async with working(kind, action="audit") as work:
        with pytest.raises(NeedsHuman, match="a right is missing"):
            await confirm(work)


@pytest.mark.parametrize("known", ["", "three addresses use it"])
async def test_an_audits_log_says_whom_the_first_rotation_may_cut_off(
    known: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with working(Able(known=known), action="audit") as work:
        await confirm(work)
    warned = [record.getMessage() for record in caplog.records if "first rotation" in record.msg]
    assert len(warned) == bool(known)
    assert all(text.endswith(known) for text in warned)


# A version that its source refuses is replaced, unless somebody else wrote it or changes it.


async def test_a_refused_version_that_rekey_wrote_is_replaced_in_place_and_disabled() -> None:
    kind = Able(accepted=set())
    kind.issues = replace(kind.issues, supersedes=None)
    async with rotating(kind, {OPERATION: "op"}, action="audit") as work:
        before = str(work.at.secret.version)
        healed = await work.confirm(work.secret, "audited")
        assert healed.version == work.latest.version
        assert work.latest.value == NEW
        assert kind.calls == [
            PROVEN,
            "issue in place",
            f"verify {NEW_ID} {NEW}",
            "tidy op but None",
        ]
        assert work.progress.result == "healed"
        assert not work.progress.drifted
        assert [version.enabled for version in work.rig.vault.versions(NAME)] == [False, True]
        record = work.at.record
        assert record.verified.repaired_at == work.at.now
        assert record.published
        assert (record.published.replaces, record.stale) == (before, ())


async def test_a_repair_disables_what_its_replicas_held_with_the_refused_version() -> None:
    """That value is dead, and no retirement comes later that would disable it."""
    async with rotating(Plain(accepted=set()), replicas("copy"), action="audit") as work:
        work.put_replica("copy")
        await work.confirm(work.secret, "audited")
        copies = work.rig.vault.versions("copy")
        assert [(copy.value, copy.enabled) for copy in copies] == [(OLD, False), (NEW, True)]


async def test_of_several_repairs_the_latest_tells_whether_somebody_fights_over_it() -> None:
    async with rotating(Plain(accepted=set()), action="audit") as work:
        work.at.know(healed=work.at.now - 8 * DAY)
        await work.confirm(work.secret, "audited")
        assert work.at.record.verified.repaired_at == work.at.now


@pytest.mark.parametrize(("left", "kept"), [(HOUR, DAY), (30 * DAY, 30 * DAY)])
async def test_a_repair_inside_an_overlap_keeps_what_was_superseded_longer_and_never_less_long(
    left: timedelta, kept: timedelta
) -> None:
    kind, now = Plain(accepted=set()), Rig().clock.now()
    kind.issues = replace(kind.issues, supersedes=None)
    pending = Pending(now + left, V1, "older")
    async with rotating(kind, {RETIRE: str(pending)}, action="audit") as work:
        assert work.at.now == now
        work.at.know(pending=pending)
        await work.confirm(work.secret, "audited")
        assert work.at.record.retirement == replace(pending, at=now + kept)


async def test_a_refused_password_is_not_asked_about_again_before_it_is_replaced() -> None:
    """It could not be set back: its source does not accept it."""
    kind = Able(accepted=set(), works=False)
    async with rotating(kind, {"Single": "true"}, action="audit") as work:
        with pytest.raises(VerificationFailed, match="a password that nobody knows"):
            await work.confirm(work.secret, "audited")
        assert kind.calls == [PROVEN, "issue in place", f"verify {NEW_ID} {NEW}"]
        assert work.progress.drifted


@pytest.mark.parametrize("is_lost", [True, False])
async def test_nothing_is_made_for_a_version_that_has_no_room_and_what_is_lost_is_told(
    *, is_lost: bool
) -> None:
    kind = Plain(accepted=set())
    owners: dict[str, str | None] = {f"Owner{number}": "x" for number in range(10)}
    async with rotating(kind, {**owners, "Single": "true"}) as work:
        work.at.know(blind=is_lost, open_until=work.at.now)
        with pytest.raises(NeedsHuman, match="tags") as caught:
            await work.confirm(work.secret, "audited")
        assert (LOST in work.at.rotation.warned(caught.value.what)) is is_lost
        assert kind.calls == [PROVEN]


async def test_a_repair_that_supersedes_nothing_needs_no_room_to_say_what_is_to_be_retired() -> (
    None
):
    kind = Plain(accepted=set())
    kind.issues = replace(kind.issues, supersedes=None)
    owners: dict[str, str | None] = {f"Owner{number}": "x" for number in range(9)}
    async with rotating(kind, owners, action="audit") as work:
        assert len({*work.secret.tags, OPERATION}) == MAX_TAGS
        await work.confirm(work.secret, "audited")
        assert work.latest.value == NEW


@pytest.mark.parametrize(
    ("begin", "is_healed", "whose"),
    [
        pytest.param(rotating, True, "another deployment or a person", id="again within a week"),
        pytest.param(working, False, "somebody wrote", id="just written"),
    ],
)
async def test_a_refused_version_that_somebody_else_changes_is_left_to_them(
    begin: Callable[..., AbstractAsyncContextManager[Work]], whose: str, *, is_healed: bool
) -> None:
    kind = Plain(accepted=set())
    async with begin(kind) as work:
        work.at.know(healed=work.at.now - HOUR if is_healed else None)
        with pytest.raises(NeedsHuman, match=whose):
            await work.confirm(work.secret, "audited")
        assert kind.calls == [PROVEN]
        assert work.progress.drifted


@pytest.mark.parametrize("problem", [None, NeedsHuman("another deployment uses it")])
async def test_a_refused_version_of_somebody_else_is_replaced_only_if_the_kind_lets_it(
    problem: NeedsHuman | None,
) -> None:
    kind = Able(accepted=set(), problem=problem)
    async with working(kind) as work:
        work.at.know(proven=str(work.at.secret.version))
        if problem:
            with pytest.raises(NeedsHuman, match="another deployment"):
                await work.confirm(work.secret, "audited")
            assert kind.calls == [PROVEN, "preflight"]
        else:
            await work.confirm(work.secret, "audited")
            assert kind.calls[:3] == [PROVEN, "preflight", "issue in place"]
            assert work.latest.value == NEW


@pytest.mark.parametrize("begin", [rotating, working])
@pytest.mark.parametrize(
    ("value", "written", "accepted", "latest"),
    [
        pytest.param(f"Key={OLD}", "Key={key}", {OLD}, f"Key={OLD}", id="as it was written"),
        pytest.param(f"Key={OLD}", "Key={key}", set(), NEW, id="in no form"),
        pytest.param(f"Key={OLD}", "Secret={key}", {OLD}, NEW, id="in another form"),
    ],
)
async def test_no_edited_template_replaces_what_its_source_accepts(
    begin: Callable[..., AbstractAsyncContextManager[Work]],
    value: str,
    written: str,
    accepted: set[str],
    latest: str,
) -> None:
    """Whoever wrote it: of an adopted secret an audit has proven the first version."""
    kind = Plain(accepted=accepted)
    async with begin(kind, value=value) as work:
        work.at.know(tags={"ValueTemplate": written}, proven=str(work.at.secret.version))
        with pytest.raises(NeedsHuman, match="not follow") if latest == value else nullcontext():
            await work.confirm(work.secret, "audited")
        assert work.latest.value == latest
        asked = f"accepts {OLD_ID} {OLD}" in kind.calls
        assert asked is value.startswith(written.partition("{")[0])


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_refused_value_is_read_otherwise_only_if_its_template_is_not_known(
    *, is_known: bool
) -> None:
    """A server may lock a login that several wrong passwords are tried for."""
    kind, shape = Able(accepted={"by-hand"}), "Key={key}"
    async with working(kind, {"ValueTemplate": shape}, value=f"Key={OLD}") as work:
        work.at.know(proven=str(work.secret.version), followed=(shape,) if is_known else ())
        await work.confirm(work.secret, "audited")
        further = [call for call in kind.calls if call == f"accepts {OLD_ID} Key={OLD}"]
        assert bool(further) is not is_known
