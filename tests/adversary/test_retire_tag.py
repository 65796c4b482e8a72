"""`RekeyRetire` is there to be read by people.

Editing it changes nothing about what is revoked, where and when.
"""

from __future__ import annotations

from datetime import timedelta

from tests.adversary.sources import Secret
from tests.adversary.stage import Stage
from tests.adversary.strikes import REGENERATE

PAST = "2026-11-01T00:00:00Z"


async def rotated(stage: Stage, secret: Secret) -> Secret:
    """Rotate a secret and return it, in its overlap."""
    await stage.rotate(secret)
    assert len(secret.versions) == 2
    return secret


async def test_an_edited_tag_removes_no_credential_of_another_team(stage: Stage) -> None:
    secret, theirs = stage.entra(), stage.password("another team")
    await rotated(stage, secret)
    stage.tag(secret, RekeyRetire=f"{PAST} {secret.versions[0].version} {theirs.key_id}")
    await stage.run_for(days=9)
    assert theirs.alive(stage.clock.now())


async def test_an_edited_tag_does_not_save_the_credential_that_was_superseded(stage: Stage) -> None:
    secret, theirs = stage.entra(), stage.password("another team")
    old = (await rotated(stage, secret)).versions[0]
    stage.tag(secret, RekeyRetire=f"{PAST} {old.version} {theirs.key_id}")
    await stage.run_past_overlap()
    assert not secret.accepts(old.value)


async def test_what_an_edited_tag_names_is_not_reported_as_retired(stage: Stage) -> None:
    secret = stage.entra()
    await rotated(stage, secret)
    nobody = "00000000-0000-4000-8000-000000000000"
    stage.tag(secret, RekeyRetire=f"{PAST} {secret.versions[0].version} {nobody}")
    await stage.run_past_overlap()
    assert nobody not in [
        credential for outcome in stage.of(secret) for credential in outcome["retired"]
    ]
    assert not secret.accepts(secret.versions[0].value)


async def test_an_earlier_time_in_the_tag_cuts_nothing_off(stage: Stage) -> None:
    secret = await rotated(stage, stage.storage())
    old = secret.versions[0]
    stage.tag(secret, RekeyRetire=f"{PAST} {old.version} key1")
    await stage.run_for(days=6)
    assert secret.accepts(old.value)
    assert secret.version(old.version).enabled


async def test_a_later_time_in_the_tag_prolongs_no_life(stage: Stage) -> None:
    secret = await rotated(stage, stage.storage())
    old = secret.versions[0]
    stage.tag(secret, RekeyRetire=f"2027-11-01T00:00:00Z {old.version} key1")
    await stage.run_past_overlap()
    assert not secret.accepts(old.value)


async def test_a_tag_that_was_removed_prolongs_no_life(stage: Stage) -> None:
    secret = await rotated(stage, stage.storage())
    old = secret.versions[0]
    stage.tag(secret, RekeyRetire=None)
    await stage.run_past_overlap()
    assert not secret.accepts(old.value)


async def test_an_address_that_is_corrected_during_the_overlap_revokes_nothing_at_the_new_source(
    stage: Stage,
) -> None:
    secret, others = await rotated(stage, stage.storage()), stage.account("others")
    before = dict(others.keys)
    stage.tag(secret, ProviderAddress=others.resource_id)
    await stage.run_for(days=9)
    assert others.keys == before


async def test_an_address_that_is_corrected_during_the_overlap_leaves_no_key_alive_in_silence(
    stage: Stage,
) -> None:
    secret, others = await rotated(stage, stage.storage()), stage.account("others")
    old = secret.versions[0]
    stage.tag(secret, ProviderAddress=others.resource_id)
    await stage.run_for(days=9)
    assert not secret.accepts(old.value)
    assert ["key1"] in [outcome["retired"] for outcome in stage.of(secret, "retired")]


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


async def test_a_version_named_by_an_edited_tag_is_not_disabled(stage: Stage) -> None:
    secret = stage.storage(extra={"OverlapHours": "1"})
    await rotated(stage, secret)
    await stage.run_for(hours=3)
    stage.clock.advance(60)
    await stage.rotate(secret, force=True)
    assert len(secret.versions) == 3
    stage.tag(secret, RekeyRetire=f"{PAST} {secret.current.version} key1")
    await stage.run_for(hours=4)
    assert secret.current.enabled
    assert secret.works


async def test_a_forged_tag_on_a_secret_that_was_never_rotated_revokes_nothing(
    stage: Stage,
) -> None:
    secret = stage.storage(days_left=60)
    account = stage.account()
    before = dict(account.keys)
    stage.tag(secret, RekeyRetire=f"{PAST} {secret.current.version} key2", RekeyOperation="x")
    await stage.run_for(days=2)
    assert account.keys == before
    assert stage.calls(REGENERATE) == 0
    assert stage.longest_refusal(secret) == timedelta()


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
