"""Plant a bug in a copy of Rekey, and see which promise it breaks: see docs/proof.md.

    make plant                                            the deliberate bugs, by name
    make plant ARGS='"an overlap is an hour short"'       one of them
    make plant ARGS="--sed 's/<= now/< now/' engine/planning/decision.py"
    make plant ARGS='--patch my.diff'                     what `git diff` has written

The copy is thrown away. In it the schedules of tests/proof/killers.py are played first, then fresh
seeds for as long as `--seconds` says. The proof's own checks judge each, and so does
scripts/check_history.py, from what was written down alone.

Exits with 0 where the bug is caught, with 1 where it lives, with 2 where it cannot be planted.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scripts.check_history import check
from tests.proof import campaign, search
from tests.proof.killers import KILLERS
from tests.proof.mutants import MUTANTS
from tests.proof.run import told

ROOT = Path(__file__).parents[1]
BUGS = sorted(name for name, mutant in MUTANTS.items() if mutant.scenarios)
"""The deliberate bugs that schedules tell; tests tell the others."""
LEFT_OUT = shutil.ignore_patterns(".*", "node_modules", "dist", "__pycache__")
FIRST, SPAN = 10_000_000, 1_000_000_000
LIVES = (
    "It lives: no promise was seen to break in {played} schedules. If you expected one to, tell us:\n"
    "open an issue with the change. A planted bug that lives is named in docs/proof.md."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant one bug, and say what came of it."""
    options = _parser().parse_args(arguments)
    if options.play:
        return play(options.bug, options.schedules, options.seconds)
    if not (options.bug or options.sed or options.patch):
        print(*BUGS, sep="\n")
        return 0
    if options.bug and options.bug not in BUGS:
        print(f"no deliberate bug is called {options.bug!r}: `make plant` lists them")
        return 2
    with tempfile.TemporaryDirectory(prefix="rekey-planted-") as folder:
        copy = Path(folder) / "rekey"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        if problem := _changed(copy, options.sed, options.patch):
            print(problem)
            return 2
        return _in(copy, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plant", description="Plant a bug in a copy of Rekey.")
    parser.add_argument("bug", nargs="?", help="the name of a deliberate bug")
    parser.add_argument("--sed", nargs=2, metavar=("EXPRESSION", "FILE"), help="as sed -E takes it")
    parser.add_argument("--patch", type=Path, metavar="FILE", help="as git apply takes it")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long to look (300)")
    parser.add_argument("--schedules", nargs="*", metavar="CASE", help="play these, and no others")
    parser.add_argument("--play", action="store_true", help=argparse.SUPPRESS)
    return parser


def _changed(copy: Path, sed: Sequence[str] | None, patch: Path | None) -> str:
    """Change the copy; returns why that is not possible, empty where it is done."""
    commands = []
    if sed:
        commands.append(["sed", "-E", "-i", sed[0], sed[1]])
    if patch:
        commands.append(["git", "apply", str(patch.resolve())])
    for command in commands:
        before = Path(copy / sed[1]).read_text() if sed and Path(copy / sed[1]).exists() else ""
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            return f"{' '.join(command)}: {done.stderr.strip()}"
        if command[0] == "sed" and sed and (copy / sed[1]).read_text() == before:
            return f"{sed[0]!r} changes nothing in {sed[1]}"
    return ""


def _in(copy: Path, options: argparse.Namespace) -> int:
    """Play in the copy, in a process of its own; returns its exit code."""
    named = [options.bug] if options.bug else []
    chosen = ["--schedules", *options.schedules] if options.schedules is not None else []
    command = [sys.executable, "-m", "scripts.plant", *named, "--play", *chosen]
    command += ["--seconds", str(options.seconds)]
    paths = os.pathsep.join([str(copy), str(copy / "simulated-azure")])
    done = subprocess.run(command, cwd=copy, env={**os.environ, "PYTHONPATH": paths}, check=False)  # noqa: S603
    return done.returncode


def play(bug: str | None, schedules: Sequence[str] | None, seconds: float) -> int:
    """Play schedules until one breaks a promise; returns the exit code."""
    patch, until, played = pytest.MonkeyPatch(), time.monotonic() + seconds, 0
    if bug:
        MUTANTS[bug].apply(patch)
    for text in _schedules(bug) if schedules is None else schedules:
        if time.monotonic() > until:
            break
        played += 1
        if _is_caught(text):
            return 0
    print(LIVES.format(played=played))
    return 1


def _schedules(bug: str | None) -> Iterator[str]:
    """Yield what tells a deliberate bug each, the one for this bug first; then fresh seeds."""
    if bug and bug in KILLERS:
        yield KILLERS[bug]
    elif bug:
        yield from (str(it) for place in MUTANTS[bug].scenarios for it in search.cases(place))
    yield from dict.fromkeys(KILLERS.values())
    yield from map(str, campaign.seeds(FIRST + secrets.randbelow(SPAN), SPAN))


def _is_caught(text: str) -> bool:
    problem, lines, _ = told(text)
    broken = check(lines)
    if not (problem or broken):
        return False
    print(f"Caught in the schedule {text}:")
    print(f"    the proof: {problem or 'nothing broken'}")
    print(*(f"    its history, line {line}: {problem}" for line, problem in broken[:3]), sep="\n")
    print("Play it again without the bug, and see what happens there:")
    print(f"    python -m scripts.prove --replay '{text}'")
    return True


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())
