"""Which tests run when: the one place that says so.

`make test` runs the part `product`: what a person waits for before a push. `make test-all` runs all
parts, and `make test-<part>` one of them. `make test-whole` plays the rows marked `nightly`, too:
tables of which the other commands take a sample.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

ROOT = Path(__file__).parents[1]
PARTS: Mapping[str, Sequence[str]] = {
    "product": (
        "tests",
        # The cheap share of the proof: schedules that broke a promise once, or that tell a bug.
        "tests/proof/test_found.py",
        "tests/proof/test_killers.py",
        "tests/proof/test_long_proof.py",
    ),
    "simulator": ("simulated-azure", "tests/simulator"),
    "system": (
        "simulated-azure/simulator_tests/az",
        "tests/az",
        "tests/e2e",
        "tests/first_deployment",
        "tests/infra",
        "tests/scripts",
        "tests/api/test_chromium.py",
        "tests/api/test_dashboard_browser.py",
        "tests/api/test_page_incidents_browser.py",
        "tests/api/test_page_leak_browser.py",
        "tests/api/test_page_secret_browser.py",
        "tests/api/test_pages_firefox.py",
        "tests/cli/test_report_browser.py",
    ),
    "faults": (
        "tests/adversary",
        "tests/api/test_openapi_boundaries.py",
        "tests/conformance/test_every_fault.py",
        "tests/crash",
        "tests/proof",
    ),
}
"""The longest path that a test's own path begins with decides."""
REAL = ("shared_postgresql", "shared_mariadb", "shared_redis", "azure_cli")
"""Fixtures that start a program which `make test` does not fetch: who asks for one is in `system`."""
BOTH = (
    "tests/cloud/test_mysql.py",
    "tests/cloud/test_postgresql.py",
    "tests/cloud/test_redis.py",
    "tests/rotators/test_databases_for_real.py",
    "tests/rotators/test_redis_for_real.py",
)
"""Files of which some tests ask for one, and others do not."""
PACKAGES = ("playwright", "elftools", "chdb")
"""What only the group `system` of pyproject.toml has, and `make test` does not fetch."""
WHAT = {
    "product": "engine, rotators, cloud, API, command line, pages, a share of the proof",
    "simulator": "what the simulated Azure is held against",
    "system": "infra, az, browsers, real databases, whole apps",
    "faults": "crashes, an adversary, the proof",
}


@cache
def part_of(path: Path) -> str:
    """Return the part of a file or folder of tests."""
    fitting = (
        (len(place), name)
        for name, places in PARTS.items()
        for place in places
        if path.is_relative_to(ROOT / place)
    )
    return max(fitting, default=(0, "product"))[1]


def holds(path: Path, parts: Sequence[str]) -> bool:
    """Return whether a file or folder has tests of these parts."""
    below = [place for name in parts for place in PARTS[name]]
    below += BOTH if "system" in parts else ()
    return part_of(path) in parts or any((ROOT / place).is_relative_to(path) for place in below)


def part_of_item(item: pytest.Item) -> str:
    """Return the part of a collected test; raises UsageError if `BOTH` lacks its file."""
    part = part_of(item.path)
    real = [name for name in REAL if name in getattr(item, "fixturenames", ())]
    if real and part != "system" and not any(item.path == ROOT / place for place in BOTH):
        raise pytest.UsageError(f"{item.path} uses {real[0]}: name it in BOTH of tests/parts.py")
    return "system" if real else part


def options(parser: pytest.Parser) -> None:
    """Add `--part=<name>`, with its equals sign, and `--whole`."""
    parser.addoption(
        "--part",
        action="append",
        choices=sorted(PARTS),
        default=[],
        help="run only this part of the tests (tests/parts.py); paths that are named win",
    )
    parser.addoption(
        "--whole", action="store_true", help="run every row of the long tables, not a sample"
    )


class Unfetched:
    """Asked last for a module: a file that needs a package which is not there is skipped."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Skip the file whose tests need a package of the group `system`; fail where CI is set."""
        del path, target
        package = name.partition(".")[0]
        if package in PACKAGES and not os.environ.get("CI"):
            reason = f"the package {package} is missing: `make test-system` fetches it"
            pytest.skip(reason, allow_module_level=True)


def configure(config: pytest.Config) -> None:
    """Let named paths win over parts, before other processes are told of either."""
    sys.meta_path.append(Unfetched)
    config.addinivalue_line("markers", "nightly: a row of a long table that only --whole plays")
    if _names_paths(config):
        config.option.part = []


def _names_paths(config: pytest.Config) -> bool:
    is_worker = hasattr(config, "workerinput")
    return config.args_source is pytest.Config.ArgsSource.ARGS and not is_worker


def processes() -> int:
    """Return how many processes run tests: three for two cores, since one in three waits."""
    return (os.process_cpu_count() or 1) * 3 // 2


def ignore(path: Path, config: pytest.Config) -> bool | None:
    """Keep pytest out of files without a test that shall run."""
    parts: list[str] = config.option.part
    return True if parts and not holds(path, parts) else None


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests of other parts, and the rows that only run at night.

    Long files come first: the many short ones of the part `product` keep every process busy at the end.
    """
    parts: list[str] = config.option.part
    whole: bool = config.option.whole
    items.sort(key=lambda item: part_of(item.path) == "product")
    chosen = [
        item
        for item in items
        if (not parts or part_of_item(item) in parts)
        and (whole or not item.get_closest_marker("nightly"))
    ]
    if len(chosen) < len(items):
        gone = set(items) - set(chosen)
        config.hook.pytest_deselected(items=[item for item in items if item in gone])
        items[:] = chosen


def closing_line(config: pytest.Config) -> str:
    """Return which parts were left out, and the command that runs them; empty where none was."""
    parts: list[str] = config.option.part
    out = [f"{name} ({WHAT[name]})" for name in PARTS if parts and name not in parts]
    return f"Left out: {'; '.join(out)}. Everything: make test-all." if out else ""


def rows_left_out(config: pytest.Config) -> str:
    """Return that rows were left out of all parts, and the command that plays them."""
    if config.option.part or config.option.whole or _names_paths(config):
        return ""
    return "Left out: rows of long tables. With them: make test-whole."


def crossed[S, T](first: Sequence[S], second: Sequence[T]) -> list[ParameterSet]:
    """Return all pairs for `parametrize`.

    Each of the first runs with one of the second by day, in turn, and with all at night: that is for
    two that fail independently of each other.
    """
    assert len(first) >= len(second), "each of the second runs by day"
    return [
        pytest.param(row, column, marks=() if at % len(second) == turn else pytest.mark.nightly)
        for at, row in enumerate(first)
        for turn, column in enumerate(second)
    ]


def sampled[T](rows: Sequence[T], sample: Collection[T]) -> list[ParameterSet]:
    """Return all rows for `parametrize`; those that are not in the sample run at night."""
    assert not set(sample) - set(rows), "a sample holds rows of its table"
    marks = [() if row in sample else pytest.mark.nightly for row in rows]
    return [
        pytest.param(*(row if isinstance(row, tuple) else (row,)), marks=mark)
        for row, mark in zip(rows, marks, strict=True)
    ]
