"""What `uv tool install ./cli` installs: one module with its imports, of which none is deployed."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.package import files
from tests.parts import ROOT
from tests.programs import run

APP = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOL = tomllib.loads((ROOT / "cli" / "pyproject.toml").read_text())
FORCED = TOOL["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
INCLUDED = {target: (ROOT / "cli" / source).resolve() for source, target in FORCED.items()}
OURS = {path.parent.name for path in ROOT.glob("*/__init__.py")}
OURS |= {"tests", "simulator", "scripts", "bench"}
PACKAGES = {
    target.rpartition("/")[2] for target in INCLUDED if target.startswith("rekey_keyvault/app/")
}
HOST_ALONE = frozenset(
    {"azure-functions", "azure-functions-runtime", "azure-monitor-opentelemetry"}
)
HOST_ALONE |= {"azurefunctions-extensions-base"}
"""What only the deployed app loads."""


def bare(requirement: str) -> str:
    return re.split(r"[<>=!~\[ ]", requirement)[0]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out what a wheel would install, and return the folder."""
    folder = tmp_path_factory.mktemp("site-packages")
    for target, source in INCLUDED.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, folder / target)
    return folder


def test_one_module_is_installed_whose_name_cannot_clash(installed: Path) -> None:
    assert [path.name for path in installed.iterdir()] == ["rekey_keyvault"]
    assert TOOL["project"]["name"] == "rekey-keyvault"


@pytest.mark.parametrize("line", ["--version", "--help", "completion bash", "status"])
def test_what_is_installed_runs_by_itself(installed: Path, line: str) -> None:
    module, _, name = TOOL["project"]["scripts"]["rekey"].partition(":")
    start = f"import sys; sys.path.append({str(installed)!r}); from {module} import {name}; "
    start += f"sys.exit({name}())"
    ran = run(sys.executable, "-P", "-c", start, *line.split(), cwd=installed, env={})
    assert "Traceback" not in ran.stderr
    assert ran.returncode == (3 if line == "status" else 0), ran.stderr


def test_every_package_of_ours_that_is_imported_is_installed_too() -> None:
    modules = [
        source for target, source in INCLUDED.items() if target.rpartition("/")[2] in PACKAGES
    ]
    imported = {name.partition(".")[0] for source in modules for name in _imports(source)}
    assert imported & OURS <= PACKAGES
    assert {"api", "cloud", "engine"} <= imported


def test_it_needs_what_the_app_needs_without_the_host_and_what_it_alone_needs() -> None:
    needed = {bare(requirement): requirement for requirement in TOOL["project"]["dependencies"]}
    shared = {
        bare(requirement): requirement
        for requirement in APP["project"]["dependencies"]
        if bare(requirement) not in HOST_ALONE
    }
    alone = {bare(requirement): requirement for requirement in APP["dependency-groups"]["cli"]}
    assert needed.items() >= (shared | alone).items()
    assert set(needed) - set(shared) - set(alone) == {"opentelemetry-api"}


def test_nothing_that_only_the_command_line_uses_is_deployed() -> None:
    assert not [name for name in files(ROOT) if name.startswith("cli/")]
    locked = {
        bare(line) for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line
    }
    assert not {bare(requirement) for requirement in APP["dependency-groups"]["cli"]} & locked


def _imports(place: Path) -> set[str]:
    paths = place.rglob("*.py") if place.is_dir() else [place]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
