"""What an incident sends on, and when it is over for a secret: as the records say, never the tags."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.incidents import status_of
from engine.engine import Engine
from engine.errors import NeedsHuman, TransientError
from engine.rotation.source_lease import NOBODY
from engine.secret import SecretRef
from engine.state.entry import Entry
from engine.state.incident import (
    LEAD,
    LIVES,
    STILL_ACCEPTED,
    UNSERVED,
    Incident,
    IncidentProgress,
    deleted_at,
)
from engine.state.index import Listed, StateIndex
from engine.state.record import Record
from engine.state.record_parts import PROVEN_AT, SAME_VALUE, Compromised, Published
from engine.state.request import INCIDENT_SECONDS, Leak, Tries, WorkItem
from engine.state.sweep_order import MOST_DELAY, SoFar, SweepOrder
from engine.state.tags import Pending
from engine.sweep.incidents import IncidentSweep
from leaks.incidents import counted, unreached
from simulator.reach.sabotage import Died
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.shared.builders import (
    ACCOUNT,
    NOW,
    REF,
    SECOND,
    V1,
    V2,
    VAULT,
    stands,
    version,
)
from tests.shared.heard import Log, heard
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of

DAY = timedelta(days=1)
SINCE = NOW - timedelta(hours=1)
BEFORE, LATER = SINCE - SECOND, SINCE + SECOND
INCIDENT = Incident(SINCE, requested_by="ada", reason="a drill", vaults=(VAULT,))


def record(**facts: Any) -> Listed:
    """Return the record of a secret that was replaced the moment that the incident began."""
    usual: dict[str, Any] = {"published": SINCE, "made": SINCE}
    return Listed(ACCOUNT, str(REF).lower(), **(usual | facts))


def overlap(superseded: str) -> Pending:
    return Pending(NOW + timedelta(days=6), superseded, "key2")


async def is_open(
    current: Entry,
    known: Sequence[Listed],
    rig: Rig | None = None,
    primary: SecretRef | None = None,
) -> bool:
    """Return whether the compromise may not be over."""
    engine = (rig or Rig()).service().engine
    index = StateIndex({str(REF).lower(): tuple(known)})
    return await IncidentSweep(engine, INCIDENT, index).is_open(current, primary)


def current(created: datetime, pending: Pending | None = None) -> Entry:
    retire = {"RekeyRetire": str(pending) if pending else None}
    secret = replace(version(changes=retire), created=created)
    return stands(secret)


@pytest.mark.parametrize(
    ("created", "known", "expected"),
    [
        pytest.param(SINCE, [record()], False, id="replaced that very moment"),
        pytest.param(LATER, [], True, id="no record"),
        pytest.param(SINCE, [record(is_open=True)], True, id="a change is under way"),
        pytest.param(SINCE, [record(), record(is_open=True)], True, id="one of two changes is"),
        pytest.param(BEFORE, [record(published=BEFORE, made=BEFORE)], True, id="written before"),
        pytest.param(BEFORE, [record()], True, id="written before, by somebody else"),
        pytest.param(BEFORE, [record(published=BEFORE)], False, id="the vault's clock is behind"),
        pytest.param(
            BEFORE,
            [record(published=BEFORE, made=BEFORE, under=SINCE)],
            False,
            id="made under this very incident, which was dated ahead",
        ),
        pytest.param(
            BEFORE,
            [record(published=BEFORE, made=BEFORE, under=LATER)],
            True,
            id="made under another incident, which was dated ahead",
        ),
        pytest.param(SINCE, [record(made=BEFORE)], True, id="made before"),
        pytest.param(SINCE, [record(made=None)], True, id="nobody knows when it was made"),
        pytest.param(SINCE, [record(), record(made=None)], False, id="one record says when"),
        pytest.param(
            SINCE,
            [record(made=BEFORE), record(published=LATER, made=LATER)],
            True,
            id="made before, and something else since",
        ),
        pytest.param(SINCE, [record(pending=overlap(V2))], True, id="no tag shows an overlap"),
    ],
)
async def test_a_compromise_is_over_once_the_record_shows_that_a_credential_made_since_is_in_place(
    created: datetime, known: list[Listed], expected: bool
) -> None:
    assert await is_open(current(created), known) is expected


@pytest.mark.parametrize(
    ("written", "expected"), [(BEFORE, True), (SINCE, False), (LATER, False), (None, True)]
)
async def test_a_compromise_lasts_as_long_as_the_overlap_of_a_version_that_is_older(
    written: datetime | None, expected: bool
) -> None:
    rig = Rig()
    superseded = rig.vault.put(NAME, "x", created=written).version if written else V2
    pending = overlap(superseded)
    shown = current(LATER, pending)
    assert await is_open(shown, [record(published=LATER, pending=pending)], rig) is expected
    assert not await is_open(shown, [record(published=LATER)], rig), "a tag proves nothing"


async def test_what_somebody_wrote_by_hand_since_is_not_open_whatever_its_tags_copy() -> None:
    rig = Rig()
    pending = overlap(rig.vault.put(NAME, "x", created=BEFORE).version)
    assert not await is_open(current(LATER, pending), [record(pending=pending)], rig)


@pytest.mark.parametrize("created", [SINCE, LATER])
async def test_what_somebody_wrote_by_hand_since_is_theirs_to_judge(created: datetime) -> None:
    rig, index = Rig(), StateIndex({str(REF).lower(): (record(published=BEFORE),)})
    progress, work = IncidentProgress(), IncidentSweep(rig.service().engine, INCIDENT, index)
    await work.count(current(created), progress)
    assert progress.secrets == 0, "there was no such secret then"
    rig.vault.put(NAME, "x", created=SINCE)
    await work.count(current(created), progress)
    assert progress.secrets == 0, "nor was there one before"
    rig.vault.put(NAME, "x", created=BEFORE)
    await work.count(current(created), progress)
    assert (progress.needs_a_person, progress.rotated) == (1, 0)


@pytest.mark.parametrize("is_noted", [True, False])
async def test_what_somebody_wrote_by_hand_since_ends_nothing_that_a_record_has_noted(
    *, is_noted: bool
) -> None:
    """Rekey never replaced what leaked, so only what it has noted waits for it."""
    rig, known = Rig(), record(published=BEFORE, made=BEFORE, is_open=is_noted)
    rig.vault.put(NAME, "x", created=BEFORE)
    work = IncidentSweep(rig.service().engine, INCIDENT, StateIndex({str(REF).lower(): (known,)}))
    progress = IncidentProgress()
    await work.count(current(LATER), progress)
    assert (progress.waiting, progress.needs_a_person) == (is_noted, not is_noted)


async def test_a_version_made_under_an_incident_dated_ahead_is_not_sent_on_as_older() -> None:
    """The vault says that it is older; the record knows better, and what it replaced is revoked."""
    rig = scene()
    incident = replace(begun(rig), since=begun(rig).since + timedelta(seconds=30))
    since, leaked = incident.since.isoformat(), rig.latest(NAME).version
    await rig.handle(NAME, version=leaked, compromised=True, since=since, force=True)
    assert rig.latest(NAME).created < incident.since.timestamp()
    rig.clock.advance(120)
    rig.queue("rotations").clear()
    await send(rig, incident)
    assert rig.messages("rotations") == []


async def test_what_is_younger_than_an_incident_is_not_sent_on() -> None:
    """Its record shows that all of it was made since, so no worker has anything to find out."""
    rig = Rig()
    incident = begun(rig)
    rig.clock.advance(60)
    rig.secret(NAME, rig.account("appdata"))
    assert (await rig.handle(NAME)).result == "rotated"
    engine, order = rig.service().engine, SweepOrder.for_incident(rig.vault.url, incident)
    work = IncidentSweep(engine, incident, await engine.index(), again=True)
    assert await work.send(order), "nothing is open"


@pytest.mark.parametrize("is_noted", [True, False])
@pytest.mark.parametrize("is_late", [True, False])
async def test_an_incident_that_nothing_works_on_any_more_is_left_to_a_person(
    *, is_noted: bool, is_late: bool
) -> None:
    """What a record has noted is tried for as long as it takes; else its order is stored."""
    rig, known = scene(), (Listed(ACCOUNT, str(REF).lower(), is_open=is_noted),)
    incident, engine = replace(begun(rig), id="20261102T090000Z-0a1b2c3d"), rig.service().engine
    order = SweepOrder.for_incident(VAULT, incident)
    await engine.keep(order if not is_late else replace(order, vault="https://other"), 0.0)
    index, progress = StateIndex({str(REF).lower(): known}), IncidentProgress()
    await IncidentSweep(engine, incident, index).count(stands(version()), progress)
    assert progress.waiting == (is_noted or not is_late)
    reasons = [secret["reason"] for secret in progress.named]
    assert reasons == (
        [] if progress.waiting else [f"its incident is not tried any more: {STILL_ACCEPTED}"]
    )


async def test_for_a_replica_the_record_of_its_primary_counts() -> None:
    tags = {"ProviderAddress": None, "ReplicaOf": str(REF)}
    copy = replace(version(changes=tags), ref=replace(REF, name="copy"))
    for created, expected in ((BEFORE, True), (LATER, False)):
        shown = stands(replace(copy, created=created))
        assert await is_open(shown, [record()], primary=REF) is expected
        assert await is_open(shown, [], primary=REF) is True
    assert await is_open(stands(replace(copy, created=LATER)), [record(is_open=True)], primary=REF)


async def test_a_replica_is_open_while_its_primary_is_to_retire_what_is_older() -> None:
    """It was written a moment after its primary, so no record knows that very version."""
    rig = Rig()
    pending = overlap(rig.vault.put(NAME, "x", created=BEFORE).version)
    tags = {"ProviderAddress": None, "ReplicaOf": str(REF)}
    copy = replace(version(changes=tags), ref=replace(REF, name="copy"), created=LATER)
    assert await is_open(stands(copy), [record(pending=pending)], rig, REF)


def begun(rig: Rig, **scope: Any) -> Incident:
    since = rig.clock.now().replace(microsecond=0)
    return replace(INCIDENT, since=since, vaults=(rig.vault.url,), **scope)


async def send(rig: Rig, incident: Incident, engine: Engine | None = None, **changes: Any) -> None:
    order = replace(SweepOrder.for_incident(rig.vault.url, incident), **changes)
    engine = engine or rig.service().engine
    await IncidentSweep(engine, incident, await engine.index()).send(order)


async def test_a_version_as_old_as_the_incident_itself_is_left_to_the_record_to_tell() -> None:
    rig = scene()
    rig.clock.advance(1)
    older = rig.latest(NAME).version
    await send(rig, begun(rig))
    rig.secret(NAME, rig.world.accounts["appdata"])
    await send(rig, begun(rig))
    assert [message["version"] for message in rig.messages("rotations")] == [older, None]


async def test_what_somebody_replaced_since_is_sent_on_though_rekey_has_replaced_that() -> None:
    """Nobody has revoked it: Rekey revokes what it replaces itself, and only that."""
    rig = scene()
    first = str(rig.latest(NAME).version)
    rig.clock.advance(60)
    incident = begun(rig)
    rig.clock.advance(60)
    rig.write(NAME, rig.world.accounts["appdata"].keys["key2"].value, CredentialId="key2")
    await rig.work(NAME, compromised=True)
    assert first not in (await rig.known(source_of(rig))).history.replaced
    rig.clock.advance(60)
    await send(rig, incident)
    (sent,) = rig.messages("rotations")
    assert sent["version"] is None, "the worker finds out which one has leaked"
    await rig.service().rotate(json.dumps(sent), 1)
    revoked = (await rig.known(source_of(rig))).compromised.revoked
    assert first in revoked
    count = len(rig.messages("rotations"))
    await send(rig, incident)
    assert len(rig.messages("rotations")) == count, "a record tells what became of it"


@pytest.mark.parametrize("is_damaged", [False, True])
async def test_of_what_was_replaced_a_damaged_record_does_not_tell_that_it_is_refused(
    *, is_damaged: bool
) -> None:
    rig = scene()
    rig.clock.advance(60)
    incident, leaked = begun(rig), rig.latest(NAME).version
    rig.clock.advance(60)
    since = incident.since.isoformat()
    await rig.handle(NAME, version=leaked, compromised=True, since=since, force=True)
    engine, order = rig.service().engine, SweepOrder.for_incident(rig.vault.url, incident)
    index = await engine.index()
    if is_damaged:
        engine = replace(engine, leases=Known(None))  # type: ignore[arg-type]
    rig.queue("rotations").clear()
    await IncidentSweep(engine, incident, index).send(order)
    assert len(rig.messages("rotations")) == is_damaged


async def test_all_that_may_work_on_where_a_secret_was_before_is_sent_on() -> None:
    """A late write has left two there. One that is refused by now is not asked about again.

    One that was refused before the report may have been put back since. What Rekey published there
    last works on, too: nobody has superseded it.
    """
    rig, ids = scene(), [number * 32 for number in "123"]
    await rig.work(NAME)
    former = source_of(rig)
    superseded, last = (version.version for version in rig.vault.versions(NAME))
    owed = tuple(Pending(NOW, version, "key2") for version in ids)
    going = Pending(NOW, str(superseded), "key1")
    before = {ids[1]: f"{NOW:{PROVEN_AT}} x"}
    await rig.note(former, NAME, to_retire=(going, *owed), gone={ids[2]: "", **before})
    other = rig.account("other")
    rig.clock.advance(60)
    theirs = rig.write(NAME, other.keys["key1"].value, ProviderAddress=other.resource_id)
    rig.clock.advance(60)
    await send(rig, begun(rig))
    sent = [(it["source"], it["version"]) for it in rig.messages("rotations")]
    left = [(former, version) for version in (superseded, *ids[:2], last)]
    assert sent == [*left, (other.resource_id.lower(), theirs.version)]


@pytest.mark.parametrize(
    ("facts", "is_sent"),
    [
        ({}, True),
        ({"created": None}, False),
        ({"at": NOW + timedelta(minutes=5), "born": None}, False),
    ],
    ids=["its own", "a former owner's", "made since the incident"],
)
async def test_what_was_published_last_where_a_secret_was_before_is_sent_on(
    facts: dict[str, Any], *, is_sent: bool
) -> None:
    """A person has given it another address, and nobody has revoked what it held."""
    rig = scene()
    await rig.work(NAME)
    former, last, other = source_of(rig), rig.latest(NAME).version, rig.account("other")
    record = await rig.service().engine.leases.peek(former)
    assert record
    assert record.published
    await rig.note(former, NAME, published=replace(record.published, **facts), to_retire=())
    rig.clock.advance(60)
    rig.write(NAME, other.keys["key1"].value, ProviderAddress=other.resource_id)
    rig.clock.advance(60)
    await send(rig, begun(rig))
    sent = [it["version"] for it in rig.messages("rotations") if it["source"] == former]
    assert sent == [last] * is_sent


async def test_what_a_person_replaced_where_a_secret_was_before_is_sent_on_about_itself_alone() -> (
    None
):
    """Nobody has revoked it. What is as old as it elsewhere is another item's."""
    rig = scene()
    await rig.work(NAME)
    former, last, other = source_of(rig), rig.latest(NAME).version, rig.account("other")
    await rig.note(former, NAME, to_retire=(), written=(last, V2))
    rig.clock.advance(60)
    rig.write(NAME, other.keys["key1"].value, ProviderAddress=other.resource_id)
    rig.clock.advance(60)
    await send(rig, begun(rig))
    left = [it for it in rig.messages("rotations") if it["source"] == former]
    assert [it["version"] for it in left] == [last, V2]
    assert [(it["compromised"], it["since"]) for it in left] == [(True, "")] * 2


