"""`make plant`: a bug that is planted in a copy is caught, and the tree stays as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import plant

ROOT = Path(__file__).parents[2]
BUG = "engine/rotation/publish.py"
ONE = ["--schedules", "one/two-slots"]
PATCH = """--- a/engine/__init__.py
+++ b/engine/__init__.py
@@ -1 +1 @@
-no such line
+another
"""


def test_a_bug_is_caught_by_proof_and_from_its_history(capfd: pytest.CaptureFixture[str]) -> None:
    assert plant.main(["no overlap", "--schedules", "one/two-slots"]) == 0
    out = capfd.readouterr().out
    assert "Caught in the schedule one/two-slots" in out
    assert "the proof: P4" in out
    assert "line " in out.partition("its history, ")[2]


def test_a_bug_of_ones_own_is_planted_in_a_copy(capfd: pytest.CaptureFixture[str]) -> None:
    before = (ROOT / BUG).read_bytes()
    change = r"s/^def new_version\(/def new_version(*_):\n    raise KeyError\n\n\ndef former(/"
    assert plant.main(["--sed", change, BUG, *ONE]) == 0
    assert "P8" in capfd.readouterr().out
    assert (ROOT / BUG).read_bytes() == before


def test_a_change_that_breaks_nothing_lives(capfd: pytest.CaptureFixture[str]) -> None:
    assert plant.main(["--sed", "s/Return/Give/", BUG, *ONE]) == 1
    assert "is named in docs/proof.md" in capfd.readouterr().out


def test_what_cannot_be_planted_is_said(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    patch = tmp_path / "a.diff"
    patch.write_text(PATCH)
    assert plant.main(["a bug that nobody knows"]) == 2
    assert plant.main(["--sed", "s/no such text//", BUG]) == 2
    assert plant.main(["--patch", str(patch)]) == 2
    assert "changes nothing" in capfd.readouterr().out


def test_the_deliberate_bugs_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    assert plant.main([]) == 0
    listed = capfd.readouterr().out.splitlines()
    named = re.findall(r"""ARGS='"(.+)"'""", (ROOT / "docs" / "proof.md").read_text())
    assert named
    assert {"no overlap", *named} <= {*listed}
