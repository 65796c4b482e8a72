"""What the timer asks for: by the records alone, whatever became of messages."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from engine.ports import Leases
from engine.state.index import Listed
from engine.state.record import RECHECK_EVERY
from engine.state.request import WorkItem
from engine.state.tags import Pending
from simulator.wire import Request
from tests.shared.collected import Collected, dims
from tests.shared.delivery import Delivery
from tests.shared.due import next_check
from tests.shared.heard import Log
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, to_arm

MINUTE = timedelta(minutes=1)
WEEK = 7 * 24 * 60.0
"""Minutes."""
MOST = 200
"""How many requests are asked for at a time."""


def posted(rig: Rig) -> list[tuple[str, str]]:
    """Return what was posted: the action, and the secret that it is about."""
    return [(message["action"], message["secret"]) for message in rig.messages("rotations")]


async def begun(rig: Rig, ago: timedelta, name: str = NAME) -> None:
    """Leave a change at a secret's source that a worker began and never ended."""
    source = rig.tags(name)["ProviderAddress"].lower()
    since = rig.clock.now() - ago
    await rig.note(source, name, changing=since, look_at=since + MINUTE)


@pytest.mark.parametrize(
    ("ago", "due"),
    [(0.0, False), (0.9, False), (1.0, True), (500.0, True), (WEEK, True), (WEEK + 1.0, False)],
)
async def test_a_source_is_asked_for_once_what_was_begun_there_is_due_to_be_looked_at(
    rig: Rig, ago: float, caplog: Log, *, due: bool
) -> None:
    """No lease is taken for that: two listings are all that is asked of Azure.

    What nobody could look at for a week is left to the sweeps.
    """
    await begun(rig, ago * MINUTE)
    rig.queue("rotations")
    rig.calls()
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().recheck()
    assert rig.calls() == {"host blob": 2, **({"host queue": 1} if due else {})}
    assert posted(rig) == [("audit", NAME)] * due
    assert ("sources are due to be rechecked" in caplog.text) == due


async def test_a_source_at_which_nothing_is_open_is_left_alone(rig: Rig) -> None:
    await rig.handle(NAME)
    rig.clock.advance(3600)
    await rig.service().recheck()
    assert posted(rig) == []


async def test_a_record_without_a_recheck_or_an_owner_keeps_no_other_source_waiting(
    rig: Rig,
) -> None:
    """As after a retirement, and of a secret that is released."""
    known = {"quiet": {}, "released": {"owner": "", "look_at": rig.clock.now() - MINUTE}}
    for name, facts in known.items():
        rig.secret(name, rig.account(name))
        await rig.note(rig.tags(name)["ProviderAddress"].lower(), name, **facts)
    await begun(rig, 5 * MINUTE)
    await rig.service().recheck()
    assert posted(rig) == [("audit", NAME)]


async def test_the_audit_that_the_timer_asks_for_ends_what_was_begun(rig: Rig) -> None:
    await begun(rig, 5 * MINUTE)
    await rig.service().recheck()
    (message,) = rig.messages("rotations")
    rig.queue("rotations").clear()
    await rig.service().rotate(json.dumps(message), 1)
    assert rig.tags(NAME)["RekeyOperation"]


async def test_the_source_of_a_vault_that_is_not_served_any_more_is_left_alone(rig: Rig) -> None:
    source = rig.tags(NAME)["ProviderAddress"].lower()
    await begun(rig, 5 * MINUTE)
    owner = f"https://other.vault.azure.net/secrets/{NAME}"
    await rig.note(source, NAME, owner=owner)
    await rig.service().recheck()
    assert posted(rig) == []


async def test_a_listing_that_fails_is_logged_and_tried_the_next_time(caplog: Log) -> None:
    rig = scene()
    await begun(rig, 5 * MINUTE)
    caplog.set_level(logging.WARNING, "rekey")
    refuse(rig, 503, "ServerBusy", lambda sent: sent.query.get("comp") == "list", times=2)
    await rig.service().recheck()
    assert "rechecked later" in caplog.text
    assert "carried out later" in caplog.text
    await rig.service().recheck()
    assert posted(rig) == [("audit", NAME)]


@dataclass(frozen=True)
class Listing:
    """Lists records of one subscription that are due and stay so, as those do that nobody can read."""

    vault: str
    due: datetime
    audits: int = 0
    retirements: int = 0

    async def index(self) -> AsyncIterator[Listed]:
        """List them: of what is open the audits are due, of what is superseded the retirements."""
        for number in range(self.audits + self.retirements):
            is_open = number < self.audits
            yield Listed(
                source=f"/subscriptions/one/{number}",
                owner=f"{self.vault}/secrets/key-{number}",
                pending=None if is_open else Pending(self.due, "0" * 32, "key2"),
                is_open=is_open,
                next_check=self.due,
            )


