"""What becomes of an item or an order whose work failed: it comes back, and when, or is given up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import (
    LeaseUnavailable,
    PermanentError,
    RekeyError,
    SourceBusy,
    Throttled,
    TransientError,
)
from engine.parts import GRACE_SECONDS
from engine.service import (
    BUSY_SECONDS,
    MAX_DEFERRALS,
    MAX_TRIES,
    MOST_WAITS,
    THROTTLED_SECONDS,
    Service,
)
from engine.state.incident import Incident
from engine.state.request import INCIDENT_SECONDS, TRIED_AGAIN, Outcome, Tries, WorkItem
from engine.state.sweep_order import SoFar, SweepOrder
from tests.shared.collected import Collected, dims
from tests.shared.heard import Log, handled_by
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, to_vault

LAST, AUDIT = MAX_TRIES, {"action": "audit"}


def failing(
    rig: Rig, error: RekeyError, handled: list[tuple[WorkItem, int]] | None = None
) -> Service:
    """Return the app with an engine whose work always fails, which notes each item and its try."""

    async def fail(item: WorkItem, tries: int = 1, *, last: bool = False) -> Outcome:
        del last
        if handled is not None:
            handled.append((item, tries))
        raise error

    return handled_by(rig.service(), fail)


def waiting(rig: Rig, queue: str = "rotations") -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield in how many seconds each message is due, and the message."""
    for message, body in zip(rig.queue(queue), rig.messages(queue), strict=True):
        yield (message.visible - rig.clock.now()).total_seconds(), body


def now_or_in(seconds: float) -> TransientError:
    return TransientError("it failed", retry_after=seconds or None)


@pytest.mark.parametrize(
    ("error", "tries", "fields", "seconds"),
    [
        (now_or_in(90), 1, {}, 90),
        (now_or_in(90), LAST, {}, 90),
        (now_or_in(90), 1, {"deferred": 2}, 90),
        (now_or_in(90), 1, {"deferred": MAX_DEFERRALS - 1}, 270),
        (Throttled("429"), 1, {}, THROTTLED_SECONDS),
        (now_or_in(90), 1, {"recheck": True}, 90),
        (SourceBusy("busy"), 1, {"waited": MOST_WAITS}, BUSY_SECONDS),
        (LeaseUnavailable("lost"), LAST, {}, BUSY_SECONDS),
        (LeaseUnavailable("lost"), 1, {"tried": LAST - 1}, BUSY_SECONDS),
        (LeaseUnavailable("lost", retry_after=7), LAST, {}, 7),
    ],
)
async def test_what_may_pass_is_deferred_for_as_long_as_azure_says_or_a_lease_may_last(
    rig: Rig, error: TransientError, tries: int, fields: dict[str, Any], seconds: float, caplog: Log
) -> None:
    item = rig.item(NAME, **fields)
    await failing(rig, error).rotate(item.to_json(), tries)
    ((delay, message),) = waiting(rig)
    assert (delay, message["deferred"]) == (seconds, item.tries.deferred + 1)
    assert f"{item.ref} is tried again in {seconds:.0f} s" in caplog.text
    assert "RekeyState" not in rig.tags(NAME)


@pytest.mark.parametrize(
    ("error", "fields", "least"),
    [
        (now_or_in(90), {"action": "refresh", "deferred": MAX_DEFERRALS - 1}, 270),
        (Throttled("429"), {"action": "tell"}, THROTTLED_SECONDS),
    ],
)
async def test_what_follows_rotations_comes_back_one_by_one_and_never_early(
    error: TransientError, fields: dict[str, Any], least: float
) -> None:
    rig = scene()
    for name in "abcdef":
        await failing(rig, error).rotate(rig.item(name, **fields).to_json(), LAST)
    delays = {delay for delay, _ in waiting(rig)}
    assert len(delays) > 1
    assert least <= min(delays) < max(delays) <= 2 * least


