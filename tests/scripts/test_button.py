"""A release's button deploys that very release: its template, its package, its form."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.publish_button import publish
from scripts.stamp_release import main as stamp
from tests.infra.bicep import ROOT
from tests.programs import run, write

URL = "https://github.com/contoso/rekey/releases/download/v1.2.0/rekey.zip"
GH = """#!{python}
import json, pathlib, sys
here = pathlib.Path({here!r})
assert sys.argv[1] == "api"
path, options = sys.argv[2].removeprefix("repos/contoso/rekey/"), sys.argv[3:]
state = json.loads((here / "state").read_text())
body = json.load(sys.stdin) if "--input" in options else None
file = path.removeprefix("contents/").partition("?")[0]
if state["refuses"]:
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
if path == "git/ref/heads/button":
    sys.exit(0 if state["branch"] else "gh: Not Found (HTTP 404)")
elif path == "git/refs":
    assert body["ref"] == "refs/heads/button", body
    state["branch"] = body["sha"]
elif body is None:
    if file not in state["files"]:
        sys.exit("gh: Not Found (HTTP 404)")
    print("sha-of-" + file)
else:
    assert "PUT" in options and body["branch"] == "button", (options, body)
    if file in state["files"] and body.get("sha") != "sha-of-" + file:
        sys.exit('gh: Invalid request. "sha" was not supplied. (HTTP 422)')
    state["files"][file] = body["content"]
(here / "state").write_text(json.dumps(state))
"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "rekey.zip").write_bytes(b"the package")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'the package').hexdigest()}  rekey.zip\n")
    assert stamp([str(folder), "v1.2.0", URL]) == 0
    return folder


def github(folder: Path, monkeypatch: pytest.MonkeyPatch, **state: Any) -> None:
    """Put a `gh` on the path that answers as GitHub's API does."""
    write(folder / "gh", GH.format(python=sys.executable, here=str(folder)))
    held = {"branch": "", "files": {}, "refuses": False, **state}
    (folder / "state").write_text(json.dumps(held))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "contoso/rekey")
    monkeypatch.setenv("GITHUB_SHA", "the-tag")


def test_a_release_s_template_brings_its_own_package(release: Path) -> None:
    template = json.loads((release / "azuredeploy.json").read_text())
    assert template["parameters"]["packageUri"]["defaultValue"] == URL
    assert template["parameters"]["remoteBuild"]["defaultValue"] is False
    digest = hashlib.sha256(b"the package").hexdigest()
    assert template["metadata"]["package"] == {"version": "v1.2.0", "uri": URL, "sha256": digest}


def test_nothing_else_of_the_template_is_changed(release: Path) -> None:
    own = json.loads((ROOT / "infra" / "azuredeploy.json").read_text())
    template = json.loads((release / "azuredeploy.json").read_text())
    del template["metadata"]["package"]
    for name in ("packageUri", "remoteBuild"):
        template["parameters"][name]["defaultValue"] = own["parameters"][name]["defaultValue"]
    assert template == own


def test_the_sums_cover_all_that_is_released(release: Path) -> None:
    ran = run("/usr/bin/sha256sum", "--check", "--strict", "SHA256SUMS", cwd=release)
    assert ran.returncode == 0
    assert len((release / "SHA256SUMS").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "held",
    [{}, {"branch": "old", "files": {"azuredeploy.json": "old", "createUiDefinition.json": "old"}}],
)
def test_the_button_s_branch_holds_the_latest_release(
    held: dict[str, Any], release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    github(tmp_path, monkeypatch, **held)
    publish(release, "v1.2.0")
    state = json.loads((tmp_path / "state").read_text())
    assert state["branch"] == (held.get("branch") or "the-tag")
    for name, content in state["files"].items():
        assert base64.b64decode(content) == (release / name).read_bytes()
    assert len(state["files"]) == 2


def test_a_branch_that_may_not_be_written_fails_loudly(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    github(tmp_path, monkeypatch, refuses=True)
    with pytest.raises(SystemExit, match="GitHub refused: gh: Resource not accessible"):
        publish(release, "v1.2.0")
