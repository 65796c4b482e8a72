"""What an operation made in vain, and whose record was lost, is removed without believing a tag."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.secret import SecretRef
from engine.state.record import Record
from engine.state.request import operation_id
from engine.state.tags import OPERATION, RETIRE, Pending
from simulator.entra.directory import Password
from simulator.keyvault.state import SecretVersion
from tests.shared.graph_rig import NAME, GraphRig, days


async def forgotten(rig: GraphRig) -> tuple[SecretVersion, Password]:
    """Rotate, and lose the record; returns the first version, and what an earlier try had added."""
    first = rig.managed()
    operation = operation_id(SecretRef(rig.vault.url, NAME), first.version)
    stray = rig.directory.add_password(rig.app, f"rekey {operation}")
    await rig.handle(NAME)
    rig.clock.advance(60)
    rig.tag(NAME, **{RETIRE: None})
    engine, owner = rig.service().engine, str(SecretRef(rig.vault.url, NAME)).lower()
    async with engine.leases.hold(rig.source, owner) as lease:
        await lease.write(Record(source=rig.source, owner=owner))
    return first, stray


async def audit(rig: GraphRig) -> None:
    await rig.handle(NAME, action="audit")


@pytest.mark.parametrize("is_marked", [True, False])
async def test_what_an_earlier_try_added_is_removed_although_no_record_knows_of_it(
    is_marked: bool,
) -> None:
    """Whoever parks a secret whose record was lost gives back none of the tags it knew."""
    rig = GraphRig()
    _, stray = await forgotten(rig)
    # What was made for a version before those may be in an overlap.
    older = replace(rig.vault.secrets[NAME][0], version="1" * 32, created=0)
    rig.vault.secrets[NAME].insert(0, older)
    rig.directory.add_password(rig.app, f"rekey {operation_id(rig.item(NAME).ref, older.version)}")
    if not is_marked:
        rig.tag(NAME, **{OPERATION: None})
    before = {known.key_id for known in rig.alive()}
    await audit(rig)
    assert before - {known.key_id for known in rig.alive()} == {stray.key_id}
    assert rig.latest(NAME).value in {known.secret for known in rig.alive()}


@pytest.mark.parametrize(
    ("seconds", "is_marked"),
    [
        pytest.param((0, 1, 2), True, id="another version came between"),
        pytest.param((1, 1, 2), True, id="two versions of one second"),
        pytest.param((2, 1, 2), True, id="it is no younger than the one before"),
        pytest.param((2, 1, 2), False, id="of one second, and no tag says which came first"),
    ],
)
async def test_nothing_is_removed_that_another_version_may_hold(
    seconds: tuple[int, ...], *, is_marked: bool
) -> None:
    """Somebody wrote a version on top: what was made for the first may be in its overlap."""
    rig = GraphRig()
    await forgotten(rig)
    if not is_marked:
        rig.tag(NAME, **{OPERATION: None})
    tags = {**rig.tags(NAME), "CredentialId": rig.first.key_id}
    rig.vault.put(NAME, rig.held, tags=tags, expires=rig.clock.now() + days(80))
    versions, since = rig.vault.secrets[NAME], rig.vault.seconds()
    rig.vault.secrets[NAME] = [
        replace(version, created=since + after)
        for version, after in zip(versions, seconds, strict=True)
    ]
    before = rig.alive()
    await audit(rig)
    assert rig.alive() == before


async def test_nothing_is_removed_where_the_listing_does_not_show_what_was_published_last() -> None:
    """It may lag: what was made for the version before that is what the missing one holds."""
    rig = GraphRig()
    first = rig.managed()
    await rig.handle(NAME)
    rig.clock.advance(60)
    tags = {**rig.tags(NAME), "CredentialId": rig.first.key_id}
    rig.vault.put(NAME, rig.held, tags=tags, expires=rig.clock.now() + days(80))
    versions, before = rig.vault.secrets[NAME], rig.alive()
    rig.vault.secrets[NAME] = [
        it for it in versions if it.version in (first.version, versions[-1].version)
    ]
    await audit(rig)
    assert rig.alive() == before


@pytest.mark.parametrize("kept_for", ["", "an overlap", "a restore"])
async def test_what_a_request_adds_late_is_removed_although_others_replaced_its_version(
    kept_for: str,
) -> None:
    """A version of the same operation may hold it: inside an overlap, or restored from that."""
    rig = GraphRig()
    first = rig.managed()
    for _ in range(3):
        await rig.handle(NAME, trigger="manual", force=True, compromised=True)
        rig.clock.advance(60)
    stray = rig.directory.add_password(
        rig.app, f"rekey {operation_id(SecretRef(rig.vault.url, NAME), first.version)}"
    )
    if kept_for == "an overlap":
        until = rig.clock.now() + days(1)
        await rig.note(rig.source, NAME, pending=Pending(until, "late", stray.key_id))
    elif kept_for:
        published = (await rig.known(rig.source)).published
        assert published
        await rig.note(rig.source, NAME, published=replace(published, original="late"))
    before = rig.alive()
    await audit(rig)
    assert rig.alive() == [it for it in before if it != stray or kept_for]


async def test_what_a_request_adds_late_is_removed_although_its_version_has_been_restored() -> None:
    """What the restored version holds is of the same operation, and is kept."""
    rig = GraphRig()
    rig.managed()
    for _ in range(2):
        replaced = rig.latest(NAME).version
        await rig.handle(NAME, trigger="manual", force=True)
        rig.clock.advance(days(8).total_seconds())
        await rig.handle(NAME, action="retire")
    await rig.handle(NAME, trigger="manual", force=True)
    await rig.handle(NAME, trigger="manual", action="restore")
    restored = rig.tags(NAME)["CredentialId"]
    rig.clock.advance(days(8).total_seconds())
    await rig.handle(NAME, action="retire")
    stray = rig.directory.add_password(
        rig.app, f"rekey {operation_id(SecretRef(rig.vault.url, NAME), replaced)}"
    )
    before = rig.alive()
    await audit(rig)
    assert rig.alive() == [it for it in before if it != stray]
    assert restored in {it.key_id for it in rig.alive()}
