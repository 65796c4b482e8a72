"""SQL: what proves a password, what a frozen worker may still send, and dead versions."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from simulator.reach.strikes import alter, to
from simulator.wire import json_response
from tests.adversary.stage import Stage

NOT_IN_MASTER = 'The server principal "app" is not able to access the database "master" under the current security context.'
SIGN_IN = to("SIGN-IN")


@pytest.mark.parametrize("kind", ["login", "two logins", "admin"])
async def test_an_error_916_at_master_proves_no_password(stage: Stage, kind: str) -> None:
    secret = stage.sql(kind)
    stage.outage(
        SIGN_IN,
        timedelta(hours=1),
        json_response(400, {"refused": {"number": 916, "text": NOT_IN_MASTER}}),
    )
    await stage.rotate(secret)
    assert len(secret.versions) == 1, "published on the word of an error"


@pytest.mark.parametrize("seconds", [74, 200])
@pytest.mark.parametrize("kind", ["login", "user", "two logins"])
async def test_a_statement_sent_long_after_its_lease_keeps_no_login_dead_for_five_minutes(
    stage: Stage, kind: str, seconds: int
) -> None:
    """A worker froze in the driver's thread and sent its ALTER later.

    Its message was worked on meanwhile.
    """
    secret = stage.sql(kind)
    late = stage.late(alter, timedelta(seconds=seconds))
    await stage.rotate(secret)
    await stage.run_for(hours=1)
    assert late.landed
    assert secret.works
    assert stage.longest_refusal(secret, since=late.landed[0]) <= timedelta(minutes=5)


@pytest.mark.parametrize("kind", ["login", "user", "two logins"])
async def test_a_statement_that_a_frozen_process_sends_after_its_lease_is_made_up_for(
    stage: Stage, kind: str
) -> None:
    """It froze after the last look at its clock; meanwhile another worker may have rotated."""
    secret = await stage.rotated(kind)
    thawed: list[datetime] = []

    def freeze() -> None:
        stage.clock.advance(71)
        thawed.append(stage.clock.now())

    stage.before(alter, freeze)
    stage.post(secret, version=secret.current.version, force=True, compromised=True)
    await stage.run_for(seconds=80)
    assert thawed
    await stage.run_for(hours=2)
    assert secret.works
    assert stage.longest_refusal(secret, since=thawed[0]) <= timedelta(minutes=5)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("kind", ["storage", "entra", "two logins"])
async def test_no_version_of_a_restored_secret_stays_enabled_with_a_dead_value(
    stage: Stage, kind: str, times: int
) -> None:
    secret = await stage.rotated(kind)
    for _ in range(times):
        stage.post(secret, action="restore", version=secret.current.version)
        await stage.run_for(minutes=30)
    assert len(secret.versions) == 2 + times
    await stage.run_past_overlap()
    await stage.rotate(secret, force=True)
    await stage.run_past_overlap()
    alive = [version for version in secret.versions if version.enabled]
    assert [version.version for version in alive if not secret.accepts(version.value)] == []
    assert secret.works


async def test_what_a_failover_left_accepted_is_revoked_by_a_rotation_by_force_as_its_fix_says(
    stage: Stage,
) -> None:
    """The retirement is owed at the server that takes no changes any more."""
    secret, old = await stage.rotated("two logins"), stage.server
    superseded = secret.versions[0].value
    new = stage.world.sql.add_server("orders-west", "sqladmin", "Adm1n-password-nobody-uses")
    new.logins, new.databases = old.logins, old.databases
    refusal = {"number": 3906, "text": "Failed to update: the database is read-only."}
    stage.outage(
        lambda request: alter(request) and request.host.startswith(old.fqdn),
        timedelta(days=99),
        json_response(400, {"refused": refusal}),
    )
    address = (secret.tags["ProviderAddress"] or "").replace(old.resource_id, new.resource_id)
    stage.tag(secret, ProviderAddress=address)
    await stage.run_past_overlap()
    parked = [outcome for outcome in stage.of(secret) if outcome["result"] == "parked"]
    assert "once the overlap has passed, rotate by force" in parked[-1]["fix"]
    assert secret.accepts(superseded)
    await stage.rotate(secret, force=True)
    await stage.run_past_overlap()
    assert not secret.accepts(superseded)
    assert await stage.attention(secret) is None


@pytest.mark.parametrize(
    ("kind", "logins"),
    [("admin", None), ("two logins", "app_a,app_b"), ("two logins", "app_b,app_a")],
)
async def test_a_password_is_audited_although_no_tag_says_whose_it_is(
    stage: Stage, kind: str, logins: str | None
) -> None:
    """The server knows its administrator, and a sign-in tells which of two logins it is."""
    extra = {"CredentialId": None, **({"Logins": logins} if logins else {})}
    secret = stage.sql(kind, days_left=80, extra=extra)
    await stage.run_a_day()
    assert [outcome["result"] for outcome in stage.of(secret)] == ["confirmed"]
