"""The app's folder is last on the path: no package it ships may have a module of its names."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
LOCKED = dict(PINNED.findall((ROOT / "requirements.txt").read_text()))
# What .funcignore keeps out of the package cannot clash.
OURS = {"api", "cloud", "composition", "engine", "function_app", "leaks", "rotators"}
MARKED_FOR_OTHERS = {"colorama", "pywin32"}


def modules(distribution: Distribution) -> set[str]:
    """Return the top-level names that a wheel puts on the path."""
    tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    ours = [top for top in tops if not top.endswith(".dist-info")]
    return {top.removesuffix(".py").partition(".cpython")[0] for top in ours}


def installed(name: str) -> Distribution | None:
    """Return a locked wheel as it is installed; None for one of another platform."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def test_the_names_are_those_of_the_packages_top_level() -> None:
    paths = [*ROOT.glob("*.py"), *(path.parent for path in ROOT.glob("*/__init__.py"))]
    tops = {path.name.removesuffix(".py") for path in paths}
    assert tops - {"bench", "cli", "conftest", "conformance", "demo", "scripts"} == OURS


def test_every_locked_wheel_is_looked_at() -> None:
    absent = {name for name in LOCKED if installed(name) is None}
    assert absent <= MARKED_FOR_OTHERS
    assert len(LOCKED) > 20


@pytest.mark.parametrize("name", LOCKED)
def test_no_dependency_has_a_module_of_a_name_of_ours(name: str) -> None:
    wheel = installed(name)
    assert wheel is None or not modules(wheel) & OURS


def test_a_clash_would_be_seen() -> None:
    wheel = installed("azure-core")
    assert wheel
    assert "azure" in modules(wheel)
