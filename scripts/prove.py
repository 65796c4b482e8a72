"""Prove that failures break no promise; see docs/proof.md.

This plays every schedule that can be enumerated, and a sample of those that cannot.

    python -m scripts.prove                   1.6 million schedules, in three quarters of an hour
    python -m scripts.prove --long            more orders and seeds, and through the SDKs every fault
    python -m scripts.prove --share 0.1       a tenth of the pairs, orders and seeds
    python -m scripts.prove --fresh 300000    so many seeds, and nothing else
    python -m scripts.prove --near 300000     so many schedules near what was new, and nothing else
    python -m scripts.prove --first 4711      the seeds from there on, as a run printed it
    python -m scripts.prove --keep FILE       note what was played; go on from there
    python -m scripts.prove --replay CASE     one case again, with its trace
    python -m scripts.prove --histories DIR   write down what happens: see docs/history.md

The seeds are drawn anew each time. Which they are is printed first.

Exits with 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.proof.excuses import Excuse
from tests.proof.findings import known
from tests.proof.kept import Kept, OtherRunError, header
from tests.proof.run import LONG, USUAL, Part, fresh, parts, play, run, searched, written

FIRST, SPAN = 10_000_000, 1_000_000_000
"""From which number on the seeds are drawn, and how many numbers there are: below stand those that
the tests play."""
SHOWN = 10
"""How many violations of each part are printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof, or one case of it."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.replay:
        return replay(options.replay, options.histories)
    began = _begun(options)
    try:
        kept = Kept.begun(options.keep, began)
    except OtherRunError as other:
        parser.error(f"{other}; name another file, or check that commit out")
    first, seeds, near = began["first"], began["fresh"], began["near"]
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z, commit {began['commit']}, seeds from {first} on")
    print(f"    again with --first {first}", flush=True)
    alone = [*([fresh(first, seeds)] if seeds else ()), *([searched(first, near)] if near else ())]
    chosen = alone or parts(options.long, options.share, first)
    return prove(chosen, kept, options.cores, options.histories)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prove", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--replay", metavar="CASE", help="what a violation was printed with")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="how much of pairs, orders and seeds to play (0 to 1)",
    )
    parser.add_argument(
        "--long",
        action="store_const",
        const=LONG,
        default=USUAL,
        help="more orders and seeds, and through the SDKs every fault at a source's calls",
    )
    parser.add_argument("--first", type=int, help="the first of the seeds; drawn where left out")
    parser.add_argument("--fresh", type=int, metavar="SEEDS", help="play so many seeds alone")
    parser.add_argument("--near", type=int, metavar="SCHEDULES", help="search with so many alone")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="a file to go on from")
    parser.add_argument(
        "--histories", type=_folder, metavar="DIR", help="write down what happens, a file each"
    )
    parser.add_argument("--cores", type=int, help="how many to use; all where left out")
    return parser


def _folder(name: str) -> Path:
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _begun(options: argparse.Namespace) -> dict[str, Any]:
    """Return what tells this run from others; a run that goes on has the seeds that it had."""
    drawn = header(options.keep).get("first") if options.first is None else options.first
    return {
        "commit": _commit(),
        "first": FIRST + secrets.randbelow(SPAN) if drawn is None else drawn,
        "fresh": options.fresh or 0,
        "near": options.near or 0,
        "long": options.long is LONG,
        "share": options.share,
    }


def _commit() -> str:
    """Return the commit that is checked out, and whether something was changed since."""
    git = ("git", "describe", "--always", "--dirty", "--exclude=*")
    try:
        done = subprocess.run(git, check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "(none)"
    return done.stdout.strip()


def replay(text: str, histories: Path | None = None) -> int:
    """Play one case and print what happened in it."""
    logging.disable(logging.CRITICAL)
    if histories:
        written(text, histories)
    problem, trace = play(text)
    print(*trace, sep="\n")
    print(f"\n{text}: {problem or 'every promise held'}")
    return 1 if problem else 0


def prove(
    chosen: Sequence[Part],
    kept: Kept | None = None,
    cores: int | None = None,
    histories: Path | None = None,
) -> int:
    """Play parts of the proof and print the counts."""
    logging.disable(logging.CRITICAL)
    began = time.perf_counter()
    run(chosen, _progress(chosen, began), kept, cores, histories)
    print(f"\r{'':<78}\r" if sys.stdout.isatty() else "", end="")
    for part in chosen:
        _report(part)
    played, violations = (
        sum(part.played for part in chosen),
        sum(len(part.violations) for part in chosen),
    )
    unfinished = sum(part.unfinished for part in chosen)
    print(
        f"{'in all':<46}{played:>9,} schedules{violations:>6} "
        f"violations{time.perf_counter() - began:>7.0f} s"
    )
    print(
        f"{unfinished:,} of them were cut short: another one does the same, or their state "
        "had been seen."
    )
    _excuses(chosen)
    return 1 if violations else 0


def _report(part: Part) -> None:
    print(
        f"{part.name:<46}{part.played:>9,} schedules{len(part.violations):>6} "
        f"violations{part.seconds:>7.0f} s"
    )
    for text, count in part.known.items():
        print(f"    {count} times, known: {text}")
    new = [(text, problem) for text, problem in part.violations if not known(text, problem)]
    for text, problem in new[:SHOWN]:
        print(f"    {problem}\n        python -m scripts.prove --replay '{text}'")


def _excuses(chosen: Sequence[Part]) -> None:
    """Print which share of the model's schedules used each excuse."""
    model = [part for part in chosen if part.excuses]
    played = sum(part.played for part in model)
    for excuse in Excuse:
        count = sum(part.excuses[excuse] for part in model)
        if count:
            print(f"    {count / played:>6.2%} used: {excuse}")


def _progress(chosen: Sequence[Part], began: float) -> Iterator[None]:
    shown, terminal = began, sys.stdout.isatty()
    while True:
        now = time.perf_counter()
        if now - shown > (1 if terminal else 30):
            current = next((part for part in reversed(chosen) if part.played), chosen[0])
            violations = sum(len(part.violations) for part in chosen)
            line = (
                f"{now - began:>5.0f} s  {current.name}: {current.played:,}, violations so far "
                f"{violations}"
            )
            print(f"\r{line:<78}" if terminal else line, end="" if terminal else "\n", flush=True)
            shown = now
        yield


if __name__ == "__main__":
    sys.exit(main())
