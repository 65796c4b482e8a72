"""Whatever runs ends below the host's own time-out, and what is left goes on by a new message."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine import deadline
from engine.deadline import OUT_OF_TIME, bounded
from engine.errors import NeedsHuman, TransientError
from engine.service import MAX_TRIES, Service
from engine.state.incident import Incident
from engine.state.sweep_order import SweepOrder
from simulator.host.settings import parse_timespan
from simulator.reach.transport import Call
from simulator.storage.blobs import BlobService
from simulator.wire import Request, Response
from tests.shared import sql_product
from tests.shared.collected import Collected, dims
from tests.shared.heard import Log, heard
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, struck, to_arm
from tests.shared.sql_product import KINDS, sql

ROOT = Path(__file__).parents[2]
PAGE = 25
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_every_deadline_is_below_the_hosts_and_in_the_order_in_which_they_must_fall() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    timeout = parse_timespan(host["functionTimeout"]).total_seconds()
    assert deadline.SWEEP_SECONDS + 60 < deadline.ROTATION_SECONDS < deadline.HANDLER_SECONDS
    assert timeout > deadline.HANDLER_SECONDS + 30
    assert deadline.ANSWER_SECONDS < 230, "Azure cuts HTTP off then"


def slow(rig: Rig, seconds: float) -> Any:
    """Let every page of a listing take so long."""
    lists, passes = to_arm("/secrets"), partial(rig.clock.advance, seconds)
    return struck(rig, lists, passes, after=False, times=999)


def huge(rig: Rig, count: int = 4 * PAGE) -> Rig:
    account = rig.account("appdata")
    for number in range(count):
        rig.secret(f"due-{number:03}", account)
    rig.queue("rotations")
    rig.queue("sweeps")
    return rig


def orders(rig: Rig) -> list[dict[str, Any]]:
    """Take the orders off the queue."""
    posted = rig.messages("sweeps")
    rig.queue("sweeps").clear()
    return posted


async def to_the_end(rig: Rig, service: Service, order: SweepOrder) -> int:
    """Deliver an order and whatever goes on from it; returns how many calls that took."""
    waiting, calls = [json.loads(order.to_json())], 0
    while waiting:
        await service.sweep_vault(json.dumps(waiting.pop()))
        waiting += orders(rig)
        calls += 1
    return calls


def by_schedule(rig: Rig) -> SweepOrder:
    return SweepOrder(rig.vault.url, rig.clock.now(), rig.clock.now(), HOUR)


async def test_a_sweep_of_a_huge_vault_goes_on_from_its_page_and_sees_every_secret_once(
    sent: Collected,
    caplog: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = huge(Rig())
    monkeypatch.setattr("engine.service.SWEEP_SECONDS", 90)
    service = rig.service(slow(rig, 60))
    assert await to_the_end(rig, service, by_schedule(rig)) == 3
    assert f"continues the sweep of {rig.vault.url}: {3 * PAGE} seen" in caplog.text
    names = [message["secret"] for message in rig.messages("rotations")]
    assert sorted(names) == [f"due-{number:03}" for number in range(4 * PAGE)]
    assert sent.metric("rekey.sweeps") == {dims(vault=rig.vault.url, outcome="completed"): 1}
    assert sum(sent.metric("rekey.secrets").values()) == 4 * PAGE
    assert len(sent.metric("rekey.secret.days_to_expiry")) == 4 * PAGE


@pytest.mark.parametrize(("seconds", "parts"), [(121, 2), (120, 3), (60, 4)])
async def test_no_page_is_begun_once_the_time_of_a_part_is_up(
    seconds: float, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = huge(Rig())
    monkeypatch.setattr("engine.service.SWEEP_SECONDS", seconds)
    service = rig.service(slow(rig, 60))
    assert await to_the_end(rig, service, by_schedule(rig)) == parts


async def test_its_audits_are_those_of_the_first_part_and_the_last_one_is_recorded_as_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = huge(Rig())
    first = by_schedule(rig)
    monkeypatch.setattr("engine.service.SWEEP_SECONDS", 30)
    service = rig.service(slow(rig, 60))
    await service.sweep_vault(first.to_json())
    (following,) = orders(rig)
    moments = (first.since.isoformat(), first.until.isoformat())
    assert (following["since"], following["until"]) == moments
    assert following["so_far"]["seen"] == PAGE
    assert len(json.dumps(following)) < 5000
    assert not [blob for blob in records(rig) if blob["swept"]]
    await to_the_end(rig, service, SweepOrder.from_json(json.dumps(following), rig.clock.now()))
    assert [blob["swept"] for blob in records(rig)] == [True]


async def test_each_part_of_a_sweep_knows_when_the_first_one_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pace is that of all parts: what may be started grows with the time since then."""
    rig = huge(Rig())
    begun, order = rig.clock.now(), by_schedule(rig).to_json()
    monkeypatch.setattr("engine.service.SWEEP_SECONDS", 30)
    service = rig.service(slow(rig, 60))
    for part in (1, 2):
        await service.sweep_vault(order)
        (following,) = orders(rig)
        so_far = following["so_far"]
        assert so_far["begun"] == begun.isoformat()
        assert (so_far["seen"], so_far["posted"], so_far["broken"]) == (*[part * PAGE] * 2, 0)
        assert sum(so_far["started"].values()) == part * PAGE
        order = json.dumps(following)


