"""Which time a sweep covers, and what travels on the queue `sweeps`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.errors import PermanentError
from engine.state.incident import LIVES, Incident
from engine.state.request import TRIED_ON
from engine.state.sweep_order import SoFar, SweepOrder
from tests.shared.builders import NOW, SECOND, VAULT

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SO_FAR = SoFar("a token", NOW - HOUR, 30, 2, 1, {"ok": 28, "due": 2}, {"a server": 2})


@pytest.mark.parametrize(
    ("last", "following", "since", "period"),
    [
        ("2026-11-02T08:30:00Z", "2026-11-02T09:30:00Z", NOW - HOUR / 2, HOUR / 2),
        ("2026-11-02T08:30:00", "2026-11-02T11:00:00", NOW - HOUR / 2, 2 * HOUR),
        ("2026-11-02T10:30:00+02:00", "2026-11-02T10:00:00+00:00", NOW - HOUR / 2, HOUR),
        # A timer that has not run for long: audits of the last day are enough.
        ("2026-10-02T09:00:00Z", "2026-11-02T10:00:00Z", NOW - DAY, HOUR),
        ("0001-01-01T00:00:00", "2026-11-02T10:00:00Z", NOW - DAY, HOUR),
        # What is missing, or does not lie on its side of now, counts as an hour.
        (None, None, NOW - HOUR, HOUR),
        ("", "", NOW - HOUR, HOUR),
        ("yesterday", "tomorrow", NOW - HOUR, HOUR),
        ("2026-11-02T09:00:00Z", "2026-11-02T09:00:00Z", NOW - HOUR, HOUR),
        ("2026-11-02T09:30:00Z", "2026-11-02T08:30:00Z", NOW - HOUR, HOUR),
    ],
)
def test_a_sweep_covers_the_time_since_the_last_one_and_has_until_the_next(
    last: str | None, following: str | None, since: object, period: timedelta
) -> None:
    status = {key: text for key, text in (("Last", last), ("Next", following)) if text is not None}
    order = SweepOrder.by_schedule(VAULT, status, NOW)
    assert order == SweepOrder(VAULT, since, NOW, period)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("covered", "since"),
    [
        (NOW - 3 * DAY, NOW - 3 * DAY),
        (NOW - HOUR, NOW - HOUR),
        (NOW - HOUR / 4, NOW - HOUR / 2),
        (NOW + DAY, NOW - HOUR / 2),
        (None, NOW - HOUR / 2),
    ],
)
def test_what_no_sweep_has_covered_is_made_up_for_however_long_that_is(
    covered: datetime | None, since: datetime
) -> None:
    """A time that a clock has noted which was ahead hides nothing that falls due."""
    status = {"Last": (NOW - HOUR / 2).isoformat()}
    assert SweepOrder.by_schedule(VAULT, status, NOW, covered).since == since


@pytest.mark.parametrize(
    "order",
    [
        SweepOrder(VAULT, NOW - HOUR, NOW, 2 * HOUR),
        SweepOrder(VAULT, NOW - HOUR, NOW, HOUR, so_far=SO_FAR),
        SweepOrder.for_incident(VAULT, Incident(NOW, "app-*", "/s", "me", "a leak", "an id")),
    ],
)
def test_an_order_survives_the_queue_unchanged(order: SweepOrder) -> None:
    assert SweepOrder.from_json(order.to_json(), NOW + DAY) == order
    assert SweepOrder.from_json(order.to_json().encode(), NOW + DAY) == order


@pytest.mark.parametrize(("vaults", "named"), [((VAULT,), [VAULT]), ((VAULT, "https://b"), [])])
def test_an_order_names_the_vault_of_an_incident_in_one_alone(
    vaults: tuple[str, ...], named: list[str]
) -> None:
    order = SweepOrder.for_incident(VAULT, Incident(NOW, vaults=vaults))
    assert json.loads(order.to_json())["incident"]["vaults"] == named


@pytest.mark.parametrize("again", [False, True])
def test_an_incidents_order_is_over_once_nothing_that_it_posts_would_be_tried(
    *, again: bool
) -> None:
    """Its messages may wait for days until it is their turn. Sent again, it posts them at once."""
    incident = Incident(NOW)
    order = replace(SweepOrder.for_incident(VAULT, incident), again=again)
    last = incident.reported + TRIED_ON if again else NOW + LIVES
    assert not order.is_over(last)
    assert order.is_over(last + SECOND)


def test_a_scheduled_sweep_is_carried_out_however_late() -> None:
    assert not SweepOrder(VAULT, NOW - HOUR, NOW, HOUR).is_over(NOW + 365 * DAY)


def test_an_order_of_an_incident_audits_nothing() -> None:
    order = SweepOrder.for_incident(VAULT, Incident(NOW))
    assert order.since == order.until == NOW


def test_an_incidents_order_is_known_by_its_vault_and_incident_however_far_it_has_come() -> None:
    order = SweepOrder.for_incident(VAULT, Incident(NOW, id="one"))
    assert replace(order, so_far=SO_FAR).request == order.request
    assert SweepOrder.from_json(order.to_json(), NOW).request == order.request
    other_vault = replace(order, vault="https://other.vault.azure.net")
    other = SweepOrder.for_incident(VAULT, Incident(NOW, id="two"))
    assert len({order.request, other_vault.request, other.request}) == 3
    assert SweepOrder(VAULT, NOW, NOW, HOUR).request == ""


def test_an_order_needs_only_a_vault_and_counts_from_now() -> None:
    read = SweepOrder.from_json(json.dumps({"vault": VAULT.upper() + "/"}), NOW)
    assert read == SweepOrder(VAULT, NOW - HOUR, NOW, HOUR)


def test_times_without_a_zone_are_utc() -> None:
    written = {"since": "2026-11-02T08:00:00", "until": "2026-11-02T09:00:00", "vault": VAULT}
    so_far = {**SO_FAR.to_dict(), "begun": "2026-11-02T08:00:00"}
    incident = {"since": "2026-11-02T09:00:00"}
    text = json.dumps({**written, "so_far": so_far, "incident": incident})
    assert SweepOrder.from_json(text, NOW + DAY) == SweepOrder(
        VAULT, NOW - HOUR, NOW, HOUR, Incident(NOW), SO_FAR
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"vault": None, "since": 7},
        {"period": "long"},
        {"period": 1e300},
        {"incident": {"name": "x"}},
        {"incident": {"since": "yesterday"}},
        {"incident": {"since": "9999-12-31T23:00:00"}},
        {"incident": {"since": "0001-01-01T00:00:00"}},
        {"so_far": {"token": "x"}},
        {"so_far": {**SO_FAR.to_dict(), "states": []}},
    ],
)
def test_what_is_no_order_is_refused_with_what_to_do(changes: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="the message is not") as caught:
        SweepOrder.from_json(json.dumps({"vault": VAULT, **changes}), NOW)
    assert caught.value.where == "queue sweeps"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("seconds", "period"),
    [
        (-1e13, timedelta(minutes=1)),
        (59, timedelta(minutes=1)),
        (61, timedelta(seconds=61)),
        (366 * 86_400 - 1, timedelta(seconds=366 * 86_400 - 1)),
        (86_399_999_999_999, timedelta(days=366)),
    ],
)
def test_the_next_sweep_is_taken_to_be_due_after_a_minute_to_a_year(
    seconds: float, period: timedelta
) -> None:
    text = json.dumps({"vault": VAULT, "period": seconds})
    assert SweepOrder.from_json(text, NOW).period == period


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", "7", "[" * 100_000, b"\xff"])
def test_what_names_no_vault_is_refused(text: str | bytes) -> None:
    with pytest.raises(PermanentError):
        SweepOrder.from_json(text, NOW + SECOND)
