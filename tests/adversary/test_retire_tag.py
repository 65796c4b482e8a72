"""`RekeyRetire` is there to be read by people.

Editing it changes nothing about what is revoked, where and when.
"""

from __future__ import annotations

import pytest

from simulator_tests.holders import Secret
from tests.adversary.stage import Stage

PAST = "2026-11-01T00:00:00Z"


async def rotated(stage: Stage, secret: Secret) -> Secret:
    """Rotate a secret and return it, in its overlap."""
    await stage.rotate(secret)
    assert len(secret.versions) == 2
    return secret


def retired(stage: Stage, secret: Secret) -> list[str]:
    """Return the ids of what was reported as revoked."""
    return [credential for outcome in stage.of(secret) for credential in outcome["retired"]]


async def test_an_edited_tag_removes_no_credential_of_another_team_and_saves_not_its_own(
    stage: Stage,
) -> None:
    secret, theirs = stage.entra(), stage.password("another team")
    old = (await rotated(stage, secret)).versions[0]
    stage.tag(secret, RekeyRetire=f"{PAST} {old.version} {theirs.key_id}")
    await stage.run_for(days=9)
    assert theirs.alive(stage.clock.now())
    assert not secret.accepts(old.value)
    assert retired(stage, secret) == [stage.apps["orders"].history[0].key_id]


@pytest.mark.parametrize("until", [PAST, "2027-11-01T00:00:00Z", None])
async def test_another_time_in_the_tag_and_none_neither_cut_a_life_short_nor_prolong_it(
    stage: Stage, until: str | None
) -> None:
    secret = await rotated(stage, stage.storage())
    old = secret.versions[0]
    stage.tag(secret, RekeyRetire=until and f"{until} {old.version} key1")
    await stage.run_for(days=6)
    assert secret.accepts(old.value)
    assert secret.version(old.version).enabled
    await stage.run_for(days=1, hours=2)
    assert not secret.accepts(old.value)


async def test_an_address_that_is_corrected_during_the_overlap_revokes_the_old_sources_key_alone(
    stage: Stage,
) -> None:
    secret, others = await rotated(stage, stage.storage()), stage.account("others")
    old, before = secret.versions[0], dict(others.keys)
    stage.tag(secret, ProviderAddress=others.resource_id)
    await stage.run_for(days=9)
    assert others.keys == before
    assert not secret.accepts(old.value)
    assert retired(stage, secret) == ["key1"]


async def test_a_corrected_address_with_the_new_accounts_key_revokes_nothing_there(
    stage: Stage,
) -> None:
    """A person corrects address and value at once, and keeps the tags that stood there."""
    secret, others = await rotated(stage, stage.storage()), stage.account("others")
    tags = {**secret.tags, "ProviderAddress": others.resource_id, "CredentialId": "key2"}
    before = dict(others.keys)
    # With an expiry of its own: without one it would be due at once.
    secret.vault.amend(
        stage.person_writes(secret, others.keys["key2"].value, tags),
        expires=int(stage.clock.now().timestamp()) + 80 * 86_400,
    )
    await stage.run_for(days=9)
    assert others.keys == before


async def test_a_tag_that_no_record_knows_is_handed_to_a_person_within_two_hours(
    stage: Stage,
) -> None:
    """An earlier Rekey may have written it, or anybody.

    Nothing is revoked, and nobody waits for it in silence.
    """
    secret = stage.storage(days_left=80)
    stage.tag(secret, RekeyRetire=f"{PAST} {'a' * 32} key2")
    keys = dict(stage.account().keys)
    await stage.run_for(hours=2)
    assert stage.account().keys == keys
    assert "of which there is no record" in stage.reason(secret)
