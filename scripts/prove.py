"""Prove that failures break no promise; see docs/proof.md.

This plays every schedule that can be enumerated, and a sample of those that cannot.

    python -m scripts.prove                   over a million schedules, in about fifteen minutes on two cores
    python -m scripts.prove --long            more orders and seeds, and through the SDKs every fault
    python -m scripts.prove --share 0.1       a tenth of the pairs, orders and seeds
    python -m scripts.prove --replay CASE     one case again, with its trace

Exits with 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Sequence

from tests.proof.excuses import Excuse
from tests.proof.findings import known
from tests.proof.run import LONG, USUAL, Part, parts, play, run

SHOWN = 10
"""How many violations of each part are printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof, or one case of it."""
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
        help="play more orders and seeds, and through the SDKs every fault at a source's calls",
    )
    options = parser.parse_args(arguments)
    if options.replay:
        return replay(options.replay)
    return prove(parts(options.long, options.share))


def replay(text: str) -> int:
    """Play one case and print what happened in it."""
    logging.disable(logging.CRITICAL)
    problem, trace = play(text)
    print(*trace, sep="\n")
    print(f"\n{text}: {problem or 'every promise held'}")
    return 1 if problem else 0


def prove(chosen: Sequence[Part]) -> int:
    """Play parts of the proof and print the counts."""
    logging.disable(logging.CRITICAL)
    began = time.perf_counter()
    run(chosen, _progress(chosen, began))
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
