"""Every test is in one part, and what the commands say of the parts is so."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import parts
from tests.parts import PARTS, part_of
from tests.shared.makefile import MAKEFILE

ROOT = Path(__file__).parents[1]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
LOCKED: dict[str, dict[str, Any]] = {package["name"]: package for package in LOCK["package"]}
MOST_MEGABYTES = 500
LINUX = re.compile(r"(cp313-cp313|abi3|py3-none|py2\.py3-none)-(any|manylinux\w*x86_64)")


@pytest.mark.parametrize("place", [*chain(*PARTS.values()), *parts.BOTH])
def test_every_path_of_the_table_exists(place: str) -> None:
    assert (ROOT / place).exists()


def test_a_file_that_needs_a_package_which_is_not_fetched_is_skipped_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="playwright is missing: `make test-system`"):
        parts.Unfetched.find_spec("playwright.sync_api")
    parts.Unfetched.find_spec("json.no_such_module")
    monkeypatch.setenv("CI", "true")
    parts.Unfetched.find_spec("playwright")


def test_no_part_names_a_path_twice() -> None:
    places = [place for named in PARTS.values() for place in named]
    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("tests/engine/planning/test_decide.py", "product"),
        ("tests/proof/test_share.py", "faults"),
        ("tests/proof/test_found.py", "product"),
        ("tests/infra", "system"),
        ("tests", "product"),
    ],
)
def test_the_longest_path_decides(path: str, part: str) -> None:
    assert part_of(ROOT / path) == part


def test_a_folder_is_looked_into_for_the_part_of_one_file_in_it() -> None:
    assert parts.holds(ROOT / "tests/proof", ["product"])
    assert parts.holds(ROOT / "tests/cloud", ["system"])
    assert not parts.holds(ROOT / "tests/engine", ["system"])
    assert not parts.holds(ROOT / "tests/simulator", ["product", "faults"])


def test_of_a_long_table_the_sample_alone_runs_by_day() -> None:
    rows = parts.sampled([("a", 1), ("b", 2)], [("b", 2)])
    assert [row.values for row in rows] == [("a", 1), ("b", 2)]
    assert [bool(row.marks) for row in rows] == [True, False]
    with pytest.raises(AssertionError, match="rows of its table"):
        parts.sampled(["a"], ["c"])


def test_of_two_lists_each_row_of_either_runs_by_day() -> None:
    rows = parts.crossed("abc", [1, 2])
    assert len(rows) == 6
    assert [row.values for row in rows if not row.marks] == [("a", 1), ("b", 2), ("c", 1)]
    with pytest.raises(AssertionError, match="by day"):
        parts.crossed("a", [1, 2])


def options(part: Sequence[str] = (), *, whole: bool = False, named: bool = False) -> Any:
    source = pytest.Config.ArgsSource
    return SimpleNamespace(
        option=SimpleNamespace(part=list(part), whole=whole),
        args_source=source.ARGS if named else source.TESTPATHS,
    )


def test_a_run_says_which_parts_it_left_out_and_what_runs_them() -> None:
    line = parts.closing_line(options(["product"]))
    assert [name for name in PARTS if f"{name} (" in line] == ["simulator", "system", "faults"]
    assert line.endswith("make test-all.")
    assert parts.closing_line(options()) == ""


def test_a_run_of_all_parts_says_that_rows_were_left_out() -> None:
    assert "make test-whole" in parts.rows_left_out(options())
    assert parts.rows_left_out(options(whole=True)) == ""
    assert parts.rows_left_out(options(named=True)) == ""
    assert parts.rows_left_out(options(["faults"])) == ""


def test_long_files_come_before_the_short_ones_of_the_product() -> None:
    paths = ("tests/engine/test_secret.py", "tests/e2e/test_demo.py")
    items: list[Any] = [
        SimpleNamespace(path=ROOT / path, get_closest_marker=lambda _: None) for path in paths
    ]
    parts.select(options(), items)
    assert [item.path.name for item in items] == ["test_demo.py", "test_secret.py"]


@cache
def imported(path: Path) -> Sequence[str]:
    """Return what a file imports when it is loaded: what a function imports may be missing."""
    names: list[str] = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


@cache
def own_file(name: str) -> Path | None:
    """Return the file of a module of this repository; None for another one."""
    path = ROOT / f"{name.replace('.', '/')}.py"
    return path if path.exists() else None


def reached(path: Path) -> set[str]:
    """Return the packages that are loaded with a file of tests, its conftests among it."""
    pending, seen, packages = [path], set[Path](), set[str]()
    pending += [
        conftest for folder in path.parents if (conftest := folder / "conftest.py").exists()
    ]
    while pending:
        file = pending.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imported(file):
            pending += filter(None, [own_file(name)])
            packages.add(name.partition(".")[0])
    return packages


def test_what_make_test_runs_needs_no_package_of_the_other_parts() -> None:
    system = {package["name"] for package in LOCKED["rekey"]["dev-dependencies"]["system"]}
    assert system == {"chdb-core", "playwright", "pyelftools"}
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if part_of(path) == "product"]
    assert len(files) > 200
    needing = {path.name: reached(path) & {"chdb", "playwright", "elftools"} for path in files}
    assert {name: packages for name, packages in needing.items() if packages} == {}


def needed(names: Iterable[str]) -> set[str]:
    """Return these packages, and those that they need."""
    pending, every = list(names), set[str]()
    while pending:
        name = pending.pop()
        if name not in every:
            every.add(name)
            pending += [of["name"] for of in LOCKED[name].get("dependencies", ())]
    return every


def megabytes(name: str) -> float:
    """Return what of a package is fetched on Linux."""
    wheels: list[dict[str, Any]] = LOCKED[name].get("wheels", [])
    fitting = [int(wheel["size"]) for wheel in wheels if LINUX.search(wheel["url"])]
    return max(fitting, default=int(LOCKED[name].get("sdist", {}).get("size", 0))) / 1e6


def of_groups(*groups: str) -> Iterator[str]:
    rekey = LOCKED["rekey"]
    yield from (package["name"] for package in rekey["dependencies"])
    for group in groups:
        yield from (package["name"] for package in rekey["dev-dependencies"][group])


def test_what_the_tests_fetch_is_less_than_make_says() -> None:
    """Beside the packages: uv, 25 MB, and Python where there is none, 30 MB."""
    (most,) = map(int, re.findall(r"packages for the tests: (\d+) MB", MAKEFILE))
    fetched = sum(map(megabytes, needed(of_groups("cli", "dev", "simulator")))) + 55
    assert fetched > 100
    assert fetched <= most <= MOST_MEGABYTES
