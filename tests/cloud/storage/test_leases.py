"""The sole right to change one source, and the record of who owns it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest

from cloud.azure import NO_ANSWER
from cloud.storage import blobs
from cloud.storage.leases import SECONDS
from engine.errors import AccessDenied, LeaseUnavailable, NeedsHuman, TransientError
from engine.ports import Leases
from engine.state.index import Listed
from engine.state.record import Record
from engine.state.record_parts import Change, Compromised, History, Published, Verified
from engine.state.tags import Pending
from simulator.faults import Fault
from simulator.reach.transport import Intercept
from simulator.wire import Request, Response, json_response
from tests.shared import scene
from tests.shared.rig import Rig

SOURCE = "/subscriptions/s/resourcegroups/g/providers/microsoft.storage/storageaccounts/appdata"
FIRST = "https://prod.vault.azure.net/secrets/first"
SECOND = "https://prod.vault.azure.net/secrets/second"


def leases(rig: Rig, intercept: Intercept | None = None) -> Leases:
    """Return the leases as a fresh process has them."""
    return rig.service(intercept).engine.leases


async def touch(rig: Rig, owner: str = FIRST, source: str = SOURCE) -> str | None:
    """Take the lease once and return who owns the source."""
    async with leases(rig).hold(source, owner) as lease:
        return lease.record.owner


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_whoever_comes_first_owns_a_source_from_then_on(rig: Rig) -> None:
    assert await touch(rig, FIRST.upper()) == FIRST
    assert await touch(rig, SECOND) == FIRST


async def test_two_workers_never_hold_one_source_and_other_sources_are_free(rig: Rig) -> None:
    async with leases(rig).hold(SOURCE, FIRST):
        with pytest.raises(LeaseUnavailable, match="another worker has it"):
            await touch(rig)
        assert await touch(rig, source=SOURCE + "2") == FIRST
    assert await touch(rig) == FIRST


@pytest.mark.parametrize("is_written", [False, True])
async def test_a_record_read_beside_its_lease_counts_unless_it_was_written_meanwhile(
    rig: Rig, *, is_written: bool
) -> None:
    await touch(rig)
    reads, was_read = list[str](), asyncio.Event()

    async def slow(request: Request, call: Any) -> Any:
        if request.header("x-ms-lease-action") == "acquire":
            await was_read.wait()
            if is_written:
                async with leases(rig).hold(SOURCE, FIRST) as another:
                    await another.write(replace(another.record, kind="theirs"))
            return await call()
        response = await call()
        if request.method == "GET":
            reads.append(request.url)
            was_read.set()
        return response

    async with leases(rig, slow).hold(SOURCE, FIRST) as lease:
        assert lease.record.kind == ("theirs" if is_written else "")
        await lease.write(replace(lease.record, kind="mine"))
    assert len(reads) == 1 + is_written


async def test_a_lease_that_has_passed_on_before_its_record_is_read_is_lost(rig: Rig) -> None:
    await touch(rig)
    was_read = asyncio.Event()

    async def slow(request: Request, call: Any) -> Any:
        if request.header("x-ms-lease-action") == "acquire":
            await was_read.wait()
            async with leases(rig).hold(SOURCE, FIRST) as another:
                await another.write(another.record)
        if request.method == "GET" and was_read.is_set():
            rig.clock.advance(SECONDS)
            await touch(rig)
        response = await call()
        was_read.set()
        return response

    with pytest.raises(LeaseUnavailable):
        async with leases(rig, slow).hold(SOURCE, FIRST):
            pass


async def test_where_azure_names_a_time_for_the_read_the_lease_is_given_back(rig: Rig) -> None:
    await touch(rig)
    busy = json_response(503, {}, {"Retry-After": "20", "x-ms-error-code": "ServerBusy"})
    fault = Fault(
        lambda request: request.host.startswith("rekeyhost") and request.method == "GET", busy
    )
    rig.world.faults.append(fault)
    rig.calls()
    with pytest.raises(TransientError) as caught:
        await touch(rig)
    assert caught.value.retry_after == 20
    assert rig.calls() == {"host blob": 3}, "taken, refused once, given back"
    assert await touch(rig) == FIRST


async def test_a_lease_that_nobody_gives_back_ends_after_a_minute(rig: Rig) -> None:
    async with leases(rig).hold(SOURCE, FIRST):
        rig.clock.advance(SECONDS - 1)
        with pytest.raises(LeaseUnavailable):
            await touch(rig)
        rig.clock.advance(1)
        await touch(rig)


async def test_a_lease_knows_how_long_it_certainly_lasts(rig: Rig) -> None:

    async def slow(request: Request, call: Any) -> Any:
        response = await call()
        if request.header("x-ms-lease-action") == "acquire":
            rig.clock.advance(7)
        return response

    await touch(rig)
    async with leases(rig, slow).hold(SOURCE, FIRST) as lease:
        assert lease.remaining == SECONDS - 7, "counted from before it was asked for"
        rig.clock.advance(20)
        assert lease.remaining == SECONDS - 27


async def test_a_lease_is_renewed_only_when_it_would_not_last(rig: Rig) -> None:
    await touch(rig)
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        rig.calls()
        rig.clock.advance(39)
        await lease.ensure(20)
        assert not rig.calls()
        rig.clock.advance(1)
        await lease.ensure(20)
        assert rig.calls() == {"host blob": 1}
        assert lease.remaining == SECONDS


async def test_a_lease_that_is_renewed_lasts_from_before_that_was_asked_for(rig: Rig) -> None:

    async def slow(request: Request, call: Any) -> Any:
        response = await call()
        if request.header("x-ms-lease-action") == "renew":
            rig.clock.advance(7)
        return response

    async with leases(rig, slow).hold(SOURCE, FIRST) as lease:
        rig.clock.advance(45)
        await lease.ensure(20)
        assert lease.remaining == SECONDS - 7, "its answer took as long"


@pytest.mark.parametrize("headers", [{}, {"x-ms-lease-id": "9d1b4a0c-0000-4000-8000-000000000000"}])
async def test_a_lease_is_renewed_only_by_an_answer_that_names_it(
    rig: Rig, headers: dict[str, str]
) -> None:
    page = Response(200, {"Content-Type": "text/html", **headers}, b"<html>a proxy's</html>")
    rig.world.faults.append(
        Fault(lambda request: request.header("x-ms-lease-action") == "renew", page)
    )
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        rig.clock.advance(45)
        with pytest.raises(TransientError, match="renewing the lease was answered with nonsense"):
            await lease.ensure(20)
        assert lease.remaining == SECONDS - 45
        await lease.ensure(20)
        assert lease.remaining == SECONDS
    assert await touch(rig), "the lease was given back"


@pytest.mark.parametrize("step", ["ensure", "write"])
async def test_a_busy_account_is_asked_once_by_whoever_holds_a_lease(rig: Rig, step: str) -> None:
    """The SDK would wait for as long as the lease lasts."""
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        rig.clock.advance(45)
        scene.refuse(rig, 503, "ServerBusy", lambda request: request.method == "PUT", times=9)
        rig.calls()
        steps = {"ensure": partial(lease.ensure, 20), "write": partial(lease.write, lease.record)}
        with pytest.raises(TransientError, match="503"):
            await steps[step]()
        assert rig.calls() == {"host blob": 1}
        rig.world.faults.clear()


async def test_whoever_gets_no_lease_leaves_no_read_behind(rig: Rig) -> None:
    await touch(rig)

    async def slow(request: Request, call: Any) -> Any:
        if request.method == "GET":
            await asyncio.sleep(0.01)
        return await call()

    async with leases(rig).hold(SOURCE, FIRST):
        before = asyncio.all_tasks()
        with pytest.raises(LeaseUnavailable):
            async with leases(rig, slow).hold(SOURCE, FIRST):
                pass
        assert asyncio.all_tasks() == before


async def test_a_lease_that_lapsed_unnoticed_is_had_again_if_nobody_took_it(rig: Rig) -> None:
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        rig.clock.advance(500)
        assert lease.remaining < 0
        await lease.ensure(20)
        with pytest.raises(LeaseUnavailable):
            await touch(rig)


async def test_a_lease_that_another_worker_has_taken_is_lost(rig: Rig) -> None:
    async with leases(rig).hold(SOURCE, FIRST) as lost:
        rig.clock.advance(SECONDS)
        async with leases(rig).hold(SOURCE, FIRST):
            for step in (
                partial(lost.ensure, 20.0),
                partial(lost.write, replace(lost.record, owner=SECOND)),
            ):
                with pytest.raises(LeaseUnavailable):
                    await step()
        with pytest.raises(LeaseUnavailable):
            await lost.ensure(20)
    assert await touch(rig) == FIRST


async def test_what_is_written_is_read_by_the_next_holder_and_the_source_is_kept(rig: Rig) -> None:
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        await lease.write(replace(lease.record, kind="written over under the same lease"))
        await lease.write(
            replace(
                lease.record,
                owner=SECOND,
                kind="storage-key",
                compromised=Compromised(("a",)),
                source="forged",
            )
        )
        assert lease.record.owner == SECOND
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        assert lease.record == Record(
            SOURCE, SECOND, kind="storage-key", compromised=Compromised(("a",))
        )


@pytest.mark.parametrize("gone", ["blob", "container"])
@pytest.mark.parametrize("step", ["ensure", "write"])
async def test_a_record_that_is_deleted_under_its_lease_is_no_lost_source_and_no_lost_lease(
    rig: Rig, gone: str, step: str
) -> None:
    """A container is deleted whatever leases its blobs have, and a lease can be broken."""
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        held: Any = lease
        service: Any = leases(rig)
        if gone == "blob":
            await blob_of(rig).delete_blob(lease=held._lease.id)
        else:
            await service._client.delete_container(blobs.CONTAINER)
        rig.clock.advance(45)
        steps = {"ensure": partial(lease.ensure, 20), "write": partial(lease.write, lease.record)}
        with pytest.raises(TransientError) as caught:
            await steps[step]()
        # A write that names the tag of a blob that is gone is answered as one that came too late.
        is_late = (gone, step) == ("blob", "write")
        assert isinstance(caught.value, LeaseUnavailable) is is_late


async def test_a_record_that_is_deleted_before_it_is_read_is_no_lost_source(rig: Rig) -> None:
    await touch(rig)
    scene.refuse(rig, 404, "BlobNotFound", lambda request: request.method == "GET", times=2)
    with pytest.raises(TransientError, match="was deleted"):
        await touch(rig)


async def test_the_first_record_that_another_worker_holds_already_is_its_own(rig: Rig) -> None:
    """Which of two reasons to refuse a second creation comes first is for Azure to say."""
    scene.refuse(rig, 412, "LeaseIdMissing", lambda sent: sent.header("if-none-match") == "*")
    with pytest.raises(LeaseUnavailable, match="LeaseIdMissing"):
        await touch(rig)


def blob_of(rig: Rig) -> Any:
    """Return the client of the only record there is, as whoever may write the container has it."""
    service: Any = leases(rig)
    return service._blob(SOURCE)


async def test_a_record_that_was_changed_behind_the_lease_is_not_overwritten(rig: Rig) -> None:
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        held: Any = lease
        other = Record(SOURCE, SECOND).to_json().encode()
        await blob_of(rig).upload_blob(other, overwrite=True, lease=held._lease.id)
        with pytest.raises(LeaseUnavailable, match="ConditionNotMet"):
            await lease.write(replace(lease.record, kind="mine"))
    assert await touch(rig) == SECOND


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"{}", b"null", b'{"format": 1, "ahead": 5}', b"\xff"]
)
async def test_a_damaged_record_is_told_and_never_taken_for_an_empty_one(content: bytes) -> None:
    rig = Rig()
    await touch(rig)
    await blob_of(rig).upload_blob(content, overwrite=True)
    async with leases(rig).hold(SOURCE, SECOND) as lease:
        with pytest.raises(NeedsHuman, match="damaged"):
            _ = lease.record


async def test_an_empty_record_of_rekey_0_1_keeps_its_owner(rig: Rig) -> None:
    await touch(rig)
    await blob_of(rig).upload_blob(b"", overwrite=True, metadata={"owner": FIRST, "source": SOURCE})
    async with leases(rig).hold(SOURCE, SECOND) as lease:
        assert lease.record == Record(SOURCE, FIRST)


async def test_the_index_tells_of_every_record_and_of_none_where_none_is(rig: Rig) -> None:
    assert [listed async for listed in leases(rig).index()] == []
    other = SOURCE.replace("/g/", "/süd/")
    await touch(rig)
    pending = Pending(rig.clock.now().replace(microsecond=0), "a" * 32, "key süd")
    async with leases(rig).hold(other, SECOND) as lease:
        await lease.write(
            replace(lease.record, to_retire=(pending,), change=Change(open_since=pending.at))
        )
    leaked = SOURCE + "2"
    async with leases(rig).hold(leaked, FIRST) as lease:
        await lease.write(replace(lease.record, compromised=Compromised(("v1",))))
    index = {listed.source: listed async for listed in leases(rig).index()}
    assert index == {
        SOURCE: Listed(SOURCE, FIRST),
        other: Listed(other, SECOND, pending, is_open=True),
        leaked: Listed(leaked, FIRST, is_open=True, is_leaked=True),
    }


async def test_the_index_tells_of_records_alone_and_of_one_without_an_owner(rig: Rig) -> None:
    """Requests and incidents are blobs in the same container."""
    await rig.service().engine.requests.keep("1" * 40, "a", rig.clock.now())
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        await lease.write(replace(lease.record, owner=""))
    assert [listed async for listed in leases(rig).index()] == [Listed(SOURCE, "")]


async def test_the_index_tells_all_that_a_listing_shows_of_a_record(rig: Rig) -> None:
    """A part that is stored nowhere is told as missing: an incident would go on without end."""
    at = rig.clock.now().replace(microsecond=0)
    moments = (at + timedelta(minutes=minutes) for minutes in count(1))
    version, ahead = "a" * 32, at + timedelta(hours=1)
    write = ("operation", "key1", "", "b" * 32, at, ahead)
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        record = replace(
            lease.record,
            published=Published(*write, version=version, created=next(moments)),
            to_retire=(Pending(next(moments), "b" * 32, "key2"),),
            change=Change(in_progress_since=next(moments), recheck_at=next(moments)),
            verified=Verified(version, next(moments), next(moments), notified_at=at),
            history=History(prints={version: "k1y2one.k1y2two", "b" * 32: "k1y2three"}),
            compromised=Compromised((version,)),
            unreported=True,
        )
        await lease.write(record)
    (shown,) = [listed async for listed in leases(rig).index()]
    assert shown == Listed.of(record)
    empty = {part.name for part in fields(Listed) if not getattr(shown, part.name)}
    assert not empty, "this test tells nothing of them"
    assert shown.made_since(ahead), "made under an incident that is dated ahead of the clock"


async def test_a_record_says_where_it_is() -> None:
    async with leases(Rig()).hold(SOURCE, FIRST) as lease:
        assert lease.where.startswith("rekey-leases/sources/")
        assert "the app's own storage account" in lease.where


@pytest.mark.parametrize("group", ["produktion-süd", "生产", "a (b).c_d", "x" * 90])
async def test_a_resource_groups_name_may_hold_any_letter(rig: Rig, group: str) -> None:
    source = SOURCE.replace("/g/", f"/{group}/")
    assert await touch(rig, source=source) == FIRST
    assert await touch(rig, source=source) == FIRST
    sent = [text for exchange in rig.world.exchanges for text in exchange.request.headers.values()]
    assert all(text.isascii() for text in sent)


async def test_taking_a_lease_costs_three_calls(rig: Rig) -> None:
    await touch(rig)
    rig.calls()
    await touch(rig)
    assert rig.calls() == {"host blob": 3}


async def test_two_workers_may_make_the_first_record_at_the_same_time(rig: Rig) -> None:
    owners = await asyncio.gather(touch(rig, FIRST), touch(rig, SECOND), return_exceptions=True)
    held = [owner for owner in owners if isinstance(owner, str)]
    assert held
    assert all(
        isinstance(owner, LeaseUnavailable) for owner in owners if not isinstance(owner, str)
    )
    assert {await touch(rig, SECOND)} == set(held)


async def test_a_container_that_another_worker_makes_at_the_same_time_is_fine(rig: Rig) -> None:
    def creating(request: Request) -> bool:
        return request.query.get("restype") == "container"

    conflict = json_response(409, {}, {"x-ms-error-code": "ContainerAlreadyExists"})
    rig.world.faults.append(Fault(creating, conflict, after=True))
    assert await touch(rig) == FIRST


def refuse(rig: Rig, status: int, code: str, action: str, *, after: bool = False) -> None:
    answer = json_response(status, {}, {"x-ms-error-code": code})
    rig.world.faults.append(
        Fault(lambda request: request.header("x-ms-lease-action") == action, answer, after=after)
    )


@pytest.mark.parametrize("action", ["release", "acquire"])
async def test_a_release_that_fails_is_no_failure_and_a_lease_whose_answer_was_lost_is_waited_out(
    rig: Rig,
    action: str,
) -> None:
    await touch(rig)
    refuse(rig, 500, "InternalError", action, after=action == "acquire")
    with pytest.raises(TransientError) if action == "acquire" else nullcontext():
        assert await touch(rig) == FIRST
    with pytest.raises(LeaseUnavailable):
        await touch(rig)
    rig.clock.advance(SECONDS)
    assert await touch(rig) == FIRST


async def test_what_goes_wrong_inside_comes_out_and_the_lease_is_given_back(rig: Rig) -> None:
    with pytest.raises(ZeroDivisionError):
        async with leases(rig).hold(SOURCE, FIRST):
            raise ZeroDivisionError
    assert await touch(rig) == FIRST


async def test_storage_that_refuses_the_app_names_the_role(rig: Rig) -> None:
    refuse(rig, 403, "AuthorizationPermissionMismatch", "acquire")
    with pytest.raises(AccessDenied, match="Storage Blob Data Owner"):
        await touch(rig)


async def test_storage_whose_firewall_refuses_the_app_asks_for_no_role(rig: Rig) -> None:
    rig.host.network_default_action = "Deny"
    with pytest.raises(AccessDenied, match=r"by its firewall.*let the app's network in"):
        await touch(rig)


async def test_a_record_is_read_without_its_lease_while_another_worker_holds_it(rig: Rig) -> None:
    assert await leases(rig).peek(SOURCE) is None
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        await lease.write(replace(lease.record, compromised=Compromised(("v1",))))
        seen = await leases(rig).peek(SOURCE)
    assert seen
    assert (seen.owner, seen.compromised.versions) == (FIRST, ("v1",))


async def test_the_record_of_a_source_in_parts_is_that_of_its_first_part(rig: Rig) -> None:
    async with leases(rig).hold(SOURCE, FIRST, f"{SOURCE}+other"):
        pass
    assert await leases(rig).peek(f"{SOURCE}+other") == Record(f"{SOURCE}+other", FIRST)


async def test_a_record_keeps_its_parts_whichever_of_them_is_written(rig: Rig) -> None:
    whole = f"{SOURCE}+other"
    async with leases(rig).hold(SOURCE, FIRST, whole) as lease:
        await lease.write(lease.record)
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        await lease.write(replace(lease.record, kind="mine"))
    assert await leases(rig).peek(SOURCE) == Record(whole, FIRST, kind="mine")


async def test_the_record_of_another_source_is_told_whoever_reads_it(rig: Rig) -> None:
    """Somebody has copied a blob over this one. Nothing in it says anything of this source."""
    await touch(rig)
    theirs = Record(SOURCE + "2", SECOND, compromised=Compromised(("v1",)))
    await blob_of(rig).upload_blob(theirs.to_json().encode(), overwrite=True)
    with pytest.raises(NeedsHuman, match=f"that of another source, {SOURCE}2"):
        await leases(rig).peek(SOURCE)
    async with leases(rig).hold(SOURCE, FIRST) as lease:
        with pytest.raises(NeedsHuman, match="that of another source"):
            assert lease.record


async def test_a_body_that_stalls_ends_before_a_lease_does_and_says_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK reads it three times, which takes most of a minute."""
    await touch(rig)
    await rig.service().engine.requests.keep("1" * 40, "a", rig.clock.now())
    assert blobs.READ_SECONDS <= SECONDS / 3
    monkeypatch.setattr(blobs, "READ_SECONDS", 0.01)

    async def stalls(request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        if request.method == "GET":
            await asyncio.Event().wait()
        return await call()

    engine = rig.service(stalls).engine
    for reading in (engine.leases.peek(SOURCE), engine.requests.read("1" * 40)):
        with pytest.raises(TransientError, match="got no whole answer") as caught:
            await asyncio.wait_for(reading, 5)
        assert caught.value.code == NO_ANSWER
