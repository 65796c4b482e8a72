"""`make mutate` notices what tests notice, and its list of reasons is about the code as it is."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from itertools import repeat
from pathlib import Path

import pytest

from scripts.mutation import trial
from scripts.mutation.changes import changes
from scripts.mutation.reach import all_code
from scripts.mutation.reasons import Reasons
from scripts.mutation.run import TARGETS, drawn, mutants
from tests import programs
from tests.parts import ROOT

CODE = """
def grown_up(age: int) -> bool:
    return age >= 18

def drinks(age: int) -> str:
    return "beer" if grown_up(age) else "juice"

class Guest:
    def order(self) -> str:
        return drinks(9)

class Regular(Guest):
    def order(self) -> str:
        return super().order()
"""
TESTS = """
from small import Regular, drinks, grown_up

def test_an_adult_is_grown_up():
    assert grown_up(30)

def test_a_child_drinks_juice():
    assert drinks(9) == "juice"

def test_a_regular_guest_orders_as_every_guest_does():
    assert Regular().order() == "juice"
"""


def names(body: str) -> list[str]:
    return [change.what for change in changes(f"def f(x, y=1):\n    {body}\n")]


@pytest.mark.parametrize(
    "body",
    [
        "'''x or y'''",
        "z: int | None",
        "log.warning('%s', x or y)",
        "raise ValueError(f'{x + 1} of ' + ('a' if x else 'b'))",
        "return None",
        "return ''",
        "super().f(x)",
    ],
)
def test_what_no_test_need_notice_is_not_changed(body: str) -> None:
    is_left_out = body.startswith(("log", "raise"))
    assert [name.partition(": ")[2] for name in names(body)] == [body] * is_left_out


def test_a_rule_is_left_out_and_each_part_of_it() -> None:
    assert names("if x and y > 1: return z") == [
        "if x → if True: if x and y > 1:",
        "if x → if False: if x and y > 1:",
        "And → the other: x and y > 1",
        "without x: x and y > 1",
        "without y > 1: x and y > 1",
        "Gt → GtE: y > 1",
        "1 → another: 1",
        "return x → return None: return z",
    ]
    (change,) = (c for c in changes("def f():\n    return x and y\n") if "without x" in c.what)
    assert ast.unparse(change.made()) == "def f():\n    return y"


@pytest.mark.parametrize(
    ("body", "what", "made"),
    [
        ("raise Busy(x)", "a way out is left out", "pass"),
        ("x.a = y", "an assignment is left out", "pass"),
        ("x += y", "Add= → Sub=", "x -= y"),
        ("g(x, a=y)", "not given a=y", "g(x)"),
        ("g(x, **y)", "not given **y", "g(x)"),
        ("any(x)", "any → all", "all(x)"),
        ("suppress(x)", "nothing is suppressed", "suppress()"),
        ("[z for z in x if z if y]", "every item, not only if z", "[z for z in x if y]"),
        ("0 <= x < y", "LtE → Lt at 1", "0 < x < y"),
        ("0 <= x < y", "Lt → LtE at 2", "0 <= x <= y"),
    ],
)
def test_what_else_is_changed(body: str, what: str, made: str) -> None:
    (change,) = (it for it in changes(f"def f(x, y=1):\n    {body}\n") if what in it.what)
    assert ast.unparse(change.made()) == f"def f(x, y=1):\n    {made}"


def test_an_error_is_not_caught_any_more() -> None:
    source = "def f():\n    try:\n        g()\n    except (A, B):\n        pass\n"
    made = {it.what: ast.unparse(it.made()) for it in changes(source)}
    assert made["but for A: except (A, B):"] == ast.unparse(ast.parse(source.replace("A, B", "B,")))


def test_the_same_change_is_made_once() -> None:
    assert names("while not x: y()") == ["not x → x: not x", "a call is left out: y()"]
    assert names("while x == y: pass") == ["Eq → NotEq: x == y"]
    assert names("return True") == ["True → another: True"]


def test_two_changes_have_two_names() -> None:
    assert names("return (x + 1, x + 1)") == [
        "return x → return None: return (x + 1, x + 1)",
        "Add → Sub: x + 1",
        "1 → another: 1",
        "Add → Sub: x + 1 #2",
        "1 → another: 1 #2",
    ]


def test_a_changed_method_fits_its_class_though_it_calls_the_base_class_no_more() -> None:
    source = "class C(B):\n    def f(self):\n        return [super().f()]\n"
    (change,) = changes(source)
    codes = list(all_code(compile(change.made(), "", "exec")))
    (code,) = (code for code in codes if code.co_name == "f")
    assert code.co_freevars == ("__class__",)


def test_how_long_to_wait_is_no_text_of_an_error() -> None:
    assert names("raise Busy('later', retry_after=x + 5)")[1:] == [
        "Add → Sub: x + 5",
        "5 → another: 5",
    ]


def run(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "small.py").write_text(CODE)
    (folder / "test_small.py").write_text(tests)
    command = [sys.executable, "-m", "scripts.mutation.run", "small.py", "--tests", "test_small.py"]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    return programs.run(*command, cwd=folder, env=env)


def test_a_change_lives_where_no_test_is_at_the_boundary(tmp_path: Path) -> None:
    ended = run(tmp_path, TESTS)
    assert ended.returncode == 1, "four of nine live, and nothing says why"
    assert "grown_up: GtE → Gt: age >= 18" in ended.stdout
    assert "grown_up: 18 → another: 18" in ended.stdout
    assert "5 of 9 changes were noticed (55.6%)" in ended.stdout


def test_tests_that_fail_although_nothing_is_changed_judge_nothing(tmp_path: Path) -> None:
    once = "import os\n\ndef test_once(pid=os.getpid()):\n    assert grown_up(30) and pid == os.getpid()\n"
    ended = run(tmp_path, f"{TESTS}\n{once}")
    assert ended.returncode
    assert "nothing is changed, and yet: noticed by test_small.py::test_once" in ended.stdout
    assert "changes were noticed" not in ended.stdout


def test_a_seed_draws_the_same_changes_each_time_and_any_of_them_in_the_end() -> None:
    assert drawn(range(56), 9, seed=7) == [3, 4, 6, 9, 20, 23, 25, 34, 41]
    assert {number for seed in range(40) for number in drawn(range(56), 9, seed)} == set(range(56))
    assert drawn(range(5), 9, seed=7) == [0, 1, 2, 3, 4]


def test_what_never_ends_is_ended_by_the_processors_time() -> None:
    assert trial.forked(lambda: "an answer", seconds=60) == (True, "an answer")
    assert trial.forked(lambda: "".join(repeat("")), seconds=1) == (False, "SIGXCPU")


def test_each_reason_is_about_a_change_of_a_function_that_reads_as_it_did() -> None:
    made = {mutant.name: mutant.change.digest for mutant in mutants(TARGETS)}
    stale = {
        name: made.get(name, "no such change")
        for name, reason in Reasons.read().by_name.items()
        if made.get(name) != reason.digest
    }
    assert not stale, "does the reason still hold? then write the digest that stands here"
