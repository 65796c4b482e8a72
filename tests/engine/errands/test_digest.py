"""A digest says once at each moment what needs a person before it expires."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from engine.errands.digest import MOST_TEXT, Digests, latest
from engine.model.entry import Entry, State
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import WorkItem
from engine.secret import SecretRef, SecretVersion
from tests.shared.builders import NOW, VAULT

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SINCE = SweepOrder(VAULT, NOW - HOUR, NOW, HOUR)
YEAR_AGO = NOW - 365 * DAY


def stands(
    name: str = "licence",
    left: timedelta | None = 30 * DAY,
    state: State = "parked",
    reason: str = "why",
    **tags: str,
) -> Entry:
    """Return how one secret stands."""
    expires = None if left is None else NOW + left
    ref = SecretRef(VAULT, name)
    secret = SecretVersion(
        ref, None, None, enabled=True, created=YEAR_AGO, expires=expires, content_type=None,
        tags=tags,
    )  # fmt: skip
    return Entry(secret, state, reason, due=YEAR_AGO + DAY)


def digests(*entries: Entry, order: SweepOrder = SINCE) -> list[WorkItem]:
    """Return the digests of one sweep."""
    collected = Digests(order)
    for entry in entries:
        collected.add(entry)
    return [item for _, item in collected.items()]


def told(by_hand: bool, days: int, left: int | None) -> list[int]:
    """Return the days on which an owner is told of a secret that is due on day 2."""
    expires = None if left is None else NOW + left * DAY
    begins = NOW + 2 * DAY
    moments = set[datetime]()
    for hour in range(days * 24 + 1):
        if moment := latest(begins, expires, NOW + hour * HOUR, by_hand=by_hand):
            moments.add(moment)
    return [(moment - NOW) // DAY for moment in sorted(moments)]


@pytest.mark.parametrize(
    ("by_hand", "left", "days"),
    [
        (True, 40, [2, 10, 33, 39, 40, 41, 42]),
        (False, 40, [10, 33, 39, 40]),
        (True, 20, [2, 13, 19, *range(20, 43)]),
        (True, None, [2, 9, 16, 23, 30, 37]),
        (False, None, []),
    ],
)
def test_the_moments_follow_from_the_dates_alone(
    by_hand: bool, left: int | None, days: list[int]
) -> None:
    assert told(by_hand, 42, left) == days


@pytest.mark.parametrize("days", [30, 7, 1, 0])
def test_a_threshold_falls_into_the_one_sweep_that_covers_it(days: int) -> None:
    at = days * DAY
    assert len(digests(stands(left=at))) == 1
    assert digests(stands(left=at + timedelta(seconds=1))) == []
    assert digests(stands(left=at - HOUR)) == []
    assert len(digests(stands(left=at - HOUR + timedelta(seconds=1)))) == 1


def test_a_sweep_that_covers_many_days_tells_of_the_latest_threshold_once() -> None:
    late = SweepOrder(VAULT, NOW - 40 * DAY, NOW, HOUR)
    (item,) = digests(stands(left=5 * DAY), order=late)
    assert "licence expires within 5 days" in item.reason


def test_each_owner_gets_a_digest_of_what_is_theirs() -> None:
    items = digests(
        stands("a", Owner="shop"), stands("b", Owner="billing"), stands("c", Owner="shop")
    )
    assert [item.ref.name for item in items] == ["a", "b"]
    assert items[0].reason.startswith("2 secrets need a person: a expires within 30 days\n")
    assert "\nc expires within 30 days (2026-12-02 09:00Z): why" in items[0].reason


def test_what_was_told_of_before_is_in_the_digest_of_what_is_new() -> None:
    (item,) = digests(stands("old", left=20 * DAY), stands("new", left=30 * DAY))
    assert [line.split()[0] for line in item.reason.splitlines()[1:]] == ["old", "new"]


@pytest.mark.parametrize("state", ["ok", "due", "unmanaged", "disabled"])
def test_what_needs_no_person_is_in_no_digest(state: State) -> None:
    assert digests(stands(state=state)) == []


def test_what_only_a_person_rotates_is_in_it_whatever_its_state() -> None:
    assert len(digests(stands(state="due", Manual="true"))) == 1
    assert digests(stands(state="disabled", Manual="true")) == []


def test_a_digest_is_no_longer_than_a_chat_takes_and_counts_what_it_leaves_out() -> None:
    (item,) = digests(*(stands(f"s-{n:03}", reason="x" * 500) for n in range(100)))
    lines = item.reason.splitlines()
    assert len(item.reason) <= MOST_TEXT
    assert lines[-1] == f"and {100 - (len(lines) - 2)} more"


def test_two_sweeps_of_the_same_moments_have_the_same_key_and_others_another() -> None:
    def keys(order: SweepOrder, *entries: Entry) -> list[str]:
        collected = Digests(order)
        for entry in entries:
            collected.add(entry)
        return [key for key, _ in collected.items()]

    again = SweepOrder(VAULT, NOW - HOUR, NOW + timedelta(minutes=1), HOUR)
    assert keys(SINCE, stands()) == keys(again, stands())
    assert keys(SINCE, stands()) != keys(SINCE, stands(left=7 * DAY))
