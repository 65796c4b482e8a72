"""What somebody revoked stays revoked, expiry follows the source, and nothing multiplies."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.entra.app_policy import AppPolicy
from simulator.reach.strikes import ADMIN, FORBIDDEN, PUBLISH, SINGLE, Where, alter, to
from tests.adversary.stage import Stage

BY_HAND = "By-hand-0nly-they-know"
TROUBLE = timedelta(minutes=8)


@pytest.mark.parametrize("kind", SINGLE)
async def test_undo_does_not_revive_a_password_that_was_revoked_before(
    stage: Stage, kind: str
) -> None:
    """Somebody has set another password on purpose; the rotation that follows cannot publish."""
    secret = await stage.rotated(kind)
    revoked = secret.current.value
    stage.server.set_password(stage.account_of(kind), BY_HAND)
    stage.outage(PUBLISH, timedelta(hours=1), FORBIDDEN)
    await stage.rotate(secret, force=True)
    assert not secret.accepts(revoked)
    await stage.run_for(hours=30)
    assert not secret.accepts(revoked)


QUEUE = to("POST", "rekeyhost.queue.")
LOST: dict[str, tuple[tuple[Where, ...], tuple[Where, ...]]] = {
    "answers are lost": ((), ()),
    # A message whose posting got no answer is there anyway, so each try leaves one behind.
    "the queue's answers are lost, too": ((QUEUE,), (PUBLISH,)),
    "the vault takes no version": ((), (PUBLISH,)),
}
"""By what goes wrong for some minutes: which answers are lost, and what is refused."""


@pytest.mark.parametrize("trouble", LOST)
@pytest.mark.parametrize("kind", SINGLE)
async def test_one_rotation_sets_a_bounded_number_of_passwords(
    stage: Stage, kind: str, trouble: str
) -> None:
    lost, refused = LOST[trouble]
    if trouble != "the vault takes no version":
        lost = (SINGLE[kind], *lost)
    # The messages double: 200 of them in five minutes, and in eight a minute of the processor's.
    lasts = timedelta(minutes=5) if QUEUE in lost else TROUBLE
    for where in lost:
        stage.outage(where, lasts, after=True)
    for where in refused:
        stage.outage(where, lasts)
    secret = stage.sql(kind)
    before = len(stage.account_of(kind).passwords)
    stage.post(secret, version=secret.current.version)
    await stage.run_for(minutes=8)
    assert len(stage.account_of(kind).passwords) - before <= 12
    await stage.run_for(minutes=7)
    assert secret.works


@pytest.mark.parametrize("kind", SINGLE)
async def test_many_duplicates_of_one_rotation_share_one_budget_of_passwords(
    stage: Stage, kind: str
) -> None:
    secret = stage.sql(kind)
    before = len(stage.account_of(kind).passwords)
    stage.outage(SINGLE[kind], timedelta(minutes=8), after=True)
    for trigger in ("event", "event", "sweep", "manual"):
        stage.post(secret, version=secret.current.version, trigger=trigger)
    await stage.run_for(minutes=8)
    assert len(stage.account_of(kind).passwords) - before <= 12
    # The four requests, and no more looks than that.
    assert len(stage.app.host.waiting("rotations")) <= 8


async def test_an_overlap_longer_than_a_credential_lives_does_not_let_the_current_version_expire(
    stage: Stage,
) -> None:
    """The tenant allows 30 days, and the owner wants the older one to work for 40."""
    stage.world.directory.policy = AppPolicy(timedelta(days=30), tells=True)
    secret = stage.entra(extra={"OverlapHours": str(40 * 24)})
    await stage.rotate(secret)
    await stage.run_for(days=45)
    assert stage.longest_refusal(secret) == timedelta()
    assert secret.current.expires
    assert secret.current.expires > stage.clock.now().timestamp()


SETS: dict[str, Where] = {"login": alter, "admin": ADMIN}


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("dies", [False, True])
async def test_a_password_that_was_set_back_is_not_called_unknown_where_tags_leave_no_room(
    stage: Stage, kind: str, *, dies: bool
) -> None:
    """Somebody fills up the tags once the password is set. The worker may die as it sets it back."""
    secret = stage.sql(kind)
    theirs = {f"their-{number}": "x" for number in range(15 - len(secret.tags))}
    stage.after(SETS[kind], lambda: stage.tag(secret, **theirs))
    if dies:
        stage.after(SETS[kind], lambda: stage.kill(SETS[kind]))
    stage.post(secret, version=secret.current.version)
    await stage.run_for(hours=2)
    assert len(stage.app.strikes.died) == dies
    assert secret.works
    assert len(secret.versions) == 1
    reasons = [outcome["reason"] for outcome in stage.of(secret, "parked")]
    assert any("no room" in reason for reason in reasons)
    assert not [reason for reason in reasons if "nobody knows" in reason]


async def test_a_password_that_nobody_knows_is_called_so_where_tags_leave_no_room_and_set_no_more(
    stage: Stage,
) -> None:
    """It cannot be set back either, and no new one can be published."""
    secret = stage.sql("admin")
    theirs = {f"their-{number}": "x" for number in range(15 - len(secret.tags))}
    stage.after(ADMIN, lambda: stage.tag(secret, **theirs))
    stage.after(ADMIN, lambda: stage.outage(ADMIN, timedelta(minutes=20), FORBIDDEN))
    stage.post(secret, version=secret.current.version)
    await stage.run_for(minutes=15)
    assert not secret.works
    assert any("nobody knows" in outcome["reason"] for outcome in stage.of(secret, "parked"))
    before = len(stage.account_of("admin").passwords)
    await stage.run_for(minutes=45)
    assert len(stage.account_of("admin").passwords) == before
    assert any("no room" in outcome["reason"] for outcome in stage.of(secret, "parked"))
    stage.tag(secret, **dict.fromkeys(theirs))
    await stage.run_for(hours=2)
    assert secret.works


@pytest.mark.parametrize("tag", [{"ValidityPeriodDays": "soon"}, {"Manual": "true"}])
async def test_a_password_that_was_set_back_is_not_called_unknown_where_nothing_can_be_proven(
    stage: Stage, tag: dict[str, str]
) -> None:
    """Nothing could be published, and somebody edits a tag then."""
    secret = stage.sql()
    stage.outage(PUBLISH, timedelta(hours=2), FORBIDDEN)
    stage.after(PUBLISH, lambda: stage.tag(secret, **tag))
    stage.post(secret, version=secret.current.version)
    await stage.run_for(hours=2)
    assert secret.works
    reasons = [outcome["reason"] for outcome in stage.of(secret, "parked")]
    assert any("was set back" in reason for reason in reasons)
    assert not [reason for reason in reasons if "nobody knows" in reason]


@pytest.mark.parametrize("is_due", [True, False])
async def test_a_password_that_no_vault_takes_is_set_once_and_not_at_each_look(
    stage: Stage, *, is_due: bool
) -> None:
    """What was set back refused its readers again and again, until the vault took a version."""
    secret = stage.sql(days_left=10 if is_due else 60)
    before = len(stage.account_of("login").passwords)
    stage.outage(PUBLISH, timedelta(hours=2), FORBIDDEN)
    await stage.rotate(secret, force=not is_due)
    await stage.run_for(hours=3)
    assert len(stage.account_of("login").passwords) == before + 2
    assert len(secret.versions) == 1
    assert secret.works
    await stage.run_for(hours=30)
    assert (len(secret.versions) == 2) is is_due


async def test_a_refused_password_is_mended_as_long_as_its_tags_leave_room_for_what_that_needs(
    stage: Stage,
) -> None:
    """A password has no predecessor to retire, so two of Rekey's tags suffice."""
    secret = stage.sql("admin", days_left=80, extra={"CredentialId": "sqladmin"})
    await stage.rotate(secret, force=True)
    own = [tag for tag in secret.tags if not tag.startswith("Rekey")]
    stage.tag(secret, RekeyCause=None, **{f"their-{n}": "x" for n in range(14 - len(own))})
    stage.server.set_password(stage.account_of("admin"), BY_HAND)
    await stage.run_a_day()
    assert secret.works
    assert len(secret.tags) == 15
