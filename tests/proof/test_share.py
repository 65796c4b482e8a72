"""A share of the proof for every run of the tests; `make prove` plays all of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.proof import campaign, case
from tests.proof.case import Case
from tests.proof.kernel import FAULTS
from tests.proof.run import play
from tests.proof.scenarios import SCENARIOS

EVERY = 5
SEEDS = 1250


def broken(cases: Iterable[Case]) -> list[str]:
    return [f"{each}: {problem}" for each in cases if (problem := case.play(each)[0])]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_promise_holds_whatever_happens_at_one_call(fault: str) -> None:
    """A fifth of the calls, another one for every fault; `make prove` takes all."""
    chosen = [each for each in campaign.singles() if each.plan[0][1] == fault]
    assert len(chosen) > 1000
    assert broken(chosen[FAULTS.index(fault) % EVERY :: EVERY]) == []


@pytest.mark.parametrize("name", ["forced/two-slots", "forced/one-slot", "restore/many", "retirement/two-logins"])
def test_every_promise_holds_in_every_order_of_two_workers(name: str) -> None:
    played = list(campaign.interleavings(name, 300))
    assert len(played) > 60
    assert [(str(each), problem) for each, problem in played if problem] == []


@pytest.mark.parametrize("share", range(4))
def test_every_promise_holds_under_seeded_schedules(share: int) -> None:
    assert broken(campaign.seeds(share * SEEDS, SEEDS)) == []


@pytest.mark.parametrize(
    "text",
    ["by-hand/many#719", "one/many@3:die after+9:forbid", "forced/two-slots~0.1.1", "real:storage-key@3:die after"],
)
def test_a_case_is_played_again_by_its_name_with_a_trace(text: str) -> None:
    problem, trace = play(text)
    assert problem is None
    assert len(trace) > 10
    assert play(text)[1] == trace or text.startswith("real:")


@pytest.mark.parametrize("text", ["elsewhere/two-slots", "one/many@3:sulk", "real:nothing@1:forbid"])
def test_a_case_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is n"):
        play(text)


def test_every_scenario_comes_up_among_the_seeds() -> None:
    assert {each.scenario for each in campaign.seeds(0, len(SCENARIOS))} == set(SCENARIOS)
