"""Retry-After is obeyed by putting work off.

Rekey does not sleep under a lease, park, or wait for a policy because of it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from simulator.reach.strikes import (
    ADD_PASSWORD,
    ADMIN,
    LIST_KEYS,
    PUBLISH,
    READ,
    REGENERATE,
    REMOVE_PASSWORD,
    RETAG,
    Where,
    to,
)
from simulator.wire import Request, Response
from tests.adversary.stage import Stage

MINUTE = timedelta(minutes=1)
LONG = [timedelta(seconds=45), timedelta(minutes=4), timedelta(minutes=25)]
STEPS: dict[str, Where] = {
    "reading the secret": READ,
    "listing keys": LIST_KEYS,
    "regenerating": REGENERATE,
    "publishing": PUBLISH,
    "proving": to("GET", "appdata.blob."),
}


@pytest.mark.parametrize("lasts", LONG)
@pytest.mark.parametrize("step", STEPS)
async def test_a_long_retry_after_puts_a_rotation_off_and_parks_nothing(
    stage: Stage, step: str, lasts: timedelta
) -> None:
    secret = stage.storage()
    throttling = stage.throttle(STEPS[step], lasts)
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(hours=2)
    assert throttling.struck
    assert not stage.of(secret, "parked")
    assert len(secret.versions) == 2
    assert stage.longest_refusal(secret) == timedelta()
    assert max(stage.app.host.durations) <= MINUTE


@pytest.mark.parametrize("step", [PUBLISH, READ, ADMIN])
async def test_a_long_retry_after_keeps_no_password_unknown_for_longer_than_five_minutes(
    stage: Stage, step: Where
) -> None:
    """It begins once the password has changed, and ends after a quarter of an hour."""
    secret = stage.sql("admin")
    stage.after(ADMIN, lambda: stage.throttle(step, timedelta(minutes=15)))
    stage.post(secret, version=secret.current.version)
    await stage.run_for(minutes=1)
    ends = stage.world.faults[0].until  # type: ignore[attr-defined]
    await stage.run_for(hours=26)
    assert secret.works
    assert stage.longest_refusal(secret, since=ends) <= timedelta(minutes=5)
    assert max(stage.app.host.durations) <= 3 * MINUTE


@pytest.mark.parametrize("step", [REMOVE_PASSWORD, ADD_PASSWORD, RETAG])
async def test_a_throttled_application_is_rotated_and_cleaned_up_when_it_may_be(
    stage: Stage, step: Where
) -> None:
    secret = stage.entra()
    throttling = stage.throttle(step, timedelta(minutes=25))
    stage.post(secret, version=secret.current.version, compromised=True)
    await stage.run_for(hours=2)
    assert throttling.struck
    assert not secret.accepts(secret.versions[0].value)
    assert len(secret.versions) == 2
    assert max(stage.app.host.durations) <= 3 * MINUTE


async def test_a_replica_that_is_throttled_puts_the_rotation_off_and_parks_nothing(
    stage: Stage,
) -> None:
    primary = stage.storage()
    copy = stage.plain("copy", primary.current.value, stage.other, {"ReplicaOf": primary.url})
    stage.tag(primary, Replicas=copy.url)
    stage.after(REGENERATE, lambda: stage.throttle(to(host="other.vault."), timedelta(minutes=10)))
    stage.post(primary, version=primary.current.version)
    await stage.run_for(hours=2)
    assert not stage.of(primary, "parked")
    assert copy.current.value == primary.current.value
    assert len(copy.versions) == len(primary.versions) == 2
    assert max(stage.app.host.durations) <= MINUTE


@pytest.mark.parametrize("seconds", [60, 900])
async def test_a_throttled_listing_does_not_keep_a_sweep_beyond_its_time(
    stage: Stage, seconds: int
) -> None:
    secret = stage.storage()
    await stage.run_for(minutes=39, seconds=50)
    stage.throttle(to("GET", "prod.vault.", "/secrets"), timedelta(seconds=seconds * 3))
    await stage.run_for(hours=3)
    assert len(secret.versions) == 2
    assert max(stage.app.host.durations) <= 5 * MINUTE


async def test_no_lease_is_held_while_a_long_retry_after_passes(stage: Stage) -> None:
    """Another secret's work on the same server would meet it.

    Here, whoever looks sees the lease free again.
    """
    secret = stage.storage()
    stage.throttle(LIST_KEYS, timedelta(minutes=5))
    stage.post(secret, version=secret.current.version)
    seen: list[str] = []

    def look() -> None:
        seen.extend(blob.lease.state(stage.clock.now()) for blob in stage.app.blobs.values())

    stage.clock.at(stage.clock.now() + timedelta(minutes=2), look)
    await stage.run_for(minutes=4)
    assert seen == ["available"]


async def test_health_calls_of_anybody_do_not_keep_an_incident_out(stage: Stage) -> None:
    """The policy is due to be read again, and the vault is slow.

    Sixty-four strangers wait for it.
    """
    stage.policy("defaults: {overlapHours: 24}\n")
    secret = stage.storage(days_left=60)
    await stage.run_for(hours=2)
    gate = asyncio.Event()
    stage.app.strikes.holds = lambda request: gate.wait() if _policy(request) else None
    strangers = [asyncio.ensure_future(stage.http("http_health")) for _ in range(64)]
    for _ in range(20):
        await asyncio.sleep(0)
    try:
        answer = await asyncio.wait_for(_incident(stage), 60)
    finally:
        gate.set()
        await asyncio.gather(*strangers)
    assert answer == 202
    assert secret.current


async def _incident(stage: Stage) -> int:
    answer = await stage.http("http_incident", body={"reason": "leaked", "vault": "prod"})
    return answer.status


def _policy(request: Request) -> bool:
    return request.path.startswith("/secrets/rekey-policy")


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "1", "Wed, 04 Nov 2026 12:00:00 GMT"])
async def test_a_throttle_that_does_not_say_how_long_or_too_little_parks_nothing(
    stage: Stage, value: str
) -> None:
    secret = stage.storage()
    headers = {"Content-Type": "application/json", **({"Retry-After": value} if value else {})}
    refusal = Response(429, headers, b'{"error": {"code": "TooManyRequests"}}')
    stage.outage(REGENERATE, timedelta(minutes=20), refusal)
    stage.app.host.sweeping = False
    stage.post(secret, version=secret.current.version)
    await stage.run_for(hours=2)
    assert not stage.of(secret, "parked")
    assert len(secret.versions) == 2


async def test_a_server_that_asks_for_no_pause_is_not_asked_again_at_once(stage: Stage) -> None:
    """It goes on with its change for a minute, and answers each look with `Retry-After: 0`."""
    secret = stage.sql("admin")
    stage.server.operation_time, stage.server.retry_after = MINUTE, 0
    looks = to("GET", path="serverazureasyncoperation")
    stage.before(looks, lambda: stage.clock.advance(0.02), times=100_000)
    await stage.rotate(secret)
    assert len(secret.versions) == 2
    assert secret.works
    assert stage.calls(looks) <= 60
