"""Scopes that are taken away: nothing is changed at a source any more that they do not contain."""

from __future__ import annotations

import json

import pytest

from simulator_tests.holders import Secret
from tests.adversary.stage import Stage

NOWHERE = "/subscriptions/00000000-0000-4000-8000-00000000ffff"


def bind(stage: Stage, *scopes: str) -> None:
    """Let the settings bind the vaults to these scopes only."""
    bound = json.dumps({vault.url: list(scopes) for vault in (stage.prod, stage.other)})
    stage.app.settings["REKEY_SCOPES"] = bound
    stage.app.host.restart()


async def overlapping(stage: Stage, kind: str) -> tuple[Secret, str]:
    """Return a secret in its overlap, and what it has superseded."""
    secret = await stage.rotated(kind, extra={"OverlapHours": "2"})
    return secret, secret.versions[0].value


@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_a_source_that_scopes_no_longer_contain_is_not_changed(
    stage: Stage, kind: str
) -> None:
    secret, old = await overlapping(stage, kind)
    bind(stage, NOWHERE)
    await stage.run_for(hours=28)
    assert secret.accepts(old), "revoked without a right to"
    assert not stage.of(secret, "retired")
    assert "is not bound to" in stage.reason(secret)
    assert "is not revoked there" in stage.reason(secret)


@pytest.mark.parametrize("is_managed", [True, False])
async def test_a_source_outside_the_scopes_that_a_secret_has_left_is_reported_and_not_changed(
    stage: Stage, is_managed: bool
) -> None:
    secret, old = await overlapping(stage, "storage")
    others = stage.account("others")
    stage.tag(secret, ProviderAddress=others.resource_id if is_managed else None)
    bind(stage, others.resource_id.lower())
    await stage.run_for(hours=5)
    assert secret.accepts(old)
    reports = [f"{parked['reason']} {parked['fix']}" for parked in stage.of(secret, "parked")]
    assert any("key1 is to be revoked, but vault" in report for report in reports), reports
    assert not any("RekeyState" in (version.tags or {}) for version in secret.versions[:1])


@pytest.mark.parametrize("is_moved", [True, False])
async def test_an_incident_at_a_source_outside_the_scopes_says_that_the_leak_works(
    stage: Stage, is_moved: bool
) -> None:
    secret, old = await overlapping(stage, "storage")
    leaked, others = secret.current.value, stage.account("others")
    if is_moved:
        stage.tag(secret, ProviderAddress=others.resource_id)
    bind(stage, others.resource_id.lower())
    location = await stage.report_incident(vault="prod")
    await stage.run_for(hours=4)
    assert secret.accepts(leaked)
    assert secret.accepts(old)
    assert "is not bound to" in stage.reason(secret)
    assert (await stage.incident(location))["status"] != "ended"
