"""The app knows whether it still does its work: every vault swept in time, every queue there."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest

from cloud.schedule import next_time
from cloud.storage import watch as watching
from cloud.storage.backlog import EVENTS, backlog, undelivered
from cloud.storage.watch import SLACK, SweepRecord
from engine.deadline import bounded
from engine.errors import TransientError
from engine.parts import GRACE_SECONDS
from engine.state.record import RECHECK_EVERY
from engine.state.sweep_order import SweepOrder
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.cloud.storage.watching import dead_letter, left_over, queues, watch_of
from tests.shared.collected import Collected, dims
from tests.shared.rig import Rig
from tests.shared.scene import refuse, send

GRACE, HOUR = timedelta(seconds=GRACE_SECONDS), timedelta(hours=1)


async def sweep(rig: Rig) -> None:
    """Sweep the vault, by a schedule of once an hour."""
    order = SweepOrder(rig.vault.url, rig.clock.now() - HOUR, rig.clock.now(), HOUR)
    await rig.service().sweep_vault(order.to_json())


def wait(rig: Rig, time: timedelta) -> None:
    rig.clock.advance(time.total_seconds())


async def health(rig: Rig) -> int:
    return (await send(rig.api(), "http_health")).status


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_an_app_whose_vaults_are_swept_is_well(rig: Rig) -> None:
    queues(rig)
    for _ in range(3):
        await sweep(rig)
        assert await health(rig) == 200
        wait(rig, HOUR)


async def test_an_app_that_was_just_deployed_has_until_its_first_sweep_was_due(rig: Rig) -> None:
    assert await health(rig) == 200
    wait(rig, HOUR + SLACK - timedelta(minutes=1))
    # The rig begins at a full hour, and the first sweep is due at the next one.
    assert await health(rig) == 200
    wait(rig, timedelta(minutes=2))
    assert await health(rig) == 503


@pytest.mark.parametrize(("late", "status"), [(SLACK, 200), (SLACK + timedelta(seconds=1), 503)])
async def test_a_sweep_is_overdue_once_its_slack_has_passed(
    rig: Rig, late: timedelta, status: int
) -> None:
    queues(rig)
    await sweep(rig)
    wait(rig, HOUR + late)
    assert await health(rig) == status


@pytest.mark.parametrize("is_well", [True, False])
async def test_an_answer_is_kept_for_five_minutes_and_a_bad_one_for_half_a_minute(
    rig: Rig, *, is_well: bool
) -> None:
    """Whoever mends the app wants to see it soon."""
    queues(rig, *([] if is_well else [EVENTS]))
    await sweep(rig)
    api, keeps = rig.api(), 300 if is_well else 30
    first = await send(api, "http_health")
    rig.calls()
    rig.clock.advance(keeps - 1)
    assert (await send(api, "http_health")).status == first.status
    assert not rig.calls()
    rig.clock.advance(1)
    assert (await send(api, "http_health")).status == first.status
    assert rig.calls()


async def test_the_last_sweeps_are_read_once_a_minute_at_most(rig: Rig) -> None:
    await sweep(rig)
    watch = watch_of(rig)
    (last,) = await watch.sweeps()
    rig.calls()
    rig.clock.advance(59)
    assert await watch.sweeps() == [last]
    assert not rig.calls()
    rig.clock.advance(1)
    assert await watch.sweeps() == [last]
    assert rig.calls()


async def test_of_two_processes_that_start_at_once_the_first_ones_record_counts(rig: Rig) -> None:
    """The second one's would grant a further grace."""
    queues(rig)

    async def overtaken(request: Request, proceed: Call) -> Response:
        if request.method == "PUT" and "/sweeps/" in request.path:
            record = SweepRecord(rig.vault.url, rig.clock.now() - HOUR, swept=False)
            await watch_of(rig)._blob(rig.vault.url).upload_blob(record.to_json())
        return await proceed()

    obstacle = await rig.service(overtaken).watch.obstacle()
    assert "1 of 1 vaults were not swept in time" in obstacle


async def test_a_restart_grants_no_further_grace(rig: Rig) -> None:
    for _ in range(10):
        await health(rig)
        wait(rig, timedelta(minutes=20))
    assert await health(rig) == 503


