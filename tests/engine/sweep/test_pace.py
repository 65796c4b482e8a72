"""A mass rotation runs at Azure's limits and not over them.

Starts are counted in every window of virtual time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import pytest

from engine.sweep.pace import CREATES_PER_SECOND, WRITES_PER_HOUR, WRITES_PER_SECOND, Pace

MANY = 10_000
HOUR = timedelta(hours=1)
ONE, OTHER = "/subscriptions/one", "/subscriptions/other"
APPLICATION = "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90"


def source(subscription: str, number: int) -> str:
    return f"{subscription}/resourcegroups/g/providers/microsoft.storage/storageaccounts/a{number}"


def most_within(starts: Sequence[float], seconds: float) -> int:
    """Return how many starts fall into the fullest window of this length."""
    ordered = sorted(starts)
    # Times are sums of binary fractions: a start right at a window's end belongs to the next one.
    return max(
        bisect_left(ordered, at + seconds - 1e-6) - first for first, at in enumerate(ordered)
    )


def swept(
    scopes: Mapping[str, Sequence[str]], due: Mapping[str, Sequence[str]], period: timedelta
) -> Iterator[Mapping[str, list[float]]]:
    """Sweep all vaults, again and again, until nothing is due.

    Yields when work on which source's subscription starts, by vault.
    """
    waiting = {vault: list(sources) for vault, sources in due.items()}
    while any(waiting.values()):
        started: dict[str, list[float]] = defaultdict(list)
        for vault, sources in waiting.items():
            pace, left = Pace(scopes, period), []
            for name in sources:
                delay = pace.delay(name)
                if delay is None:
                    left.append(name)
                else:
                    started[vault].append(delay)
            waiting[vault] = left
        assert any(started.values()), "a sweep that starts nothing would never end"
        yield started


def all_starts(
    scopes: Mapping[str, Sequence[str]], due: Mapping[str, Sequence[str]], period: timedelta
) -> dict[str, list[float]]:
    starts: dict[str, list[float]] = defaultdict(list)
    for sweep, started in enumerate(swept(scopes, due, period)):
        for vault, delays in started.items():
            starts[vault] += [sweep * period.total_seconds() + delay for delay in delays]
    return starts


@pytest.mark.parametrize("minutes", [15, 60, 24 * 60, 6 * 24 * 60])
def test_ten_thousand_at_once_run_at_a_subscriptions_limit_and_not_over_it(minutes: int) -> None:
    due = {"v": [source(ONE, number) for number in range(MANY)]}
    starts = all_starts({"v": [ONE]}, due, timedelta(minutes=minutes))["v"]
    assert len(starts) == MANY
    assert most_within(starts, 1) == WRITES_PER_SECOND
    assert most_within(starts, 3600) <= WRITES_PER_HOUR
    assert max(starts) <= (MANY / WRITES_PER_HOUR + 1) * 3600


def test_five_hundred_cut_offs_of_two_changes_each_keep_to_the_limit_and_take_two_minutes() -> None:
    pace = Pace({"v": [ONE]}, HOUR, elapsed=-20.0, writes=2)
    starts = [pace.delay(source(ONE, number)) or 0.0 for number in range(500)]
    assert 2 * most_within(starts, 1) == WRITES_PER_SECOND
    assert (starts[0], max(starts)) == (20, 20 + 499 / 5)


@pytest.mark.parametrize("vaults", [2, 3, 7])
def test_vaults_that_share_a_subscription_share_its_budget(vaults: int) -> None:
    scopes = {f"v{number}": [f"{ONE}/resourcegroups/g{number}"] for number in range(vaults)}
    due = {vault: [source(ONE, number) for number in range(1500)] for vault in scopes}
    starts = [
        start for vault_starts in all_starts(scopes, due, HOUR).values() for start in vault_starts
    ]
    assert most_within(starts, 3600) <= WRITES_PER_HOUR
    assert most_within(starts, 1) <= WRITES_PER_SECOND + vaults - 1


def test_vaults_of_different_subscriptions_do_not_wait_for_each_other() -> None:
    scopes = {"v1": [ONE], "v2": [OTHER, APPLICATION]}
    due = {
        "v1": [source(ONE, number) for number in range(1200)],
        "v2": [source(OTHER, number) for number in range(1200)],
    }
    starts = all_starts(scopes, due, HOUR)
    assert [round(max(vault_starts)) for vault_starts in starts.values()] == [120, 120]


def test_a_vault_is_not_asked_for_more_new_secrets_than_it_takes() -> None:
    """Several subscriptions behind one vault would start more together than the vault itself takes."""
    subscriptions = [f"/subscriptions/s{number}" for number in range(8)]
    due = {"v": [source(subscriptions[number % 8], number) for number in range(8000)]}
    starts = all_starts({"v": subscriptions}, due, HOUR)["v"]
    assert most_within(starts, 10) == 10 * CREATES_PER_SECOND


@pytest.mark.parametrize(
    ("vaults", "minutes", "fits"),
    [(1, 60, 1200), (2, 60, 600), (3, 15, 100), (1, 1, 20), (1, 0, 20), (50, 1, 1)],
)
def test_one_sweep_starts_its_share_and_leaves_the_rest_to_the_next(
    vaults: int, minutes: int, fits: int
) -> None:
    pace = Pace({f"v{number}": [ONE] for number in range(vaults)}, timedelta(minutes=minutes))
    delays = [pace.delay(source(ONE, number)) for number in range(fits + 1)]
    assert None not in delays[:fits]
    assert delays[fits] is None
    assert pace.delay(APPLICATION) is not None, "another budget is not used up"


@pytest.mark.parametrize(("vaults", "in_an_hour"), [(1, 1200), (2, 600), (700, 1)])
def test_what_exceeds_the_share_of_an_hour_starts_with_the_next_hour(
    vaults: int, in_an_hour: int
) -> None:
    pace = Pace({f"v{number}": [ONE] for number in range(vaults)}, timedelta(days=6))
    delays = [pace.delay(source(ONE, number)) for number in range(in_an_hour + 1)]
    assert max(delay or 0 for delay in delays[:-1]) < 120
    assert delays[-1] == 3600


def test_what_is_due_alone_starts_at_once() -> None:
    assert Pace({"v": [ONE]}, HOUR).delay(source(ONE, 1)) == 0
    assert Pace({}, timedelta(0)).delay(APPLICATION) == 0
    assert Pace({}, timedelta(0)).delay(None) == 0


@pytest.mark.parametrize("subscriptions", [1, 1500])
def test_the_pace_goes_on_where_the_earlier_part_ended(subscriptions: int) -> None:
    scopes = {"v": ["/subscriptions/0"]}
    sources = [f"/subscriptions/{number % subscriptions}/x" for number in range(1500)]
    whole, first = Pace(scopes, 2 * HOUR), Pace(scopes, 2 * HOUR)
    delays = [whole.delay(source) for source in sources]
    for source in sources[:700]:
        first.delay(source)
    second = Pace(scopes, 2 * HOUR, first.started, elapsed=10)
    rest = [second.delay(source) for source in sources[700:]]
    assert rest == [max((delay or 0) - 10, 0) for delay in delays[700:]]


def test_what_waits_takes_turns_however_long_the_sweep_has_taken() -> None:
    pace = Pace({}, HOUR, elapsed=240)
    assert [pace.delay(None, 600), pace.delay(None), pace.delay(None, 600)] == [600, 0, 600.2]
