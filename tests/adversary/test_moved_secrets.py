"""A secret whose tag names another source than the one that its credential is from."""

from __future__ import annotations

import pytest

from simulator_tests.holders import Secret
from tests.adversary.stage import Stage


async def leaked_and_moved(stage: Stage) -> tuple[Secret, str, str]:
    """Rotate a secret, then edit its tag; returns it, its value, and the id of its source."""
    secret = stage.storage()
    await stage.rotate(secret)
    leaked, source = secret.current.value, secret.tags["ProviderAddress"]
    stage.tag(secret, ProviderAddress=stage.account("elsewhere").resource_id)
    return secret, leaked, source


@pytest.mark.parametrize("by_source", [False, True])
async def test_an_address_that_was_edited_does_not_end_an_incident_while_the_leak_works(
    stage: Stage, *, by_source: bool
) -> None:
    secret, leaked, source = await leaked_and_moved(stage)
    scope = {"source": source} if by_source else {"vault": "prod"}
    location = await stage.report_incident(**scope)
    await stage.run_for(hours=2)
    assert secret.accepts(leaked)
    progress = await stage.incident(location)
    assert (progress["status"], progress["rotated"]) == ("needs a person", 0)
    assert "still accepted" in progress["named"][0]["reason"]
    assert source.lower() in progress["named"][0]["reason"]
    stage.tag(secret, ProviderAddress=source)
    await stage.run_for(hours=2)
    assert not secret.accepts(leaked)
    assert (await stage.incident(location))["status"] == "ended"
    assert secret.works


async def test_a_dry_run_says_where_a_moved_secrets_leak_works_and_that_nothing_is_rotated_before(
    stage: Stage,
) -> None:
    secret, leaked, source = await leaked_and_moved(stage)
    body = {"compromised": True, "reason": "leaked"}
    dry = dict((await stage.ask(secret, body, dry_run="true")).body)
    assert dry["action"] == "park"
    assert dry["reason"].endswith(f"({source.lower()})")
    scope = {"reason": "leaked", "vault": "prod"}
    incident = await stage.http("http_incident", body=scope, dry_run="true")
    assert dict(incident.body)["waiting_for"][0]["source"] == source.lower()
    before = len(secret.versions)
    assert (await stage.ask(secret, body)).status == 202
    await stage.run_for(minutes=5)
    assert stage.of(secret)[-1]["reason"] == dry["reason"]
    assert (len(secret.versions), secret.accepts(leaked)) == (before, True)
    stage.account().regenerate("key2")
    dry = dict((await stage.ask(secret, body, dry_run="true")).body)
    assert (dry["action"], dry["source"] == source.lower()) == ("rotate", False)


async def test_once_what_leaked_is_revoked_by_hand_a_moved_secret_gets_a_credential_where_it_is_now(
    stage: Stage,
) -> None:
    secret, leaked, _ = await leaked_and_moved(stage)
    location = await stage.report_incident(vault="prod")
    await stage.run_for(hours=1)
    stage.account().regenerate("key2")
    await stage.rotate(secret, compromised=True)
    assert not secret.accepts(leaked)
    assert secret.current.value in {key.value for key in stage.account("elsewhere").keys.values()}
    assert (await stage.incident(location))["status"] == "ended"
