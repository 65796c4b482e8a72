"""Rotate with the functions of others under faults, and print what each keeps: see docs/others.md.

    make others                             the pinned commit is fetched from GitHub
    make others ARGS='--aws FOLDER'         a checkout of it is there already
    make others ARGS='--histories FOLDER'   write the histories down, too

Nothing of theirs is part of this repository. Exits with 3 where it cannot be had.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import logging
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from scripts.others.playing import TWO, Counted, play
from scripts.others.scene import MODES
from tests.postgresql import start_postgresql
from tests.proof import campaign, case
from tests.proof.run import file_of

REPOSITORY = "aws-samples/aws-secrets-manager-rotation-lambdas"
COMMIT = "b4b8eca63e1f61bbcfb18c291b640f4fc3b0deb8"
FUNCTIONS: Mapping[str, tuple[str, str, str]] = {
    "AWS, single user": (
        "SecretsManagerRDSPostgreSQLRotationSingleUser",
        "one",
        "a2e44db80dafbf059ce82202e49931f10d1761ce22faf88c50c98b4016959152",
    ),
    "AWS, alternating users": (
        "SecretsManagerRDSPostgreSQLRotationMultiUser",
        "two",
        "dacbbc540f02c244198086cae7d35a409935e8a5141ad2b0cb3d7d9ef2aa35e1",
    ),
}
"""Folder, how many credentials the source holds, and the digest of the function's file."""
OURS = {"Rekey, one password": "one/one-slot", "Rekey, two logins": "one/two-logins"}
ONE_PASSWORD = ("AWS, single user", "Rekey, one password")
"""The source holds a single password, which leaves no overlap to keep."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Play every rotator, and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="others", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--aws", type=Path, metavar="FOLDER", help=f"a checkout of {REPOSITORY}")
    parser.add_argument("--histories", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    try:
        texts = {name: _text(name, options.aws) for name in FUNCTIONS}
    except NotHadError as problem:
        print(problem)
        return 3
    counted = [*_theirs(texts), *map(_ours, OURS)]
    if options.histories:
        options.histories.mkdir(parents=True, exist_ok=True)
        for run, lines in chain.from_iterable(it.written.items() for it in counted):
            file = options.histories / file_of(run)
            file.write_text("".join(f"{line}\n" for line in lines))
    print(*table(counted), sep="\n")
    return 0


def _text(name: str, checkout: Path | None) -> str:
    """Return a function as it stands at the pinned commit; raises NotHadError."""
    folder, _, digest = FUNCTIONS[name]
    path = f"{folder}/lambda_function.py"
    try:
        content = (checkout / path).read_bytes() if checkout else _fetched()[path]
    except (OSError, LookupError, urllib.error.URLError, zipfile.BadZipFile) as error:
        raise NotHadError(
            f"{REPOSITORY} at {COMMIT[:7]} cannot be had: {error}. "
            "Give a checkout of that commit: --aws FOLDER"
        ) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise NotHadError(f"{path} is not what it is at {COMMIT}: check that commit out")
    return content.decode()


def _fetched() -> Mapping[str, bytes]:
    """Fetch the repository as a zip, and return its functions."""
    url = f"https://codeload.github.com/{REPOSITORY}/zip/{COMMIT}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    names = [name for name in archive.namelist() if name.endswith("/lambda_function.py")]
    return {name.partition("/")[2]: archive.read(name) for name in names}


def _theirs(texts: Mapping[str, str]) -> Iterator[Counted]:
    # Hundreds of sign-ins: each should cost the server little.
    with start_postgresql("scram_iterations = 1") as server:
        server.sql(*(f"CREATE ROLE {user} LOGIN PASSWORD '{word}'" for user, word in TWO.items()))
        for name, text in texts.items():
            print(f"{name} …", file=sys.stderr, flush=True)
            yield play(name, compile(text, name, "exec"), server, FUNCTIONS[name][1])


def _ours(name: str) -> Counted:
    """Play the same faults on the model that `make prove` plays on."""
    print(f"{name} …", file=sys.stderr, flush=True)
    counted, scenario = Counted(name), OURS[name]
    faults = (it for it in campaign.singles_of(scenario) if it.plan[0][1] in MODES)
    twice = case.Case(scenario.replace("one/", "rotation/"))
    for schedule in (case.Case(scenario), *faults, twice):
        counted.add(str(schedule), case.witnessed(schedule).lines)
    return counted


def table(counted: Sequence[Counted]) -> list[str]:
    """Return the table as Markdown, and an example of each promise that is not always kept."""
    names = " | ".join(it.name for it in counted)
    lines = [f"| | {names} |", "|---" * (len(counted) + 1) + "|"]
    lines.append(f"| histories | {' | '.join(str(it.histories) for it in counted)} |")
    refused = " | ".join(f"{it.refused}" for it in counted)
    lines.append(f"| current credential refused until the next try | {refused} |")
    for promise in PROMISES:
        cells = [_cell(it, promise[:2]) for it in counted]
        lines.append(f"| {promise} | {' | '.join(cells)} |")
    lines.append("")
    for it in counted:
        lines += [f"{it.name}: {example}" for _, example in sorted(it.examples.items())]
    return lines


def _cell(counted: Counted, promise: str) -> str:
    if promise == "P4" and counted.name in ONE_PASSWORD:
        return "does not apply"
    broken = counted.broken[promise]
    return f"broken in {broken}" if broken else "kept"


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())