@pytest.mark.parametrize(
    ("error", "tries", "fields"),
    [
        (now_or_in(0), 1, {}),
        (now_or_in(0), LAST - 1, {}),
        (LeaseUnavailable("lost"), LAST - 1, {}),
        (now_or_in(0), LAST - 1, {"recheck": True}),
        (now_or_in(0), LAST - 1, {"action": "tell"}),
        (now_or_in(90), LAST - 1, {"action": "refresh", "deferred": MAX_DEFERRALS}),
    ],
)
async def test_what_may_pass_at_once_is_left_to_the_queue_until_the_last_try(
    rig: Rig, error: TransientError, tries: int, fields: dict[str, Any], caplog: Log
) -> None:
    with pytest.raises(type(error)):
        await failing(rig, error).rotate(rig.item(NAME, **fields).to_json(), tries)
    assert rig.queue("rotations") == []
    assert f"try {tries} of {MAX_TRIES}" in caplog.text


async def test_what_may_be_put_off_no_more_comes_back_when_azure_said_and_that_is_a_try() -> None:
    rig = scene()
    spent = rig.item(NAME, deferred=MAX_DEFERRALS, tried=1)
    await failing(rig, now_or_in(400)).rotate(spent.to_json(), LAST - 2)
    ((delay, message),) = waiting(rig)
    assert (delay, message["deferred"], message["tried"]) == (400, MAX_DEFERRALS, LAST - 1)


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (now_or_in(0), {}),
        (now_or_in(90), {"deferred": MAX_DEFERRALS}),
        # The key's own secret heals it, or tells a person: looks beside that would have no end.
        (TransientError("refused by its key", code="KeyRefused"), {**AUDIT, "recheck": True}),
        (TransientError("refused by its key", code="KeyCompromised"), {**AUDIT, "recheck": True}),
    ],
)
async def test_what_has_failed_to_the_last_is_parked_and_does_not_come_back(
    rig: Rig, error: TransientError, fields: dict[str, Any]
) -> None:
    await failing(rig, error).rotate(rig.item(NAME, **fields).to_json(), LAST)
    assert rig.queue("rotations") == []
    assert error.what in rig.tags(NAME)["RekeyReason"]


@pytest.mark.parametrize("wish", [None, 30])
async def test_what_cannot_be_parked_yet_comes_back_for_its_last_try_when_azure_said(
    rig: Rig, wish: int | None
) -> None:
    headers: dict[str, Any] = {"retry_after": str(wish)} if wish else {}
    refuse(rig, 503, "ServerBusy", to_vault(), times=99, **headers)
    with pytest.raises(TransientError) if wish is None else nullcontext():
        item = rig.item(NAME, trigger="event", version=rig.latest(NAME).version)
        await failing(rig, now_or_in(0)).rotate(item.to_json(), LAST)
    posted = [(delay, message["tried"]) for delay, message in waiting(rig)]
    assert posted == ([(wish, LAST - 1)] if wish else [])


async def test_what_a_person_asked_for_and_cannot_be_parked_yet_is_left_to_the_timer(
    rig: Rig,
) -> None:
    """A message that the host brings back would be one more each time that the timer asks."""
    refuse(rig, 503, "ServerBusy", to_vault(), times=99)
    await failing(rig, now_or_in(0)).rotate(rig.item(NAME).to_json(), LAST)
    assert not list(waiting(rig))
    ((due, stored),) = rig.open_requests
    assert (due - rig.clock.now()).total_seconds() == GRACE_SECONDS
    assert stored["tried"] == LAST - 1


@pytest.mark.parametrize("leaked", [False, True])
async def test_a_look_that_has_failed_to_the_last_is_left_to_the_record(
    rig: Rig, caplog: Log, *, leaked: bool
) -> None:
    """An incident's own item comes back after a quarter of an hour: too late for what is broken."""
    what: dict[str, Any] = {"compromised": True} if leaked else {"action": "audit"}
    look = rig.item(NAME, **what, recheck=True, deferred=3, waited=2)
    with caplog.at_level(logging.INFO, "rekey"):
        await failing(rig, now_or_in(0)).rotate(look.to_json(), LAST)
    assert rig.queue("rotations") == []
    assert '"result": "skipped"' in caplog.text
    assert "another recheck of the source follows" in caplog.text
    assert "RekeyReason" not in rig.tags(NAME)


OF_ITS_KEY = {"action": "audit", "trigger": "event", "requested_by": "rekey", "follows": True}
"""The look of a derived secret at its key."""


