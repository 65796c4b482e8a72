"""Scan the product: dependencies, code, infrastructure, workflows, and secrets in the tree.

make scan                                      all of it, or
python scripts/security_scan.py [SCAN …] [--json]     with the dependency group `delivery`

Exit code 0: everything was checked, without findings. 1: there are findings. 2: no such scan. 3: no
findings, but something could not be checked, such as the dependencies if the list of
vulnerabilities is out of reach.
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
    scan.__name__: scan
    for scan in (
        scanners.dependencies,
        scanners.infrastructure,
        scanners.workflows,
        scanners.secrets,
    )
}


def verdict(results: Sequence[Result]) -> int:
    """Return the exit code: a finding outweighs an unchecked part."""
    states = {result.state for result in results}
    if "findings" in states:
        return FOUND
    return UNCHECKED if "unchecked" in states else CLEAN


def table(results: Sequence[Result]) -> str:
    """Return the results for people."""
    lines: list[str] = []
    for result in results:
        counted = f"{result.looked_at:>4} looked at"
        lines.append(f"{result.name:<15} {result.state:<10} {counted}  {result.unchecked}".rstrip())
        lines += [
            f"    {finding.rule:<28} {finding.where}  {finding.what}" for finding in result.findings
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str], scans: Mapping[str, Callable[[], Result]] = SCANS) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "scans",
        nargs="*",
        choices=[*scans, []],
        metavar="SCAN",
        help=f"some of: {', '.join(scans)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    results = [scans[name]() for name in options.scans or scans]
    whole = [dataclasses.asdict(result) | {"state": result.state} for result in results]
    print(json.dumps(whole, indent=2) if options.json else table(results))
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
