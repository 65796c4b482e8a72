"""A run of the proof that is stopped goes on where it was, and its seeds can be had again."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scripts import prove
from tests.proof import run as proof_run
from tests.proof.kept import Kept, OtherRunError
from tests.proof.run import Part, fresh


@pytest.fixture(autouse=True)
def one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is checked out meanwhile, the code that runs is the same."""
    monkeypatch.setattr(prove, "_commit", lambda: "5e5e5e5")


def run(*arguments: str) -> int:
    return prove.main(["--cores", "1", *arguments])


def first_of(printed: str) -> int:
    match = re.search(r"seeds from (\d+) on", printed)
    assert match
    return int(match[1])


def test_the_seeds_are_drawn_anew_printed_and_taken_as_an_argument(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--fresh", "2") in (0, 1)
    first = first_of(capsys.readouterr().out)
    run("--fresh", "2")
    assert first_of(capsys.readouterr().out) != first
    run("--fresh", "2", "--first", str(first))
    assert first_of(capsys.readouterr().out) == first


def test_a_run_that_was_stopped_goes_on_with_its_seeds_and_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept"
    run("--fresh", "60", "--first", "0", "--keep", str(file))
    whole = capsys.readouterr().out
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    file.write_text("".join(lines[:2]) + lines[2][:20])
    run("--fresh", "60", "--keep", str(file))
    again = capsys.readouterr().out
    assert first_of(again) == 0
    assert "60 schedules" in whole
    assert "60 schedules" in again
    assert len(file.read_text().splitlines()) == 3


def test_a_file_of_another_run_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    Kept.begun(file, {"first": 1})
    with pytest.raises(OtherRunError, match="another run"):
        Kept.begun(file, {"first": 2})
    with pytest.raises(SystemExit):
        run("--fresh", "1", "--first", "5", "--keep", str(file))


def test_what_was_played_before_is_counted_once() -> None:
    part, kept = fresh(0, 100), Kept()
    assert isinstance(part, Part)
    kept.lines = [
        {
            "part": part.name,
            "chunk": 0,
            "played": 50,
            "unfinished": 3,
            "violations": [["one/many#7", "P1: it is refused"]],
            "excuses": {"SLOT": 4},
        }
    ]
    kept.recall(part)
    assert (part.played, part.unfinished, len(part.violations)) == (50, 3, 1)
    assert sum(part.excuses.values()) == 4


def test_a_run_whose_worker_is_killed_says_so_and_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the system kills one that fills its memory. The pool starts another, and forgets the work."""
    monkeypatch.setattr(proof_run, "result", lambda *_, **__: os._exit(1))
    monkeypatch.setattr(proof_run, "LOOK_SECONDS", 0.1)
    with pytest.raises(RuntimeError, match="a worker of the proof was killed"):
        proof_run.run([Part("dies", ["one/two-slots"])], iter(lambda: None, 0), cores=1)
