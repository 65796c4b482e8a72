"""Rotate with what others have written under faults, and print what each keeps: docs/others.md.

    make others                             fetched from GitHub and PyPI, as pinned
    make others ARGS='--aws FOLDER'         a checkout or a git directory is there already
    make others ARGS='--without aws'        or azurator: where one of them cannot be had
    make others ARGS='--histories FOLDER'   write the histories down, too
    make others ARGS=--write                write the table into the page

Nothing of theirs is part of this repository. What cannot be had is left out, and said in the end;
of what was played, the columns are compared with the page's. Exits with 1 where those are others,
and with 3 where something could not be had.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from scripts.others import aws, azurator
from scripts.others.counting import Counted, NotHadError, table
from scripts.others.scene import MODES
from tests.proof import campaign, case
from tests.proof.run import file_of

PAGE = Path(__file__).parents[2] / "docs" / "others.md"
TABLE = re.compile(r"^\| \|.*?\n\n", re.MULTILINE | re.DOTALL)
OURS = {
    "Rekey, one password": "one/one-slot",
    "Rekey, two logins": "one/two-logins",
    "Rekey, two keys": "one/two-slots",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play every rotator, and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="others", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--aws", type=Path, metavar="FOLDER", help=f"with {aws.REPOSITORY}")
    parser.add_argument("--without", choices=("aws", "azurator"), action="append", default=[])
    parser.add_argument("--histories", type=Path, metavar="FOLDER")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    missing: list[str] = []
    counted = [*_theirs(options, missing), *map(_ours, OURS)]
    if options.histories:
        _keep(counted, options.histories)
    lines = table(counted)
    print(*lines, "", *_examples(counted), sep="\n")
    code = compared(lines, write=options.write and not (missing or options.without))
    print(*missing, sep="\n", end="\n" if missing else "")
    return code or (3 if missing else 0)


def _theirs(options: argparse.Namespace, missing: list[str]) -> Iterator[Counted]:
    """Play what can be had; what cannot be is added to `missing`."""
    rotators: Mapping[str, Callable[[], Iterable[Counted]]] = {
        "aws": lambda: aws.played(aws.fetched(options.aws)),
        "azurator": lambda: azurator.played(azurator.fetched()),
    }
    for name, played in rotators.items():
        try:
            yield from () if name in options.without else played()
        except NotHadError as problem:
            missing.append(str(problem))


def _ours(name: str) -> Counted:
    """Play the same faults on the model that `make prove` plays on."""
    print(f"{name} …", file=sys.stderr, flush=True)
    without = {"P4": "does not apply"} if name == "Rekey, one password" else {}
    counted, scenario = Counted(name, without), OURS[name]
    faults = (it for it in campaign.singles_of(scenario) if it.plan[0][1] in MODES)
    twice = case.Case(scenario.replace("one/", "rotation/"))
    for schedule in (case.Case(scenario), *faults, twice):
        counted.add(str(schedule), case.witnessed(schedule).lines)
    return counted


def _keep(counted: Sequence[Counted], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for run, lines in chain.from_iterable(it.written.items() for it in counted):
        (folder / file_of(run)).write_text("".join(f"{line}\n" for line in lines))


def _examples(counted: Sequence[Counted]) -> Iterator[str]:
    """Return of each promise that is not always kept where that shows, by the name of its run."""
    for it in counted:
        yield from (example for _, example in sorted(it.examples.items()))


def compared(lines: Sequence[str], *, write: bool) -> int:
    """Compare what was played with the same columns of the page's table, or write it there."""
    page = PAGE.read_text()
    known = TABLE.search(page)
    printed, now = _columns(known[0].splitlines()[:-1] if known else ()), _columns(lines)
    if write:
        PAGE.write_text(TABLE.sub(lambda _: "\n".join([*lines, "", ""]), page, count=1))
    others = [name for name, cells in now.items() if printed.get(name) != cells]
    print(
        f"Of the {len(printed) - 1} columns of docs/others.md {len(now) - 1} were played:",
        f"{', '.join(others)} came out otherwise." if others else "they are the same.",
    )
    return 0 if write or not others else 1


def _columns(lines: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the cells of a table by column; that without a name says what the rows are."""
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return {name: tuple(cells) for name, _, *cells in zip(*rows, strict=True)}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())
