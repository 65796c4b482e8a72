"""A share of the proof for every run of the tests; `make prove` plays all of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pytest

from tests.parts import ROOT
from tests.proof import campaign, case, findings, waypoints
from tests.proof.case import Case
from tests.proof.kernel import FAULTS
from tests.proof.run import ONE_KEY, play
from tests.proof.scenarios import SCENARIOS
from tests.proof.seen import Seen

MOST = 20
"""About so many single faults of each scenario, however long: one has 1,492 calls."""
SHARES = 4
SEEDS = 225
"""So many for each share; `make prove` draws 10,000."""
EXCUSED = {
    "CLAIM": 0.15,
    "BROKEN": 0.15,
    "LEFT_ALONE": 0.1,
    "RACED": 0.05,
    "TOLD": 0.05,
    "LATE": 0.03,
    "STORE": 0.02,
}
"""At most this share of the seeds may use each excuse; a single slot's moment without a password is
no excuse to limit."""


def broken(cases: Iterable[Case], seen: Seen | None = None) -> list[str]:
    """Return what is broken in these cases, and not known yet."""
    results = [(str(example), case.played(example, seen=seen).problem) for example in cases]
    return [
        f"{name}: {problem}"
        for name, problem in results
        if problem and not findings.known(name, problem)
    ]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Return the states that were played to a good end: a case that comes to one ends there."""
    monkeypatch.setattr("engine.state.record.secrets", ONE_KEY)
    waypoints.forget()
    yield {}
    waypoints.forget()


def some(scenario: str) -> Sequence[Case]:
    """Return some of a scenario's single faults, spread evenly over its calls."""
    every = list(campaign.singles_of(scenario))
    calls = max(1, len(every) // len(FAULTS) // MOST)
    return every[:: calls * len(FAULTS) + 1]


@pytest.mark.parametrize("share", range(SHARES))
def test_every_promise_holds_whatever_happens_at_one_call(share: int, seen: Seen) -> None:
    """One fault at a call, the next fault some calls later; `make prove` takes all of them at each."""
    chosen = [single for name in campaign.planned()[share::SHARES] for single in some(name)]
    assert {single.plan[0][1] for single in chosen} == set(FAULTS)
    assert len(chosen) >= 1200
    assert broken(chosen, seen) == []


@pytest.mark.parametrize("name", campaign.PAIRS)
def test_what_is_throttled_after_another_fault_is_not_asked_again(name: str, seen: Seen) -> None:
    """`make prove` plays the other pairs, too."""
    near = (pair for pair in campaign.pairs_of(name) if pair.plan[1][0] - pair.plan[0][0] <= 3)
    chosen = [pair for pair in near if pair.plan[1][1] == "throttle"]
    assert len(chosen) >= 400
    assert broken(chosen, seen) == []


@pytest.mark.parametrize(
    "name", ["forced/two-slots", "forced/one-slot", "restore/many", "retirement/two-logins"]
)
def test_every_promise_holds_in_every_order_of_two_workers(name: str) -> None:
    played = list(campaign.interleavings(name, 100))
    assert len(played) >= 40
    assert [
        (str(order), came.problem)
        for order, came in played
        if came.problem and not findings.known(str(order), came.problem)
    ] == []


@pytest.mark.parametrize("share", range(SHARES))
def test_every_promise_holds_under_seeded_schedules(share: int) -> None:
    assert broken(campaign.seeds(share * SEEDS, SEEDS)) == []


def test_excuses_are_rare() -> None:
    # One seed of each scenario: which of them a smaller number meets is chance.
    used = [case.played(seed).excuses for seed in campaign.seeds(500_000, len(SCENARIOS))]
    shares = {
        name: sum(any(excuse.name == name for excuse in excuses) for excuses in used) / len(used)
        for name in EXCUSED
    }
    assert {name: share for name, share in shares.items() if share > EXCUSED[name]} == {}


def test_what_is_known_and_not_mended_is_still_so() -> None:
    """Once this fails a finding is mended: its schedule moves to test_found.py."""
    for finding in findings.OPEN:
        problem = play(finding.case)[0]
        assert problem
        assert finding.explains(finding.case, problem)


@pytest.mark.parametrize(
    "text",
    [
        "by-hand/many#719",
        "one/many@3:die after+9:forbid",
        "forced/two-slots~0.1.1",
        "owners/many!c1=1+i9=m2+m12=throttle",
        "real:storage-key@3:die after",
    ],
)
def test_a_case_is_played_again_by_its_name_with_a_trace(text: str) -> None:
    problem, trace = play(text)
    assert problem is None
    assert len(trace) >= 10
    assert play(text)[1] == trace or text.startswith("real:")


@pytest.mark.parametrize(
    "text", ["elsewhere/two-slots", "one/many@3:sulk", "one/many!x9", "real:nothing@1:forbid"]
)
def test_a_case_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is n"):
        play(text)


def test_every_scenario_comes_up_among_the_seeds() -> None:
    assert {seed.scenario for seed in campaign.seeds(0, len(SCENARIOS))} == set(SCENARIOS)


def test_the_page_says_how_many_scenarios_are_played_and_how() -> None:
    page = (ROOT / "docs" / "proof.md").read_text()
    left = len(SCENARIOS) - len(campaign.planned())
    assert f"There are {len(SCENARIOS):,} scenarios:" in page
    assert f"every scenario but {left:,}, which" in page
    assert f"- {left:,} scenarios, among them" in page
    rows = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+)[^|]*\|.*\| (\d+) \|$", page, re.MULTILINE)
    played = Counter(name.partition("/")[2] or "sas" for name in SCENARIOS)
    expected = {
        kinds: sum(played[kind] for kind in re.findall(r"[a-z-]+", kinds)) for kinds, _ in rows
    }
    assert {kinds: int(count) for kinds, count in rows} == expected
    assert sum(expected.values()) == len(SCENARIOS)
