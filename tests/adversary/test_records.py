"""The app's own record lost, damaged, or from a newer version.

Nothing is destroyed on a tag's word, and somebody is told.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from simulator.reach.strikes import SINGLE
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage
from tests.parts import sampled

KINDS = ["storage", "entra", "two logins"]
DAMAGE = {
    "lost": None,
    "empty": b"",
    "cut off": b'{"owner": "https://',
    "no object": b"[]",
    "noise": bytes(range(200)),
}
EVERY = list(product(KINDS, DAMAGE))
BY_DAY = [
    *((kind, "lost") for kind in KINDS),
    *((KINDS[number % 3], damage) for number, damage in enumerate(DAMAGE) if damage != "lost"),
]
"""Every damage once, and every kind."""


async def rotated(stage: Stage, kind: str) -> Secret:
    """Return a secret in its overlap."""
    secret = await stage.rotated(kind)
    assert len(secret.versions) == 2
    return secret


async def untouched(stage: Stage, secret: Secret) -> None:
    """Let the overlap pass.

    Both credentials still live, both versions are enabled, and a person is told why.
    """
    old = secret.versions[0]
    await stage.run_past_overlap()
    await stage.run_a_day()
    assert secret.accepts(old.value), "a credential was revoked on a tag's word"
    assert secret.version(old.version).enabled
    assert secret.works
    assert len(secret.versions) == 2
    assert stage.reason(secret) or await stage.attention(secret), "nobody is told"


@pytest.mark.parametrize(("kind", "damage"), sampled(EVERY, BY_DAY))
async def test_a_record_that_was_lost_or_damaged_destroys_nothing_and_says_so(
    stage: Stage, kind: str, damage: str
) -> None:
    secret = await rotated(stage, kind)
    if (content := DAMAGE[damage]) is None:
        stage.app.lose_records()
    else:
        stage.damage_records(content)
    await untouched(stage, secret)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_record_of_a_newer_version_parks_the_secret_with_a_sentence(
    stage: Stage, kind: str
) -> None:
    secret = await rotated(stage, kind)
    before = {name: blob.content for name, blob in stage.app.blobs.items()}
    stage.record_from_the_future()
    future = {name: blob.content for name, blob in stage.app.blobs.items()}
    assert future != before
    await untouched(stage, secret)
    assert {name: blob.content for name, blob in stage.app.blobs.items()} == future, (
        "it was overwritten"
    )
    assert "newer" in stage.of(secret, "parked")[-1]["reason"]


async def test_records_that_were_exchanged_destroy_nothing_and_say_so(stage: Stage) -> None:
    """Somebody has put them back from a backup, under wrong names."""
    one, two = stage.storage(), stage.storage("two", "others")
    await stage.rotate(one)
    await stage.rotate(two)
    first, second = stage.app.blobs.values()
    first.content, second.content = second.content, first.content
    first.metadata, second.metadata = second.metadata, first.metadata
    await untouched(stage, one)
    assert two.accepts(two.versions[0].value)
    for secret in (one, two):
        assert "that of another source" in stage.of(secret, "parked")[-1]["reason"]


@pytest.mark.parametrize("kind", sampled(KINDS, ["entra"]))
async def test_a_record_that_was_lost_keeps_nothing_from_being_rotated_later(
    stage: Stage, kind: str
) -> None:
    """After the overlap, with nothing left to retire, a secret is taken up like a foreign one."""
    secret = await rotated(stage, kind)
    await stage.run_past_overlap()
    stage.app.lose_records()
    since = stage.clock.now()
    await stage.run_for(days=80)
    assert len(secret.versions) == 3 or stage.reason(secret)
    assert stage.longest_refusal(secret, since=since) == timedelta()


@pytest.mark.parametrize("kind", SINGLE)
async def test_a_record_that_was_lost_in_mid_change_leaves_no_password_unknown_for_five_minutes(
    stage: Stage, kind: str
) -> None:
    secret = stage.sql(kind)
    stage.kill(SINGLE[kind])
    stage.post(secret, version=secret.current.version)
    await stage.run_for(seconds=5)
    stage.app.lose_records()
    await stage.run_for(hours=1)
    # The look that was posted before the change says for which version that was.
    assert secret.works
    assert stage.longest_refusal(secret, since=stage.app.strikes.died[-1]) <= timedelta(minutes=5)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_incident_whose_record_was_lost_still_cuts_off_what_leaked_or_says_that_it_lives(
    stage: Stage, kind: str
) -> None:
    secret = await rotated(stage, kind)
    leaked = secret.versions[0]
    stage.app.lose_records()
    stage.post(secret, version=leaked.version, compromised=True)
    await stage.run_for(hours=2)
    assert not secret.accepts(leaked.value) or stage.reason(secret)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_first", [True, False])
async def test_a_record_that_was_rolled_back_leaves_no_credential_alive_in_silence(
    stage: Stage, kind: str, is_first: bool
) -> None:
    """The storage account fails over, and serves a copy from before the last rotation."""
    secret = stage.put(kind, extra={"OverlapHours": "2"})
    if is_first:
        stage.post(secret, action="audit", trigger="sweep")
    else:
        await stage.rotate(secret)
    await stage.run_for(hours=1)
    roll_back = stage.app.copied()
    await stage.run_for(hours=2)
    await stage.rotate(secret, force=True)
    superseded = secret.versions[-2]
    roll_back()
    await stage.run_a_day()
    assert secret.accepts(superseded.value), "a credential was revoked on a tag's word"
    assert secret.works
    assert "of which there is no record" in stage.reason(secret)
    # What the reason says ends it.
    stage.tag(secret, RekeyRetire=None)
    await stage.run_a_day()
    assert not stage.reason(secret)
    assert secret.works


@pytest.mark.parametrize("kind", ["login", "admin"])
async def test_a_record_of_a_single_slot_that_was_rolled_back_resets_no_live_password(
    stage: Stage, kind: str
) -> None:
    secret = await stage.rotated(kind)
    roll_back = stage.app.copied()
    await stage.rotate(secret, force=True)
    roll_back()
    await stage.run_a_day()
    assert len(secret.versions) == 3
    assert secret.works
    assert not stage.reason(secret)
