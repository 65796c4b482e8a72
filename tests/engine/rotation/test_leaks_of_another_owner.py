"""A report about a version of a secret whose source another secret owns by now."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import AccessDenied
from engine.state.tags import Pending
from tests.engine.rotation.held import NOBODY, Held, Steps
from tests.engine.rotation.plain_kind import Able, Plain, Work, url, working
from tests.shared.graph_rig import NAME as GRAPH
from tests.shared.graph_rig import GraphRig
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene, source_of

OWNER, LEAKED = url("owner"), "leaked-value"


def known(at: Held, **facts: Any) -> None:
    """Let the record name another secret as the owner of the source, and further facts."""
    at.know(**{"owner": OWNER, "kind": "plain", **facts})


def retired(at: Held, version: str) -> tuple[Pending, ...]:
    """Return that another version is to be retired first, and then this one."""
    until = at.now + timedelta(hours=1)
    return Pending(until, "first", "older"), Pending(until, version, "old")


@pytest.mark.parametrize(
    ("facts", "item", "is_sent"),
    [
        pytest.param({"compromised": ("leaked",)}, {}, True, id="it is noted"),
        pytest.param({"gone": {"leaked": ""}}, {}, True, id="it is refused"),
        pytest.param({"pending": "leaked"}, {}, True, id="it is to be retired"),
        pytest.param({"later": "leaked"}, {}, True, id="it is to be retired after another one"),
        pytest.param({"pending": "other"}, {}, False, id="another is to be retired"),
        pytest.param({"compromised": ("other",)}, {}, False, id="another is noted"),
        pytest.param({}, {}, False, id="nothing is owed"),
        pytest.param({"pending": "leaked"}, {"compromised": False}, False, id="no leak"),
        *(
            pytest.param({"pending": "leaked", "owner": owner}, {}, False, id=owner)
            for owner in ("", NOBODY, url(NAME), "https://other.vault.azure.net/secrets/owner")
        ),
    ],
)
async def test_a_report_goes_to_the_owner_of_a_source_whose_record_owes_that_leak(
    facts: dict[str, Any], item: dict[str, Any], *, is_sent: bool
) -> None:
    async with working(Able()) as work:
        if "pending" in facts:
            later = work.at.now + timedelta(hours=1)
            facts = {**facts, "pending": Pending(later, facts["pending"], "old")}
        if "later" in facts:
            facts = {"to_retire": retired(work.at, facts["later"])}
        known(work.at, **facts)
        steps = work.at.steps(**{"compromised": True, "version": "leaked", **item})
        owed = steps.owed_by_owner()
        expected = replace(steps.rotation.item, ref=work.at.rig.item("owner").ref)
        assert owed == (expected if is_sent else None)


def reported(work: Work, **item: Any) -> Steps:
    """Return the steps of a report about the secret's current version."""
    return work.at.steps(**{"compromised": True, "version": work.at.secret.version, **item})


def put_owner(rig: Rig, *values: str) -> list[str]:
    """Put the owner of the source, whose versions hold these; return their ids, oldest first."""
    put = [
        rig.vault.put("owner", value, created=rig.clock.now() - timedelta(days=9 - day))
        for day, value in enumerate(values)
    ]
    return [version.version for version in put]


@pytest.mark.parametrize(
    ("leaked", "current"),
    [
        (LEAKED, LEAKED),
        (LEAKED, "a text with leaked-value in it"),
        ("key=leaked-value;n=1", LEAKED),
    ],
)
async def test_a_report_goes_to_the_current_version_that_holds_what_leaked(
    leaked: str, current: str
) -> None:
    rig = Rig()
    _, version = put_owner(rig, LEAKED, current)
    async with working(Plain(), rig=rig, value=leaked) as work:
        known(work.at, followed=("key={key};n=1",))
        later = await reported(work).held_by_owner()
        assert later
        assert (later.ref.name, later.version, later.compromised) == ("owner", version, True)
        assert work.kind.calls == [], "its source need not be asked"


@pytest.mark.parametrize("fact", ["published", "pending", "to_retire"])
@pytest.mark.parametrize("is_there", [True, False])
async def test_a_report_goes_to_an_earlier_version_that_may_work(
    fact: str, *, is_there: bool
) -> None:
    """The record may name one of a former owner, which its present owner does not have."""
    rig = Rig()
    version, _ = put_owner(rig, LEAKED, "another")
    version = version if is_there else "9" * 32
    async with working(Able(), rig=rig, value=LEAKED) as work:
        at = work.at
        facts = {
            "published": at.announced().landed(version, at.now),
            "pending": Pending(at.now + timedelta(hours=1), version, "old"),
            "to_retire": retired(at, version),
        }
        known(at, **{fact: facts[fact]})
        later = await reported(work).held_by_owner()
        assert bool(later) is is_there
        assert later is None or (later.ref.name, later.version) == ("owner", version)


@pytest.mark.parametrize(
    ("accepted", "facts", "is_sent"),
    [
        pytest.param(LEAKED, {}, True, id="it is accepted"),
        pytest.param("another", {}, False, id="it is refused"),
        pytest.param("another", {"kind": "gone"}, True, id="its kind is gone, so nobody can tell"),
    ],
)
async def test_a_report_of_what_the_owner_does_not_hold_goes_to_it_while_it_may_be_accepted(
    accepted: str, facts: dict[str, Any], *, is_sent: bool
) -> None:
    rig = Rig()
    put_owner(rig, "another")
    async with working(Plain({accepted}), rig=rig, value=LEAKED) as work:
        known(work.at, **facts)
        steps = reported(work)
        later = await steps.held_by_owner()
        expected = replace(steps.rotation.item, ref=rig.item("owner").ref)
        assert later == (expected if is_sent else None)
        calls = [] if facts else ["accepts  leaked-value"]
        assert work.kind.calls == calls