async def test_each_part_of_an_incidents_order_knows_what_the_parts_before_it_have_started() -> (
    None
):
    """Otherwise each would start as much at once as the first one may."""
    rig = huge(Rig())
    rig.clock.advance(60)
    begun = rig.clock.now()
    incident = Incident(begun.replace(microsecond=0), requested_by="ada", reason="a drill")
    service = rig.service(slow(rig, 60))
    order = SweepOrder.for_incident(rig.vault.url, incident).to_json()
    for part in (1, 2):
        await service.sweep_vault(order)
        (following,) = orders(rig)
        so_far = following["so_far"]
        assert so_far["begun"] == begun.isoformat()
        assert (so_far["seen"], so_far["posted"]) == (part * PAGE, part * PAGE)
        assert sum(so_far["started"].values()) == 2 * part * PAGE
        order = json.dumps(following)


def records(rig: Rig) -> list[dict[str, Any]]:
    service = next(
        candidate for candidate in rig.world.services if isinstance(candidate, BlobService)
    )
    container = service.containers._containers.get(("rekeyhost", "rekey-leases"))
    held = container.blobs if container else {}
    return [json.loads(blob.content) for name, blob in held.items() if name.startswith("sweeps/")]


async def test_a_page_token_of_another_vault_is_followed_nowhere() -> None:
    rig = huge(Rig(), PAGE)
    foreign = "https://elsewhere.example/secrets?$skiptoken=abc"
    order = {
        **json.loads(by_schedule(rig).to_json()),
        "so_far": {
            "token": foreign, "begun": rig.clock.now().isoformat(),
            "seen": 1, "posted": 0, "broken": 0, "states": {}, "started": {},
        },
    }  # fmt: skip
    with pytest.raises(NeedsHuman, match="does not belong to this vault"):
        await rig.service().sweep_vault(json.dumps(order))
    assert not [
        exchange for exchange in rig.world.exchanges if "elsewhere" in exchange.request.host
    ]
    assert orders(rig) == []


