"""What a source's owner has published is reported before somebody else owns the source, or nobody."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.engine import Engine
from engine.errors import NeedsHuman, TransientError
from engine.state.index import Listed, Owned
from engine.state.record import Record, Stale
from engine.state.record_parts import Compromised
from engine.state.tags import Pending
from simulator.keyvault.state import SecretVersion
from simulator.reach.sabotage import Died
from simulator.wire import Request
from tests.engine.rotation.held import Records
from tests.engine.rotation.test_reported import with_app
from tests.shared.due import stored
from tests.shared.graph_rig import NAME as SECRET
from tests.shared.graph_rig import GraphRig
from tests.shared.heard import heard
from tests.shared.rig import Rig
from tests.shared.scene import NAME, keys_of, scene, source_of, struck, to_arm, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import sql


async def unreported() -> Rig:
    """Rotate, as a worker that dies before its outcome is noted as reported; no message is left."""
    rig = scene(tags={"OverlapHours": "0"})
    await rig.service().rotate(rig.item(NAME).to_json(), 1)
    await rig.service().rotate(rig.item(NAME, action="retire").to_json(), 1)
    await rig.note(source_of(rig), NAME, untold=True, changing=None, open_until=None)
    return rig


def engine(rig: Rig) -> Engine:
    """Return the engine under a document that names an app which uses the secret."""
    return with_app(rig.service(), NAME).engine


async def renamed(rig: Rig) -> None:
    rig.clock.advance(3600)
    tags, value = rig.tags(NAME), rig.latest(NAME).value
    rig.vault.delete(NAME)
    rig.vault.put("renamed", str(value), tags=tags)
    await engine(rig).handle(rig.item("renamed", action="audit"))


async def released(rig: Rig) -> None:
    ref = rig.item(NAME).ref
    await engine(rig).release(ref, None, {}, lambda _: None)


@pytest.mark.parametrize("passes", [renamed, released])
async def test_what_was_published_is_reported_before_its_source_passes_on(
    passes: Callable[[Rig], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    rig = await unreported()
    version = rig.latest(NAME).version
    with caplog.at_level(logging.INFO, "rekey"):
        await passes(rig)
    outcomes = [
        json.loads(text) for text in caplog.messages if "published by an earlier try" in text
    ]
    assert [(it["secret"], it["result"], it["new_version"]) for it in outcomes] == [
        (NAME, "rotated", version)
    ]
    assert not (await rig.known(source_of(rig))).unreported
    posted = rig.messages("rotations")
    assert [it["secret"] for it in posted if it["action"] == "refresh"] == [NAME]


async def test_what_was_published_is_reported_although_its_secret_is_deleted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = await unreported()
    rig.vault.delete(NAME)
    with caplog.at_level(logging.INFO, "rekey"):
        await engine(rig).handle(rig.item(NAME, action="audit", source=source_of(rig)))
    assert "published by an earlier try" in caplog.text
    assert not (await rig.known(source_of(rig))).unreported


async def test_what_a_renamed_secret_holds_stays_as_its_source_passes_on() -> None:
    """Rekey made it for the former name, and removes what else that operation has left."""
    rig = GraphRig()
    rig.managed()
    await rig.handle(SECRET)
    tags, value = rig.tags(SECRET), str(rig.latest(SECRET).value)
    rig.clock.advance(3600)
    rig.vault.delete(SECRET)
    rig.vault.put("renamed", value, tags=tags)
    await rig.handle("renamed", action="audit")
    assert value in {password.secret for password in rig.alive()}
    assert (await rig.known(rig.app.app_id)).owner.endswith("/renamed")


async def test_what_was_made_in_vain_is_removed_before_its_source_passes_on() -> None:
    """A worker died once its source had made a credential, and the secret was renamed."""
    rig = GraphRig()
    rig.managed()
    with pytest.raises(Died):
        await rig.service(struck(rig, to_arm("/addPassword"))).engine.handle(
            rig.item(SECRET, force=True)
        )
    assert len(rig.alive()) == 2
    tags, value = rig.tags(SECRET), rig.latest(SECRET).value
    rig.vault.delete(SECRET)
    rig.clock.advance(30 * 86_400)
    expires = rig.clock.now() + timedelta(days=80)
    rig.vault.put("renamed", value, tags=tags, expires=expires)
    await rig.handle("renamed", action="audit")
    assert rig.alive() == [rig.first]


async def _left(rig: Rig) -> tuple[SecretVersion, Mapping[str, str]]:
    """Let the owner of the source lose its tags; return what it holds, and what they were."""
    held = rig.latest(NAME)
    await rig.handle(NAME, action="audit")
    tags = rig.tags(NAME)
    rig.vault.amend(held, tags={})
    rig.clock.advance(3600)
    return held, tags


async def test_a_report_is_sent_on_to_the_secret_that_holds_what_leaked_now() -> None:
    rig = scene(days_left=80)
    leaked, tags = await _left(rig)
    held = rig.vault.put("renamed", leaked.value, tags=tags)
    await rig.handle("renamed", action="audit")
    await rig.handle("renamed", force=True)
    outcome = await rig.handle(
        NAME, version=leaked.version, compromised=True, source=source_of(rig)
    )
    assert (outcome.result, outcome.reason.endswith("sent on to that")) == ("waiting", True)
    (sent,) = rig.messages("rotations")
    assert (sent["secret"], sent["version"], sent["compromised"]) == (
        "renamed",
        held.version,
        True,
    )


async def test_a_report_of_what_is_refused_is_not_sent_on_to_the_present_owner() -> None:
    """It would replace what its owner holds, which has not leaked."""
    rig = scene(days_left=80)
    leaked, tags = await _left(rig)
    rig.world.accounts["appdata"].regenerate("key1")
    rig.vault.put("renamed", keys_of(rig)["key2"], tags={**tags, "CredentialId": "key2"})
    await rig.handle("renamed", action="audit")
    await rig.handle(NAME, version=leaked.version, compromised=True, source=source_of(rig))
    assert rig.messages("rotations") == []


async def test_no_report_is_sent_on_to_a_vault_that_is_served_no_more() -> None:
    rig = scene(days_left=80)
    leaked = rig.latest(NAME)
    rig.vault.amend(leaked, tags={})
    owed = Pending(rig.clock.now() + timedelta(days=1), leaked.version, "key1")
    owner = "https://other.vault.azure.net/secrets/renamed"
    await rig.note(source_of(rig), NAME, owner=owner, pending=owed)
    await rig.handle(NAME, version=leaked.version, compromised=True, source=source_of(rig))
    assert rig.messages("rotations") == []


async def test_what_leaked_is_looked_for_where_its_tags_say_although_that_has_passed_on() -> None:
    """The secret owns another source by now, which refuses it; its own source may accept it."""
    rig = scene()
    engine, ref = rig.service().engine, rig.item(NAME).ref
    known = [Listed(rig.account("elsewhere").resource_id.lower(), str(ref).lower())]
    version = str(rig.latest(NAME).version)
    assert await engine.held_at(ref, version, known) == source_of(rig), "nobody owns that"
    await rig.note(source_of(rig), "another")
    assert await engine.held_at(ref, version, known) == source_of(rig)


async def test_a_record_that_was_moved_aside_since_it_was_listed_counts_no_more() -> None:
    rig = scene()
    ref = rig.item(NAME).ref
    listed = Listed.of(Record(source_of(rig), str(ref).lower()))
    leases: Any = Records((listed,))
    assert (await replace(rig.service().engine, leases=leases).owned(ref)).records == []


async def test_a_secret_of_two_logins_can_be_released() -> None:
    """Each login has a record, and both name the secret."""
    rig = sql("two logins")
    await rig.work(SQL)
    ref = rig.item(SQL).ref
    await rig.service().engine.release(ref, None, {}, lambda _: None)
    assert not (await rig.service().engine.owned(ref)).records
    assert not rig.tags(SQL)


def to_a_lease(request: Request) -> bool:
    return request.method == "PUT" and "comp=lease" in request.url


def to_a_record(request: Request) -> bool:
    is_blob = request.method == "PUT" and "/sources/" in request.url
    return is_blob and "comp=" not in request.url and b'"key"' in request.body


async def test_a_release_that_is_refused_makes_neither_of_two_logins_its_secrets() -> None:
    rig = sql("two logins")
    parts, ref = rig.service().engine, rig.item(SQL).ref
    managed = parts.tagged(await parts.vaults.read(ref)).managed

    def refuse(_: Owned) -> None:
        raise NeedsHuman("not now")

    with pytest.raises(NeedsHuman, match="not now"):
        await parts.release(ref, managed, {}, refuse)
    assert not (await parts.owned(ref)).records


async def test_whoever_dies_in_a_release_leaves_both_logins_or_none() -> None:
    """One of them alone would pass for a source of its own, outside the scopes perhaps."""
    rig = sql("two logins")
    await rig.work(SQL)
    ref = rig.item(SQL).ref
    (whole,) = {
        it.source for it in (await rig.service().engine.owned(ref)).records if "+" in it.source
    }
    with pytest.raises(Died):
        await rig.service(struck(rig, to_a_record)).engine.release(ref, None, {}, lambda _: None)
    assert [it.source for it in (await rig.service().engine.owned(ref)).records] == [whole]


@pytest.mark.parametrize("how", ["released", "renamed"])
async def test_whoever_dies_as_a_record_is_given_away_has_reported_what_it_published(
    how: str,
) -> None:
    """Nobody else knows that it is still to be reported."""
    rig = await unreported()
    rig.vault.put("renamed", str(rig.latest(NAME).value), tags=rig.tags(NAME))
    if how == "renamed":
        rig.vault.delete(NAME)
    dying = rig.service(struck(rig, to_a_record)).engine
    outcomes = heard(dying.reporter)
    claims = dying.handle(rig.item("renamed"))
    releases = dying.release(rig.item(NAME).ref, None, {}, lambda _: None)
    work, other = (claims, releases) if how == "renamed" else (releases, claims)
    other.close()
    with pytest.raises(Died):
        await work
    assert [(it.item.ref.name, it.result) for it in outcomes] == [(NAME, "rotated")]


async def test_no_secret_is_released_while_its_vault_shows_an_older_version() -> None:
    """What the newer one superseded would be revoked by nobody."""
    rig = scene()
    await rig.handle(NAME)
    await rig.note(source_of(rig), NAME, earlier=(str(rig.latest(NAME).version),), published=None)
    before = rig.tags(NAME)
    with pytest.raises(Stale):
        await rig.service().engine.release(rig.item(NAME).ref, None, {}, lambda _: None)
    assert rig.tags(NAME) == before
    assert (await rig.known(source_of(rig))).owner


async def test_what_leaked_comes_back_where_its_secret_is_released_before_the_lease() -> None:
    """No record names the secret, and nobody else would try what leaked."""
    rig = scene()
    tags, engine = rig.tags(NAME), rig.service().engine
    secret = await engine.vaults.read(rig.item(NAME).ref)
    await engine.release(secret.ref, engine.tagged(secret).managed, {}, lambda _: None)
    rig.tag(NAME, **tags)
    gone = dict.fromkeys(tags)
    leaves = struck(rig, to_a_lease, lambda: rig.tag(NAME, **gone), after=False)
    item = rig.item(NAME, compromised=True, version=str(rig.latest(NAME).version))
    outcome = await rig.service(leaves).engine.handle(item)
    assert (outcome.result, outcome.comes_back) == ("parked", True)
    assert "what leaked may still be accepted" in outcome.reason


async def test_a_look_at_a_source_that_its_secret_has_left_ends_there() -> None:
    """The timer asks for one every three minutes while a change goes on; elsewhere nothing is due."""
    rig = scene()
    await rig.handle(NAME)
    other = rig.account("elsewhere")
    key = other.keys["key1"].value
    rig.write(NAME, key, CredentialId="key1", ProviderAddress=other.resource_id)
    await rig.note(source_of(rig), NAME, open_until=rig.clock.now() + timedelta(hours=1))
    look = rig.item(NAME, action="audit", recheck=True, source=source_of(rig))
    outcome = await rig.service().engine.handle(look)
    assert (outcome.result, outcome.reason) == ("skipped", f"the secret has left {source_of(rig)}")
    assert await rig.service().engine.leases.peek(other.resource_id.lower()) is None


async def test_a_version_that_somebody_writes_during_a_release_keeps_the_secret_managed() -> None:
    """Whoever released it has not seen what that version holds."""
    rig = scene()
    await rig.handle(NAME)
    rig.clock.advance(60)
    writes = struck(rig, to_a_lease, lambda: rig.write(NAME, "by hand"), after=False)
    parts = rig.service(writes).engine
    with pytest.raises(TransientError, match="somebody has written a version in the meantime"):
        await parts.release(rig.item(NAME).ref, None, {}, lambda _: None)
    assert "ProviderAddress" in rig.tags(NAME)
    assert (await rig.known(source_of(rig))).owner


async def test_what_is_under_way_by_the_time_of_its_lease_keeps_a_secret_from_its_release() -> None:
    """An incident is noted between the look and the lease."""
    rig = scene()
    await rig.handle(NAME)
    leaked = str(rig.latest(NAME).version)

    def note() -> None:
        [blob] = stored(rig.world, "rekeyhost", "sources/")
        known = Record.from_json(blob.content, "here")
        noted = replace(known, compromised=Compromised((leaked,)))
        blob.content = noted.to_json().encode()

    def check(owned: Owned) -> None:
        if reason := owned.in_progress(rig.clock.now()):
            raise NeedsHuman(reason)

    parts = rig.service(struck(rig, to_a_lease, note, after=False)).engine
    with pytest.raises(NeedsHuman, match="its incident has not ended"):
        await parts.release(rig.item(NAME).ref, None, {}, check)
    assert "ProviderAddress" in rig.tags(NAME)
    assert (await rig.known(source_of(rig))).owner


async def test_a_release_leaves_the_source_to_the_secret_that_owns_it() -> None:
    """Two secrets name one account: the one that never got it is released."""
    rig = scene()
    await rig.handle(NAME)
    rig.vault.put("other", "a value", tags=rig.tags(NAME))
    before, parts = await rig.known(source_of(rig)), rig.service().engine
    other = await parts.vaults.read(rig.item("other").ref)
    await parts.release(other.ref, parts.inventory.entry(other).managed, {}, lambda _: None)
    assert "ProviderAddress" not in rig.tags("other")
    assert await rig.known(source_of(rig)) == before


@pytest.mark.parametrize("after", [False, True])
async def test_whoever_dies_in_a_release_leaves_no_managed_secret_without_its_record(
    *, after: bool
) -> None:
    """What a record no longer knows would be taken for somebody else's, and parked."""
    rig = scene()
    await rig.handle(NAME)
    parts = rig.service(struck(rig, to_vault("PATCH"), after=after)).engine
    with pytest.raises(Died):
        await parts.release(rig.item(NAME).ref, None, {}, lambda _: None)
    assert ("ProviderAddress" in rig.tags(NAME)) is not after
    assert (await rig.known(source_of(rig))).owner


