"""Two deployments over one source.

One of them notices, parks, and names the other; no consumer is cut off.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from simulator.keyvault.state import Vault
from simulator.reach.strikes import REGENERATE
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage

OTHER = re.compile(r"deployment|another|other app|somebody else", re.IGNORECASE)


def third(stage: Stage) -> Vault:
    """Return a vault that the second deployment serves."""
    return stage.world.add_vault("north")


def parked_with_reason(stage: Stage, *secrets: Secret) -> list[str]:
    """Return why these are parked, those that are."""
    return [stage.reason(secret) for secret in secrets if stage.reason(secret)]


async def test_two_deployments_on_one_account_cut_nobody_off(stage: Stage) -> None:
    north = third(stage)
    mine = stage.storage(extra={"ValidityPeriodDays": "30"})
    theirs = stage.storage(
        "their-key", vault=north, days_left=12, extra={"ValidityPeriodDays": "30"}
    )
    stage.second_deployment(north)
    await stage.run_for(days=40)
    assert stage.longest_refusal(mine) <= timedelta(minutes=5)
    assert stage.longest_refusal(theirs) <= timedelta(minutes=5) or OTHER.search(
        stage.reason(theirs)
    )


async def test_one_of_two_deployments_on_one_account_parks_and_names_the_other(
    stage: Stage,
) -> None:
    north = third(stage)
    mine = stage.storage()
    theirs = stage.storage("their-key", vault=north, days_left=12)
    second = stage.second_deployment(north)
    await stage.run_for(minutes=1)
    await stage.rotate(mine)
    before = dict(stage.account().keys)
    stage.post(theirs, second, version=theirs.current.version, force=True)
    await stage.run_for(hours=1)
    assert stage.account().keys == before
    reasons = parked_with_reason(stage, mine, theirs)
    assert any(OTHER.search(reason) for reason in reasons), reasons


async def test_a_deployment_notices_that_another_one_took_the_key_that_it_would_replace_next(
    stage: Stage,
) -> None:
    """Its own version is proven, and older than what the other one has made since."""
    north, days = third(stage), {"ValidityPeriodDays": "30", "RotateBeforeDays": "5"}
    mine = stage.storage(days_left=4, extra=days)
    await stage.run_for(days=12)
    assert len(mine.versions) == 2
    tags = {tag: text for tag, text in mine.tags.items() if not tag.startswith("Rekey")}
    soon = stage.clock.now() + timedelta(days=4)
    north.put("their-key", mine.current.value, expires=soon, tags=tags, content_type="text/plain")
    theirs = Secret(north, "their-key", mine.accepts)
    second = stage.second_deployment(north)
    stage.post(theirs, second, version=theirs.current.version)
    await stage.run_for(hours=26)
    assert len(theirs.versions) == 2
    assert OTHER.search(stage.reason(mine))
    assert mine.works
    assert theirs.works
    await stage.rotate(mine, force=True)
    assert len(mine.versions) == 2
    assert theirs.works


async def test_whoever_replaces_the_published_key_has_an_overlap_for_the_other_one(
    stage: Stage,
) -> None:
    """Another deployment that held the same key supersedes it so: its consumers still read that."""
    mine = stage.storage(extra={"OverlapHours": "168"})
    before = mine.current.value
    await stage.rotate(mine)
    await stage.run_for(days=6, hours=12)
    stage.account().regenerate(mine.tags["CredentialId"])
    await stage.run_for(days=7)
    assert stage.of(mine, "healed")
    assert mine.works
    assert mine.accepts(before)
    await stage.run_for(days=2)
    assert not mine.accepts(before)


@pytest.mark.parametrize("kind", ["login", "user", "admin"])
async def test_two_deployments_on_one_password_do_not_reset_it_in_turn(
    stage: Stage, kind: str
) -> None:
    north = third(stage)
    mine, account = stage.sql(kind), stage.account_of(kind)
    value = mine.current.value
    north.put("their-password", value, expires=None, tags=mine.tags, content_type="text/plain")
    theirs = Secret(north, "their-password", mine.accepts)
    stage.second_deployment(north)
    await stage.run_for(days=5)
    assert len(account.passwords) <= 4, "they reset each other's password"
    assert mine.works or theirs.works
    reasons = parked_with_reason(stage, mine, theirs)
    assert any(OTHER.search(reason) for reason in reasons), reasons


async def test_two_deployments_on_one_application_keep_their_own_secrets(stage: Stage) -> None:
    """An application holds many secrets, so both can work; neither removes what is the other's."""
    north = third(stage)
    mine = stage.entra()
    theirs = stage.entra("their-secret", vault=north)
    stage.second_deployment(north)
    await stage.run_for(days=10)
    assert len(mine.versions) == len(theirs.versions) == 2
    assert stage.longest_refusal(mine) == stage.longest_refusal(theirs) == timedelta()


async def test_a_second_deployment_over_the_same_vault_rotates_no_version_twice(
    stage: Stage,
) -> None:
    """Somebody deployed again, with a new storage account, and forgot to remove the first."""
    secret = stage.storage()
    second = stage.second_deployment(stage.prod)
    stage.post(secret, version=secret.current.version, trigger="event")
    stage.post(secret, second, version=secret.current.version, trigger="event")
    await stage.run_for(days=2)
    assert len(secret.versions) == 2
    assert stage.longest_refusal(secret) == timedelta()


@pytest.mark.parametrize("first_try", ["event", "sweep"])
async def test_a_late_regeneration_that_cuts_off_what_another_deployment_published_is_mended(
    stage: Stage, first_try: str
) -> None:
    """Of two deployments over one vault the first freezes, and its request comes minutes later."""
    secret = stage.storage()
    second = stage.second_deployment(stage.prod)
    stage.late(REGENERATE, timedelta(minutes=4))
    named = secret.current.version if first_try == "event" else None
    stage.post(secret, trigger=first_try, version=named)
    await stage.run_for(seconds=25)
    stage.post(secret, second, trigger="sweep")
    await stage.run_for(minutes=3)
    published = secret.current
    assert (len(secret.versions), secret.works) == (2, True)
    await stage.run_for(minutes=20)
    assert not secret.accepts(published.value), "the late request did not come"
    assert secret.works
    assert stage.longest_refusal(secret) <= timedelta(minutes=5)
