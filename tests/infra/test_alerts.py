"""Each alert has a query that Kusto takes, names that the code sends, a section in the runbook, and can be tuned."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra import deployed
from tests.infra.bicep import PUBLIC_CLOUD, ROOT, predicted, snapshot

RULE = "Microsoft.Insights/scheduledQueryRules"
TABLES = {
    "customMetrics": "(timestamp: datetime, name: string, value: real, valueCount: int, valueSum: real, valueMin: real, "
    "valueMax: real, customDimensions: dynamic, operation_Id: string, cloud_RoleName: string)",
    "traces": "(timestamp: datetime, message: string, severityLevel: int, customDimensions: dynamic, operation_Id: string, "
    "cloud_RoleName: string)",
    "exceptions": "(timestamp: datetime, problemId: string, type: string, outerType: string, outerMessage: string, "
    "severityLevel: int, customDimensions: dynamic, operation_Id: string, cloud_RoleName: string)",
}
"""The columns that matter of https://learn.microsoft.com/azure/azure-monitor/app/data-model-complete."""
VAULTS = "param vaults = [{ name: 'contoso', applications: ['11111111-2222-3333-4444-555555555555'] }]" + PUBLIC_CLOUD


def rules(name: str) -> dict[str, dict[str, Any]]:
    """Return the properties of every rule, by its name."""
    found = {each["properties"]["displayName"]: each["properties"] for each in deployed.of_type(snapshot(name), RULE)}
    return {title.removeprefix("Rekey: "): properties for title, properties in found.items()}


def query(properties: dict[str, Any]) -> str:
    (criterion,) = properties["criteria"]["allOf"]
    return str(criterion["query"])


def parser() -> Path:
    """Return the folder of Microsoft's Kusto parser; without it skip the test, or fail it where CI is set."""
    found = Path(os.environ.get("KUSTO", ROOT / "node_modules" / "@kusto" / "language-service-next"))
    if not (found / "Kusto.Language.Bridge.min.js").exists() or shutil.which("node") is None:
        reason = "npm's @kusto/language-service-next is not installed, or there is no node"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def complaints(queries: dict[str, str]) -> dict[str, list[str]]:
    """Return what Kusto's parser says against each query."""
    program = Path(__file__).with_name("kusto.js")
    asked = json.dumps({"tables": TABLES, "queries": queries})
    done = subprocess.run(  # noqa: S603
        ["node", str(program), str(parser())],  # noqa: S607
        input=asked,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_kustos_parser_takes_every_query() -> None:
    queries = {name: query(rule) for name, rule in rules("everything-on").items()}
    assert complaints(queries) == {name: [] for name in queries}


@pytest.mark.parametrize("wrong", ["nowhere | take 1", "traces | where nothing == 1", "traces | wher message == ''"])
def test_kustos_parser_refuses_a_wrong_table_column_and_operator(wrong: str) -> None:
    assert complaints({"wrong": wrong})["wrong"]


def test_every_metric_and_dimension_in_a_query_is_one_that_the_code_sends() -> None:
    code = (ROOT / "cloud" / "reporting.py").read_text()
    for rule in rules("everything-on").values():
        for metric in re.findall(r"name == '([\w.]+)'", query(rule)):
            assert f'"{metric}"' in code
        for dimension in re.findall(r"customDimensions\.(\w+)", query(rule)):
            assert f'"{dimension}"' in code


def test_every_log_line_that_a_query_looks_for_is_one_that_the_code_writes() -> None:
    found = rules("everything-on")
    service = (ROOT / "engine" / "service.py").read_text()
    assert "'try ' attempt:int ' of ' * ' for ' secret ': '" in query(found["failing"])
    assert '"try %d of %d for %s: %s"' in service
    assert "has 'on rotations-poison'" in query(found["poison"])
    assert '"message %s on rotations-poison: %s"' in service
    assert "fix startswith 'grant '" in query(found["denied"])
    assert 'f"grant it the role' in (ROOT / "cloud" / "azure.py").read_text()


def test_a_query_that_counts_by_something_yields_a_column_of_that_name() -> None:
    for name, rule in rules("everything-on").items():
        (criterion,) = rule["criteria"]["allOf"]
        for dimension in criterion["dimensions"]:
            assert re.search(rf"\b{dimension['name']}\b", query(rule)), name


def test_every_alert_says_why_and_links_to_its_section_of_the_runbook() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    for rule in rules("everything-on").values():
        why, _, link = rule["description"].rpartition(" ")
        address, _, section = link.partition("#")
        assert why.endswith(".")
        assert address == "https://wiki.contoso.example/rekey"
        assert section in anchors


def test_every_vault_must_be_swept() -> None:
    found = query(rules("three-subscriptions")["unswept"])
    for vault in ("one", "two", "three"):
        assert f"'https://contoso-{vault}.vault.azure.net'" in found


def test_an_alert_can_be_switched_off_and_tuned() -> None:
    assert set(rules("three-subscriptions")) == set(rules("everything-on")) - {"drift"}
    assert rules("three-subscriptions")["unswept"]["windowSize"] == "P2D"
    tuned = rules("everything-on")["failing"]
    assert (tuned["severity"], tuned["criteria"]["allOf"][0]["threshold"]) == (3, 5)
    assert rules("everything-off") == {}


def test_everybody_who_asked_is_told_of_every_alert() -> None:
    for rule in rules("everything-on").values():
        theirs, ours = rule["actions"]["actionGroups"]
        assert theirs.endswith("/actionGroups/teams")
        assert ours == deployed.only(snapshot("everything-on"), "Microsoft.Insights/actionGroups")["id"]


def test_a_tuning_of_an_alert_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    run = predicted(tmp_path, VAULTS + "param alertsTuned = { parkd: { enabled: false } }")
    assert run.code != 0
    assert "alertsTuned names parkd: known are" in run.said


def test_the_page_lists_every_alert() -> None:
    table = (ROOT / "docs" / "deploy.md").read_text().partition("## Alerts")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(rules("everything-on"))
