"""What a person writes, tags, disables or revokes wins, at whatever moment it comes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from simulator.reach.strikes import (
    ADD_PASSWORD,
    ADMIN,
    PUBLISH,
    READ,
    REGENERATE,
    REMOVE_PASSWORD,
    SINGLE,
    Where,
    alter,
    to,
)
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage
from tests.shared.sql_rig import SECOND

CHANGES: dict[str, Where] = {
    "storage": REGENERATE,
    "entra": ADD_PASSWORD,
    "login": alter,
    "admin": ADMIN,
    "two logins": alter,
}
VALUE = "written by hand, and meant"
PROOFS: dict[str, Where] = {
    "storage": to("GET", "appdata.blob."),
    "entra": to("POST", "login.microsoftonline.com"),
    "login": to("SIGN-IN"),
    "admin": to("SIGN-IN"),
    "two logins": to("SIGN-IN"),
}


@pytest.mark.parametrize("tags", ["no tags", "all tags", "tags of their own"])
@pytest.mark.parametrize("kind", CHANGES)
async def test_a_version_written_while_a_credential_is_proven_stays_the_current_one(
    stage: Stage, kind: str, tags: str
) -> None:
    secret = stage.put(kind)
    copied = {"no tags": None, "all tags": secret.tags, "tags of their own": {"team": "blue"}}[tags]

    def write() -> None:
        secret.vault.put(secret.name, VALUE, tags=copied)

    # The proof that follows the change: a secret that nobody rotated before is tried once before
    # it, too.
    stage.after(CHANGES[kind], lambda: stage.before(PROOFS[kind], write))
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(minutes=20)
    assert VALUE in [version.value for version in secret.versions]
    assert secret.current.value == VALUE
    assert secret.current.enabled


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_the_other_key_is_not_regenerated_under_a_person_who_has_just_gone_over_to_it(
    stage: Stage, number: int
) -> None:
    secret, keys = stage.storage(), stage.account().keys
    other, reads = keys["key2"].value, iter(range(1, 99))

    def write() -> None:
        if next(reads) == number:
            secret.vault.put(secret.name, other, tags={**secret.tags, "CredentialId": "key2"})

    stage.before(READ, write, times=99)
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(minutes=20)
    assert keys["key2"].value == other
    assert secret.current.value == other


async def test_what_was_made_for_a_version_that_a_person_replaced_is_removed_by_the_next_rotation(
    stage: Stage,
) -> None:
    secret = stage.entra()
    first = stage.apps["orders"].history[0]
    stage.before(
        PUBLISH, lambda: secret.vault.put(secret.name, first.secret, tags=dict(secret.tags))
    )
    stage.kill(PUBLISH, after=False)
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(minutes=20)
    await stage.rotate(secret)
    assert stage.calls(ADD_PASSWORD) == 2
    alive = [password.secret for password in stage.apps["orders"].passwords(stage.clock.now())]
    assert alive == [first.secret, secret.current.value]


async def test_a_version_disabled_the_moment_it_was_published_keeps_its_credential(
    stage: Stage,
) -> None:
    """A heal then meets the disabled version: what it has published is not what it takes back."""
    secret = await stage.rotated("entra")
    application = stage.apps["orders"]
    stage.world.directory.remove_password(application, application.history[-1])
    stage.after(PUBLISH, lambda: stage.disable(secret))
    stage.post(secret, action="audit", trigger="sweep")
    await stage.run_for(hours=3)
    assert len(secret.versions) == 3
    assert secret.accepts(secret.current.value)


@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_a_tag_set_during_a_retirement_is_kept(stage: Stage, kind: str) -> None:
    secret = await stage.rotated(kind)
    revoking = REGENERATE if kind == "storage" else REMOVE_PASSWORD
    stage.after(revoking, lambda: stage.tag(secret, team="blue"))
    await stage.run_past_overlap()
    assert not secret.accepts(secret.versions[0].value)
    assert secret.tags.get("team") == "blue"


@pytest.mark.parametrize("kind", ["storage", "entra"])
@pytest.mark.parametrize("how", ["deleted", "disabled"])
async def test_people_hear_that_a_credential_is_revoked_although_its_secret_is_taken_away(
    stage: Stage, kind: str, how: str
) -> None:
    secret = await stage.rotated(kind)
    old = secret.versions[0].value
    revoking = REGENERATE if kind == "storage" else REMOVE_PASSWORD
    take = partial(stage.prod.delete, secret.name) if how == "deleted" else None
    stage.clock.watch = stage.app.strikes.watch = lambda: None
    stage.after(revoking, take or partial(stage.disable, secret))
    await stage.run_past_overlap()
    assert not secret.accepts(old)
    retired = [it["retired"] for it in stage.of(secret) if it["retired"]]
    assert len(retired) == 1
    if how == "deleted":
        stage.prod.recover(secret.name)
    else:
        stage.prod.amend(secret.current, enabled=True)
    await stage.run_a_day()
    assert "RekeyRetire" not in secret.tags
    assert not await stage.attention(secret)


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_secret_that_fell_out_of_management_is_shown_with_the_way_back(
    stage: Stage, kind: str
) -> None:
    """Key Vault copies no tags to a version that is written by hand."""
    secret = await stage.rotated(kind)
    stage.person_writes(secret, secret.current.value)
    await stage.run_a_day()
    shown = await stage.attention(secret)
    assert shown, "it left without a word"
    assert shown["reason"]
    assert shown["fix"]


@pytest.mark.parametrize("kind", ["storage", "entra", "two logins"])
async def test_a_key_superseded_before_the_secret_left_management_does_not_live_on_in_silence(
    stage: Stage, kind: str
) -> None:
    secret = await stage.rotated(kind)
    old = secret.versions[0].value
    stage.person_writes(secret, secret.current.value)
    await stage.run_for(days=9)
    assert not secret.accepts(old)
    assert await stage.attention(secret), "once that was revoked, the secret was forgotten"


@pytest.mark.parametrize("copies", [True, False])
async def test_the_key_that_a_person_went_back_to_is_not_revoked(
    stage: Stage, copies: bool
) -> None:
    secret = await stage.rotated("storage")
    old, tags = secret.versions[0].value, secret.tags
    stage.person_writes(secret, old, tags if copies else None)
    await stage.run_for(days=9)
    # With its tags the secret is managed: it is rotated when it is due, with an overlap like any.
    assert copies or secret.current.value == old
    assert secret.accepts(old), "what consumers hold was revoked"
    assert secret.works


async def test_a_credential_that_a_person_revoked_at_the_source_is_not_made_again_by_hand_of_ours(
    stage: Stage,
) -> None:
    """An administrator removes the old secret during its overlap: that is fine, and stays so."""
    secret = await stage.rotated("entra")
    application = stage.apps["orders"]
    stage.world.directory.remove_password(application, application.history[0])
    count = len(application.history)
    await stage.run_for(days=9)
    assert len(application.history) == count
    assert secret.works
    assert not stage.of(secret, "parked")


def _restored(secret: Secret, value: str) -> Callable[[], object]:
    return lambda: secret.vault.put(secret.name, value, tags=secret.tags)


async def test_a_version_written_between_a_restore_and_its_publishing_stays_the_current_one(
    stage: Stage,
) -> None:
    secret = await stage.rotated("storage")
    stage.after(PROOFS["storage"], _restored(secret, VALUE))
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(minutes=10)
    assert VALUE in [version.value for version in secret.versions]
    assert secret.current.value == VALUE


async def test_a_restore_of_a_version_that_a_person_has_disabled_says_so(stage: Stage) -> None:
    secret = await stage.rotated("storage")
    stage.disable(secret, secret.versions[0])
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(hours=1)
    assert f"{secret.versions[0].version}, is disabled" in stage.reason(secret)
    assert "enable it and restore again" in stage.reason(secret)
    assert secret.works


@pytest.mark.parametrize("manual", [{}, {"Manual": "true"}], ids=["managed", "left to people"])
async def test_a_restore_is_done_although_no_tag_shows_what_is_to_be_retired(
    stage: Stage, manual: dict[str, str]
) -> None:
    """A person has written the version that broke something. The record knows the one before."""
    secret = await stage.rotated("storage")
    old = secret.versions[0].value
    await stage.run_for(hours=5)
    tags = {tag: text for tag, text in secret.tags.items() if not tag.startswith("Rekey")}
    stage.person_writes(secret, secret.current.value, tags | manual)
    answer = await stage.http("http_restore", {"vault": "prod", "name": secret.name}, {})
    assert answer.status == 202
    await stage.run_for(minutes=5)
    assert secret.current.value == old
    assert stage.of(secret)[-1]["result"] == "restored"


@pytest.mark.parametrize("value", [VALUE, ""], ids=["nonsense", "a secret of their own"])
@pytest.mark.parametrize("names", ["another team's", "the one before"])
async def test_a_restore_has_nothing_removed_that_only_a_tag_calls_superseded(
    stage: Stage, names: str, value: str
) -> None:
    secret = await stage.rotated("entra")
    old, before = secret.versions[0].value, secret.current.value
    team, mine = stage.password("another team"), stage.password("by hand")
    named = {} if names == "the one before" else {"CredentialId": team.key_id}
    stage.person_writes(secret, value or mine.secret, {**secret.tags, **named})
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(minutes=5)
    assert secret.current.value == old
    await stage.run_past_overlap()
    assert secret.accepts(team.secret)
    assert secret.accepts(mine.secret)
    assert secret.accepts(before) == (not value or bool(named)), (
        "Rekey made it, and the tag names it"
    )
    assert stage.of(secret, "parked") == []


NONSENSE = {
    "storage": VALUE,
    "entra": VALUE,
    "two logins": "Server=orders.database.windows.net;Database=shop;User ID=app_b;Password=typo",
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_a_restore_over_nonsense_ends_what_rekey_had_published_before_that(
    stage: Stage, kind: str
) -> None:
    """That the source refuses nonsense does not prove that it refuses what came before."""
    secret = stage.put(kind, days_left=80)
    await stage.rotate(secret, force=True)
    old, before = secret.versions[0].value, secret.current.value
    stage.person_writes(secret, NONSENSE[kind], secret.tags)
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(minutes=5)
    assert secret.current.value == old
    assert secret.accepts(before)
    await stage.run_past_overlap()
    assert not secret.accepts(before)
    assert secret.works


async def test_a_restore_over_nonsense_is_done_although_its_login_is_disabled(stage: Stage) -> None:
    """A login that nobody can sign in as tells nothing of the value."""
    secret = await stage.rotated("two logins")
    stage.server.logins[secret.tags["CredentialId"]].enabled = False
    stage.person_writes(secret, NONSENSE["two logins"], secret.tags)
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(minutes=5)
    assert secret.current.value == secret.versions[0].value


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("kind", ["storage", "two logins"])
async def test_a_rotation_of_nonsense_ends_what_rekey_had_published_before_that(
    stage: Stage, kind: str, *, dies: bool
) -> None:
    secret = stage.put(kind, days_left=80)
    await stage.rotate(secret, force=True)
    await stage.run_past_overlap()
    before = secret.current.value
    stage.person_writes(secret, NONSENSE[kind], secret.tags)
    if dies:
        # So often that what was announced is carried on.
        stage.kill(PUBLISH, times=3, after=False)
    await stage.rotate(secret, force=True)
    assert secret.accepts(before)
    await stage.run_past_overlap()
    assert not secret.accepts(before)
    assert secret.works


async def test_a_restore_supersedes_what_a_person_took_into_use_however_its_tag_spells_it(
    stage: Stage,
) -> None:
    secret = stage.put("entra", days_left=80)
    await stage.rotate(secret, force=True)
    mine = stage.password("by hand")
    stage.person_writes(secret, mine.secret, secret.tags | {"CredentialId": mine.key_id.upper()})
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_past_overlap()
    assert not secret.accepts(mine.secret)


@pytest.mark.parametrize("tag", ["no tag", "the tag of the one before"])
async def test_a_restore_supersedes_what_rekey_made_though_a_person_wrote_it_in_another_form(
    stage: Stage, tag: str
) -> None:
    """What the source and the record say of it tells more than its tag."""
    secret = stage.put("entra", days_left=80)
    earlier = {"CredentialId": secret.tags["CredentialId"]} if tag != "no tag" else {}
    await stage.rotate(secret, force=True)
    made = secret.current.value
    tags = {name: text for name, text in secret.tags.items() if name != "CredentialId"}
    shape = {"ValueTemplate": "Secret={secret}"}
    stage.person_writes(secret, f"Secret={made}", tags | earlier | shape)
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_past_overlap()
    assert not secret.accepts(made)
    assert secret.current.value == f"Secret={secret.versions[0].value}"


async def test_a_restore_has_nothing_removed_that_only_a_beginning_and_a_tag_call_superseded(
    stage: Stage,
) -> None:
    """Everybody who may read the application sees how its secrets begin, and their ids."""
    secret = await stage.rotated("entra")
    team = stage.password("another team")
    forged = team.secret[:3] + "x" * len(team.secret[3:])
    stage.person_writes(secret, forged, secret.tags | {"CredentialId": team.key_id})
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_past_overlap()
    assert secret.accepts(team.secret)


@pytest.mark.parametrize("force", [True, False])
async def test_a_rotation_has_nothing_removed_that_only_a_beginning_and_a_tag_call_superseded(
    stage: Stage, *, force: bool
) -> None:
    secret = await stage.rotated("entra")
    await stage.run_past_overlap()
    team = stage.password("another team")
    forged = team.secret[:3] + "x" * len(team.secret[3:])
    stage.person_writes(secret, forged, secret.tags | {"CredentialId": team.key_id})
    if force:
        stage.post(secret, force=True)
    await stage.run_for(days=2)
    assert secret.works
    await stage.run_past_overlap()
    assert secret.accepts(team.secret)


async def test_what_a_person_enabled_again_stays_enabled(stage: Stage) -> None:
    secret = await stage.rotated("storage")
    await stage.run_past_overlap()
    old = secret.versions[0]
    assert not old.enabled
    secret.vault.amend(old, enabled=True)
    await stage.run_for(days=2)
    assert secret.versions[0].enabled


async def test_a_secret_that_becomes_manual_in_mid_rotation_is_left_to_its_person(
    stage: Stage,
) -> None:
    secret = stage.storage()
    stage.after(REGENERATE, lambda: stage.tag(secret, Manual="true"))
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(hours=2)
    assert len(secret.versions) == 1
    assert secret.works


@pytest.mark.parametrize("kind", ["storage", "two logins"])
async def test_what_a_person_put_in_place_of_a_superseded_credential_is_not_cut_off(
    stage: Stage, kind: str
) -> None:
    """They have revoked it themselves, and use what is in its slot now for something else."""
    secret, login = stage.put(kind), stage.server.logins.get("app_a")
    await stage.rotate(secret)
    old = secret.versions[0]
    if login:
        login.set(SECOND, stage.clock.now())
    else:
        stage.account().regenerate("key1")
    theirs = stage.account().keys["key1"]
    await stage.run_past_overlap()
    assert login is None or login.accepts(SECOND, stage.clock.now())
    assert stage.account().keys["key1"] == theirs
    assert stage.of(secret, "retired")
    assert not secret.version(old.version).enabled
    assert secret.works


async def test_what_a_person_put_in_place_of_a_key_whose_version_they_disabled_is_not_cut_off(
    stage: Stage,
) -> None:
    secret = await stage.rotated("storage")
    await stage.run_past_overlap()
    await stage.rotate(secret, force=True)
    stage.disable(secret, secret.versions[1])
    theirs = stage.account().regenerate("key2")
    await stage.run_past_overlap()
    assert stage.account().keys["key2"] == theirs
    assert stage.of(secret, "retired")
    assert secret.works


@pytest.mark.parametrize("kind", SINGLE)
async def test_a_secret_put_back_from_a_backup_whose_value_is_dead_says_so_within_a_day(
    stage: Stage, kind: str
) -> None:
    """A backup holds the versions themselves: what is current was replaced, and never comes late."""
    secret = await stage.rotated(kind)
    backup = list(secret.vault.secrets[secret.name])
    await stage.rotate(secret, force=True)
    secret.vault.secrets[secret.name] = backup
    assert not secret.works
    await stage.run_for(hours=27)
    assert "restored from a backup, write its value again" in stage.reason(secret)
    # What the reason says ends it.
    stage.server.set_password(stage.account_of(kind), "By-hand-0nly-they-know")
    stage.person_writes(secret, "By-hand-0nly-they-know", secret.tags)
    await stage.run_a_day()
    assert secret.works
    assert not stage.reason(secret)
