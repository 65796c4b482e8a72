"""What `uv tool install .` installs: the command, all that it imports, and nothing that stays at home."""

from __future__ import annotations

import ast
import tomllib
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
OURS = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"tests", "simulator", "scripts", "bench"}


def test_the_command_is_a_function_of_the_package() -> None:
    module, _, name = PROJECT["project"]["scripts"]["rekey"].partition(":")
    assert module.partition(".")[0] in PACKAGES
    assert callable(getattr(import_module(module), name))


def test_every_package_of_ours_that_is_imported_is_installed_too() -> None:
    imported = {name.partition(".")[0] for package in PACKAGES for name in _imports(ROOT / package)}
    assert imported & OURS <= set(PACKAGES)
    assert {"api", "cloud", "engine"} <= imported


def _imports(package: Path) -> set[str]:
    nodes = [node for path in package.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
