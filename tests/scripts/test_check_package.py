"""Others judge the package, and see each thing that once kept the app from working in Azure."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scripts import package
from scripts.check_package import NEWER, against_schema
from tests.parts import ROOT
from tests.programs import run

UV = os.environ.get("UV", "uv")
HOST = json.loads((ROOT / "host.json").read_text())
JUDGES = (UV, "run", "--isolated", "--project", "scripts/outside", "--frozen", "--quiet", "python")


def unchanged(host: dict[str, Any]) -> None:
    del host


def judged(
    folder: Path, content: Mapping[str, Path], change: Callable[[dict[str, Any]], None] = unchanged
) -> tuple[int, str]:
    """Have a package with another host.json judged; return the exit code and what was said."""
    host = json.loads(json.dumps(HOST))
    change(host)
    (folder / "host.json").write_text(json.dumps(host))
    package.build(folder / "rekey.zip", {**content, "host.json": folder / "host.json"})
    assert "host.json" in zipfile.ZipFile(folder / "rekey.zip").namelist()
    command = [*JUDGES, "scripts/check_package.py", str(folder / "rekey.zip")]
    try:
        ran = run(*command)
    except FileNotFoundError:
        pytest.skip(f"{UV} is not installed: run through make")
    if not ran.stdout:
        pytest.skip(f"the judges cannot be installed here: {ran.stderr[-200:]}")
    return ran.returncode, ran.stdout


def test_nobody_has_anything_against_the_package(tmp_path: Path) -> None:
    code, output = judged(tmp_path, package.files(ROOT))
    assert code == 0, output
    assert "azure-functions-doctor: looked at" in output


def without_bundle(host: dict[str, Any]) -> None:
    del host["extensionBundle"]


def too_many_at_once(host: dict[str, Any]) -> None:
    host["extensions"]["queues"]["batchSize"] = 64


@pytest.mark.parametrize(
    ("change", "complaint"), [(without_bundle, "extensionBundle"), (too_many_at_once, "batchSize")]
)
def test_a_host_json_that_azure_would_not_follow_is_seen(
    change: Callable[[dict[str, Any]], None], complaint: str, tmp_path: Path
) -> None:
    few = ("function_app.py", "requirements.txt")  # All of the sources take seconds to judge.
    code, output = judged(tmp_path, {name: ROOT / name for name in few}, change)
    assert code == 1
    assert complaint in output


VERSION_2 = {"type": "object", "properties": {"version": {}}, "additionalProperties": False}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "definitions": {"version-2": VERSION_2},
}


def test_what_the_schema_is_too_old_to_know_must_have_one_of_its_values(tmp_path: Path) -> None:
    for name, allowed in NEWER.items():
        (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", name: allowed[0]}))
        assert against_schema(tmp_path, SCHEMA).complaints == ()
        (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", name: "nonsense"}))
        assert "nonsense" in str(against_schema(tmp_path, SCHEMA).complaints)


def test_what_nobody_knows_is_a_complaint(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensionBundles": {}}))
    assert "extensionBundles" in str(against_schema(tmp_path, SCHEMA).complaints)


def test_ci_has_the_package_judged() -> None:
    assert "\nmake outside\n" in (ROOT / ".ci" / "run").read_text()
