"""Two secrets that claim one source.

The first keeps it, and the other one learns what that means for it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator_tests.holders import Secret
from tests.adversary.stage import Stage


def pair(stage: Stage, holds: str = "key1") -> tuple[Secret, Secret]:
    """Put two secrets under management that name one account; the second is due later."""
    return stage.storage("first"), stage.storage("second", holds=holds, days_left=45)


async def test_a_parked_secret_does_not_lose_its_key_in_silence_when_the_others_overlap_ends(
    stage: Stage,
) -> None:
    first, second = pair(stage)
    await stage.rotate(first)
    await stage.rotate(second, force=True)
    earlier = len(stage.of(second, "parked"))
    await stage.run_for(days=9)
    assert first.works
    if not second.works:
        later = stage.of(second, "parked")[earlier:]
        reasons = " ".join(
            f"{outcome['reason']} {outcome['fix']}" for outcome in later
        ) + stage.reason(second)
        assert "key1" in reasons, reasons
        assert await stage.attention(second)


@pytest.mark.parametrize("order", ["the owner first", "the other first"])
async def test_ownership_does_not_pass_to_another_secret_when_the_records_are_lost(
    stage: Stage, order: str
) -> None:
    first, second = pair(stage)
    await stage.run_for(minutes=1)
    await stage.rotate(first)
    await stage.rotate(second, force=True)
    stage.app.lose_records()
    since = stage.clock.now()
    for secret in (first, second) if order == "the owner first" else (second, first):
        stage.tag(secret, team="blue")
        stage.post(secret, version=secret.current.version, force=True)
    await stage.run_a_day()
    assert stage.longest_refusal(first, since=since) == timedelta()


async def test_a_secret_cannot_take_a_source_over_by_copying_the_owners_tags(stage: Stage) -> None:
    first = stage.storage("first")
    await stage.rotate(first)
    thief = stage.plain("thief", first.current.value, stage.other, first.tags)
    before = dict(stage.account().keys)
    stage.post(thief, version=thief.current.version, force=True)
    await stage.run_for(days=2)
    assert stage.account().keys == before


async def test_a_secret_cannot_have_a_credential_removed_that_was_made_for_another(
    stage: Stage,
) -> None:
    """Two secrets of one application.

    The second claims the first's credential as its own, superseded one.
    """
    first = stage.entra("first")
    second = stage.entra("second", extra={"OverlapHours": "1"})
    await stage.rotate(first)
    await stage.rotate(second)
    mine = stage.apps["orders"].history
    current = next(password for password in mine if password.secret == first.current.value)
    past = f"2026-11-01T00:00:00Z {second.versions[0].version} {current.key_id}"
    stage.tag(second, RekeyRetire=past, CredentialId=current.key_id)
    await stage.run_for(days=2)
    assert first.works


async def test_a_secret_that_names_anothers_credential_as_held_does_not_get_it_retired(
    stage: Stage,
) -> None:
    first, second = stage.entra("first"), stage.entra("second")
    theirs = stage.apps["orders"].history[0]
    stage.tag(second, CredentialId=theirs.key_id)
    await stage.rotate(second)
    await stage.run_past_overlap()
    assert theirs.alive(stage.clock.now())
    assert first.current.value == theirs.secret or first.works
