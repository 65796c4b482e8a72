"""Check histories against the eight promises, knowing nothing but docs/history.md.

    python -m scripts.check_history FILE...     files, or folders of them

Prints each violation with its file and line. Exits with 0 where there is none, with 1 where a
promise was broken, with 2 where a file is no history or there is none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from scripts.history.promises import Promises
from scripts.history.things import NotAHistoryError


def check(lines: Iterable[str]) -> list[tuple[int, str]]:
    """Return what breaks a promise in a history, each with the line that shows it.

    Raises NotAHistoryError where the lines are none.
    """
    promises = Promises()
    for number, text in enumerate(lines, start=1):
        try:
            promises.read(json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotAHistoryError(f"line {number}: {error!r}") from error
    return sorted((line, text) for text, line in promises.broken.items())


def files(names: Sequence[str]) -> Iterator[Path]:
    """Yield the files, and those in the folders."""
    for path in map(Path, names):
        yield from sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check files; returns the exit code."""
    histories = violations = 0
    for path in files(sys.argv[1:] if arguments is None else arguments):
        try:
            with path.open() as lines:
                broken = check(lines)
        except (OSError, NotAHistoryError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 2
        histories, violations = histories + 1, violations + len(broken)
        for line, text in broken:
            print(f"{path}:{line}: {text}")
    print(f"{histories} histories, {violations} violations")
    return int(violations > 0) if histories else 2


if __name__ == "__main__":
    sys.exit(main())
