"""The template behind "Deploy to Azure" is the tested one, and is deployed from nothing but itself."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from scripts import snapshots
from tests.infra.bicep import ROOT, compiler

TEMPLATE = json.loads(snapshots.COMPILED.read_text())
BUTTON = re.compile(r"https://portal\.azure\.com/#create/Microsoft\.Template/uri/([\w%.-]+)")


def parts(part: Any) -> list[Any]:
    """Return a template's objects, each with all that it holds."""
    if isinstance(part, dict):
        return [part, *(inner for value in part.values() for inner in parts(value))]
    return [inner for value in part for inner in parts(value)] if isinstance(part, list) else []


def test_the_committed_template_is_what_bicep_compiles_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BICEP", compiler())
    assert snapshots.compiled() == snapshots.COMPILED.read_text(), "run python -m scripts.snapshots"


def test_it_names_no_version_of_the_compiler_so_that_another_version_need_not_change_it() -> None:
    assert "_generator" not in snapshots.COMPILED.read_text()
    assert snapshots.without_generator([{"a": {"_generator": 1, "b": 2}}]) == [{"a": {"b": 2}}]


def test_it_needs_no_other_file() -> None:
    assert not [part for part in parts(TEMPLATE) if "templateLink" in part]


def test_only_the_vaults_must_be_given() -> None:
    required = [
        name
        for name, parameter in TEMPLATE["parameters"].items()
        if "defaultValue" not in parameter and not parameter.get("nullable")
    ]
    assert required == ["vaults"]


def test_azure_itself_refuses_an_empty_list_of_vaults_and_names_that_are_too_long() -> None:
    """As does the compiler, which who uses the button has not."""
    assert TEMPLATE["parameters"]["vaults"]["minLength"] == 1
    assert TEMPLATE["parameters"]["name"]["maxLength"] == 20
    assert TEMPLATE["definitions"]["vault"]["properties"]["name"]["maxLength"] == 24


def test_the_pages_button_opens_it() -> None:
    (encoded,) = BUTTON.findall((ROOT / "docs" / "deploy.md").read_text())
    template = "https://raw.githubusercontent.com/OWNER/rekey/button/azuredeploy.json"
    assert encoded == quote(template, safe="")