@pytest.mark.parametrize(("deferred", "times"), [(0, 1), (3359, 1), (3360, 0)])
async def test_a_look_at_a_key_that_fails_is_stored_until_it_has_ended_and_for_a_week(
    rig: Rig, deferred: int, times: int
) -> None:
    """Nothing else asks before the audit, and the key may have gone while everything was away."""
    item = rig.item(NAME, **OF_ITS_KEY, deferred=deferred)
    await failing(rig, now_or_in(0)).rotate(item.to_json(), LAST)
    await failing(rig, now_or_in(0)).rotate(item.to_json(), LAST)
    assert [body["deferred"] for _, body in rig.open_requests] == [deferred + 1] * times
    assert rig.queue("rotations") == []
    for _, body in list(rig.open_requests):
        await rig.service().rotate(json.dumps(body), 1)
    assert list(rig.open_requests) == []


async def test_a_derived_secret_is_parked_where_its_key_is_not_healed(rig: Rig) -> None:
    refused = TransientError("it failed", code="KeyRefused", retry_after=90)
    item = rig.item(NAME, **OF_ITS_KEY, deferred=MAX_DEFERRALS)
    await failing(rig, refused).rotate(item.to_json(), LAST)
    assert rig.queue("rotations") == []


async def test_an_incident_that_has_failed_to_the_last_comes_back_and_parks(rig: Rig) -> None:
    item = rig.item(NAME, compromised=True, deferred=3, waited=2)
    await failing(rig, now_or_in(0)).rotate(item.to_json(), LAST)
    ((due, stored),) = rig.open_requests
    assert (due - rig.clock.now()).total_seconds() == INCIDENT_SECONDS
    assert (stored["deferred"], stored["waited"]) == (0, 0)
    assert stored["told"] == rig.clock.now().isoformat()
    assert "it failed" in rig.tags(NAME)["RekeyReason"]


async def test_an_incident_whose_secret_cannot_be_marked_says_so_where_it_is_reported(
    rig: Rig, caplog: Log
) -> None:
    refuse(rig, 503, "Busy", to_vault(), times=99)
    with caplog.at_level(logging.INFO, "rekey"):
        await failing(rig, now_or_in(0)).rotate(rig.item(NAME, compromised=True).to_json(), LAST)
    assert f"it failed; {TRIED_AGAIN}; nor could the secret be marked" in caplog.text


async def test_an_item_that_waits_for_its_source_is_counted_as_waiting(sent: Collected) -> None:
    rig = scene()
    await failing(rig, SourceBusy("busy")).rotate(rig.item(NAME).to_json(), 1)
    assert sent.metric("rekey.rotations") == {
        dims(rotator="unknown", trigger="manual", outcome="waiting"): 1
    }


async def test_the_tries_before_a_wait_count_once(rig: Rig) -> None:
    """What is posted meanwhile must not inherit them."""
    item, handled = rig.item(NAME, waited=1, tried=2), list[tuple[WorkItem, int]]()
    await failing(rig, now_or_in(90), handled).rotate(item.to_json(), 3)
    assert handled == [(replace(item, tries=Tries(waited=1)), 5)]


SO_FAR = {"seen": 1, "posted": 0, "broken": 0, "states": {}, "started": {}}


def order(rig: Rig, *, incident: bool, token: str = "") -> SweepOrder:
    """Return an order for the vault, perhaps one that goes on from a page."""
    now = rig.clock.now()
    usual = SweepOrder(rig.vault.url, now, now, timedelta(hours=1))
    so_far = SoFar.from_dict({**SO_FAR, "token": token, "begun": now.isoformat()})
    return replace(
        usual, incident=Incident(now) if incident else None, so_far=so_far if token else None
    )


async def test_an_incidents_order_comes_back_after_its_last_try(rig: Rig, caplog: Log) -> None:
    refuse(rig, 503, "Busy", to_vault(), times=99)
    text = order(rig, incident=True).to_json()
    with pytest.raises(TransientError):
        await rig.service().sweep_vault(text, LAST - 1)
    assert rig.queue("sweeps") == []
    await rig.service().sweep_vault(text, LAST)
    ((due, stored),) = rig.open_requests
    assert ((due - rig.clock.now()).total_seconds(), stored) == (GRACE_SECONDS, json.loads(text))
    assert rig.queue("sweeps") == []
    assert f"the incident order for {rig.vault.url} is tried again later" in caplog.text


