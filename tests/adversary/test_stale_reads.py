"""Key Vault promises no read of what was just written.

An older version is asked about again, never acted upon.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator.reach.strikes import PUBLISH, RETAG
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage

KINDS = ["storage", "entra", "two logins", "login", "user", "admin"]


async def published(stage: Stage, kind: str, **options: Any) -> Secret:
    """Return a secret published seconds ago, in a vault whose reads lag by a minute from now on."""
    secret = stage.put(kind, **options)
    await stage.run_for(minutes=3)
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(seconds=30)
    assert len(secret.versions) == 2
    stage.lag_reads(stage.prod, 60)
    return secret


@pytest.mark.parametrize("action", ["rotate", "rotate it", "audit", "retire it", "restore it"])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_reads_the_older_version_cuts_nothing_off_and_publishes_nothing_unasked(
    stage: Stage, kind: str, action: str
) -> None:
    """An item may name that version."""
    secret = await published(stage, kind)
    since, (verb, _, named) = stage.clock.now(), action.partition(" ")
    stage.post(
        secret,
        action=verb,
        version=secret.versions[0].version if named else None,
        trigger="manual" if named and verb != "rotate" else "sweep",
    )
    await stage.run_for(hours=1)
    assert stage.longest_refusal(secret, since=since) == timedelta()
    assert len(secret.versions) == 2 or verb == "restore"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sweep_over_a_lagging_listing_rotates_nothing_twice(
    stage: Stage, kind: str
) -> None:
    secret = stage.put(kind)
    await stage.run_for(minutes=38)
    stage.post(secret, version=secret.current.version, trigger="event")
    stage.lag_reads(stage.prod, 0, 180)
    await stage.run_for(hours=3)
    assert len(secret.versions) == 2
    assert secret.works


@pytest.mark.parametrize("kind", KINDS)
async def test_a_copy_from_before_two_rotations_makes_nothing_be_revoked(
    stage: Stage, kind: str
) -> None:
    """A failover serves for a day what the vault held ten days ago; requests keep coming."""
    secret = stage.put(kind)
    await stage.run_for(hours=1)
    then = stage.clock.now()
    await stage.rotate(secret)
    await stage.run_past_overlap()
    await stage.rotate(secret, force=True)
    assert len(secret.versions) == 3
    stage.serve_copy(stage.prod, then)
    since = stage.clock.now()
    for action in ("audit", "rotate", "retire"):
        stage.post(secret, action=action, trigger="sweep")
    await stage.run_a_day()
    assert stage.longest_refusal(secret, since=since) == timedelta()
    stage.serve_copy(stage.prod, None)
    await stage.run_for(hours=2)
    assert secret.works


@pytest.mark.parametrize("kind", ["storage", "entra", "two logins"])
async def test_a_copy_from_before_a_retirement_does_not_repeat_it(stage: Stage, kind: str) -> None:
    secret = await stage.rotated(kind)
    await stage.run_for(days=6, hours=23)
    then = stage.clock.now()
    await stage.run_for(hours=3)
    await stage.rotate(secret, force=True)
    assert len(secret.versions) == 3
    stage.serve_copy(stage.prod, then)
    since = stage.clock.now()
    stage.post(secret, action="retire", trigger="sweep")
    await stage.run_a_day()
    assert stage.longest_refusal(secret, since=since) == timedelta()


@pytest.mark.parametrize("kind", ["login", "user", "admin"])
async def test_an_audit_whose_read_was_stale_resets_no_live_password_outside_its_window(
    stage: Stage, kind: str
) -> None:
    secret = stage.put(kind, extra={"RotationWindow": "Sun 01:00-02:00 UTC"})
    await stage.rotate(secret, force=True)
    value = secret.current.value
    stage.lag_reads(stage.prod, 31 * 60)
    stage.post(secret, action="audit", trigger="sweep")
    await stage.run_for(hours=2)
    assert secret.current.value == value
    assert secret.works


@pytest.mark.parametrize("kind", ["storage", "two logins", "login"])
async def test_replicas_of_the_vault_that_lag_in_turn_keep_nothing_from_being_rotated_once(
    stage: Stage, kind: str
) -> None:
    secret = stage.put(kind)
    await stage.run_for(hours=1, minutes=15)
    stage.lag_reads(stage.prod, 0, 45, 0, 20)
    stage.post(secret, version=secret.current.version, trigger="event")
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(hours=30)
    assert len(secret.versions) == 2
    assert secret.works


@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_a_version_that_a_restore_repeats_is_not_taken_for_the_restored_one(
    stage: Stage, kind: str
) -> None:
    """The vault fails over to a copy from before the rotation that is taken back, and takes no write."""
    secret = stage.put(kind)
    before = stage.clock.now()
    stage.clock.advance(60)
    await stage.rotate(secret)
    stage.post(secret, action="restore", version=secret.current.version)
    stage.before(PUBLISH, lambda: stage.serve_copy(secret.vault, before))
    for write in (PUBLISH, RETAG):
        stage.outage(write, timedelta(minutes=20))
    await stage.run_for(minutes=20)
    stage.serve_copy(secret.vault, None)
    await stage.run_for(hours=27)
    assert not stage.reason(secret)
    assert secret.works
    await stage.run_past_overlap()
    alive = {version.value for version in secret.versions if secret.accepts(version.value)}
    assert alive == {secret.current.value}