async def test_an_app_that_no_longer_sweeps_is_not_well_until_it_does(rig: Rig) -> None:
    queues(rig)
    await sweep(rig)
    wait(rig, HOUR + SLACK + timedelta(minutes=1))
    answer = await send(rig.api(), "http_health")
    assert answer.status == 503
    assert answer.body["detail"] == "1 of 1 vaults were not swept in time"
    assert "runbook" in answer.body["fix"]
    assert rig.vault.url not in json.dumps(answer.body), "anybody may read it"
    await sweep(rig)
    assert await health(rig) == 200


@pytest.mark.parametrize(("took", "due"), [(timedelta(minutes=20), HOUR), (2 * HOUR, 2 * HOUR)])
async def test_the_next_sweep_is_due_by_the_schedule_however_long_one_takes(
    rig: Rig, took: timedelta, due: timedelta
) -> None:
    """One that ends after that time makes no sweep overdue that comes at once."""
    begun = rig.clock.now()
    order = SweepOrder(rig.vault.url, begun - HOUR, begun, HOUR)
    wait(rig, took)
    await watch_of(rig).swept(order)
    (last,) = await watch_of(rig).sweeps()
    assert (last.ended, last.due, last.covered) == (begun + took, begun + due, begun)


@pytest.mark.parametrize(("account", "status"), [("rekeyevents", 200), ("rekeyhost", 503)])
async def test_the_queue_of_events_is_looked_for_where_events_are_delivered(
    rig: Rig, account: str, status: int
) -> None:
    key = rig.world.add_account("rekeyevents").keys["key1"].value
    known = f"DefaultEndpointsProtocol=https;AccountName=rekeyevents;AccountKey={key}"
    rig.environment = {"RekeyEvents": known}
    queues(rig, EVENTS)
    rig.queue(EVENTS, account)
    await sweep(rig)
    assert await health(rig) == status


async def test_a_queue_that_is_gone_is_named_although_one_vault_was_never_swept(rig: Rig) -> None:
    other = rig.world.add_vault("other")
    group = rig.host.resource_id.split("/providers/")[0]
    vaults = (rig.vault.url, other.url)
    rig.environment = {
        "REKEY_VAULTS": ",".join(vaults),
        "REKEY_SCOPES": json.dumps({vault: [group] for vault in vaults}),
    }
    queues(rig, EVENTS)
    await sweep(rig)
    assert "vault-events" in (await send(rig.api(), "http_health")).body["detail"]


async def test_a_queue_that_is_gone_makes_the_app_unwell_and_is_named(rig: Rig) -> None:
    queues(rig, EVENTS)
    await sweep(rig)
    answer = await send(rig.api(), "http_health")
    assert answer.status == 503
    assert "vault-events" in answer.body["detail"]
    assert "deploy the template again" in answer.body["fix"]


@pytest.mark.parametrize("runs", [True, False])
async def test_an_app_that_no_longer_asks_for_what_was_accepted_is_not_well(
    rig: Rig, *, runs: bool
) -> None:
    """Its message was lost, and nothing but the function `recheck` looks for it."""
    queues(rig)
    await rig.service().engine.accept(rig.item("gone"))
    wait(rig, GRACE + SLACK + timedelta(minutes=1))
    await sweep(rig)
    if runs:
        await rig.service().recheck()
    answer = await send(rig.api(), "http_health")
    assert answer.status == (200 if runs else 503)
    assert runs or "recheck" in answer.body["detail"]


async def test_an_app_that_asks_a_little_late_for_what_was_accepted_is_well(rig: Rig) -> None:
    queues(rig)
    await rig.service().engine.accept(rig.item("put-off"))
    wait(rig, GRACE + SLACK - timedelta(minutes=1))
    await sweep(rig)
    assert await health(rig) == 200


