"""Count which promises the histories of one rotator break, and print that as a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scripts.history.promises import Promises
from scripts.others.scene import MODES, Mode

PROMISES = (
    "P1 Nothing lost",
    "P2 No double rotation",
    "P3 Nothing published unproven",
    "P4 Nothing cut off early",
    "P5 Nothing left behind",
    "P6 Nothing leaks",
    "P7 Nothing unowned",
    "P8 No silence",
)


class NotHadError(Exception):
    """What others have written cannot be had."""


@dataclass
class Counted:
    """How many histories of one rotator there are, and how many break each promise."""

    name: str
    without: Mapping[str, str] = field(default_factory=dict)
    """Promises that it cannot be held to, each with what the table says instead."""
    histories: int = 0
    refused: int = 0
    """In so many the source refused what is current when another try began."""
    broken: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    written: dict[str, list[str]] = field(default_factory=dict)

    def add(self, run: str, lines: list[str]) -> None:
        """Check one history, and count it."""
        self.histories += 1
        self.written[run] = lines
        promises = Promises()
        refused = False
        for line in map(json.loads, lines):
            promises.read(line)
            refused = refused or (line["do"] == "start" and bool(promises.refused()))
        self.refused += refused
        problems = list(promises.broken)
        for promise in sorted({text[:2] for text in problems}):
            self.broken[promise] += 1
            self.examples.setdefault(
                promise, f"{run}: {next(it for it in problems if it.startswith(promise))}"
            )

    def cell(self, promise: str) -> str:
        """Return what the table says of a promise."""
        broken = self.broken[promise[:2]]
        return self.without.get(promise[:2]) or (f"broken in {broken}" if broken else "kept")


def faults(whole: Sequence[str]) -> list[tuple[int, Mode]]:
    """Return each call of a history's first rotation with each fault that makes a difference."""
    first = whole[: next(at for at, text in enumerate(whole) if '"do": "done"' in text)]
    changing = {json.loads(it).get("call") for it in first if '"applied"' in it}
    calls = sum('"do": "call"' in text for text in first)
    # Where nothing changes, dying before a call and after it are the same.
    return [
        (at, mode)
        for at in range(calls)
        for mode in (MODES if at + 1 in changing else (MODES[0], MODES[2]))
    ]


def table(counted: Sequence[Counted]) -> list[str]:
    """Return the table as Markdown."""
    rows = [
        ["histories", *(str(it.histories) for it in counted)],
        ["current credential refused until the next try", *(str(it.refused) for it in counted)],
        *([promise, *(it.cell(promise) for it in counted)] for promise in PROMISES),
    ]
    names = "".join(f" {it.name} |" for it in counted)
    lines = [f"| |{names}", "|---" * (len(counted) + 1) + "|"]
    return lines + [f"| {' | '.join(cells)} |" for cells in rows]
