"""The vault or the app's own storage goes away right after a single slot was changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import FORBIDDEN, PUBLISH, SINGLE, Where, to
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage

AWAY: dict[str, Where] = {
    "the vault": to(host="prod.vault."),
    "what writes to the vault": PUBLISH,
    "the app's storage": to(host="rekeyhost."),
    "the records": to(host="rekeyhost.blob."),
    "both": lambda request: "prod.vault." in request.host or "rekeyhost." in request.host,
}


async def leave(stage: Stage, secret: Secret, kind: str, away: str, minutes: float) -> None:
    """Let something go away once the password has been set, and wait half a minute."""
    where = AWAY[away]
    stage.after(SINGLE[kind], lambda: stage.outage(where, timedelta(minutes=minutes)))
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(seconds=45)


@pytest.mark.parametrize("away", AWAY)
@pytest.mark.parametrize("kind", SINGLE)
async def test_a_password_set_before_an_outage_is_set_back_while_the_lease_lasts(
    stage: Stage, kind: str, away: str
) -> None:
    secret = stage.put(kind)
    await leave(stage, secret, kind, away, minutes=12)
    assert secret.works, "it waits for the outage to end"
    await stage.run_for(hours=3)
    assert secret.works
    assert len(secret.versions) == 2
    assert stage.longest_refusal(secret) <= timedelta(minutes=1)


@pytest.mark.parametrize("away", [*AWAY])
@pytest.mark.parametrize("kind", SINGLE)
async def test_a_password_set_before_an_outage_of_seconds_is_published_by_its_own_worker(
    stage: Stage, kind: str, away: str
) -> None:
    secret = stage.put(kind)
    await leave(stage, secret, kind, away, minutes=0.1)
    assert secret.works
    if away in ("the vault", "what writes to the vault"):
        await stage.run_for(hours=3)
    assert len(secret.versions) == 2
    assert secret.works


@pytest.mark.parametrize("kind", SINGLE)
async def test_nothing_is_set_back_over_what_a_person_has_set_while_the_vault_is_away(
    stage: Stage, kind: str
) -> None:
    secret, account = stage.put(kind), stage.account_of(kind)
    where = AWAY["the vault"]
    person = "By-hand-0nly-they-know-1"

    def away() -> None:
        stage.outage(where, timedelta(minutes=12))
        at = stage.clock.now() + timedelta(seconds=3)
        stage.clock.at(at, lambda: stage.server.set_password(account, person))

    stage.after(SINGLE[kind], away)
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(minutes=10)
    assert account.accepts(person, stage.clock.now()), "what a person has set was undone"


@pytest.mark.parametrize("kind", SINGLE)
async def test_a_person_hears_once_of_a_password_that_no_mark_says_is_lost(
    stage: Stage, kind: str
) -> None:
    """The app's rights to the vault are gone for hours, and looks go on meanwhile."""
    secret, hours = stage.put(kind), timedelta(hours=4)
    stage.after(SINGLE[kind], lambda: stage.outage(AWAY["the vault"], hours, FORBIDDEN))
    await stage.rotate(secret, trigger="event")
    first = stage.of(secret, "parked")
    await stage.run_for(hours=3)
    assert first
    assert len(stage.of(secret, "parked")) <= len(first) + 1
    await stage.run_for(hours=1)
    assert secret.works