@pytest.mark.parametrize(
    ("posted", "broken", "is_over"), [(0, 0, True), (1, 0, False), (0, 1, False)]
)
async def test_an_order_is_over_only_if_none_of_its_parts_met_anything_open(
    posted: int, broken: int, *, is_over: bool
) -> None:
    """It comes again from the start: what an earlier part has sent may be open still."""
    rig = scene()
    rig.clock.advance(60)
    incident, engine = begun(rig, name="nobody"), rig.service().engine
    so_far = SoFar(None, rig.clock.now(), posted=posted, broken=broken)
    order = replace(SweepOrder.for_incident(rig.vault.url, incident), so_far=so_far, again=True)
    work = IncidentSweep(engine, incident, await engine.index(), again=True)
    assert await work.send(order) is is_over
    assert [body.get("so_far") for _, body in rig.open_requests] == ([] if is_over else [None])


@pytest.mark.parametrize(("later", "is_sent"), [(0, False), (1, True)])
async def test_where_a_secret_was_before_what_is_as_old_as_the_incident_is_not_sent_on(
    later: int, *, is_sent: bool
) -> None:
    """What was made from that moment on has not leaked: its overlap goes on."""
    rig = scene()
    rig.clock.advance(60)
    made, former = rig.latest(NAME), source_of(rig)
    await rig.note(former, NAME, to_retire=(Pending(NOW, str(made.version), "key1"),))
    other = rig.account("other")
    rig.write(NAME, other.keys["key1"].value, ProviderAddress=other.resource_id)
    rig.clock.advance(60)
    since = datetime.fromtimestamp(made.created + later, UTC)
    await send(rig, replace(begun(rig), since=since))
    assert (former in [it["source"] for it in rig.messages("rotations")]) is is_sent


