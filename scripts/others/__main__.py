"""Rotate with what others have written under faults, and print what each keeps: docs/others.md.

    make others                             fetched from GitHub and PyPI, as pinned
    make others ARGS='--aws FOLDER'         a checkout or a git directory is there already
    make others ARGS='--without aws'        or azurator: where one of them cannot be had
    make others ARGS='--histories FOLDER'   write the histories down, too
    make others ARGS=--write                write the table into the page

Nothing of theirs is part of this repository. Exits with 1 where the page has another table, and
with 3 where something cannot be had.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Iterator, Sequence
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
    try:
        texts = {} if "aws" in options.without else aws.fetched(options.aws)
        python = None if "azurator" in options.without else azurator.fetched()
    except NotHadError as problem:
        print(problem)
        return 3
    counted = [*(aws.played(texts) if texts else ()), *_azurator(python), *map(_ours, OURS)]
    if options.histories:
        _keep(counted, options.histories)
    lines = table(counted)
    print(*lines, "", *_examples(counted), sep="\n")
    return 0 if options.without else compared(lines, write=options.write)


def _azurator(python: Path | None) -> Iterator[Counted]:
    if python:
        print(f"{azurator.NAME} …", file=sys.stderr, flush=True)
        yield azurator.play(python)


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
    """Compare the table with the page's, or write it there."""
    page = PAGE.read_text()
    due = TABLE.sub(lambda _: "\n".join([*lines, "", ""]), page, count=1)
    if write:
        PAGE.write_text(due)
    same = due == page
    print(
        "The table of docs/others.md is the same."
        if same
        else "The table of docs/others.md is another one."
    )
    return 0 if same or write else 1


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())
