"""A stranger adds a kind with two keys: a file of facts, a page, and `make generate`."""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
from pathlib import Path

import pytest

from scripts import generate
from tests import programs
from tests.infra.bicep import bicep, warnings
from tests.parts import ROOT

MADE_UP = Path(__file__).parent / "made_up"
BY_HAND = ("rotators/sundial_key.py", "docs/rotators/sundial-key.md")
LEFT_OUT = (".*", "node_modules", "dist", "__pycache__", "images", "azure_cli", "made_up")
CHECKS = (
    "tests/test_kinds.py",
    "tests/test_docs.py",
    "tests/test_pages.py",
    "tests/rotators/test_contract.py",
    "tests/rotators/test_two_keys.py",
    "tests/rotators/test_key_acceptance.py",
    "tests/adversary/test_keys_switched_off.py",
    "tests/crash/test_calls.py",
    "simulated-azure/simulator_tests/keys/test_keys.py",
)
"""Where every kind is judged, but for what deploys the template."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository with the kind and its page, after `make generate`."""
    folder = tmp_path_factory.mktemp("stranger") / "rekey"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    for name in BY_HAND:
        shutil.copy(MADE_UP / Path(name).name, folder / name)
    run(folder, "-m", "scripts.generate")
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Run Python in the copy, which has no compiler for the template; return what it printed."""
    path = os.pathsep.join(map(str, (folder, folder / "simulated-azure")))
    env = {"PATH": "", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = programs.run(sys.executable, *arguments, cwd=folder, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(folder: Path) -> set[str]:
    """Return the files of the copy that are not as in the repository."""
    paths = (
        path for path in folder.rglob("*") if path.is_file() and ".pytest_cache" not in path.parts
    )
    names = (path.relative_to(folder).as_posix() for path in paths)
    return {
        name
        for name in names
        if not (ROOT / name).exists() or not filecmp.cmp(ROOT / name, folder / name, shallow=False)
    }


def test_a_file_and_a_page_are_all_that_a_kind_with_two_keys_takes(copy: Path) -> None:
    assert run(copy, "-m", "tests.missing").startswith("Nothing is missing for the 3")
    # It says of nothing that it outlives a refusal.
    assert changed(copy) == {*BY_HAND, *generate.WRITTEN} - {"docs/leaks.md"}
    words = "sundial or Sundial or generate or registry or navigation"
    output = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", words, *CHECKS)
    assert " passed" in output.splitlines()[-1]


def test_the_template_of_a_kind_that_the_compiler_does_not_know_has_no_warning(copy: Path) -> None:
    done = bicep("build", str(copy / "infra" / "main.bicep"), "--stdout")
    assert (done.code, warnings(done)) == (0, [])
    assert "Microsoft.Sundial/dials/regenerateKey/action" in done.output