@pytest.mark.parametrize("incident", [False, True])
@pytest.mark.parametrize(
    ("status", "header", "age", "tries", "seconds"),
    [
        (503, {"Retry_After": "240"}, 0, 1, 240),
        (429, {"Retry_After": "240"}, 2400, LAST, 300),
        (429, {}, 0, LAST, THROTTLED_SECONDS),
        (429, {"Retry_After": "1"}, 3000, 1, 375),
    ],
)
async def test_a_sweep_that_azure_asks_to_wait_comes_back_then_on_whichever_try(
    rig: Rig,
    status: int,
    header: dict[str, str],
    age: float,
    tries: int,
    seconds: float,
    caplog: Log,
    *,
    incident: bool,
) -> None:
    """Repeated waits grow, as an answer may ask for too little."""
    refuse(rig, status, "Busy", to_vault(), times=99, **header)
    text = order(rig, incident=incident).to_json()
    rig.clock.advance(age)
    await rig.service().sweep_vault(text, tries)
    ((delay, posted),) = waiting(rig, "sweeps")
    # A short wait of Azure's is sat out first.
    assert delay == pytest.approx(seconds, abs=1)
    assert posted == json.loads(text)
    assert [body for _, body in rig.open_requests] == [posted] * incident
    for due, _ in rig.open_requests:
        later = (due - rig.clock.now()).total_seconds()
        assert later == pytest.approx(delay + GRACE_SECONDS, abs=1)
    assert f"the sweep of {rig.vault.url} comes again in" in caplog.text


async def test_a_sweep_waits_no_longer_once_the_next_one_is_due_and_an_incidents_does() -> None:
    rig = scene()
    refuse(rig, 429, "Busy", to_vault(), times=99, Retry_After="240")
    texts = [order(rig, incident=incident).to_json() for incident in (False, True)]
    rig.clock.advance(3600 - 240)
    with pytest.raises(Throttled):
        await rig.service().sweep_vault(texts[0], 1)
    rig.clock.advance(3600 * 24)
    await rig.service().sweep_vault(texts[1], 1)
    assert list(waiting(rig, "sweeps")) == [(INCIDENT_SECONDS, json.loads(texts[1]))]


async def test_an_incidents_order_for_a_vault_that_cannot_be_listed_is_tried_for_a_month() -> None:
    rig = scene()
    refuse(rig, 403, "Forbidden", to_vault(), times=99)
    text = order(rig, incident=True).to_json()
    with pytest.raises(PermanentError):
        await rig.service().sweep_vault(text, LAST)
    ((due, stored),) = rig.open_requests
    assert ((due - rig.clock.now()).total_seconds(), stored) == (INCIDENT_SECONDS, json.loads(text))
    rig.clock.advance(38 * 86_400)
    await rig.service().sweep_vault(text)
    assert rig.open_requests == []


async def test_a_sweep_whose_last_try_failed_is_left_to_the_next_one(rig: Rig) -> None:
    refuse(rig, 503, "Busy", to_vault(), times=99)
    with pytest.raises(TransientError):
        await rig.service().sweep_vault(order(rig, incident=False).to_json(), LAST)
    assert rig.queue("sweeps") == []


@pytest.mark.parametrize("incident", [False, True])
async def test_a_sweep_whose_next_page_is_refused_fails_and_an_incidents_starts_again_later(
    rig: Rig, *, incident: bool
) -> None:
    """Key Vault may have forgotten the token of the page, or refuse it every time."""
    refuse(rig, 403, "Forbidden", to_vault(), times=99)
    page = f"{rig.vault.url}/secrets?$skiptoken=forgotten"
    with pytest.raises(PermanentError):
        await rig.service().sweep_vault(order(rig, incident=incident, token=page).to_json())
    stored = [(due - rig.clock.now(), "so_far" in text) for due, text in rig.open_requests]
    assert stored == [(timedelta(seconds=INCIDENT_SECONDS), False)] * incident
    assert rig.queue("sweeps") == []


async def test_a_sweep_whose_first_page_is_refused_fails(rig: Rig) -> None:
    refuse(rig, 403, "Forbidden", to_vault(), times=99)
    with pytest.raises(PermanentError):
        await rig.service().sweep_vault(order(rig, incident=False).to_json())
    assert rig.queue("sweeps") == []
