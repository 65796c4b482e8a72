"""A source passes to another secret with a credential of its own, and everything leaks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator_tests.holders import Secret
from tests.adversary.stage import Stage
from tests.adversary.test_handovers import WAYS, renamed
from tests.adversary.test_replaced_before_a_leak import (
    is_not_passed_over,
    left_by_hand,
    written_by_hand,
)


async def passed_on(stage: Stage, kind: str) -> tuple[Secret, Secret]:
    """Rotate a secret, and let another one take its source over that holds another credential."""
    first = await stage.rotated(kind)
    await stage.run_past_overlap()
    tags = {name: text for name, text in first.tags.items() if not name.startswith("Rekey")}
    stage.tag(first, ProviderAddress=None)
    if kind == "storage":
        held_id, value = "key1", stage.account().keys["key1"].value
    else:
        password = stage.password("by hand")
        held_id, value = password.key_id, password.secret
    second = Secret(stage.prod, "second", first.accepts)
    expires = stage.clock.now() + timedelta(days=80)
    tags["CredentialId"] = held_id
    second.vault.put(second.name, value, expires=expires, tags=tags, content_type="text/plain")
    stage.post(second, action="audit")
    await stage.run_for(hours=2)
    assert stage.of(second, "confirmed"), "it owns the source"
    return first, second


@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_an_incident_of_the_next_owner_reaches_what_the_former_one_holds(
    stage: Stage, kind: str
) -> None:
    """The former owner is there, and its version can be read and tried."""
    first, second = await passed_on(stage, kind)
    leaked = first.current.value
    location = await stage.report_incident(vault="prod", name=second.name)
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert not first.accepts(leaked)
    assert progress["status"] == "ended", progress["named"]


async def test_the_next_owner_is_rotated_again_once_its_incident_has_cut_off_everything(
    stage: Stage,
) -> None:
    """The key of the former owner was regenerated for it, so its source refuses that."""
    first, second = await passed_on(stage, "storage")
    await stage.report_incident(vault="prod", name=second.name)
    await stage.run_for(hours=3)
    assert not second.accepts(first.current.value)
    before = second.current.version
    await stage.rotate(second, force=True)
    assert second.current.version != before, stage.reason(second)


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_person_had_replaced_before_its_source_passed_on_leaks_with_the_rest(
    stage: Stage, way: str
) -> None:
    """Nobody has revoked it. Of a deleted secret no version can be read, so people are asked."""
    first = await stage.rotated("entra")
    await stage.run_past_overlap()
    leaked, theirs = first.current.value, stage.password("by hand")
    written_by_hand(stage, first, theirs.secret, CredentialId=theirs.key_id)
    await stage.run_a_day()
    await stage.rotate(first, force=True)
    assert first.accepts(leaked)
    second = renamed(stage, first, way)
    await is_not_passed_over(stage, second, leaked, {"name": second.name})
    assert second.accepts(leaked) == (way == "deleted")


@pytest.mark.parametrize("scope", ["vault", "login"])
async def test_a_login_that_a_former_owner_had_left_leaks_with_the_rest(
    stage: Stage, scope: str
) -> None:
    pair, leaked = await left_by_hand(stage, "app_a")
    await stage.rotate(pair, force=True)
    second = renamed(stage, pair, "untagged")
    stage.post(second, action="audit")
    await stage.run_for(hours=2)
    at_login = {"source": f"{stage.server.resource_id}/logins/app_b"}
    await is_not_passed_over(stage, second, leaked, at_login if scope == "login" else {})


@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_nobody_is_asked_about_a_deleted_version_that_the_next_owner_has_replaced(
    stage: Stage, kind: str
) -> None:
    """It held the same, and was revoked as that."""
    first = await stage.rotated(kind)
    await stage.run_past_overlap()
    leaked, second = first.current.value, renamed(stage, first, "deleted")
    await stage.rotate(second, force=True)
    await stage.run_past_overlap()
    assert not second.accepts(leaked)
    location = await stage.report_incident(vault="prod", name=second.name)
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert progress["status"] == "ended", progress["named"]
