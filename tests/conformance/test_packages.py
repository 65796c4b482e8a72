"""`rekey conformance` finds an installed package that this repository does not know."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import main
from tests.cli.desk import Ran, captured
from tests.conformance.stands import CHECKS, PACKAGE
from tests.rotators.own.packages import on_path, package

POINTS = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("cli.conformance.EVERY", CHECKS)
    with on_path(tmp_path):
        yield tmp_path


def renamed(folder: Path) -> None:
    """Install the example as somebody else's package, under names that nothing here knows."""
    place = folder / "elsewhere_rekey"
    shutil.copytree(PACKAGE / "acme_rekey", place, ignore=shutil.ignore_patterns("__pycache__"))
    for file in place.glob("*.py"):
        text = file.read_text().replace("acme_rekey", "elsewhere_rekey")
        file.write_text(text.replace("acme-token", "elsewhere-token"))
    points = {
        group: {"elsewhere-token": entries["acme-token"].replace("acme_rekey", "elsewhere_rekey")}
        for group, entries in POINTS.items()
    }
    package(folder, "elsewhere-rekey", {}, points)


def run(*argv: str) -> Ran:
    return captured(lambda: main(["conformance", *argv], {}))


def test_an_unknown_package_is_found_and_keeps_every_promise(folder: Path) -> None:
    renamed(folder)
    ran = run("elsewhere-token", "-o", "json")
    shown = json.loads(ran.out)
    assert (ran.code, shown["broken"]) == (0, 0), shown
    assert len(shown["checks"]) == len(CHECKS) + 1


def test_what_it_breaks_is_shown_and_the_exit_code_tells(folder: Path) -> None:
    renamed(folder)
    file = folder / "elsewhere_rekey" / "rotator.py"
    text = file.read_text()
    assert "if held_id == credential_id or await" in text
    file.write_text(text.replace("if held_id == credential_id or await", "if False and await"))
    ran = run("elsewhere-token")
    assert ran.code == 1
    assert "finding: the credential held is never revoked" in ran.out
    assert "retire revokes the credential held (P1)" in ran.out


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("storage-key", "is Rekey's own kind"),
        ("No Name", "is not a valid name of a kind"),
        ("nobody-has-it", "no package offers nobody-has-it in rekey.sandboxes"),
    ],
)
def test_a_kind_that_cannot_be_played_is_refused_with_the_fix(kind: str, reason: str) -> None:
    ran = run(kind)
    assert ran.code == 5
    assert reason in ran.err


def test_a_package_that_raises_on_import_is_named(folder: Path) -> None:
    points = {group: {"elsewhere-token": "elsewhere_rekey:X"} for group in POINTS}
    package(folder, "elsewhere-rekey", {"elsewhere_rekey": "raise RuntimeError('no')"}, points)
    ran = run("elsewhere-token")
    assert ran.code == 5
    assert "elsewhere_rekey:X cannot be imported: RuntimeError" in ran.err
