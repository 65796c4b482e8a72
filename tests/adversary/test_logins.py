"""A source of two logins becomes another one: Logins names one of them, or another pair.

What Rekey made for a login that is named no more is still Rekey's to revoke, unless that login has a
secret of its own by then.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator_tests.holders import Secret, of_logins
from tests.adversary.stage import Stage

ONE = "sql-login-password"
THEIRS = "By-hand-123456-nobody"


async def in_overlap(stage: Stage) -> Secret:
    """Return a pair that has rotated twice: `app_a` is in use, and `app_b` is superseded."""
    pair = await stage.rotated("two logins")
    await stage.run_past_overlap()
    await stage.rotate(pair, force=True)
    assert "User ID=app_a" in pair.current.value
    return pair


def narrowed(stage: Stage, pair: Secret) -> None:
    """Its owner takes the tag Logins away."""
    stage.tag(pair, Logins=None, Rotator=ONE)


async def own_secret(stage: Stage, login: str) -> Secret:
    """Give a login a secret of its own, which holds its password."""
    held = stage.server.logins[login]
    own = Secret(stage.prod, "one-login", of_logins(stage.clock.now, held))
    tags = {
        "ProviderAddress": stage.server.resource_id,
        "ValidityPeriodDays": "90",
        "CredentialId": login,
        "Rotator": ONE,
    }
    expires = stage.clock.now() + timedelta(days=80)
    own.vault.put(own.name, str(held.newest), expires=expires, tags=tags, content_type="text/plain")
    stage._watched.append(own)
    stage.post(own, action="audit")
    await stage.run_for(hours=2)
    return own


async def replaced_by_hand(stage: Stage, *, is_seen: bool) -> tuple[Secret, str]:
    """A person replaces a pair's current version by one of the other login alone.

    Returns the secret, and the version that holds the password of the login that is named no more.
    """
    pair = await stage.rotated("two logins")
    replaced = pair.current
    assert "app_b" in replaced.value
    await stage.run_for(hours=5)
    stage.server.logins["app_a"].set(THEIRS, stage.clock.now())
    tags = {name: text for name, text in pair.tags.items() if not name.startswith("Rekey")}
    tags |= {"CredentialId": "app_a", "Rotator": ONE}
    del tags["Logins"]
    head = replaced.value.split("User ID=")[0]
    stage.person_writes(pair, f"{head}User ID=app_a;Password={THEIRS}", tags)
    if is_seen:
        stage.post(pair, action="audit")
    await stage.run_for(minutes=10)
    assert pair.works
    return pair, str(replaced.version)


def works(stage: Stage, pair: Secret) -> bool:
    """Return whether one of the server's logins takes what the vault holds."""
    return of_logins(stage.clock.now, *stage.server.logins.values())(pair.current.value)


def value_of(pair: Secret, version: str) -> str:
    """Return the value of a version."""
    return next(it.value for it in pair.versions if it.version == version)


@pytest.mark.parametrize("way", ["untagged", "one login", "other pair", "deleted"])
async def test_a_login_with_a_secret_of_its_own_is_not_cut_off_by_the_pair_that_it_left(
    stage: Stage, way: str
) -> None:
    pair = await in_overlap(stage)
    await stage.run_for(days=6, hours=20)
    if way == "untagged":
        stage.tag(pair, ProviderAddress=None)
    elif way == "deleted":
        pair.vault.delete(pair.name)
    elif way == "other pair":
        stage.server.add_login("app_c", "Th1rd-password-nobody-uses", "shop")
        stage.tag(pair, Logins="app_a,app_c")
    else:
        narrowed(stage, pair)
    since = stage.clock.now()
    own = await own_secret(stage, "app_b")
    assert stage.of(own, "confirmed"), "it owns its login"
    assert own.works
    await stage.run_past_overlap()
    assert stage.longest_refusal(own, since=since) == timedelta()
    told = " ".join(outcome["reason"] for outcome in stage.of(pair, "skipped"))
    assert ("app_b is not retired: " in told) == (way == "one login")
    if way in ("one login", "other pair"):
        await stage.rotate(pair, force=True)
        assert len(pair.versions) == 4, stage.reason(pair)
        assert works(stage, pair)
        assert own.works


@pytest.mark.parametrize("logins", ["app_a", "app_a,app_c"])
async def test_a_pair_that_becomes_another_source_inside_its_overlap_is_rotated_on(
    stage: Stage, logins: str
) -> None:
    """What it superseded is revoked once its overlap has passed, and not before."""
    pair = await in_overlap(stage)
    await stage.run_for(hours=5)
    old = pair.versions[-2]
    if "," in logins:
        stage.server.add_login("app_c", "Th1rd-password-nobody-uses", "shop")
        stage.tag(pair, Logins=logins)
    else:
        narrowed(stage, pair)
    await stage.run_a_day()
    await stage.run_for(days=5)
    assert pair.accepts(old.value)
    await stage.run_for(days=2)
    assert not pair.accepts(old.value)
    assert not stage.reason(pair)
    await stage.rotate(pair, force=True)
    assert len(pair.versions) == 4
    assert works(stage, pair)


