"""`make unmet` names the conditions that no test decides otherwise, and no others."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from scripts.mutation.unmet import Conditions
from tests import programs
from tests.parts import ROOT

CODE = """
def drinks(age: int, is_guest: bool) -> str:
    if age >= 18 and not is_guest:
        return "beer"
    return "juice" if age else "milk"
"""
TESTS = """
import pytest
from small import drinks

@pytest.mark.parametrize(("age", "drink"), [(30, "beer"), (9, "juice")])
def test_it(age, drink):
    assert drinks(age, False) == drink
"""


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "small.py").write_text(CODE)
    (folder / "test_small.py").write_text(TESTS)
    command = [sys.executable, "-m", "scripts.mutation.unmet", "small.py"]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    return programs.run(*command, "--tests", "test_small.py", "--seeds", "0", cwd=folder, env=env)


def test_what_no_test_decides_otherwise_is_named_and_nothing_else(tmp_path: Path) -> None:
    ended = run(tmp_path)
    assert ended.returncode == 0
    assert [line for line in ended.stdout.splitlines() if line.startswith("small.py")] == [
        "small.py:3 nothing needs `not is_guest` in age >= 18 and (not is_guest)",
        "small.py:5 never False: age",
    ]
    assert "2 of 6 ways in which a condition may be decided were not met" in ended.stdout


def test_what_waits_or_names_a_value_is_asked_as_a_whole_alone() -> None:
    changed = Conditions("small.py")
    changed.visit(ast.parse("async def f(x):\n    if (y := x) and await y:\n        pass\n"))
    assert [*changed.ways.values()] == [
        "small.py:2 never True: (y := x) and await y",
        "small.py:2 never False: (y := x) and await y",
    ]