async def test_what_is_covered_and_may_follow_is_sent_on_once_and_counted(caplog: Log) -> None:
    rig = scene()
    account = rig.world.accounts["appdata"]
    rig.secret("other", rig.account("other"))
    rig.secret("app-broken", account, tags={"ValidityPeriodDays": "sixty"})
    rig.vault.put("app-manual", "x", tags={"Manual": "true"})
    primary = f"{rig.vault.url}/secrets/unmanaged"
    rig.vault.put("unmanaged", "x")
    rig.vault.put("app-copy", "x", tags={"ReplicaOf": primary})
    rig.clock.advance(60)
    incident = begun(rig, name="app-*")
    await send(rig, incident)
    sent = {message["secret"]: message for message in rig.messages("rotations")}
    assert {name: message["source"] for name, message in sent.items()} == {
        NAME: account.resource_id.lower(),
        "app-broken": None,
    }, "what calls itself a replica has no other secret cut off"
    assert f"in {rig.vault.url}: 2 of 6 secrets sent on" in caplog.text
    rig.clock.advance(60)
    await rig.service().rotate(json.dumps(sent[NAME]), 1)
    caplog.clear()
    await send(rig, incident)
    assert f"in {rig.vault.url}: 1 of 6 secrets sent on" in caplog.text, "one is replaced"