async def asked_for(rig: Rig, **due: int) -> dict[str, list[float]]:
    """Return after how many seconds so many audits and retirements come, by action."""
    listing = cast("Leases", Listing(rig.vault.url, rig.clock.now() - MINUTE, **due))
    service = rig.service()
    await replace(service, engine=replace(service.engine, leases=listing)).recheck()
    now, waits = rig.clock.now(), defaultdict[str, list[float]](list)
    for message, (action, _) in zip(rig.queue("rotations"), posted(rig), strict=True):
        waits[action].append((message.visible - now).total_seconds())
    return waits


async def test_what_is_to_be_revoked_takes_no_place_of_what_may_refuse_its_secret(rig: Rig) -> None:
    """Both keep to ten changes a second, and retirements to 1,200 an hour."""
    waits = await asked_for(rig, audits=70, retirements=70)
    assert {action: len(seconds) for action, seconds in waits.items()} == {
        "audit": 70,
        "retire": 60,
    }
    assert max(waits["audit"]) == pytest.approx(7, abs=1)
    assert max(waits["retire"]) == pytest.approx(6, abs=1)


async def test_what_one_run_of_the_timer_asks_for_has_begun_before_the_next(rig: Rig) -> None:
    (waits,) = (await asked_for(rig, audits=1300)).values()
    assert len(waits) == 1200
    assert max(waits) < RECHECK_EVERY.total_seconds()


async def test_no_record_that_stays_due_keeps_another_one_back(rig: Rig) -> None:
    names = set[str]()
    for _ in range(15):
        await asked_for(rig, retirements=180)
        names |= {name for _, name in posted(rig)}
        rig.queue("rotations").clear()
        rig.clock.advance(RECHECK_EVERY.total_seconds())
    assert len(names) == 180


@pytest.mark.parametrize("blocked", ["disabled", "denied", "unbound"])
async def test_a_retirement_that_cannot_be_carried_out_is_left_to_the_sweeps(blocked: str) -> None:
    """The timer asks for it once it is due, and then once a day."""
    rig = scene()
    await rig.handle(NAME)
    if blocked == "disabled":
        rig.vault.amend(rig.latest(NAME), enabled=False)
    elif blocked == "denied":
        refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"), times=99)
    else:
        elsewhere = rig.account("elsewhere").resource_id
        rig.environment = {"REKEY_SCOPES": json.dumps({rig.vault.url: [elsewhere]})}
    asked, since = list[timedelta](), rig.clock.now() + timedelta(days=7)
    while (due := next_check(rig.world, "rekeyhost", since)) and due < since + timedelta(days=2):
        rig.clock.advance((due - rig.clock.now()).total_seconds())
        await rig.service().recheck()
        asked += [due - since] * len(rig.queue("rotations"))
        await Delivery(rig, rig.service).run()
    assert [after.days for after in asked] == [0, 1]


def pinned(rig: Rig, **fields: Any) -> WorkItem:
    """Return what a person asks for."""
    reported = rig.clock.now().isoformat()
    return rig.item(NAME, version=rig.latest(NAME).version, reported=reported, **fields)


async def test_what_people_asked_for_is_posted_each_time_until_it_is_done(rig: Rig) -> None:
    engine, item = rig.service().engine, pinned(rig)
    await engine.keep(item, 60)
    await rig.service().recheck()
    assert rig.messages("rotations") == [], "its message had no time yet"
    for number in (1, 2):
        rig.clock.advance(RECHECK_EVERY.total_seconds())
        await rig.service().recheck()
        assert posted(rig) == [("rotate", NAME)] * number
    await Delivery(rig, rig.service).run()
    await rig.service().recheck()
    assert posted(rig) == []
    assert len(rig.vault.versions(NAME)) == 2


async def test_requests_about_one_secret_are_posted_one_after_the_other(rig: Rig) -> None:
    engine = rig.service().engine
    for number in range(3):
        await engine.keep(pinned(rig, reason=f"number {number}"), 0)
    await rig.service().recheck()
    now = rig.clock.now()
    waits = [(message.visible - now).total_seconds() for message in rig.queue("rotations")]
    assert sorted(waits) == [0, 10, 20]


async def test_a_look_comes_after_what_was_asked_for_at_the_same_secret(rig: Rig) -> None:
    await begun(rig, 5 * MINUTE)
    await rig.service().engine.keep(pinned(rig), 0)
    await rig.service().recheck()
    now = rig.clock.now()
    waits = [(message.visible - now).total_seconds() for message in rig.queue("rotations")]
    assert sorted(waits) == [0, 10]