@pytest.mark.parametrize("runs", [True, False])
async def test_an_app_that_asks_for_very_many_one_after_another_is_well(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, *, runs: bool
) -> None:
    """Of 2,000 and more that are put off, each has its turn later than half an hour."""
    for module in ("engine.sweep.sweeper", "cloud.storage.watch"):
        monkeypatch.setattr(f"{module}.MOST_REQUESTS", 1)
    queues(rig)
    for number in range(15):
        await rig.service().engine.accept(rig.item("put-off", reason=str(number)))
    for _ in range(30):
        wait(rig, RECHECK_EVERY)
        if runs:
            await rig.service().recheck()
    await sweep(rig)
    assert await health(rig) == (200 if runs else 503)


async def test_storage_that_cannot_be_read_makes_the_app_unwell(rig: Rig) -> None:
    refuse(rig, 403, "Mismatch", lambda request: request.host.startswith("rekeyhost"))
    assert await health(rig) == 503


@pytest.mark.parametrize(
    "content", ["", "nonsense", "[]", "null", '"due"', "{}", '{"due": 1, "swept": true}']
)
async def test_a_record_that_cannot_be_read_counts_as_no_sweep(rig: Rig, content: str) -> None:
    queues(rig)
    await sweep(rig)
    watch = watch_of(rig)
    await watch._blob(rig.vault.url).upload_blob(content.encode(), overwrite=True)
    assert (await send(rig.api(), "http_health")).body["detail"] == (
        "1 of 1 vaults were not swept in time"
    )
    assert (record := await watch.known(rig.vault.url))
    assert not record.swept


@pytest.mark.parametrize(
    ("due", "status"),
    [
        ("2026-11-02T08:29:00", 503),
        ("2026-11-02T08:31:00", 200),
        ("9999-12-31T23:59:59", 503),
        ("0001-01-01T00:00:00+14:00", 503),
    ],
)
async def test_a_time_without_a_zone_is_one_of_utc_and_one_of_no_year_of_ours_is_long_past(
    rig: Rig, due: str, status: int
) -> None:
    """The clock of these tests begins on 2 November 2026 at 09:00."""
    queues(rig)
    await sweep(rig)
    record = json.dumps({"due": due, "swept": True, "ended": due, "covered": due})
    await watch_of(rig)._blob(rig.vault.url).upload_blob(record.encode(), overwrite=True)
    assert await health(rig) == status


async def test_64_callers_at_once_cost_what_one_does_and_later_ones_nothing(rig: Rig) -> None:
    queues(rig)
    await sweep(rig)
    api = rig.api()
    rig.calls()
    answers = await asyncio.gather(*(send(api, "http_health") for _ in range(64)))
    assert {answer.status for answer in answers} == {200}
    first = rig.calls()
    assert sum(first.values()) <= 6
    await send(api, "http_health")
    assert not rig.calls()


