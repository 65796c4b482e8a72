"""The search near what was new plays the same schedules each time, and each of them alone."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from tests.proof import guided
from tests.proof.case import Case
from tests.proof.guided import Search
from tests.proof.reduce import Recording, main
from tests.proof.run import ONE_KEY, Part, run, searched
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Schedule
from tests.proof.watch import Broken

SCENES = ("owners/many", "adopted-in-rotation/many", "incident-and-people/one-slot")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change schedules after the first few."""
    monkeypatch.setattr(guided, "AT_FIRST", 8)
    monkeypatch.setattr("engine.state.record.secrets", ONE_KEY)


def searching(seed: int) -> Search:
    return Search(random.Random(seed), SCENES)  # noqa: S311 - schedules, not secrets


def script_of(case: Case) -> tuple[tuple[str, int, str], ...]:
    """Return what is decided as a case is played alone, but for the usual."""
    recording = Recording(case.director())
    schedule = Schedule(SCENARIOS[case.scenario], recording)
    with suppress(Broken):
        schedule.play()
    schedule.close()
    return tuple(recording.script)


def test_a_search_plays_the_same_each_time_and_its_schedules_can_be_played_alone() -> None:
    first, again, other = searching(7), searching(7), searching(8)
    played = [first.play() for _ in range(40)]
    assert [again.play() for _ in range(40)] == played
    assert [other.play() for _ in range(5)] != played[:5]
    assert any(kept.changed for kept in first.kept)
    assert [came.problem for _, came in played if came.problem] == []
    for case, _ in played[-12:]:
        assert Case.parse(str(case)) == case or not case.script
        assert script_of(case) == case.script


def test_what_is_kept_has_met_something_first() -> None:
    search = searching(9)
    for _ in range(30):
        search.play()
    firsts = [what for kept in search.kept for what in kept.new]
    assert len(set(firsts)) == len(firsts)
    assert {*firsts} == {*search.times}


def test_a_search_is_a_part_of_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.proof.run.A_SEARCH", 4)
    part = searched(11, 6)
    assert [*searched(11, 6).cases] == ["search:4:11", "search:2:15"]
    assert isinstance(part, Part)
    run([part], iter(lambda: None, 0), cores=1)
    assert part.played == 6
    assert part.violations == []


def test_a_seed_that_breaks_nothing_is_not_reduced() -> None:
    with pytest.raises(SystemExit, match="owners/many#4016 breaks nothing"):
        main(["owners/many#4016"])
