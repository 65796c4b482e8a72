"""What a dry run says beforehand: the decision, what would make it fail, and what it warns of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.engine import Engine
from engine.errors import AccessDenied, NeedsHuman
from engine.state.index import Listed
from engine.state.tags import RETIRE, Pending
from tests.engine.rotation.held import Records
from tests.engine.rotation.plain_kind import Plain, working
from tests.rotators.sas_scenes import KEY, SAS, managed
from tests.shared.builders import NOW, Confirm, Decision, Park, Restore, Retire, Rotate, Skip, Wait
from tests.shared.graph_rig import NAME as SECRET
from tests.shared.graph_rig import GraphRig
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of, state, struck, to_arm, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import sql

OLDER = "b" * 32


async def preview(rig: Rig, name: str = NAME, **fields: Any) -> Decision:
    """Return what would be done; nothing is changed."""
    before = state(rig)
    _, decision = await rig.service().engine.preview(rig.item(name, **fields))
    assert state(rig) == before
    return decision


def listed(rig: Rig, **known: Any) -> Listed:
    """Return what a listing shows of the usual account."""
    source = source_of(rig)
    return Listed(source, f"{rig.vault.url}/secrets/{NAME}", **known)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param("nothing", Park, id="which no record confirms"),
        pytest.param("unread", Retire, id="while the records cannot be listed"),
        pytest.param("pending", Retire, id="which the record confirms"),
        pytest.param("published", Rotate, id="which the record denies"),
    ],
)
async def test_a_dry_run_follows_the_record_in_place_of_a_tag_to_retire(
    known: str, expected: type[Decision]
) -> None:
    past = "2026-01-01T00:00:00Z"
    rig = scene(tags={RETIRE: f"{past} {OLDER} key2"})
    now = rig.clock.now()
    records = {
        "nothing": (),
        "unread": None,
        "pending": (listed(rig, pending=Pending(now - timedelta(days=1), OLDER, "key2")),),
        "published": (listed(rig, published=now),),
    }[known]
    engine = replace(rig.service().engine, leases=Records(records))  # type: ignore[arg-type]
    _, decision = await engine.preview(rig.item(NAME))
    assert isinstance(decision, expected)


async def test_a_dry_run_believes_the_record_in_place_of_a_tag_that_names_another_key(
    rig: Rig,
) -> None:
    """By the tag, what has leaked would be in use again, and be replaced once more."""
    await rig.handle(NAME)
    rig.tag(NAME, CredentialId="key1")
    decision = await preview(rig, compromised=True)
    assert isinstance(decision, Retire)
    assert decision.managed.credential_id == "key2"


async def test_a_dry_run_of_a_first_rotation_warns_of_who_may_use_the_other_key() -> None:
    decision = await preview(scene())
    assert isinstance(decision, Rotate)
    assert "key2" in decision.warning


async def test_a_dry_run_of_a_kind_that_cuts_nobody_off_warns_of_nothing() -> None:
    rig = GraphRig()
    rig.managed()
    decision = await preview(rig, SECRET)
    assert isinstance(decision, Rotate)
    assert not decision.warning


async def test_a_dry_run_meets_the_refusal_that_a_rotation_would_meet(rig: Rig) -> None:
    refuse(rig, 403, "AuthorizationFailed", to_arm("listKeys"), times=9)
    with pytest.raises(AccessDenied):
        await preview(rig)


async def test_a_dry_run_checks_beforehand_what_the_change_itself_needs() -> None:
    rig = sql()
    rig.server.databases["master"].granted = {rig.identity.oid: {"public"}}
    with pytest.raises(AccessDenied, match="may not alter 'app'"):
        await preview(rig, SQL)


async def test_a_dry_run_says_that_a_replica_does_not_consent(rig: Rig) -> None:
    rig.vault.put("copy", "theirs")
    rig.tag(NAME, Replicas=f"{rig.vault.url}/secrets/copy")
    with pytest.raises(NeedsHuman, match="does not consent"):
        await preview(rig)


async def test_a_dry_run_of_an_incident_waits_for_no_replica_as_the_incident_would(
    rig: Rig,
) -> None:
    rig.vault.put("copy", "theirs")
    rig.tag(NAME, Replicas=f"{rig.vault.url}/secrets/copy")
    assert isinstance(await preview(rig, compromised=True), Rotate)


async def test_a_dry_run_of_a_signature_says_that_its_key_does_not_consent() -> None:
    signed = managed(consent=None)
    with pytest.raises(NeedsHuman, match="does not consent"):
        await preview(signed.rig, SAS, force=True)


async def test_a_dry_run_of_a_signature_waits_for_its_key_as_a_rotation_would() -> None:
    decision = await preview(managed(key_days_left=10).rig, SAS)
    assert isinstance(decision, Wait)
    assert "as does its key" in decision.reason


@pytest.mark.parametrize("edited", [{}, {"ValueTemplate": "Key={key}"}], ids=["", "edited since"])
async def test_a_dry_run_of_a_retirement_waits_for_what_its_key_has_made(
    edited: dict[str, str],
) -> None:
    rig = managed(days_left=50).rig
    await rig.handle(KEY, force=True)
    rig.tag(KEY, **edited)
    rig.clock.advance(timedelta(days=7, seconds=1).total_seconds())
    decision = await preview(rig, KEY, action="retire")
    assert isinstance(decision, Wait)
    assert decision.reason.endswith(f"it made what {rig.vault.url}/secrets/{SAS} holds")


async def test_a_dry_run_of_an_audit_reads_a_signature_as_the_audit_does() -> None:
    """By a template for the next version, it would not be told which key has made it."""
    rig = managed(days_left=50).rig
    assert (await rig.handle(SAS, action="audit")).result == "confirmed"
    rig.tag(SAS, ValueTemplate="Token={sas}")
    assert isinstance(await preview(rig, SAS, action="audit"), Confirm)
    assert (await rig.handle(SAS, action="audit")).result == "confirmed"


async def test_a_kind_that_checks_nothing_beforehand_can_be_rehearsed_all_the_same() -> None:
    async with working(Plain()) as work:
        engine = work.at.parts
        assert isinstance(engine, Engine)
        assert await engine.rehearse(work.secret, work.at.managed) == ""


async def test_a_dry_run_of_an_audit_rehearses_nothing() -> None:
    rig = scene(days_left=80)
    refuse(rig, 403, "AuthorizationFailed", to_arm("listKeys"), times=9)
    assert not isinstance(await preview(rig, action="audit"), Rotate)


@pytest.mark.parametrize("works", [True, False])
async def test_a_dry_run_says_where_a_leak_works_whose_tag_names_another_source_by_now(
    rig: Rig, *, works: bool
) -> None:
    await rig.handle(NAME)
    account, other = rig.world.accounts["appdata"], rig.account("elsewhere").resource_id
    rig.tag(NAME, ProviderAddress=other)
    if not works:
        account.regenerate("key2")
    item = rig.item(NAME, trigger="manual", compromised=True)
    engine = rig.service().engine
    secret, decision = await engine.preview(item)
    assert isinstance(decision, Rotate)
    expected = await engine.foreseen(secret, item, decision)
    if works:
        assert isinstance(expected, Park)
        assert "still accepted" in expected.reason
        assert account.resource_id.lower() in expected.reason
    else:
        assert expected == decision


@pytest.mark.parametrize(
    ("known", "owed"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({"pending": Pending(NOW, OLDER, "key2")}, "key2 of /s lives", id="a key"),
        pytest.param({"is_open": True}, "what was begun at /s is not finished", id="a change"),
        pytest.param({"waiting": NOW}, "a change at /s is under way", id="a long change"),
    ],
)
@pytest.mark.parametrize("days_left", [10, 80])
async def test_a_dry_run_says_what_is_owed_at_a_source_that_the_secret_has_left(
    days_left: int, known: dict[str, Any], owed: str
) -> None:
    """It says nothing of what is owed at the present one, which it goes by."""
    rig = scene(days_left=days_left)
    left = listed(rig, is_open=True), replace(listed(rig, **known), source="/s")
    engine = replace(rig.service().engine, leases=Records(left))  # type: ignore[arg-type]
    _, decision = await engine.preview(rig.item(NAME))
    assert isinstance(decision, Rotate if days_left < 30 else Skip)
    assert decision.reason.partition("; the secret has left its source, and ")[2].startswith(owed)
    assert (" /s " in decision.reason) is bool(owed)


async def test_a_dry_run_calls_nothing_leaked_whose_owner_wanted_no_overlap_and_wants_one_now() -> (
    None
):
    rig = scene(tags={"OverlapHours": "0"})
    held, refused = rig.latest(NAME).value, to_arm("regenerateKey")
    unrevoked = struck(
        *(rig, to_vault("PUT")), lambda: refuse(rig, 403, "AuthorizationFailed", refused, times=9)
    )
    await rig.service(unrevoked).engine.handle(rig.item(NAME))
    rig.tag(NAME, OverlapHours="24")
    again = {"action": "restore", "trigger": "manual", "version": rig.latest(NAME).version}
    assert isinstance(await preview(rig, **again), Restore)
    assert (await rig.handle(NAME, **again)).result == "restored"
    assert rig.latest(NAME).value == held


async def test_a_dry_run_of_a_leak_at_its_present_source_says_what_is_decided(rig: Rig) -> None:
    await rig.handle(NAME)
    engine, item = rig.service().engine, rig.item(NAME, trigger="manual", compromised=True)
    secret, decision = await engine.preview(item)
    assert isinstance(decision, Retire)
    assert await engine.foreseen(secret, item, decision) == decision
    nothing = Skip("nothing is to be done")
    assert await engine.foreseen(secret, item, nothing) == nothing


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_dry_run_of_a_leak_that_another_source_has_not_accepted_says_what_is_decided(
    rig: Rig, *, is_known: bool
) -> None:
    """The tags of its version name that source, of which there may be no record."""
    leaked = rig.latest(NAME)
    rig.clock.advance(60)
    rig.secret(NAME, rig.account("elsewhere"), days_left=80)
    if is_known:
        await rig.note(source_of(rig), NAME, kind="storage-key")
    item = rig.item(NAME, version=leaked.version, trigger="manual", compromised=True)
    engine = rig.service().engine
    secret, decision = await engine.preview(item)
    assert await engine.foreseen(secret, item, decision) == decision
