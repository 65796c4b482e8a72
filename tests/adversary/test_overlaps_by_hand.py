"""People act inside an overlap, and disable what would tell Rekey what they have done.

What is in use is never revoked: neither what the vault holds, nor what a replica does.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import SINGLE
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage
from tests.adversary.test_logins import ONE, THEIRS, in_overlap, works

THIRD = "Th1rd-password-nobody-uses"
TEXT = "tenant=x;secret={secret}"


def written_by_hand(stage: Stage, pair: Secret, tags: dict[str, str] | None) -> None:
    """Let its owner set the superseded login's password, write that, and disable what was before."""
    stage.server.logins["app_b"].set(THEIRS, stage.clock.now())
    head = pair.current.value.split("User ID=")[0]
    stage.person_writes(pair, f"{head}User ID=app_b;Password={THEIRS}", tags)
    expires = stage.clock.now() + timedelta(days=80)
    pair.vault.amend(pair.current, expires=int(expires.timestamp()))
    for version in pair.versions[:-1]:
        stage.disable(pair, version)


@pytest.mark.parametrize("tags", ["none", "one is malformed"])
async def test_a_login_in_use_is_not_revoked_where_no_tags_tell_how_its_value_looks(
    stage: Stage, tags: str
) -> None:
    pair = await in_overlap(stage)
    await stage.run_for(hours=5)
    kept = {name: text for name, text in pair.tags.items() if not name.startswith("Rekey")}
    kept |= {"CredentialId": "app_b", "OverlapHours": "7d"}
    written_by_hand(stage, pair, None if tags == "none" else kept)
    since = stage.clock.now()
    await stage.run_for(days=9)
    assert works(stage, pair)
    assert stage.longest_refusal(pair, since) == timedelta()


@pytest.mark.parametrize("logins", [None, "app_b,app_c"])
async def test_a_login_in_use_is_not_revoked_where_its_pair_became_another_source(
    stage: Stage, logins: str | None
) -> None:
    pair = await in_overlap(stage)
    await stage.run_for(hours=5)
    stage.server.add_login("app_c", THIRD, "shop")
    tags = {name: text for name, text in pair.tags.items() if not name.startswith("Rekey")}
    tags |= {"CredentialId": "app_b", "Rotator": ONE}
    del tags["Logins"]
    written_by_hand(stage, pair, tags | ({"Logins": logins} if logins else {}))
    await stage.run_for(hours=26)
    assert works(stage, pair)
    since = stage.clock.now()
    await stage.run_for(days=9)
    assert stage.longest_refusal(pair, since) == timedelta()


async def test_a_secret_of_an_application_in_use_is_not_removed_where_its_tags_are_gone(
    stage: Stage,
) -> None:
    """Its first letters tell which one it is, but not those of the text around it."""
    secret = stage.entra(days_left=60)
    expires = stage.clock.now() + timedelta(days=60)
    value = TEXT.replace("{secret}", secret.current.value)
    tags = {**secret.tags, "ValueTemplate": TEXT}
    secret.vault.put(secret.name, value, tags=tags, content_type="text/plain", expires=expires)
    await stage.run_a_day()
    await stage.rotate(secret, force=True)
    await stage.run_for(days=1)
    stage.person_writes(secret, value)
    for version in secret.versions[:-1]:
        stage.disable(secret, version)
    await stage.run_for(days=8)
    alive = [it.secret for it in stage.application().passwords(stage.clock.now())]
    assert any(value.endswith(known) for known in alive)
    assert "may hold it" in str(stage.of(secret, "parked")[-1]["reason"])


@pytest.mark.parametrize("kind", ["entra", "storage"])
@pytest.mark.parametrize("by", ["named", "written back"])
async def test_who_reads_a_replica_that_is_late_has_an_overlap_of_their_own(
    stage: Stage, kind: str, by: str
) -> None:
    """It is written before the old credential is revoked, and that waits for an overlap."""
    primary = await stage.rotated(kind)
    old = primary.versions[0].value
    copy = Secret(stage.other, "copy", primary.accepts)
    held = old if by == "named" else primary.current.value
    copy.vault.put("copy", held, tags={"ReplicaOf": primary.url}, content_type="text/plain")
    if by == "written back":
        stage.tag(primary, Replicas=copy.url)
    await stage.run_for(days=6, hours=22, minutes=45)
    if by == "written back":
        stage.person_writes(copy, old, {"ReplicaOf": primary.url})
    else:
        stage.tag(primary, Replicas=copy.url)
    await stage.run_for(minutes=90)
    since = stage.clock.now()
    assert copy.current.value == primary.current.value
    await stage.run_for(days=6, hours=20)
    assert primary.accepts(old), "whoever has read the replica late uses it still"
    await stage.run_for(hours=8)
    assert not primary.accepts(old)
    assert stage.longest_refusal(copy, since) == timedelta()


@pytest.mark.parametrize("kind", ["login", "admin"])
async def test_a_tag_that_comes_late_takes_the_place_of_the_history(
    stage: Stage, kind: str
) -> None:
    """The only slot has changed by then. A version without its history is worth more than none."""
    secret = stage.put(kind, days_left=60)
    room = 13 - len({*secret.tags, "CredentialId"})
    stage.tag(secret, **{f"Tag{number}": "x" for number in range(room)})
    stage.after(SINGLE[kind], lambda: stage.tag(secret, Late="y"), times=1)
    old = secret.current
    stage.post(secret, force=True, reason="a drill", version=old.version)
    await stage.run_for(minutes=30)
    assert (secret.works, secret.current.value == old.value) == (True, False)
    assert (secret.tags["Late"], stage.reason(secret)) == ("y", "")


async def test_a_key_that_works_on_at_a_moved_account_is_told_of(stage: Stage) -> None:
    """Resource Manager knows no account of the old id. Its key works all the same."""
    secret = stage.put("storage")
    await stage.rotate(secret)
    await stage.run_for(days=1)
    account = stage.world.accounts["appdata"]
    stage.world.add_group(account.subscription, "moved")
    account.group = "moved"
    await stage.run_for(days=6, hours=12)
    before = len(stage.of(secret))
    await stage.run_for(days=1)
    outcomes = stage.of(secret)[before:]
    parked = [str(it["reason"]) for it in outcomes if it["result"] == "parked"]
    assert any("still accepted" in reason for reason in parked)
    assert len(outcomes) < 100, "it is not tried every three minutes for ever"