@pytest.mark.parametrize("accepted", ["1", "key=1;n=1"])
async def test_a_report_goes_to_the_owner_while_any_credential_that_it_may_be_about_is_accepted(
    accepted: str,
) -> None:
    """The record knows how values looked; the version itself bears no template."""
    rig = Rig()
    put_owner(rig, "another")
    async with working(Plain({accepted}), rig=rig, value="key=1;n=1") as work:
        known(work.at, followed=("key={key};n=1",))
        assert await reported(work).held_by_owner()


@pytest.mark.parametrize(("facts", "item"), [({"owner": url(NAME)}, {}), ({}, {"version": None})])
async def test_a_report_goes_to_nobody_where_the_secret_is_the_owner_or_no_version_is_named(
    facts: dict[str, Any], item: dict[str, Any]
) -> None:
    rig = Rig()
    put_owner(rig, LEAKED)
    async with working(Plain({LEAKED}), rig=rig, value=LEAKED) as work:
        known(work.at, **facts)
        assert await reported(work, **item).held_by_owner() is None


async def test_a_report_comes_back_where_what_leaked_cannot_be_read() -> None:
    rig = Rig()
    put_owner(rig, LEAKED)
    async with working(Plain(), rig=rig, value=LEAKED) as work:
        known(work.at)
        rig.vault.amend(work.latest, enabled=False)
        with pytest.raises(AccessDenied):
            await reported(work).held_by_owner()


@pytest.mark.parametrize(
    ("current", "is_sourced", "is_known", "name"),
    [
        pytest.param(LEAKED, True, True, "owner", id="held by the owner"),
        pytest.param("another", True, True, NAME, id="accepted, and held by nobody"),
        pytest.param(LEAKED, False, True, NAME, id="of no source"),
        pytest.param(LEAKED, True, False, NAME, id="of a source that is not known"),
    ],
)
async def test_a_report_passes_to_the_version_with_what_leaked_or_stays_as_it_is(
    current: str, name: str, *, is_sourced: bool, is_known: bool
) -> None:
    """That is asked before it is accepted, without a lease."""
    rig = scene(days_left=80)
    leaked = rig.latest(NAME)
    held = rig.vault.put("owner", leaked.value if current == LEAKED else current)
    if is_known:
        await rig.note(source_of(rig), "owner", kind="storage-key")
    source = source_of(rig) if is_sourced else None
    item = rig.item(NAME, compromised=True, version=leaked.version, source=source)
    later = await rig.service().engine.passed_to(item)
    version = held.version if name == "owner" else leaked.version
    assert (later.ref.name, later.version, later.source) == (name, version, source)


async def published() -> GraphRig:
    """Return a rig whose secret Rekey has rotated, with the overlap over."""
    rig = GraphRig()
    rig.managed()
    await rig.handle(GRAPH)
    rig.clock.advance(8 * 86_400)
    await rig.handle(GRAPH, action="retire")
    return rig


async def test_a_leak_is_not_proven_at_a_source_that_has_only_replaced_it() -> None:
    """Its owner named another source, which never accepted it, after the credential had leaked."""
    rig = await published()
    leaked, since = rig.latest(GRAPH), rig.clock.now() + timedelta(minutes=1)
    other = rig.world.add_application("invoices", rig.identity)
    rig.environment = {"REKEY_SCOPES": json.dumps({rig.vault.url: [rig.app.app_id, other.app_id]})}
    rig.tag(GRAPH, ProviderAddress=other.app_id)
    rig.clock.advance(70)
    await rig.handle(GRAPH, force=True, trigger="manual")
    rig.clock.advance(60)
    await rig.handle(GRAPH, compromised=True, since=since.isoformat())
    assert leaked.version not in (await rig.known(other.app_id)).compromised.revoked
    [sent] = rig.messages("rotations")
    assert (sent["version"], sent["source"]) == (leaked.version, rig.source)


async def test_what_rekey_published_for_a_former_owner_is_not_left_in_silence() -> None:
    """Nobody can read it any more, so the incident stays open until a person has revoked it."""
    rig = await published()
    ours, tags = rig.latest(GRAPH), rig.tags(GRAPH)
    rig.clock.advance(3_600)
    theirs = rig.directory.add_password(rig.app, "by hand")
    rig.vault.delete(GRAPH)
    expires = rig.clock.now() + timedelta(days=80)
    rig.vault.put(
        "renamed", theirs.secret, tags={**tags, "CredentialId": theirs.key_id}, expires=expires
    )
    await rig.handle("renamed", action="audit")
    rig.clock.advance(3_600)
    since = rig.clock.now().isoformat()
    rig.clock.advance(60)
    outcome = await rig.handle("renamed", compromised=True, since=since)
    assert ours.value in {password.secret for password in rig.alive()}
    assert (await rig.known(rig.source)).compromised.versions == (ours.version,)
    assert (outcome.result, ours.version in outcome.reason) == ("parked", True)
