"""What is reported happened, and what happened is reported."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.state.incident import STILL_ACCEPTED
from simulator.faults import Fault
from simulator.reach.strikes import NOT_AUTHORIZED, PUBLISH, REGENERATE, to
from tests.adversary.stage import Ear, Stage

PUBLISHED = ("rotated", "healed", "restored")


def announced(stage: Stage) -> set[str]:
    """Return the versions that were reported as new ones."""
    return {outcome["new_version"] for outcome in stage.outcomes if outcome["result"] in PUBLISHED}


async def test_a_healed_version_is_announced_although_the_worker_died(stage: Stage) -> None:
    secret = stage.storage(days_left=60)
    await stage.rotate(secret, force=True)
    stage.account().regenerate(secret.tags["CredentialId"])
    stage.kill(PUBLISH)
    await stage.run_for(days=2)
    assert secret.works
    assert {version.version for version in secret.versions[1:]} <= announced(stage)


async def test_a_version_is_announced_although_what_it_supersedes_may_not_be_revoked(
    stage: Stage,
) -> None:
    """Programs need the new version at once. Whoever reads of it is told that its incident goes on."""
    secret = stage.put("storage")
    stage.world.faults.append(
        Fault(
            lambda request: REGENERATE(request) and b"key1" in request.body,
            NOT_AUTHORIZED,
            times=99,
        )
    )
    await stage.rotate(secret, trigger="manual", compromised=True, force=True)
    told = [(outcome["result"], outcome["new_version"]) for outcome in stage.of(secret)]
    version = secret.current.version
    assert told[:2] == [("rotated", version), ("parked", version)]
    assert STILL_ACCEPTED in stage.of(secret)[0]["reason"]
    assert version in announced(stage)


async def test_an_outcome_event_warns_of_nothing(stage: Stage, ear: Ear) -> None:
    stage.outcome_topic()
    await stage.rotated("storage")
    assert stage.calls(to("POST", "outcomes.")) == 1
    assert [record.getMessage() for record in ear.warnings] == []


async def test_a_later_rotation_has_nothing_to_warn_of(stage: Stage) -> None:
    secret = await stage.rotated("storage")
    await stage.run_past_overlap()
    first = await stage.ask(secret, {"force": True}, dry_run="true")
    assert "may be in use" not in first.text()


@pytest.mark.parametrize("after", [True, False], ids=["published", "not yet published"])
@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_a_credential_is_reported_as_retired_although_the_worker_died_later(
    stage: Stage, kind: str, *, after: bool
) -> None:
    """An incident retires what was superseded before it replaces what leaked."""
    secret = await stage.rotated(kind)
    (first, leaked), held = secret.versions, secret.tags["CredentialId"]
    stage.clock.advance(3600)
    stage.kill(PUBLISH, after=after)
    stage.post(secret, version=leaked.version, compromised=True, reason="leaked")
    await stage.run_for(hours=1)
    assert stage.app.strikes.deaths == 1
    assert not secret.accepts(first.value)
    retired = [it for outcome in stage.of(secret) for it in outcome["retired"]]
    assert len(retired) == 2
    assert held in retired


# A leak that is reported while its secret is being rotated is judged as the worker judges it.


@pytest.mark.parametrize("died", [REGENERATE, PUBLISH], ids=["regenerated", "not yet published"])
async def test_a_leak_reported_in_the_middle_of_a_first_rotation_is_taken(
    stage: Stage, died: object
) -> None:
    secret = stage.storage()
    leaked = secret.current.value
    stage.clock.advance(600)
    stage.kill(died, what="instance", after=died is REGENERATE)  # type: ignore[arg-type]
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(minutes=1)
    assert stage.app.strikes.deaths == 1
    assert len(secret.versions) == 1
    body = {"compromised": True, "reason": "leaked"}
    dry = await stage.ask(secret, body, dry_run="true")
    assert (dry.status, dict(dry.body)["action"]) == (200, "rotate"), dry.body
    answer = await stage.ask(secret, body)
    assert answer.status == 202, answer.body
    await stage.run_for(minutes=15)
    assert not secret.accepts(leaked)
    assert secret.works
    assert stage.longest_refusal(secret) == timedelta()


async def test_a_key_that_somebody_else_made_still_stands_in_the_way_of_a_first_rotation(
    stage: Stage,
) -> None:
    secret = stage.storage()
    stage.clock.advance(3600)
    stage.account().regenerate("key2")
    answer = await stage.ask(secret, {"force": True, "reason": "asked for"})
    assert answer.status == 422
    assert "somebody else uses it" in str(answer.body)
