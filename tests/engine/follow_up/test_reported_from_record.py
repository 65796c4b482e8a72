"""What is reported from a record alone: its secret may be released, or gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.state.request import Cause, Outcome, WorkItem
from tests.shared.consuming import SHOP, Consuming
from tests.shared.heard import heard
from tests.shared.scene import NAME, source_of


async def reported(rig: Consuming, **left: Any) -> list[Outcome]:
    """Return what is reported of a deleted secret whose worker has left so much unreported."""
    await rig.work(NAME, trigger="event")
    rig.queue("rotations").clear()
    service, owner = rig.service(), str(rig.item(NAME).ref)
    async with service.engine.leases.hold(source_of(rig), owner, source_of(rig)) as lease:
        await lease.write(replace(lease.record, **left))
    rig.vault.delete(NAME)
    outcomes = heard(service.engine.reporter)
    await (await service.ready()).handle(
        rig.item(NAME, action="audit", trigger="sweep", source=source_of(rig))
    )
    *reports, outcome = outcomes
    assert outcome.result not in ("rotated", "retired"), "it is about the item, which comes last"
    return reports


async def test_a_version_that_nobody_has_reported_is_told_as_its_record_knows_it() -> None:
    rig = Consuming(SHOP)
    before = rig.latest(NAME).version
    (outcome,) = await reported(rig, unreported=True, unreported_ids=("key9",))
    after = (await rig.known(source_of(rig))).published
    assert after is not None
    assert outcome == Outcome(
        WorkItem(rig.item(NAME).ref, "audit", cause=Cause("sweep", "rekey"), source=source_of(rig)),
        "rotated",
        "published by an earlier try",
        rotator="storage-key",
        source=source_of(rig),
        old_version=before,
        new_version=after.version,
        credential_id="key2",
        retired=("key9",),
    )
    (task,) = [it for it in rig.messages("rotations") if it["action"] == "refresh"]
    assert (task["secret"], task["trigger"], task["reason"]) == (NAME, "sweep", "a new version")


async def test_what_was_retired_is_told_without_the_version_that_was_reported_before() -> None:
    rig = Consuming(SHOP)
    (outcome,) = await reported(rig, unreported_ids=("key1",))
    assert outcome == Outcome(
        WorkItem(rig.item(NAME).ref, "audit", cause=Cause("sweep", "rekey"), source=source_of(rig)),
        "retired",
        "revoked by an earlier try",
        rotator="storage-key",
        source=source_of(rig),
        retired=("key1",),
    )
    assert not [it for it in rig.messages("rotations") if it["action"] == "refresh"]


async def test_nothing_is_told_from_a_record_that_leaves_nothing_to_tell() -> None:
    assert await reported(Consuming(SHOP)) == []


async def test_a_refresh_is_asked_for_by_who_asked_for_the_rotation() -> None:
    rig = Consuming(SHOP)
    await rig.work(NAME, trigger="manual", force=True, requested_by="ada@example.com")
    (task,) = [it for it in rig.messages("rotations") if it["action"] == "refresh"]
    assert (task["trigger"], task["reason"]) == ("manual", "a new version")
    assert "ada" not in str(task)
