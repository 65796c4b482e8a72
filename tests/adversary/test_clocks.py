"""An incident whose time is ahead, as the clock that it was taken from, or cannot be read."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from engine.state.incident import Incident
from engine.state.sweep_order import SweepOrder
from simulator.reach.strikes import PUBLISH, SINGLE
from tests.adversary.stage import Stage

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ahead", "stays"),
    [(MINUTE, False), (5 * MINUTE, False), (90 * MINUTE, False), (MINUTE, True)],
)
@pytest.mark.parametrize("kind", ["storage", "entra", "login"])
async def test_an_incident_that_is_dated_ahead_replaces_everything_once(
    stage: Stage, kind: str, ahead: timedelta, *, stays: bool
) -> None:
    """The instance that dated it is ahead of the vault, or all of them are."""
    secret = stage.put(kind, days_left=60)
    leaked = secret.current.value
    stage.app.ahead = ahead
    stage.app.host.restart()
    location = await stage.report_incident(vault="prod")
    if not stays:
        stage.app.ahead = timedelta()
        stage.app.host.restart()
    await stage.run_for(minutes=20)
    assert not secret.accepts(leaked)
    await stage.run_for(hours=3)
    assert len(secret.versions) == 2
    assert secret.works
    assert (await stage.incident(location))["status"] == "ended"


async def test_what_was_published_under_an_incident_dated_ahead_leaks_in_the_next_one(
    stage: Stage,
) -> None:
    secret = stage.storage(days_left=60)
    stage.app.ahead = 10 * MINUTE
    stage.app.host.restart()
    await stage.report_incident(vault="prod")
    stage.app.ahead = timedelta()
    stage.app.host.restart()
    await stage.run_for(minutes=4)
    leaked = secret.current.value
    assert len(secret.versions) == 2
    location = await stage.report_incident(vault="prod")
    await stage.run_for(hours=3)
    # The first one's order comes again, and takes for older what was made before its date.
    assert len(secret.versions) == 4
    assert not secret.accepts(leaked)
    assert (await stage.incident(location))["status"] == "ended"


async def test_an_order_that_comes_twice_for_an_incident_dated_ahead_replaces_everything_once(
    stage: Stage,
) -> None:
    secret = stage.storage(days_left=60)
    incident = Incident(stage.clock.now() + 5 * MINUTE, reason="leaked", vaults=(stage.prod.url,))
    order = SweepOrder.for_incident(stage.prod.url, incident).to_json()
    for delay in (0, 60, 240):
        stage.app.host.post("sweeps", order, timedelta(seconds=delay))
    await stage.run_for(hours=1)
    assert len(secret.versions) == 2
    assert not secret.accepts(secret.versions[0].value)


@pytest.mark.parametrize("since", ["yesterday", "2026-11-27T10:00:00", "", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("named", [True, False], ids=["a version", "none"])
@pytest.mark.parametrize("kind", ["storage", "login"])
async def test_an_incident_whose_time_cannot_be_read_replaces_what_is_current_once(
    stage: Stage, kind: str, since: str, *, named: bool
) -> None:
    secret = stage.put(kind, days_left=60)
    leaked, version = secret.current.value, secret.current.version if named else None
    stage.post(secret, version=version, compromised=True, reason="leaked", since=since)
    await stage.run_for(hours=3)
    assert len(secret.versions) == 2
    assert not secret.accepts(leaked)
    assert secret.works
    assert stage.of(secret, "rotated")
    assert "since" in json.dumps(stage.app.delivered[0][1])


@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize("ahead", [MINUTE, 180 * MINUTE])
@pytest.mark.parametrize("where", ["before its announcement", "before the vault's write"])
async def test_a_worker_whose_clock_was_ahead_leaves_no_password_refused_for_longer(
    stage: Stage, kind: str, ahead: timedelta, where: str
) -> None:
    """It dies once its source has taken the password, and every time that it noted is to come."""
    secret = stage.put(kind, days_left=60)
    stage.app.ahead = ahead
    stage.app.host.restart()

    def strike() -> None:
        stage.app.ahead = timedelta()
        stage.app.strikes.die("worker")

    if where == "before its announcement":
        stage.after(SINGLE[kind], strike)
    else:
        stage.before(PUBLISH, strike)
    stage.post(secret, version=secret.current.version, force=True)
    await stage.run_for(hours=4)
    assert secret.works
    assert len(secret.versions) == 2
    assert stage.longest_refusal(secret) <= 5 * MINUTE