async def test_a_sweep_without_a_record_is_a_sweep(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    refuse(rig, 403, "Mismatch", lambda request: request.host.startswith("rekeyhost.blob"), 9)
    await sweep(rig)
    assert "could not be recorded" in caplog.text


@pytest.mark.parametrize("account", ["rekeyhost", "rekeyevents"])
async def test_each_run_of_the_timer_measures_queues_and_dead_letters_where_event_grid_puts_them(
    rig: Rig, account: str, sent: Collected
) -> None:
    if account == "rekeyevents":
        key = rig.world.add_account(account).keys["key1"].value
        known = f"DefaultEndpointsProtocol=https;AccountName={account};AccountKey={key}"
        rig.environment = {"RekeyEvents": known}
    queues(rig, "sweeps-poison", "vault-events", "vault-events-poison")
    left_over(rig, "vault-events-poison", account)
    left_over(rig, "vault-events-poison", account)
    await dead_letter(rig, "one", "two", "three")
    await rig.service().sweep({}, past_due=False)
    lengths = sent.metric("rekey.queue.messages")
    assert lengths[dims(queue="vault-events-poison")] == 2
    assert lengths[dims(queue="rotations-poison")] == 0
    assert not {dims(queue="sweeps-poison"), dims(queue="vault-events")} & lengths.keys()
    assert sent.metric("rekey.dead_letters") == {dims(): 3}


@pytest.mark.parametrize(("pages", "count"), [([0, 2], 2), ([3, 0, 2], 5), ([4000, 2000], 5000)])
async def test_dead_letters_are_counted_over_all_pages_and_5000_at_most(
    rig: Rig, pages: list[int], count: int
) -> None:
    """A page may be empty and still lead on.

    https://learn.microsoft.com/rest/api/storageservices/list-blobs
    """

    async def paged(request: Request, proceed: Call) -> Response:
        if "comp=list" not in request.url:
            return await proceed()
        number = int(request.query.get("marker") or 0)
        following = str(number + 1) if number + 1 < len(pages) else ""
        of = "<Properties><BlobType>BlockBlob</BlobType></Properties>"
        blobs = f"<Blob><Name>x</Name>{of}</Blob>" * pages[number]
        rows = f"<Blobs>{blobs}</Blobs><NextMarker>{following}</NextMarker>"
        top = 'EnumerationResults ServiceEndpoint="https://x/" ContainerName="dead-letters"'
        text = f'<?xml version="1.0"?><{top}>{rows}</EnumerationResults>'
        return Response(200, {"Content-Type": "application/xml"}, text.encode())

    assert await undelivered(rig.settings.storage, rig.azure(paged)) == count


async def test_without_a_container_nothing_is_said_of_dead_letters(sent: Collected) -> None:
    rig = Rig()
    await rig.service().sweep({}, past_due=False)
    assert not sent.metric("rekey.dead_letters")


@pytest.mark.parametrize("status", [403, 503])
async def test_queues_that_cannot_be_measured_fail_no_sweep_and_are_asked_about_once(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK would ask four times, and wait 80 seconds between."""
    rig, sent = Rig(), list[Request]()

    def is_measured(request: Request) -> bool:
        if request.method != "GET" or ".queue." not in request.host:
            return False
        sent.append(request)
        return True

    refuse(rig, status, "Refused", is_measured, times=9)
    await rig.service().sweep({}, past_due=False)
    assert len(rig.messages("sweeps")) == 1
    assert "could not be measured" in caplog.text
    assert len(sent) == 1


async def test_a_page_in_place_of_a_queues_length_does_not_say_that_the_queue_is_missing(
    rig: Rig,
) -> None:
    async def page(request: Request, proceed: Call) -> Response:
        del request, proceed
        return Response(200, {"Content-Type": "text/html"}, b"<html>a proxy's</html>")

    storage = rig.settings.storage
    with pytest.raises(TransientError, match="names no length"):
        await backlog(storage, storage, rig.azure(page))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 0 * * * *", "2026-11-02T10:00:00+00:00"),
        ("0 30 6 * * Mon-Fri", "2026-11-03T06:30:00+00:00"),
        ("0 0 3 1 Jan,Jul *", "2027-01-01T03:00:00+00:00"),
        ("*/20 * * * * *", "2026-11-02T09:00:20+00:00"),
        ("0 0 0 13 * 5", "2026-11-13T00:00:00+00:00"),
        ("0 0 0 8 * 5/2", "2027-01-08T00:00:00+00:00"),
        ("0 0 0 31 2 *", "2027-11-03T09:00:00+00:00"),
    ],
)
def test_a_schedule_is_read_as_the_host_reads_it(schedule: str, expected: str) -> None:
    start = datetime.fromisoformat("2026-11-02T09:00:00+00:00")
    assert next_time(schedule, start).isoformat() == expected


async def silent(request: Request, proceed: Call) -> Response:
    """Leave every request without an answer."""
    del request
    await asyncio.Event().wait()
    return await proceed()


LOOKS = ("obstacle", "sweeps")


@pytest.mark.parametrize("look", LOOKS)
async def test_a_look_at_the_apps_own_state_ends_in_time(
    look: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "CHECK_SECONDS", 0.01)
    seen = await getattr(Rig().service(silent).watch, look)()
    assert bool(seen) == (look == "obstacle")
    assert "cannot be read: no answer within" in caplog.text


@pytest.mark.parametrize("look", LOOKS)
async def test_the_deadline_of_who_looks_ends_the_look_and_who_looks(look: str) -> None:
    """A look that took it for its own would let its caller go on without any."""
    seen = []

    async def looking() -> None:
        async with bounded(0.01, "the call"):
            seen.append(await getattr(Rig().service(silent).watch, look)())

    with pytest.raises(TransientError, match="the call did not finish within"):
        await looking()
    assert not seen