async def test_a_message_that_is_refused_fails_the_order_once_all_others_are_posted() -> None:
    rig = Rig()
    for name in ("first", "second", "third"):
        rig.secret(name, rig.account(name))
    rig.clock.advance(60)
    rig.queue("rotations")
    refused: list[Request] = []

    async def slow_but_for_the_first(request: Request, call: Call) -> Response:
        if ".queue." not in request.host:
            return await call()
        if not refused:
            refused.append(request)
            return json_response(503, {}, {"x-ms-error-code": "ServerBusy"})
        for _turn in range(100):
            await asyncio.sleep(0)
        return await call()

    with pytest.raises(TransientError):
        await send(rig, begun(rig), rig.service(slow_but_for_the_first).engine)
    assert len(rig.messages("rotations")) == 2


async def test_a_queue_that_refuses_the_app_fails_the_order() -> None:
    """It says nothing about the secret, which would be left out without a word."""
    rig = scene()
    rig.clock.advance(60)
    incident = begun(rig)
    engine = rig.service().engine
    rig.queue("rotations")
    refuse(rig, 403, "AuthorizationFailure", lambda request: ".queue." in request.host, times=9)
    with pytest.raises(TransientError):
        await send(rig, incident, engine)


async def test_a_worker_that_ends_as_it_sends_a_secret_on_stores_no_order_as_sent() -> None:
    rig = scene()
    rig.clock.advance(60)
    ends = [Died()]

    async def once(request: Request, call: Call) -> Response:
        if ends and ".queue." in request.host:
            raise ends.pop()
        return await call()

    rig.queue("rotations")
    with pytest.raises(Died):
        await send(rig, begun(rig), rig.service(once).engine)


async def test_what_exceeds_the_pace_of_an_incident_is_sent_on_for_later() -> None:
    rig = Rig()
    account = rig.account("appdata")
    for number in range(11):
        rig.secret(f"leaked-{number}", account)
    rig.clock.advance(60)
    await send(rig, begun(rig), period=timedelta(0))
    now = rig.clock.now()
    *usual, last = sorted(message.visible - now for message in rig.queue("rotations"))
    assert len(usual) == 10
    assert (min(usual), max(usual)) == (2 * LEAD, 2 * LEAD + 2 * SECOND)
    assert last == MOST_DELAY


async def test_what_opens_most_is_cut_off_first_and_a_copy_last() -> None:
    rig = Rig()
    rig.secret(
        "b-key", rig.account("appdata"), tags={"Replicas": f"{rig.vault.url}/secrets/a-copy"}
    )
    rig.vault.amend(rig.secret("a-off", rig.account("offdata")), enabled=False)
    rig.vault.put("a-copy", "x", tags={"ReplicaOf": f"{rig.vault.url}/secrets/b-key"})
    server = f"{rig.account('x').resource_id.split('/providers/')[0]}/providers/Microsoft.Sql"
    sql = {"ProviderAddress": f"{server}/servers/s", "ValidityPeriodDays": "90"}
    rig.vault.put("c-login", "x", tags={**sql, "Logins": "a,b"})
    rig.vault.put("d-admin", "x", tags={**sql, "CredentialId": "sa"})
    rig.clock.advance(60)
    await send(rig, begun(rig))
    posted = sorted(rig.queue("rotations"), key=lambda message: message.visible)
    names = [json.loads(b64decode(message.body))["secret"] for message in posted]
    assert names == ["d-admin", "b-key", "c-login", "a-off", "b-key"]


@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("elsewhere", [True, False])
async def test_an_item_names_the_source_of_what_leaked_whatever_the_tag_says_by_now(
    rig: Rig, *, rotated: bool, elsewhere: bool
) -> None:
    """Of a secret that was never rotated, the tag alone says it."""
    if rotated:
        await rig.work(NAME)
    source, other = rig.tags(NAME)["ProviderAddress"], rig.account("elsewhere").resource_id
    named = other if elsewhere else None
    rig.tag(NAME, ProviderAddress=named)
    rig.clock.advance(60)
    rig.queue("rotations").clear()
    await send(rig, begun(rig))
    sources = [message["source"] for message in rig.messages("rotations")]
    expected = source if rotated else named
    assert sources == ([expected.lower()] if expected else [])