async def test_what_leaked_elsewhere_is_not_settled_by_what_had_to_be_revoked_here() -> None:
    """It is refused here because it was never accepted here."""
    rig = scene()
    await rig.handle(NAME)
    left, ours = source_of(rig), str(rig.latest(NAME).version)
    other = rig.account("elsewhere")
    old = other.keys["key1"].value
    leaked = rig.write(NAME, old, CredentialId="key1", ProviderAddress=other.resource_id)
    rig.clock.advance(1)
    rig.write(NAME, other.keys["key2"].value, CredentialId="key2")
    await rig.note(left, NAME, compromised=(ours,))
    revoked = rig.vault.versions(NAME)[1].value
    fields = {
        "version": leaked.version,
        "compromised": True,
        "reported": rig.clock.now().isoformat(),
    }
    outcome = await rig.handle(NAME, **fields, source=left)
    assert revoked not in {key.value for key in rig.world.accounts["appdata"].keys.values()}
    assert old in {key.value for key in other.keys.values()}
    assert outcome.result == "parked"
    assert "may still be accepted" in outcome.reason


async def test_a_later_try_looks_once_at_a_source_that_its_secret_has_left() -> None:
    """What is open there is left to a recheck: the item ends where the secret is now."""
    rig = scene()
    now = rig.clock.now()
    owed = Pending(now + timedelta(hours=1), "1" * 32, "key2")
    await rig.note(source_of(rig), NAME, changing=now, pending=owed)
    rig.tag(NAME, ProviderAddress=f"{source_of(rig)}2")
    outcome = await rig.service().engine.handle(rig.item(NAME, action="restore"), 2)
    assert (outcome.result, outcome.reason) == ("skipped", "no earlier credential still works")
