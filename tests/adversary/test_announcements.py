"""Every version that Rekey publishes is announced, whoever looks first after a death."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from simulator.reach.strikes import FORBIDDEN, PUBLISH, RETAG
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage

PUBLISHED = ("rotated", "healed", "restored")
KINDS = ["storage", "entra", "two logins", "login", "user", "admin"]
FIRST: dict[str, dict[str, Any]] = {
    "a sweep's rotation of no version": {"trigger": "sweep", "requested_by": "sweep"},
    "an event's rotation of no version": {"trigger": "event"},
    "a sweep's retirement": {"action": "retire", "trigger": "sweep"},
    "an audit": {"action": "audit", "trigger": "sweep"},
    "an operator's rotation of no version": {"trigger": "manual", "force": True},
    "a report of a leak": {"trigger": "manual", "compromised": True, "force": True},
    "a restore": {"action": "restore", "trigger": "manual"},
    "nothing but looks": {},
}


def announced(stage: Stage, secret: Secret) -> list[str]:
    """Return the versions of a secret that were reported as new ones."""
    return [outcome["new_version"] for outcome in stage.of(secret, *PUBLISHED)]


def unannounced(stage: Stage, secret: Secret, by_hand: int = 1) -> set[str]:
    """Return the versions that the app has published and never reported."""
    ours = {version.version for version in secret.versions[by_hand:]}
    return ours - set(announced(stage, secret))


async def die_once_published(stage: Stage, secret: Secret, **item: Any) -> None:
    """Let the instance die right after a version was published: its message stays away."""
    stage.kill(PUBLISH, what="instance")
    stage.post(secret, version=secret.current.version, trigger="event", **item)
    await stage.run_for(seconds=5)
    assert len(secret.versions) == 2
    assert not announced(stage, secret)


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_version_whose_worker_died_is_announced_whatever_message_comes_first(
    stage: Stage, kind: str, first: str
) -> None:
    secret = stage.put(kind)
    await die_once_published(stage, secret)
    records = [json.loads(blob.content) for blob in stage.app.blobs.values()]
    source = next(record["source"] for record in records if record["ahead"])
    if FIRST[first]:
        # A sweep names the source, so that its item looks there in any case.
        stage.post(secret, source=source, **FIRST[first])
    await stage.run_for(hours=3)
    assert not unannounced(stage, secret)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_version_whose_worker_died_is_announced_when_its_own_message_comes_back(
    stage: Stage, kind: str
) -> None:
    """For a single slot a look is posted as well, and comes later."""
    secret = stage.put(kind)
    stage.kill(PUBLISH, what="worker")
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(hours=3)
    assert not unannounced(stage, secret)


@pytest.mark.parametrize("is_written", [True, False], ids=["written upon", "left its source"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_version_is_announced_whatever_a_person_does_to_its_secret(
    stage: Stage, kind: str, *, is_written: bool
) -> None:
    secret = stage.put(kind)
    await die_once_published(stage, secret)
    ours = secret.current
    if is_written:
        stage.person_writes(secret, "Written-by-hand-1", tags=ours.tags)
    else:
        stage.tag(secret, ProviderAddress=None)
    await stage.run_for(hours=3)
    assert ours.version in announced(stage, secret)


async def test_what_follows_a_version_is_posted_whatever_message_comes_first(stage: Stage) -> None:
    """Its apps are refreshed, and what is derived from the key is audited."""
    secret = stage.storage(extra={"MayDerive": "app-sas=blob/backup"})
    stage.policy(
        "consumers:\n- match: {secret: app-key}\n  resources:\n  - /subscriptions/"
        "11111111-2222-4333-8444-555555555555/resourceGroups/y/providers/Microsoft.Web/sites/x\n"
    )
    await die_once_published(stage, secret)
    stage.post(secret, trigger="sweep", requested_by="sweep")
    await stage.run_for(hours=1)
    followed = {(item["secret"], item["action"]) for _, item in stage.app.delivered}
    assert {("app-key", "refresh"), ("app-sas", "audit")} <= followed


@pytest.mark.parametrize("kind", ["storage", "login"])
async def test_a_version_of_an_incident_is_announced_once_what_leaked_is_refused(
    stage: Stage, kind: str
) -> None:
    """Its worker died once it was published, and what leaked may not be retired at first."""
    secret = stage.put(kind)
    await die_once_published(stage, secret, compromised=True, force=True)
    stage.outage(RETAG, timedelta(minutes=30), FORBIDDEN)
    stage.post(secret, trigger="sweep")
    await stage.run_for(hours=30)
    assert not unannounced(stage, secret)