@pytest.mark.parametrize("is_rotated", [True, False])
async def test_an_item_about_a_copy_names_the_source_of_what_its_primary_holds(
    *, is_rotated: bool
) -> None:
    """A secret with a record is no copy, whatever its tags say now."""
    url = f"{Rig().vault.url}/secrets"
    rig = scene(tags={"Replicas": f"{url}/copy"})
    copied = {"ReplicaOf": f"{url}/{NAME}"}
    account = rig.account("other")
    if is_rotated:
        rig.secret("copy", account, days_left=10)
        await rig.work("copy")
        rig.tag("copy", ProviderAddress=None, **copied)
    else:
        rig.vault.put("copy", rig.latest(NAME).value, tags=copied)
        await rig.work(NAME)
        rig.tag(NAME, ProviderAddress=account.resource_id)
    rig.clock.advance(60)
    rig.queue("rotations").clear()
    await send(rig, begun(rig, name="copy"))
    sent = [(message["secret"], message["source"]) for message in rig.messages("rotations")]
    at_first = rig.world.accounts["appdata"].resource_id.lower()
    of_its_own = ("copy", account.resource_id.lower())
    assert sent == [of_its_own if is_rotated else (NAME, at_first)]


async def test_an_order_that_comes_again_has_nobody_told_again_of_what_waits() -> None:
    rig = Rig()
    rig.vault.amend(rig.secret(NAME, rig.account("off")), enabled=False)
    rig.clock.advance(60)
    incident = begun(rig)
    await send(rig, incident)
    (item,) = rig.messages("rotations")
    await rig.service().rotate(json.dumps(item), 1)
    ((_, waiting),) = rig.open_items
    assert waiting["told"] == rig.clock.now().isoformat()
    rig.clock.advance(60)
    await send(rig, incident)
    assert [text for _, text in rig.open_items] == [waiting]
    assert rig.messages("rotations")[-1]["told"] == waiting["told"]


async def test_without_the_records_an_incident_is_sent_on_again_and_trusts_no_tag(
    rig: Rig, caplog: Log
) -> None:
    """Only they know of deleted secrets, and of where a secret was before its tags were edited."""
    refuse(rig, 403, "Forbidden", lambda request: "comp=list" in request.url, times=99)
    begins = SweepOrder.for_incident(rig.vault.url, begun(rig))
    await rig.service().sweep_vault(begins.to_json(), 1)
    ((due, order),) = [it for it in rig.open_requests if it[1].get("incident")]
    assert due == rig.clock.now() + timedelta(seconds=INCIDENT_SECONDS)
    assert [message["source"] for message in rig.messages("rotations")] == [None]
    assert "without the records it is sent on again" in caplog.text
    rig.world.faults.clear()
    rig.clock.advance(INCIDENT_SECONDS)
    assert order["again"] is False
    await rig.service().sweep_vault(json.dumps(order), 1)
    assert [body["again"] for _, body in rig.open_requests if body.get("incident")] == [True]


# What a vault does not list, although something of it is still to be revoked.


class ListsNothing:
    """A listing that lags behind; `denied` also forbids each read of a secret."""

    def __init__(self, *, denied: bool = False) -> None:
        self.denied = denied

    async def __call__(self, request: Request, call: Call) -> Response:
        if "vault" not in request.host or request.method != "GET":
            return await call()
        if "/secrets?" in request.url:
            return json_response(200, {"value": [], "nextLink": None})
        return json_response(403, {"error": {"code": "Forbidden"}}) if self.denied else await call()


@pytest.mark.parametrize("hours", [1, 100])
@pytest.mark.parametrize(("denied", "deleted"), [(False, False), (True, False), (False, True)])
async def test_only_a_secret_that_is_not_there_is_reported_as_deleted(
    denied: bool, deleted: bool, hours: int
) -> None:
    """One whose overlap goes on is reported as well where an incident is open."""
    rig = scene(tags={"OverlapHours": str(hours)})
    await rig.handle(NAME)
    if hours > 1:
        leaked = rig.latest(NAME).version
        await rig.note(rig.tags(NAME)["ProviderAddress"].lower(), NAME, compromised=(leaked,))
    rig.clock.advance(DAY.total_seconds())
    if deleted:
        rig.vault.delete(NAME)
    service = rig.service(ListsNothing(denied=denied))
    outcomes, now = heard(service.engine.reporter), rig.clock.now()
    await service.sweep_vault(SweepOrder(rig.vault.url, now - DAY, now, DAY).to_json())
    reasons = [outcome.reason for outcome in outcomes]
    assert [reason.partition(",")[0] for reason in reasons] == (["deleted"] if deleted else [])
    assert all(("is not finished" in reason) is (hours > 1) for reason in reasons)
    assert all(outcome.item.cause.trigger == "sweep" for outcome in outcomes)


