"""What is written down is checked by somebody who knows nothing of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import prove
from scripts.check_history import check, main
from tests.proof import campaign
from tests.proof.killers import KILLERS, UNSEEN
from tests.proof.mutants import MUTANTS
from tests.proof.run import file_of, fresh, run, told, written

LEAST_SEEN = 60
SHARE = 60
"""So many seeds, from the first on, are checked here; `make prove ARGS=--histories` takes any."""


@pytest.mark.parametrize("name", sorted(KILLERS))
def test_a_deliberate_bug_is_found_from_its_history_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    MUTANTS[name].apply(monkeypatch)
    _, lines, _ = told(KILLERS[name])
    broken = check(lines)
    assert bool(broken) != (name in UNSEEN), f"{name}: {broken or 'nothing found'}"


def test_sixty_deliberate_bugs_are_found_from_their_histories() -> None:
    assert set(UNSEEN) < set(KILLERS)
    assert len(KILLERS) - len(UNSEEN) >= LEAST_SEEN


def test_nothing_is_found_where_nothing_is_broken() -> None:
    for text in (*sorted({*KILLERS.values()}), *MISREAD, *map(str, campaign.seeds(0, SHARE))):
        problem, lines, _ = told(text)
        assert (check(lines), problem) == ([], None), text


MISREAD = {
    "claimed/two-logins#513376519": "tags that two processes write after one read each",
    "claimed/two-slots#303756588": "a mark that goes for a second",
    "lagging-list/listed#64000599": "a list whose answer lags",
    "one-account/two-slots#251456448": "two secrets of one source",
    "people/one-slot#10003159": "two versions of one second",
    "policy/one-slot#251455544": "a policy that is read at the start",
    "records-in-incident/listed#64001137": "what a list brings back late, and had leaked: it was right, and the proof excused that for good",
    "reported-ahead/two-logins#251456265": "a leak that a sweep passes on with the next version",
    "reported-deleted/two-slots#64000105": "a leak that was noted of what is purged since",
    "reported-in-overlap/many#1003322306": "a question that is answered",
    "slow-and-owners/one-slow#64004062": "what its owner keeps for people while it is refused",
    "slow/one-slow#64000605": "a change that takes its own time on top of the five minutes",
    "to-the-second/many#63000612": "a call that is sent in the second to which time leaps",
    "writers-in-overlap/listed#1003322178": "a list that grows between its read and its replacement",
}
"""Schedules in which the checker has found what nobody had promised, each with what it was."""
REPLAYED = ("incident/many#1019416", "people/one-slot#168", "one/two-slots@9:arrive late")


@pytest.mark.parametrize("text", REPLAYED)
def test_a_replay_writes_the_same_bytes(text: str, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        assert prove.main(["--replay", text, "--histories", str(folder)]) == 0
    first, second = ((folder / file_of(text)).read_bytes() for folder in folders)
    assert first == second
    assert b"!c" not in first


def test_a_campaign_writes_a_history_for_each_schedule(tmp_path: Path) -> None:
    part = fresh(7, 3)
    run([part], iter(lambda: None, 0), cores=1, histories=tmp_path)
    names = {file_of(str(seed)) for seed in campaign.seeds(7, 3)}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert part.played == len(names)
    assert main([str(tmp_path)]) == 0


def test_what_arrives_late_is_an_event_of_its_own(tmp_path: Path) -> None:
    written("one/two-slots@9:arrive late", tmp_path)
    lines = next(tmp_path.iterdir()).read_text().splitlines()
    sent = next(at for at, text in enumerate(lines) if '"what": "set key2"' in text)
    number = lines[sent].split('"n": ')[1].split(",")[0]
    answer = next(at for at, text in enumerate(lines) if f'"answer", "n": {number},' in text)
    assert '"said": "nothing"' in lines[answer]
    applied = next(at for at, text in enumerate(lines) if f'"applied", "call": {number},' in text)
    assert applied > answer