async def test_an_incident_in_a_huge_vault_goes_on_from_its_page(
    caplog: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = huge(Rig())
    rig.clock.advance(60)
    incident = Incident(
        rig.clock.now().replace(microsecond=0), requested_by="ada", reason="a drill"
    )
    monkeypatch.setattr("engine.service.SWEEP_SECONDS", 90)
    service = rig.service(slow(rig, 60))
    assert await to_the_end(rig, service, SweepOrder.for_incident(rig.vault.url, incident)) == 4
    messages = rig.messages("rotations")
    assert len({message["secret"] for message in messages}) == len(messages) == 4 * PAGE
    assert all(message["compromised"] for message in messages)
    assert f"in {rig.vault.url}: {4 * PAGE} of {4 * PAGE} secrets sent on" in caplog.text


async def test_what_an_earlier_part_of_a_sweep_did_not_count_is_not_shown(
    sent: Collected,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = huge(Rig(), 2 * PAGE)
    monkeypatch.setattr("engine.service.SWEEP_SECONDS", 90)
    service = rig.service(slow(rig, 60))
    await service.sweep_vault(by_schedule(rig).to_json())
    (following,) = orders(rig)
    following["so_far"]["states"] = {}
    await service.sweep_vault(json.dumps(following))
    assert sent.metric("rekey.secrets") == {}


async def test_what_a_deleted_secret_left_alive_is_told_of_in_a_huge_vault_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = scene(tags={"OverlapHours": "1"})
    await rig.handle(NAME)
    rig.clock.advance(DAY.total_seconds())
    rig.vault.delete(NAME)
    for number in range(2 * PAGE):
        rig.vault.put(f"plain-{number:02}", "somebody's own")
    rig.queue("sweeps")
    monkeypatch.setattr("engine.service.SWEEP_SECONDS", 30)
    service = rig.service(slow(rig, 60))
    outcomes, now = heard(service.engine.reporter), rig.clock.now()
    assert await to_the_end(rig, service, SweepOrder(rig.vault.url, now - DAY, now, DAY)) > 1
    assert [outcome.reason.partition(",")[0] for outcome in outcomes] == ["deleted"]


def hanging(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Start the app, whose source answers no change, and which waits for that no longer than so."""

    async def hangs(request: Request, call: Call) -> Response:
        if request.path.endswith("/regenerateKey") or b"ALTER " in request.body:
            await asyncio.Event().wait()
        return await call()

    monkeypatch.setattr("engine.service.ROTATION_SECONDS", 0.2)
    return rig.service(hangs)


async def test_a_rotation_that_takes_too_long_is_a_try_that_comes_back(
    caplog: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = scene()
    service = hanging(rig, monkeypatch)
    with (
        caplog.at_level(logging.WARNING, "rekey"),
        pytest.raises(TransientError, match="did not finish within"),
    ):
        await service.rotate(rig.item(NAME).to_json(), 1)
    assert f"try 1 of {MAX_TRIES}" in caplog.text
    monkeypatch.undo()
    await rig.work(NAME, tries=2)
    assert len(rig.vault.versions(NAME)) == 2


@pytest.mark.parametrize("kind", ["a login", "two logins"])
async def test_a_last_try_that_takes_too_long_warns_of_a_lost_password_where_there_is_one_slot(
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = sql(kind)
    await hanging(rig, monkeypatch).rotate(rig.item(sql_product.NAME).to_json(), MAX_TRIES)
    warned = "nobody knows" in rig.tags(sql_product.NAME)["RekeyReason"]
    assert warned == KINDS[kind].single


async def test_what_is_bounded_passes_everything_else_on() -> None:
    async with bounded(60, "this"):
        pass
    with pytest.raises(ZeroDivisionError):
        async with bounded(60, "this"):
            raise ZeroDivisionError


@pytest.mark.parametrize("end", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
async def test_what_is_cut_off_is_a_try_of_unknown_effect(end: type[BaseException]) -> None:
    """A plug-in that ends the process would end all that goes on in it."""
    with pytest.raises(TransientError, match=f"this was cut off: {end.__name__}") as caught:
        async with bounded(60, "this"):
            raise end
    assert caught.value.code == OUT_OF_TIME


@pytest.mark.parametrize("tries", [1, MAX_TRIES])
async def test_a_message_whose_last_try_fails_is_counted_before_the_host_moves_it(
    tries: int, sent: Collected
) -> None:
    with pytest.raises(Exception, match="not JSON"):
        await Rig().service().on_event("nonsense", tries)
    with pytest.raises(Exception, match="the message is not"):
        await Rig().service().sweep_vault("nonsense", tries)
    counted = {dims(queue=queue): 1 for queue in ("vault-events", "sweeps")}
    assert sent.metric("rekey.poison") == (counted if tries == MAX_TRIES else {})


async def test_a_message_from_the_poison_queue_is_counted_readable_or_not(sent: Collected) -> None:
    rig = scene()
    await rig.service().park(rig.item(NAME).to_json(), "1")
    await rig.service().park("nonsense", "2")
    assert sent.metric("rekey.poison") == {dims(queue="rotations"): 2}


async def test_a_message_whose_parking_fails_is_counted_once_it_is_taken_off(
    sent: Collected,
) -> None:
    """The host brings it back every ten minutes, for ever."""
    rig = scene()
    refuse(rig, 503, "Busy", lambda request: request.host.startswith("prod."), times=99)
    text = rig.item(NAME, trigger="event").to_json()
    for _ in range(2):
        with pytest.raises(TransientError):
            await rig.service().park(text, "1")
    assert not sent.metric("rekey.poison")
    rig.world.faults.clear()
    await rig.service().park(text, "1")
    assert sent.metric("rekey.poison") == {dims(queue="rotations"): 1}
