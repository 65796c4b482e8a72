"""The step that a template cannot do: run as a process, with an `az` that answers as Microsoft Graph does."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import ROOT

IDENTITY = "aaaaaaaa-0000-0000-0000-000000000001"
FIRST, SECOND = "bbbbbbbb-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"
GRAPH = "https://graph.microsoft.us/v1.0"
AZ = '''#!{python}
"""An az that keeps Graph's objects in a file."""
import json, pathlib, re, sys
file = pathlib.Path({file!r})
state = json.loads(file.read_text())
def answer(value):
    print(json.dumps(value))
    sys.exit()
if sys.argv[1:3] == ["cloud", "show"]:
    answer({{"endpoints": {{"microsoftGraphResourceId": "https://graph.microsoft.us/"}}}})
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
url = given["--url"].removeprefix("https://graph.microsoft.us/v1.0")
state["calls"].append([given["--method"], url])
app = re.match(r"/applications[(]appId='(.+?)'[)]", url)
if state["refuse"]:
    print("Insufficient privileges to complete the operation.", file=sys.stderr)
    sys.exit(1)
if given["--method"] == "post":
    body = json.loads(given["--body"])
    if url.endswith("/appRoleAssignments"):
        state["assignments"].append(body)
    else:
        name = url.split("/")[2].removeprefix("object-of-")
        state["owners"].setdefault(name, []).append(body["@odata.id"].rpartition("/")[2])
    file.write_text(json.dumps(state))
    sys.exit()
file.write_text(json.dumps(state))
if url.endswith("/appRoleAssignments"):
    answer({{"value": state["assignments"]}})
if app and "/owners" in url:
    answer({{"value": [{{"id": owner}} for owner in state["owners"].get(app[1], [])]}})
answer({{"id": f"object-of-{{app[1]}}" if app else "graph-object"}})
'''


@dataclass
class Tenant:
    """A tenant whose `az` is on the path."""

    folder: Path
    refuse: bool = False

    def __post_init__(self) -> None:
        self._write({"assignments": [], "owners": {}, "calls": [], "refuse": self.refuse})
        program = self.folder / "az"
        program.write_text(AZ.format(python=sys.executable, file=str(self.folder / "state.json")))
        program.chmod(0o755)

    def _write(self, state: dict[str, Any]) -> None:
        (self.folder / "state.json").write_text(json.dumps(state))

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = str(ROOT / "scripts" / "grant_graph.py")
        command = [sys.executable, script, *arguments]
        return subprocess.run(command, env={"PATH": str(self.folder)}, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path)


def test_the_identity_gets_the_permission_and_owns_each_application(tenant: Tenant) -> None:
    done = tenant.run(IDENTITY, FIRST, SECOND)
    assert done.returncode == 0, done.stderr
    assert tenant.state["assignments"] == [
        {"principalId": IDENTITY, "resourceId": "graph-object", "appRoleId": "18a4783c-866b-4cc7-a460-3d5e5662c884"}
    ]
    assert tenant.state["owners"] == {FIRST: [IDENTITY], SECOND: [IDENTITY]}


def test_a_second_run_changes_nothing(tenant: Tenant) -> None:
    tenant.run(IDENTITY, FIRST)
    before = tenant.state
    done = tenant.run(IDENTITY, FIRST)
    assert done.stdout.count("already") == 2
    assert (tenant.state["assignments"], tenant.state["owners"]) == (before["assignments"], before["owners"])
    assert not [url for method, url in tenant.state["calls"][len(before["calls"]) :] if method == "post"]


def test_another_application_is_added_to_those_that_are_owned(tenant: Tenant) -> None:
    tenant.run(IDENTITY, FIRST)
    tenant.run(IDENTITY, FIRST, SECOND)
    assert tenant.state["owners"] == {FIRST: [IDENTITY], SECOND: [IDENTITY]}
    assert len(tenant.state["assignments"]) == 1


def test_what_az_says_of_a_refusal_is_passed_on(tmp_path: Path) -> None:
    done = Tenant(tmp_path, refuse=True).run(IDENTITY, FIRST)
    assert done.returncode == 1
    assert done.stderr.strip() == "Insufficient privileges to complete the operation."


@pytest.mark.parametrize("arguments", [(), ("rekey",), (IDENTITY, "my app")])
def test_what_is_no_id_is_answered_with_the_usage(arguments: tuple[str, ...], tenant: Tenant) -> None:
    done = tenant.run(*arguments)
    assert done.returncode == 2
    assert "IDENTITY APPLICATION" in done.stderr
    assert tenant.state["calls"] == []
