"""What Rekey made and a person has replaced since leaks with everything else.

Nobody has revoked it, and no record owes it. Its incident must not end while its source accepts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from simulator_tests.holders import Secret
from tests.adversary.stage import Stage
from tests.adversary.test_logins import ONE, THEIRS, in_overlap, narrowed, own_secret


def written_by_hand(stage: Stage, secret: Secret, value: str, **tags: str | None) -> None:
    """Let its owner write a version that is not due for a while, with other tags of theirs."""
    own = {name: text for name, text in secret.tags.items() if not name.startswith("Rekey")}
    kept = {name: text for name, text in {**own, **tags}.items() if text is not None}
    stage.person_writes(secret, value, kept)
    expires = stage.clock.now() + timedelta(days=80)
    secret.vault.amend(secret.current, expires=int(expires.timestamp()))


async def ends_only_once_refused(stage: Stage, secret: Secret, leaked: str) -> None:
    await is_not_passed_over(stage, secret, leaked, {"name": secret.name})


async def is_not_passed_over(
    stage: Stage, secret: Secret, leaked: str, scope: Mapping[str, str]
) -> None:
    location = await stage.report_incident(vault="prod", **scope)
    await stage.run_for(hours=3)
    status = (await stage.incident(location))["status"]
    assert (status, secret.accepts(leaked)) in (("ended", False), ("needs a person", True))


@pytest.mark.parametrize("logins", ["app_a", "app_a,app_c"])
async def test_a_password_of_a_login_that_is_named_no_more_is_not_proven_at_other_logins(
    stage: Stage, logins: str
) -> None:
    """A person has gone on with another login. Only the former one can tell that it is refused."""
    pair = await stage.rotated("two logins")
    leaked = pair.current.value
    assert "User ID=app_b" in leaked
    await stage.run_past_overlap()
    login = logins.rpartition(",")[2]
    if login == "app_a":
        stage.server.logins[login].set(THEIRS, stage.clock.now())
        names = {"Logins": None, "Rotator": ONE}
    else:
        stage.server.add_login(login, THEIRS, "shop")
        names = {"Logins": logins}
    head = leaked.partition("User ID=")[0]
    value = f"{head}User ID={login};Password={THEIRS}"
    written_by_hand(stage, pair, value, CredentialId=login, **names)
    await stage.run_a_day()
    assert pair.accepts(leaked), "what a person replaces is left to them"
    await ends_only_once_refused(stage, pair, leaked)


@pytest.mark.parametrize("times", [1, 2])
async def test_what_a_person_had_replaced_leaks_although_it_was_rotated_since(
    stage: Stage, times: int
) -> None:
    """The record names what was published last. The leaked credential is from before that."""
    secret = await stage.rotated("entra")
    await stage.run_past_overlap()
    leaked, theirs = secret.current.value, stage.password("by hand")
    written_by_hand(stage, secret, theirs.secret, CredentialId=theirs.key_id)
    await stage.run_a_day()
    await stage.rotate(secret, force=True)
    if times > 1:
        await stage.rotate(secret, compromised=True, version=secret.current.version)
    assert len(secret.versions) == 3 + times
    assert secret.accepts(leaked)
    await ends_only_once_refused(stage, secret, leaked)


async def left_by_hand(stage: Stage, login: str) -> tuple[Secret, str]:
    """Let a person go on with one login of a pair; returns the secret, and what the other takes.

    Nothing is owed at the other login.
    """
    pair = await stage.rotated("two logins")
    await stage.run_past_overlap()
    if login == "app_b":
        await stage.rotate(pair, force=True)
        await stage.run_past_overlap()
    leaked = pair.current.value
    assert f"User ID={login}" not in leaked
    stage.server.logins[login].set(THEIRS, stage.clock.now())
    value = f"{leaked.partition('User ID=')[0]}User ID={login};Password={THEIRS}"
    written_by_hand(stage, pair, value, CredentialId=login, Logins=None, Rotator=ONE)
    await stage.run_a_day()
    return pair, leaked


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("scope", ["login", "vault"])
@pytest.mark.parametrize("login", ["app_a", "app_b"])
async def test_an_incident_does_not_pass_over_a_login_that_a_pair_has_left(
    stage: Stage, login: str, scope: str, *, rotated: bool
) -> None:
    """Whether that is the first login, whose record the pair's was, or the second one."""
    pair, leaked = await left_by_hand(stage, login)
    if rotated:
        await stage.rotate(pair, force=True)
    assert pair.accepts(leaked), "what a person replaces is left to them"
    former = "app_a" if login == "app_b" else "app_b"
    at_login = {"source": f"{stage.server.resource_id}/logins/{former}"}
    await is_not_passed_over(stage, pair, leaked, at_login if scope == "login" else {})


async def test_an_incident_at_a_login_with_a_secret_of_its_own_leaves_the_former_pair_alone(
    stage: Stage,
) -> None:
    """The pair has superseded what it had made there: nothing of it can work on."""
    pair = await in_overlap(stage)
    await stage.run_past_overlap()
    narrowed(stage, pair)
    await stage.run_a_day()
    own, current = await own_secret(stage, "app_b"), pair.current
    await is_not_passed_over(
        stage, own, own.current.value, {"source": f"{stage.server.resource_id}/logins/app_b"}
    )
    assert (own.works, pair.works, pair.current.version) == (True, True, current.version)


async def test_a_former_login_leaks_although_its_secret_was_rotated_since(stage: Stage) -> None:
    """The pair became one login, by hand, and that was rotated. Nothing is owed at the other one."""
    pair, leaked = await left_by_hand(stage, "app_a")
    await stage.rotate(pair, force=True)
    assert len(pair.versions) == 4
    assert pair.accepts(leaked)
    await ends_only_once_refused(stage, pair, leaked)


async def test_a_value_that_a_person_had_replaced_is_found_although_it_was_rotated_since(
    stage: Stage,
) -> None:
    """Nothing has a print of it, so the version itself is compared with what was reported."""
    stage.policy("leaks:\n  trusted: [api]\n")
    pair, leaked = await left_by_hand(stage, "app_a")
    await stage.rotate(pair, force=True)
    answer = await stage.http("http_leak", body={"value": leaked})
    assert (pair.accepts(leaked), dict(answer.body)["status"]) == (True, "alive")
    await stage.run_for(hours=1)
    assert not pair.accepts(leaked) or stage.reason(pair)
