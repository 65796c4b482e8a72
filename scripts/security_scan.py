"""Scan what is delivered: dependencies, code, infrastructure, workflows, and secrets in the tree.

make scan                                      all of it, or
python scripts/security_scan.py [SCAN …] [--json]     with the dependency group `delivery`

Exit code 0: everything was looked at and nothing found. 1: something was found. 2: no such scan. 3:
nothing was found, but
something could not be looked at, such as the dependencies where the list of vulnerabilities cannot
be reached.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # So that it runs as a file too.

from scripts import scanners
from scripts.scanners import Result

CLEAN, FOUND, UNCHECKED = 0, 1, 3
SCANS: Mapping[str, Callable[[], Result]] = {
    each.__name__: each
    for each in (
        scanners.dependencies,
        scanners.code,
        scanners.infrastructure,
        scanners.workflows,
        scanners.secrets,
    )
}


def verdict(results: Sequence[Result]) -> int:
    """Return the exit code: what was found outweighs what could not be looked at."""
    states = {each.state for each in results}
    if "findings" in states:
        return FOUND
    return UNCHECKED if "unchecked" in states else CLEAN


def table(results: Sequence[Result]) -> str:
    """Return the results for people."""
    lines: list[str] = []
    for each in results:
        lines.append(
            f"{each.name:<15} {each.state:<10} {each.looked_at:>4} looked at  {each.unchecked}".rstrip()
        )
        lines += [
            f"    {finding.rule:<28} {finding.where}  {finding.what}" for finding in each.findings
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str], scans: Mapping[str, Callable[[], Result]] = SCANS) -> int:
    """Do what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "scans",
        nargs="*",
        choices=[*scans, []],
        metavar="SCAN",
        help=f"some of: {', '.join(scans)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args(arguments)
    results = [scans[name]() for name in asked.scans or scans]
    whole = [dataclasses.asdict(each) | {"state": each.state} for each in results]
    print(json.dumps(whole, indent=2) if asked.json else table(results))
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