async def test_of_very_many_requests_those_that_are_due_longest_come_first(rig: Rig) -> None:
    engine = rig.service().engine
    for number in range(MOST + 5):
        await engine.keep(pinned(rig, reason=f"number {number}"), -number)
    await rig.service().recheck()
    reasons = {message["reason"] for message in rig.messages("rotations")}
    assert reasons == {f"number {number}" for number in range(5, MOST + 5)}
    rig.queue("rotations").clear()
    await rig.service().recheck()
    reasons = {message["reason"] for message in rig.messages("rotations")}
    assert reasons == {f"number {number}" for number in range(5)}


@pytest.mark.parametrize(("away", "ended"), [("nothing", 1), ("accepted/", 0), ("sources/", 0)])
async def test_a_run_that_could_not_look_at_everything_is_not_counted(
    rig: Rig, away: str, ended: int, sent: Collected
) -> None:
    """It is all that an alert knows of the timer."""
    refuse(rig, 503, "ServerBusy", lambda sent: sent.query.get("prefix") == away, times=9)
    await rig.service().recheck()
    assert sum(sent.metric("rekey.rechecks").values()) == ended


async def test_a_request_that_cannot_be_written_keeps_no_other_back_and_the_run_is_not_counted(
    rig: Rig, caplog: Log, sent: Collected
) -> None:
    engine, stuck = rig.service().engine, pinned(rig, reason="the first")
    for number, item in enumerate((stuck, pinned(rig))):
        await engine.keep(item, number)
    await begun(rig, 2 * MINUTE)
    rig.clock.advance(60)
    blob = stuck.request
    refuse(rig, 412, "LeaseIdMissing", lambda r: r.method == "PUT" and blob in r.path, times=9)
    await rig.service().recheck()
    assert posted(rig) == [("rotate", NAME), ("audit", NAME)]
    assert f"the request {blob} is asked for later" in caplog.text
    assert ": 1 requests could not be asked for" in caplog.text
    assert sent.metric("rekey.rechecks") == {}


@pytest.mark.parametrize("fails", [True, False])
async def test_requests_are_left_alone_for_now_where_the_storage_lets_them_take_too_long(
    *, fails: bool
) -> None:
    """The sources are to be asked for as well."""
    rig = scene()
    for number in range(9):
        await rig.service().engine.keep(pinned(rig, reason=f"number {number}"), 0)
    await begun(rig, 2 * MINUTE)
    tries = set[str]()

    def is_slow(sent: Request) -> bool:
        if "/accepted/" not in sent.path:
            return False
        if sent.path not in tries:
            rig.clock.advance(30)
        tries.add(sent.path)
        return fails

    refuse(rig, 503, "ServerBusy", is_slow, times=99)
    await rig.service().recheck()
    assert len(tries) == 4
    assert posted(rig)[-1] == ("audit", NAME)


@pytest.mark.parametrize("text", ["{", "[]", '{"vault": "https://x", "secret": "a b"}'])
async def test_a_request_that_cannot_be_read_is_counted_and_closed_and_keeps_no_other_back(
    rig: Rig, text: str, caplog: Log, sent: Collected
) -> None:
    engine, now = rig.service().engine, rig.clock.now()
    await engine.requests.keep("1" * 40, text, now - MINUTE)
    await engine.keep(pinned(rig), 0)
    await rig.service().recheck()
    assert posted(rig) == [("rotate", NAME)]
    assert "the request 1111" in caplog.text
    assert sent.metric("rekey.poison") == {dims(queue="rotations"): 1}
    assert await engine.requests.read("1" * 40) is None


@pytest.mark.parametrize("compromised", [False, True])
async def test_a_request_that_never_came_to_an_end_is_given_up_a_day_after_its_month(
    rig: Rig, caplog: Log, *, compromised: bool
) -> None:
    item = pinned(rig, compromised=compromised)
    await rig.service().engine.keep(item, 0)
    for passed, number in ((timedelta(days=31) - MINUTE, 1), (MINUTE, 1)):
        rig.clock.advance(passed.total_seconds())
        await rig.service().recheck()
        assert len(posted(rig)) == number
    assert "tried in vain" in caplog.text
    assert rig.open_requests == []


async def test_a_request_whose_id_an_earlier_version_made_otherwise_is_stored_once() -> None:
    rig = scene()
    engine, item = rig.service().engine, pinned(rig)
    await engine.requests.keep("1" * 40, item.to_json(), rig.clock.now())
    await rig.service().recheck()
    assert await engine.requests.due(rig.clock.now() + RECHECK_EVERY) == [item.request]


async def test_a_request_whose_id_an_earlier_version_made_otherwise_stays_until_it_is_stored_anew() -> (
    None
):
    rig = scene()
    engine, item = rig.service().engine, pinned(rig)
    await engine.requests.keep("1" * 40, item.to_json(), rig.clock.now())
    refuse(rig, 503, "Busy", lambda it: it.method == "PUT" and item.request in it.path, times=9)
    await rig.service().recheck()
    assert await engine.requests.read("1" * 40)
