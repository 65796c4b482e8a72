"""Five minutes after the last fault, the source accepts the vault's current version."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from simulator.host.virtual import Dying, run_until
from simulator.reach.strikes import (
    ADD_PASSWORD,
    FORBIDDEN,
    PUBLISH,
    REGENERATE,
    SINGLE,
    Where,
    alter,
    listing,
    to,
)
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage
from tests.shared.heard import LOST

FIVE = timedelta(minutes=5)
CHANGES: dict[str, Where] = {"storage": REGENERATE, "two logins": alter, **SINGLE}


@pytest.mark.parametrize("minutes", [0.5, 2, 4, 9, 20])
@pytest.mark.parametrize("kind", CHANGES)
async def test_a_change_that_lands_late_is_mended_within_five_minutes(
    stage: Stage, kind: str, minutes: float
) -> None:
    """Its answer timed out, the retry succeeded, and then it takes effect after all."""
    secret = stage.put(kind)
    late = stage.late(CHANGES[kind], timedelta(minutes=minutes))
    await stage.rotate(secret)
    assert late.landed
    await stage.run_for(hours=30)
    assert secret.works
    assert stage.longest_refusal(secret, since=late.landed[0]) <= FIVE


@pytest.mark.parametrize("kind", ["storage", "two logins"])
async def test_two_changes_that_land_late_are_mended_within_five_minutes_of_the_last(
    stage: Stage, kind: str
) -> None:
    secret = stage.put(kind)
    late = stage.late(CHANGES[kind], timedelta(minutes=3), times=2)
    await stage.rotate(secret)
    await stage.run_for(hours=2)
    assert len(late.landed) == 2
    assert secret.works
    assert stage.longest_refusal(secret, since=late.landed[-1]) <= FIVE


@pytest.mark.parametrize("what", ["worker", "instance"])
@pytest.mark.parametrize("deaths", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", SINGLE)
async def test_a_password_that_nobody_knows_is_replaced_within_five_minutes_of_the_last_death(
    stage: Stage, kind: str, deaths: int, what: Dying
) -> None:
    """Whatever wait the name of the version makes of a busy source: names are drawn at random."""
    secret = stage.put(kind)
    stage.kill(SINGLE[kind], times=deaths, what=what)
    stage.post(secret, version=secret.current.version)
    for _ in range(24 * 60):
        await stage.run_for(minutes=1)
        if stage.app.strikes.deaths >= deaths and secret.works:
            break
    assert stage.app.strikes.deaths == deaths
    assert stage.longest_refusal(secret, since=stage.app.strikes.died[-1]) <= FIVE


AWAY: dict[str, Where] = {
    "the vault": to(host="prod.vault."),
    "the server": lambda sent: (
        to(host="database.windows.net")(sent) or to(path="microsoft.sql")(sent)
    ),
    "the app's own storage": to(host="rekeyhost.blob."),
}


@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize("away", AWAY)
async def test_a_password_set_before_something_went_away_is_known_within_five_minutes_of_its_return(
    stage: Stage, away: str, kind: str
) -> None:
    """The change took effect; of a server its answer was lost, and without storage its worker died."""
    secret, back = stage.put(kind), list[datetime]()
    if away == "the server":
        stage.outage(SINGLE[kind], timedelta(minutes=1), after=True)
    stage.after(
        SINGLE[kind],
        lambda: back.append(stage.outage(AWAY[away], timedelta(minutes=40)).until),
    )
    if away == "the app's own storage":
        stage.kill(SINGLE[kind])
    stage.post(secret, version=secret.current.version)
    await stage.run_for(minutes=5)
    assert back
    await stage.run_for(hours=26)
    assert secret.works
    assert stage.longest_refusal(secret, since=back[0]) <= FIVE


@pytest.mark.parametrize("kind", ["storage", "entra", "two logins"])
async def test_what_has_two_slots_works_at_every_moment_while_answers_are_lost(
    stage: Stage, kind: str
) -> None:
    secret = stage.entra() if kind == "entra" else stage.put(kind)
    stage.outage(to("POST", path="key"), timedelta(minutes=8), after=True)
    stage.outage(to("POST", path="password"), timedelta(minutes=8), after=True)
    stage.outage(alter, timedelta(minutes=8), after=True)
    await stage.rotate(secret)
    await stage.run_for(hours=26)
    assert stage.longest_refusal(secret) == timedelta()
    assert len(secret.versions) == 2


async def test_a_password_set_while_its_secret_was_deleted_is_known_once_that_is_recovered(
    stage: Stage,
) -> None:
    """It is published nowhere, and what the vault held cannot be set back either."""
    secret = stage.sql("login", days_left=80)
    stage.after(alter, lambda: stage.prod.delete(secret.name))
    # Nobody can look at a deleted secret.
    stage.clock.watch = stage.app.strikes.watch = lambda: None
    stage.post(secret, version=secret.current.version, force=True)
    await run_until(stage.clock, [stage.app.host], stage.clock.now() + timedelta(minutes=20))
    stage.prod.recover(secret.name)
    await stage.run_for(minutes=5)
    assert secret.works


@pytest.mark.parametrize("recovered", [True, False])
async def test_people_hear_of_a_lost_password_although_its_worker_died_and_its_secret_is_deleted(
    stage: Stage, *, recovered: bool
) -> None:
    """Nobody may ever recover the secret."""
    secret = stage.sql("login", days_left=80)
    stage.before(alter, lambda: stage.prod.delete(secret.name))
    stage.kill(alter)
    stage.clock.watch = stage.app.strikes.watch = lambda: None
    stage.post(secret, version=secret.current.version, force=True)
    await run_until(stage.clock, [stage.app.host], stage.clock.now() + timedelta(minutes=20))
    if recovered:
        stage.prod.recover(secret.name)
    await run_until(stage.clock, [stage.app.host], stage.clock.now() + timedelta(days=2))
    lost = [it for it in stage.of(secret, "parked") if LOST in it["reason"]]
    assert 1 <= len(lost) <= 2
    assert not recovered or secret.works


@pytest.mark.parametrize("known", [True, False])
async def test_the_audits_of_a_sweep_that_failed_are_made_up_for_by_the_next_one(
    stage: Stage, *, known: bool
) -> None:
    """The vault can be listed only in every second hour, whatever hour its audit falls into.

    Where no record is left, nothing says when the secret was audited last.
    """
    secret, account = stage.storage(days_left=60), stage.account()
    if known:
        await stage.rotate(secret, force=True)
        await stage.run_past_overlap()
    for _ in range(3):
        # Short waits, so that a sweep runs in each hour.
        await stage.run_for(hours=9)
    audits = [outcome for outcome in stage.of(secret) if outcome["action"] == "audit"]
    assert audits, "it was never audited"
    # Just before the hour in which the audit falls, somebody regenerates the key by hand, and the
    # sweep fails.
    await stage.run_for(hours=_hours_to_next_audit(stage, secret))
    if not known:
        stage.app.forget_sources()
    account.regenerate(secret.tags["CredentialId"])
    stage.watch()
    failing = stage.outage(listing, timedelta(minutes=59, seconds=59))
    await stage.run_for(hours=3)
    assert failing.struck
    assert secret.works, "the audit was lost for a day"


def _hours_to_next_audit(stage: Stage, secret: Secret) -> float:
    """Return how long it is to half an hour before the sweep that audits the secret.

    The secret's last days show which sweep that is.
    """
    last = [
        request
        for request in stage.app.delivered
        if request[1].get("action") == "audit" and request[1]["secret"] == secret.name
    ][-1][0]
    sweep = last.replace(minute=0, second=0, microsecond=0)
    moment = sweep - timedelta(minutes=30)
    while moment <= stage.clock.now():
        moment += timedelta(days=1)
    return (moment - stage.clock.now()).total_seconds() / 3600


@pytest.mark.parametrize("what", ["worker", "instance"])
async def test_an_audit_whose_worker_dies_five_times_does_not_park_a_healthy_secret(
    stage: Stage, what: Dying
) -> None:
    secret = stage.storage(days_left=60)
    await stage.rotate(secret, force=True)
    stage.kill(to("GET", "prod.vault.", f"/secrets/{secret.name}"), times=5, what=what, after=False)
    stage.post(secret, action="audit", trigger="sweep")
    await stage.run_for(hours=2)
    assert stage.app.strikes.deaths
    assert secret.works
    assert not secret.tags.get("RekeyState", ""), secret.tags


async def test_a_sweeps_item_without_a_version_does_not_park_a_secret_that_was_just_rotated(
    stage: Stage,
) -> None:
    secret = stage.storage()
    stage.post(secret, trigger="sweep", requested_by="sweep")
    stage.kill(to("GET", "prod.vault.", f"/secrets/{secret.name}"), times=5, after=False)
    await stage.run_for(minutes=2, seconds=5)
    stage.post(secret, trigger="event", version=secret.current.version)
    await stage.run_for(hours=1)
    assert stage.app.strikes.deaths
    assert len(secret.versions) == 2
    assert not secret.tags.get("RekeyState", ""), secret.tags


async def test_a_version_is_published_once_whatever_becomes_of_the_answer(stage: Stage) -> None:
    secret = stage.storage()
    stage.outage(PUBLISH, timedelta(minutes=2), after=True)
    await stage.rotate(secret)
    await stage.run_for(hours=2)
    assert len(secret.versions) == 2
    assert stage.longest_refusal(secret) == timedelta()


async def test_a_restore_that_the_vault_refused_is_looked_at_until_it_cannot_land_any_more(
    stage: Stage,
) -> None:
    secret = await stage.rotated("storage")
    await stage.run_for(hours=1)
    assert not stage.app.host.waiting("rotations")
    stage.outage(PUBLISH, timedelta(minutes=2), FORBIDDEN)
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(minutes=2)
    assert stage.of(secret, "parked")
    assert stage.app.next_check()
    await stage.run_for(hours=2)
    due = stage.app.next_check()
    assert due
    assert due > stage.clock.now() + timedelta(days=1), "the end of the overlap"


async def test_a_change_that_the_source_refused_is_not_looked_for(stage: Stage) -> None:
    secret = stage.storage()
    stage.outage(REGENERATE, timedelta(minutes=1), FORBIDDEN)
    stage.post(secret, version=secret.current.version)
    await stage.run_for(minutes=1)
    assert stage.of(secret, "parked")
    assert not stage.app.host.waiting("rotations")


async def test_a_version_that_lands_late_over_its_successor_leaves_no_credential_behind(
    stage: Stage,
) -> None:
    """Both were made by one operation, and what the late one holds has been removed."""
    secret = stage.entra(days_left=60)
    late = stage.late(PUBLISH, timedelta(minutes=20))
    await stage.rotate(secret, force=True)
    assert late.landed
    await stage.run_for(hours=1)
    alive = [key.secret for key in stage.apps["orders"].passwords(stage.clock.now())]
    assert alive == [secret.version(secret.versions[0].version).value, secret.current.value]


async def test_what_a_dead_worker_made_is_removed_by_whoever_comes_before_its_message_returns(
    stage: Stage,
) -> None:
    secret = stage.entra()
    stage.kill(ADD_PASSWORD, what="instance")
    stage.post(secret, version=secret.current.version)
    await stage.run_for(minutes=1)
    stage.post(secret, version=secret.current.version)
    await stage.run_for(minutes=3)
    first, second = secret.versions
    alive = [key.secret for key in stage.apps["orders"].passwords(stage.clock.now())]
    assert alive == [first.value, second.value]


@pytest.mark.parametrize("what", ["worker", "instance"])
@pytest.mark.parametrize("kind", SINGLE)
async def test_a_dead_worker_costs_a_single_slot_hardly_more_than_its_lease(
    stage: Stage, kind: str, what: Dying
) -> None:
    secret = stage.put(kind)
    stage.kill(SINGLE[kind], what=what)
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(seconds=64)
    assert stage.app.strikes.deaths == 1
    assert secret.works
    assert len(secret.versions) == 2