async def test_a_debt_of_a_pair_passes_on_with_one_of_its_logins(stage: Stage) -> None:
    """The pair is deleted, and its current login gets a secret of its own."""
    pair = await in_overlap(stage)
    await stage.run_for(hours=5)
    old = pair.versions[-2]
    pair.vault.delete(pair.name)
    own = await own_secret(stage, "app_a")
    await stage.run_past_overlap()
    await stage.run_a_day()
    assert not own.accepts(str(old.value))
    assert not pair.accepts(old.value)
    assert own.works


async def test_a_leak_is_cut_off_at_once_although_another_login_is_to_be_retired(
    stage: Stage,
) -> None:
    """The pair became one login inside its overlap, and then its only password leaks."""
    pair = await in_overlap(stage)
    await stage.run_for(hours=5)
    old = pair.versions[-2]
    narrowed(stage, pair)
    await stage.run_a_day()
    leaked = pair.current
    location = await stage.report_incident(vault="prod", name=pair.name)
    await stage.run_for(hours=3)
    assert not pair.accepts(leaked.value), stage.reason(pair)
    assert not pair.accepts(old.value)
    assert pair.works
    assert (await stage.incident(location))["status"] == "ended"


@pytest.mark.parametrize("hours", [0, 25])
async def test_a_pair_that_becomes_its_second_login_is_rotated_on(stage: Stage, hours: int) -> None:
    """The record of the pair stays under its first login, which is superseded."""
    pair = await stage.rotated("two logins")
    await stage.run_for(hours=5)
    old, leaked = pair.versions[-2:]
    narrowed(stage, pair)
    await stage.run_for(hours=hours)
    assert pair.accepts(old.value)
    location = await stage.report_incident(vault="prod", name=pair.name)
    await stage.run_for(hours=3)
    assert not pair.accepts(leaked.value), stage.reason(pair)
    assert pair.works
    await stage.run_for(days=8)
    assert not pair.accepts(old.value)
    assert (await stage.incident(location))["status"] == "ended"


async def test_a_leak_of_what_a_former_login_is_to_lose_is_cut_off_at_once(stage: Stage) -> None:
    pair = await in_overlap(stage)
    await stage.run_for(hours=5)
    old, current = pair.versions[-2], pair.current
    narrowed(stage, pair)
    await stage.run_a_day()
    location = await stage.report_incident(vault="prod", name=pair.name, version=old.version)
    await stage.run_for(hours=3)
    assert not pair.accepts(old.value)
    assert (await stage.incident(location))["status"] == "ended"
    assert pair.current.version == current.version
    assert pair.works


@pytest.mark.parametrize("tag", ["app_b", "app_a", None])
@pytest.mark.parametrize("is_seen", [False, True])
async def test_a_leak_of_a_login_that_is_named_no_more_is_revoked(
    stage: Stage, tag: str | None, *, is_seen: bool
) -> None:
    """What leaked is what a person has replaced by the password of the other login."""
    pair, version = await replaced_by_hand(stage, is_seen=is_seen)
    stage.tag(pair, next(it for it in pair.versions if it.version == version), CredentialId=tag)
    location = await stage.report_incident(vault="prod", name=pair.name, version=version)
    await stage.run_for(hours=3)
    assert not pair.accepts(value_of(pair, version))
    assert (await stage.incident(location))["status"] == "ended"
    assert pair.works


async def test_a_leak_of_a_former_login_is_told_once_nothing_is_owed_there(stage: Stage) -> None:
    """Its pair owes nothing any more, and has given it up: people must revoke it."""
    pair, version = await replaced_by_hand(stage, is_seen=True)
    await stage.run_past_overlap()
    await stage.run_a_day()
    location = await stage.report_incident(vault="prod", name=pair.name, version=version)
    await stage.run_for(hours=3)
    assert pair.accepts(value_of(pair, version)), "it is nobody's to revoke"
    assert (await stage.incident(location))["status"] == "needs a person"


async def test_a_leak_of_a_login_with_a_secret_of_its_own_is_told(stage: Stage) -> None:
    """Nothing of that secret's is changed for the pair that the login has left."""
    pair = await in_overlap(stage)
    await stage.run_for(hours=5)
    old = pair.versions[-2]
    narrowed(stage, pair)
    own = await own_secret(stage, "app_b")
    location = await stage.report_incident(vault="prod", name=pair.name, version=old.version)
    await stage.run_for(hours=3)
    assert own.works
    assert (await stage.incident(location))["status"] == "needs a person"
    assert "one-login" in stage.reason(pair)


async def test_a_value_of_a_login_that_is_named_no_more_is_not_called_refused_while_it_works(
    stage: Stage,
) -> None:
    stage.policy("leaks:\n  trusted: [api]\n")
    pair, version = await replaced_by_hand(stage, is_seen=True)
    answer = await stage.http("http_leak", body={"value": value_of(pair, version)})
    assert pair.accepts(value_of(pair, version))
    assert dict(answer.body)["status"] == "alive"
    await stage.run_for(hours=1)
    assert not pair.accepts(value_of(pair, version))
    assert pair.works
