"""docs/deploy.md held against the template."""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path
from typing import Any

import jmespath
import pytest

from scripts.deploying.finish import result
from scripts.snapshots import COMPILED
from tests.infra import deployed
from tests.infra.bicep import ROOT, names, predicted, snapshot
from tests.infra.test_bad_input import GOOD, vaults

PAGE = (ROOT / "docs" / "deploy.md").read_text()


def template() -> dict[str, Any]:
    """Return the compiled template, which another test keeps true."""
    document: dict[str, Any] = json.loads(COMPILED.read_text())
    return document


def test_the_page_lists_every_parameter_and_no_other() -> None:
    table = PAGE.partition("## What you can choose")[2].partition("`kinds` decides")[0]
    listed = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert listed == set(template()["parameters"])


def test_every_output_that_the_page_names_exists() -> None:
    named = set(re.findall(r"the output `(\w+)`", PAGE))
    assert named
    assert named - {"actionGroupId"} <= set(template()["outputs"])


def test_every_file_that_a_command_uses_exists() -> None:
    for path in set(re.findall(r"(?:scripts|infra)/[\w./-]+\w", PAGE)) - {"infra/my.bicepparam"}:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("sign_in", ["azd auth login", "az login"])
def test_it_takes_three_commands_with_the_sign_in(sign_in: str) -> None:
    section = PAGE.partition("## Three commands")[2].partition("\n## ")[0]
    (block,) = [
        block for block in re.findall(r"(?:^    .*\n)+", section, re.MULTILINE) if sign_in in block
    ]
    assert len(block.splitlines()) == 3
    assert block.split("\n")[0].strip() == sign_in


def test_every_make_target_of_the_page_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = PAGE + (ROOT / "docs" / "delivery.md").read_text()
    used = set(re.findall(r"(?:`|    )make ([a-z]+)", pages))
    assert {"init", "deploy", "template", "push", "finish", "verify"} <= used
    assert used <= targets


def test_the_result_of_a_first_sweep_is_as_the_page_shows_it() -> None:
    assert result(["unmanaged"] * 9 + ["ok"] * 2 + ["due"]).replace("\n", "\n    ") in PAGE


def test_a_page_deletes_no_group_before_it_lists_what_else_lies_there() -> None:
    """A vault lies in the app's own group unless `vaults` names another one."""
    pages = {page: page.read_text() for page in (ROOT / "docs").rglob("*.md")}
    deleting = [text for text in pages.values() if "az group delete" in text]
    assert deleting
    for text in deleting:
        before = text.partition("az group delete")[0]
        assert 'az resource list --resource-group rekey --query "[?tags.rekey!=' in before


def test_custom_roles_are_looked_for_where_they_can_be_assigned() -> None:
    """At a subscription `az` finds none that only a resource group has, and deletes none."""
    page = (ROOT / "docs" / "uninstall.md").read_text()
    scopes = {
        place
        for name in names()
        for role in deployed.of_type(snapshot(name), deployed.DEFINITION)
        for place in role["properties"]["assignableScopes"]
    }
    assert any("/resourceGroups/" in scope for scope in scopes)
    for command in ("list", "delete"):
        (shown,) = re.findall(rf"`az role definition {command} ([^`]*)`", page)
        assert "--resource-group <group>" in shown


@pytest.mark.parametrize("name", names())
def test_every_right_outside_the_apps_group_is_listed_once_the_app_is_gone(name: str) -> None:
    page = (ROOT / "docs" / "uninstall.md").read_text()
    queries = re.findall(r'`az role assignment list --all .*? --query "([^"]*)"', page)
    deployment = snapshot(name)
    assignments = zip(
        deployed.rights(deployment), deployed.of_type(deployment, deployed.ASSIGNMENT), strict=True
    )
    left = [
        {
            "scope": right.scope,
            "principalName": "" if right.who == "app" else "ada",
            "description": resource["properties"].get("description"),
        }
        for right, resource in assignments
        if "/resourceGroups/rekey/" not in right.scope or "/vaults/" in right.scope
    ]
    assert left
    strangers = {"scope": "/", "principalName": "bob", "description": None}
    listed = [jmespath.search(query, [*left, strangers]) for query in queries]
    assert sorted(map(str, chain(*listed))) == sorted(map(str, left))


@pytest.mark.parametrize("name", names())
def test_what_a_deployment_made_is_told_from_what_another_in_its_group_made(name: str) -> None:
    resources = snapshot(name)["predictedResources"]
    site = deployed.only(snapshot(name), "Microsoft.Web/sites")["name"]
    tagged = {resource["tags"]["rekey"] for resource in resources if resource.get("tags")}
    assert tagged == {site.rpartition("-")[0]}


def test_no_page_asks_for_the_name_of_a_deployment_without_a_place_for_it() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = [re.findall(r"tags\.rekey *[!=]= *'([^']*)'", page.read_text()) for page in pages]
    assert set(chain(*named)) == {"<name>"}


def logged(folder: Path, audit: str) -> set[str]:
    """Return what has a diagnostic setting, with a word for the app and for each account."""
    assert predicted(folder, f"{vaults(GOOD)}\nparam auditLogs = {audit}").code == 0
    deployment = json.loads((folder / "case.snapshot.json").read_text())
    own, events = (account["id"] for account in deployed.accounts(deployment))
    app = deployed.only(deployment, "Microsoft.Web/sites")["id"]
    scopes = [
        setting["id"].partition("/providers/Microsoft.Insights/diagnosticSettings")[0]
        for setting in deployed.of_type(deployment, "Microsoft.Insights/diagnosticSettings")
        if setting["id"].endswith("/rekey")
    ]
    return {
        scope.replace(app, "$ID").replace(own, "$OWN").replace(events, "$OTHER") for scope in scopes
    }


def test_the_page_deletes_what_auditlogs_leaves_when_it_is_switched_off(tmp_path: Path) -> None:
    """An incremental deployment deletes nothing, and what is left is paid for."""
    page = (ROOT / "docs" / "costs.md").read_text()
    deleted = re.findall(
        r"az monitor diagnostic-settings delete --name rekey --resource (\S+)", page
    )
    assert set(deleted) == logged(tmp_path, "true") - logged(tmp_path, "false")


def test_what_could_not_be_run_is_said() -> None:
    depth = (ROOT / "docs" / "deploy-in-depth.md").read_text()
    assert "**Not run, since no subscription was at hand**" in depth


def test_what_only_azure_can_tell_of_bad_parameters_is_on_the_page_with_what_to_do() -> None:
    table = PAGE.partition("## What goes wrong")[2].partition("\n## ")[0]
    for message in (
        "uses access policies",
        "only one system topic is allowed",
        "is not in the same tenant",
    ):
        (row,) = [line for line in table.splitlines() if message in line]
        assert row.strip("|").split("|")[1].strip()


def test_every_exception_of_the_security_scan_has_its_reason_above_it() -> None:
    lines = (ROOT / ".checkov.yaml").read_text().splitlines()
    above = ""
    for line in lines[lines.index("skip-check:") + 1 :]:
        if line.lstrip().startswith("-"):
            assert re.fullmatch(r"  - CKV2?_AZURE_\d+", line)
            assert len(above) > 40, line
        else:
            above = line