@pytest.mark.parametrize(("denied", "deleted"), [(False, False), (True, False), (False, True)])
async def test_an_incident_sends_on_what_is_deleted_and_counts_what_a_lagging_listing_hides(
    rig: Rig, denied: bool, deleted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a secret that may not be read either, nobody can tell. The order comes again."""
    await rig.handle(NAME)
    rig.clock.advance(60)
    if deleted:
        rig.vault.delete(NAME)
    engine = rig.service(ListsNothing(denied=denied)).engine
    incident = Incident(rig.clock.now(), name="APP-*", vaults=(rig.vault.url,))
    elsewhere = replace(incident, source="/subscriptions/elsewhere")
    for scope in (
        incident,
        elsewhere,
        replace(incident, name="other"),
        replace(incident, vaults=()),
    ):
        await send(rig, scope, engine)
    source = source_of(rig)
    sent = [(message["source"], message["version"]) for message in rig.messages("rotations")]
    assert set(sent) == ({(source, None)} if deleted else set())
    assert any(f": {deleted:d} of 0 secrets sent on" in it for it in caplog.messages)
    here, there = await counted(engine, [incident, elsewhere])
    assert [row["reason"] for row in here.named] == ([deleted_at(source)] if deleted else [])
    assert await unreached(engine, incident) == here.named
    assert (here.secrets, here.waiting, there.secrets) == (
        not denied,
        not denied and not deleted,
        0,
    )
    again = SweepOrder.for_incident(rig.vault.url, incident)
    sweep = IncidentSweep(engine, incident, await engine.index(), again=True)
    assert await sweep.send(again) is False


async def test_an_incident_names_what_is_in_a_vault_that_is_not_served_any_more(rig: Rig) -> None:
    """It was when the incident began. Nothing else would say that it still works."""
    await rig.handle(NAME)
    rig.clock.advance(60)
    incident = Incident(rig.clock.now(), vaults=(rig.vault.url,))
    engine = rig.service().engine
    engine = replace(engine, policy=replace(engine.policy, scopes={}))
    (progress,) = await counted(engine, [incident])
    assert [row["reason"].partition(";")[0] for row in progress.named] == [UNSERVED]
    (progress,) = await counted(engine, [replace(incident, name="other")])
    assert progress.secrets == 0


@pytest.mark.parametrize("past_overlap", [True, False])
async def test_a_deleted_secret_that_was_replaced_before_needs_nobody(
    *, past_overlap: bool
) -> None:
    """Its successor is younger than the incident, and what it superseded is revoked."""
    rig = scene(tags={"OverlapHours": "1"})
    incident = Incident(rig.clock.now(), vaults=(rig.vault.url,))
    rig.clock.advance(1)
    await rig.handle(NAME)
    if past_overlap:
        rig.clock.advance(2 * 3600)
        await rig.handle(NAME, action="retire")
    rig.vault.delete(NAME)
    (progress,) = await counted(rig.service().engine, [incident])
    assert (progress.rotated, progress.needs_a_person) == (past_overlap, not past_overlap)


async def test_a_later_report_of_one_version_ends_no_incident_of_all_that_is_older() -> None:
    """What the deleted secret superseded is older than the incident, and nobody has revoked it."""
    rig = scene()
    incident = Incident(rig.clock.now(), vaults=(rig.vault.url,))
    rig.clock.advance(1)
    await rig.handle(NAME)
    await rig.note(source_of(rig), NAME, incident=None, suspect=rig.clock.now())
    rig.vault.delete(NAME)
    (progress,) = await counted(rig.service().engine, [incident])
    assert (progress.rotated, progress.needs_a_person) == (0, 1)


async def test_incidents_that_are_counted_together_count_what_is_in_their_own_vaults_alone() -> (
    None
):
    rig = scene()
    rig.secret("gone", rig.account("other"))
    for name in (NAME, "gone"):
        await rig.handle(name)
    rig.clock.advance(60)
    rig.vault.delete("gone")
    here = begun(rig)
    elsewhere = replace(here, vaults=("https://west.vault.azure.net",))
    counts = await counted(rig.service().engine, [here, elsewhere])
    assert [progress.secrets for progress in counts] == [2, 0]


async def test_who_writes_a_replica_is_looked_at_once_for_all_incidents_together() -> None:
    rig = scene(tags={"Replicas": "https://prod.vault.azure.net/secrets/copy"})
    rig.vault.put("copy", "x", tags={"ReplicaOf": f"{rig.vault.url}/secrets/{NAME}"})
    rig.clock.advance(60)
    looks = []
    for count in (1, 2):
        rig.world.exchanges.clear()
        await counted(rig.service().engine, [begun(rig, name="copy")] * count)
        paths = [exchange.request.path for exchange in rig.world.exchanges]
        looks.append(paths.count(f"/secrets/{NAME}/versions"))
    assert looks == [1, 1]


@pytest.mark.parametrize(
    ("owner", "refused_at", "counts"),
    [
        (f"{VAULT}/secrets/heir", NOW, 1),
        (f"{VAULT}/secrets/heir", NOW - timedelta(days=9), 0),
        (f"{VAULT}/secrets/heir", None, 0),
        ("https://west.vault.azure.net/secrets/heir", NOW, 0),
        (NOBODY, NOW, 0),
    ],
    ids=["refused", "refused for an earlier incident", "nothing", "in another vault", "released"],
)
async def test_of_a_source_that_was_left_what_was_refused_since_the_report_is_counted(
    owner: str, refused_at: datetime | None, counts: int
) -> None:
    rig = Rig()
    revoked = {V2: f"{refused_at:{PROVEN_AT}} refused"} if refused_at else {}
    record = Record(owner=owner, compromised=Compromised(revoked=revoked))
    engine = replace(rig.service().engine, leases=Known(record))  # type: ignore[arg-type]
    progress = IncidentProgress()
    incident = replace(INCIDENT, source=ACCOUNT)
    await IncidentSweep(engine, incident, StateIndex({})).count_passed_on(progress)
    assert (progress.secrets, progress.rotated) == (counts, counts)


async def test_a_damaged_record_proves_nothing_and_hides_no_incidents_progress() -> None:
    engine = replace(Rig().service().engine, leases=Known(None))  # type: ignore[arg-type]
    incident = replace(INCIDENT, since=NOW, name=REF.name, source=ACCOUNT, version=V2)
    index, progress = StateIndex({str(REF).lower(): (record(),)}), IncidentProgress()
    work = IncidentSweep(engine, incident, index)
    await work.count(stands(version()), progress)
    assert (progress.secrets, progress.rotated) == (1, 0)
    await work.count_passed_on(progress)
    assert progress.secrets == 1


LEFT = f"{ACCOUNT}-before"


@pytest.mark.parametrize(("pending", "expected"), [(None, False), (overlap(V2), True)])
async def test_of_a_damaged_record_where_a_secret_was_before_its_listing_tells_what_may_work_on(
    pending: Pending | None, *, expected: bool
) -> None:
    engine = replace(Rig().service().engine, leases=Known(None))  # type: ignore[arg-type]
    for published in (None, BEFORE):
        left = Listed(LEFT, str(REF).lower(), pending, published=published)
        index = StateIndex({str(REF).lower(): (record(), left)})
        work = IncidentSweep(engine, INCIDENT, index)
        assert await work.is_open(current(SINCE)) is expected


async def test_what_was_published_since_where_a_secret_was_before_keeps_nothing_open() -> None:
    """What it superseded is proven to be refused."""
    made = Published("o", "key2", "d", V2, LATER, version=V1, created=LATER)
    proofs = Compromised(revoked={V2: f"{NOW:{PROVEN_AT}} x"})
    owner = str(REF).lower()
    left = Record(LEFT, owner, published=made, to_retire=(overlap(V2),), compromised=proofs)
    engine = replace(Rig().service().engine, leases=Known(left))  # type: ignore[arg-type]
    work = IncidentSweep(engine, INCIDENT, StateIndex({owner: (record(), Listed.of(left))}))
    assert not await work.is_open(current(SINCE))


async def test_no_record_is_read_where_nothing_of_a_secret_that_has_left_may_work_on() -> None:
    left = Listed(LEFT, str(REF).lower(), published=SINCE, made=SINCE)
    engine = replace(Rig().service().engine, leases=None)  # type: ignore[arg-type]
    work = IncidentSweep(engine, INCIDENT, StateIndex({str(REF).lower(): (record(), left)}))
    assert not await work.is_open(current(SINCE))


class Known:
    """The record of every source; None for damaged ones."""

    def __init__(self, record: Record | None) -> None:
        self.record = record

    async def peek(self, source: str) -> Record:
        if self.record is None:
            raise NeedsHuman("the record of the source is damaged", where=source)
        return self.record


async def test_a_name_that_means_nobody_is_not_called_dealt_with_when_its_source_is() -> None:
    record = Record(
        owner=f"{VAULT}/secrets/heir", compromised=Compromised(revoked={V2: f"{NOW:{PROVEN_AT}} x"})
    )
    engine = replace(Rig().service().engine, leases=Known(record))  # type: ignore[arg-type]
    counts = []
    for name in ("heir", "mistyped-*"):
        incident, progress = replace(INCIDENT, source=ACCOUNT, name=name), IncidentProgress()
        await IncidentSweep(engine, incident, StateIndex({})).count_passed_on(progress)
        counts.append(progress.secrets)
    assert counts == [1, 0]


async def test_what_is_still_to_be_refused_at_a_source_that_was_left_waits() -> None:
    known = Compromised((V1,), revoked={V2: f"{NOW:{PROVEN_AT}} x"})
    record = Record(owner=f"{VAULT}/secrets/heir", compromised=known)
    engine = replace(Rig().service().engine, leases=Known(record))  # type: ignore[arg-type]
    incident, progress = replace(INCIDENT, source=ACCOUNT), IncidentProgress()
    await IncidentSweep(engine, incident, StateIndex({})).count_passed_on(progress)
    assert (progress.secrets, progress.rotated, progress.waiting) == (1, 0, 1)


@pytest.mark.parametrize("is_refused", [False, True])
async def test_what_is_cut_off_in_place_of_a_leaked_version_must_be_refused_first(
    *, is_refused: bool
) -> None:
    """Somebody has written the leaked value again: it works until that later version is dealt with."""
    proofs = {V2: f"{SAME_VALUE}: {V1}"} | ({V1: "tried"} if is_refused else {})
    revoked = {version: f"{NOW:{PROVEN_AT}} {how}" for version, how in proofs.items()}
    known = Compromised(() if is_refused else (V1,), revoked=revoked)
    record = Record(owner=f"{VAULT}/secrets/heir", compromised=known)
    engine = replace(Rig().service().engine, leases=Known(record))  # type: ignore[arg-type]
    incident = replace(INCIDENT, source=ACCOUNT, name="former", version=V2)
    progress = IncidentProgress()
    await IncidentSweep(engine, incident, StateIndex({})).count_passed_on(progress)
    assert (progress.rotated, progress.waiting) == (is_refused, not is_refused)


async def test_a_version_of_which_no_record_knows_waits_while_its_work_is_stored() -> None:
    rig = scene()
    engine = replace(rig.service().engine, leases=Known(Record()))  # type: ignore[arg-type]
    incident = replace(INCIDENT, source=ACCOUNT, name="former", version=V2)
    await engine.keep(incident.exact(), 0.0)
    progress = IncidentProgress()
    work = IncidentSweep(engine, incident, StateIndex({}))
    await work.count_passed_on(progress)
    assert progress.secrets == 0
    for _ in range(2):
        await work.count_stored([incident.exact(), incident.exact()], progress)
        assert (progress.secrets, progress.waiting) == (1, 1), "what is counted is so once"


ASKED = replace(INCIDENT, vaults=(VAULT,), name="app-*", source=ACCOUNT, requested_by="dana")


@pytest.mark.parametrize(
    ("asker", "work", "is_its"),
    [
        (ASKED, ASKED.work(REF, V2, ACCOUNT), True),
        (ASKED, ASKED.work(REF, None, None), True),
        (ASKED, replace(ASKED.work(REF, V2, ACCOUNT), leak=Leak()), True),
        (ASKED, replace(ASKED.work(REF, V2, ACCOUNT), tries=Tries(told="now")), True),
        (ASKED, replace(ASKED.work(REF, V2, ACCOUNT), leak=None), False),
        (ASKED, replace(ASKED.work(REF, V2, ACCOUNT), action="audit"), False),
        (ASKED, replace(ASKED, requested_by="erik").work(REF, V2, ACCOUNT), False),
        (ASKED, replace(ASKED, since=SINCE - timedelta(days=1)).work(REF, V2, ACCOUNT), False),
        (ASKED, ASKED.work(SecretRef(VAULT, "other"), V2, ACCOUNT), False),
        (ASKED, ASKED.work(SecretRef("https://west.vault.azure.net", NAME), V2, ACCOUNT), False),
        (ASKED, ASKED.work(REF, V2, f"{ACCOUNT}-2"), False),
        (replace(ASKED, version=V2), ASKED.work(REF, V2, ACCOUNT), True),
        (replace(ASKED, version=V2), ASKED.work(REF, V1, ACCOUNT), False),
    ],
)
def test_stored_work_is_an_incidents_if_it_is_the_same_request_in_its_scope(
    asker: Incident, work: WorkItem, *, is_its: bool
) -> None:
    assert asker.asked_for(work) is is_its


@pytest.mark.parametrize("heard_at", ["", NOW.isoformat()], ids=["not tried", "people know"])
async def test_an_incident_has_not_ended_while_its_work_waits_of_which_no_record_could_be_written(
    rig: Rig, heard_at: str
) -> None:
    """Its secret is deleted before the app's storage has let a worker write a record."""
    incident = begun(rig)
    engine = rig.service().engine
    work = incident.work(SecretRef(rig.vault.url, NAME), None, source_of(rig))
    await engine.keep(replace(work, tries=Tries(told=heard_at)), 0.0)
    rig.vault.delete(NAME)
    (progress,) = await counted(engine, [incident])
    assert status_of(progress) == ("needs a person" if heard_at else "running")
    assert [row["secret"] for row in progress.named] == ([NAME] if heard_at else [])
    rig.clock.advance(LIVES.total_seconds() + 60)
    (progress,) = await counted(engine, [incident])
    assert status_of(progress) == "nothing in scope"


async def test_an_incident_has_not_ended_while_its_work_waits_for_a_person_to_mend_the_tags(
    rig: Rig,
) -> None:
    """No record knows of its secret yet, and no tag names its source any more."""
    incident = begun(rig)
    engine = rig.service().engine
    work = incident.work(SecretRef(rig.vault.url, NAME), None, source_of(rig))
    await engine.keep(replace(work, tries=Tries(told=NOW.isoformat())), 0.0)
    rig.tag(NAME, ProviderAddress=None)
    (progress,) = await counted(engine, [incident])
    assert status_of(progress) == "needs a person"
    assert [row["secret"] for row in progress.named] == [NAME]


async def test_who_has_a_source_now_and_is_parked_is_named_for_what_leaked_there() -> None:
    rig = scene()
    rig.tag(NAME, ValidityPeriodDays="sixty")
    owner = f"{rig.vault.url}/secrets/{NAME}"
    record = Record(owner=owner, compromised=Compromised((V2,)))
    engine = replace(rig.service().engine, leases=Known(record))  # type: ignore[arg-type]
    incident = replace(INCIDENT, source=ACCOUNT, name="former", version=V2)
    progress = IncidentProgress()
    await IncidentSweep(engine, incident, StateIndex({})).count_passed_on(progress)
    (row,) = progress.named
    assert row["secret"] == "former"
    assert f"{owner}: " in row["reason"]


def to_versions(request: Request) -> bool:
    is_theirs = request.path.rstrip("/").endswith(f"/{NAME}/versions")
    return is_theirs and bool(request.header("authorization"))


async def test_a_secret_whose_versions_may_not_be_listed_hides_no_other_ones_progress() -> None:
    rig = scene()
    rig.secret("other", rig.account("other"))
    rig.clock.advance(60)
    incident = begun(rig)
    rig.clock.advance(60)
    rig.write(NAME, "by hand", **rig.tags(NAME))
    await rig.work("other", action="audit")
    refuse(rig, 403, "Forbidden", to_versions, times=99)
    (progress,) = await counted(rig.service().engine, [incident])
    assert (progress.secrets, progress.waiting) == (2, 1)
    assert [row["secret"] for row in progress.named] == [NAME]


async def test_nothing_outside_an_incidents_scope_is_cut_off_because_versions_are_not_shown() -> (
    None
):
    """What is left at the source in scope is sent on later: the order comes again."""
    rig = scene(days_left=10)
    await rig.work(NAME)
    former, other = source_of(rig), rig.account("other")
    rig.clock.advance(3600)
    rig.write(
        NAME,
        other.keys["key1"].value,
        ProviderAddress=other.resource_id,
        CredentialId="key1",
        RekeyRetire=None,
        RekeyOperation=None,
    )
    rig.clock.advance(60)
    await rig.work(NAME, action="audit")
    rig.clock.advance(3600)
    rig.queue("rotations").clear()
    refuse(rig, 403, "Forbidden", to_versions, times=1)
    incident = begun(rig, source=former)
    await send(rig, incident)
    assert rig.messages("rotations") == []
    again = SweepOrder.for_incident(rig.vault.url, incident)
    engine = rig.service().engine
    await IncidentSweep(engine, incident, await engine.index(), again=True).send(again)
    assert [message["source"] for message in rig.messages("rotations")] == [former, former]
