"""Each alert can be tuned, has a query of names that are sent, and a section in the runbook."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from simulator_tests.telemetry import kusto
from tests.infra import deployed, queries
from tests.infra.bicep import PUBLIC_CLOUD, ROOT, predicted, snapshot
from tests.infra.contract import METRICS, SPAN_ATTRIBUTES, VALUES
from tests.infra.queries import alert_queries, rules, workbook_queries
from tests.shared.once import once

VAULTS = (
    "param vaults = [{ name: 'contoso', applications: ['11111111-2222-3333-4444-555555555555'] }]"
    + PUBLIC_CLOUD
)
EVERY = alert_queries() | workbook_queries()
WRONG = (
    "nowhere | take 1",
    "traces | where nothing == 1",
    "traces | wher message == ''",
    "dependencies | where value > 1",
)
ASKED = {
    *("expiring", "parked", "failing", "poison", "undelivered", "deadletters", "unswept"),
    *("drift", "denied", "unreliable", "slow", "costly", "throttled", "policy", "errands"),
    "dropped",
}
"""Everything that a person must be told of."""


def test_a_person_is_told_of_everything_that_needs_one() -> None:
    assert set(rules("everything-on")) == ASKED


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    """Return what Microsoft's parser says of every query, and of some that are wrong."""
    questions = EVERY | {wrong: wrong for wrong in WRONG}
    judgements: dict[str, dict[str, list[str]]] = json.loads(
        once(tmp_path_factory, "judged.json", lambda: json.dumps(kusto.parsed(questions)))
    )
    return judgements


def test_kustos_parser_takes_every_query_of_ours(judged: dict[str, dict[str, list[str]]]) -> None:
    assert {name: judged[name]["complaints"] for name in EVERY} == {name: [] for name in EVERY}


@pytest.mark.parametrize("wrong", WRONG)
def test_kustos_parser_refuses_a_wrong_table_column_and_operator(
    wrong: str, judged: dict[str, dict[str, list[str]]]
) -> None:
    assert judged[wrong]["complaints"]


@pytest.mark.parametrize("name", EVERY)
def test_a_query_reads_no_metric_and_no_dimension_that_is_not_sent(name: str) -> None:
    metrics = queries.metrics(EVERY[name])
    assert metrics <= set(METRICS)
    known = set().union(*(METRICS[metric] for metric in metrics)) | (
        SPAN_ATTRIBUTES if not metrics else set()
    )
    assert queries.dimensions(EVERY[name]) <= known


@pytest.mark.parametrize("name", EVERY)
def test_a_query_compares_a_dimension_with_no_value_that_it_never_has(name: str) -> None:
    for dimension, values in VALUES.items():
        for listed in re.findall(
            rf"\b{dimension}(?:'\]\))? (?:in|==) (\([^)]*\)|'\w+')", EVERY[name]
        ):
            assert set(re.findall(r"'(\w+)'", listed)) <= values


def test_every_metric_is_read_by_an_alert_or_shown_in_the_workbook() -> None:
    assert set().union(*map(queries.metrics, EVERY.values())) == set(METRICS)


def test_no_text_of_a_log_decides_alone_whether_a_person_is_told() -> None:
    for name, query in alert_queries().items():
        assert "traces" not in query
        assert ("StorageBlobLogs" in query) is (name == "undelivered")
    assert "'rekey.dead_letters'" in EVERY["deadletters"]


def test_dead_letters_are_looked_for_where_event_grid_puts_them() -> None:
    assert "contains '/dead-letters/'" in EVERY["undelivered"]
    workspaces = "Microsoft.OperationalInsights/workspaces"
    (scope,) = rules("everything-on")["undelivered"]["scopes"]
    assert scope == deployed.only(snapshot("everything-on"), workspaces)["id"]


def test_dead_letters_are_not_looked_for_without_the_storage_accounts_log(tmp_path: Path) -> None:
    assert predicted(tmp_path, VAULTS + "param diagnostics = false").code == 0
    assert "Rekey: poison" in (tmp_path / "case.snapshot.json").read_text()
    assert "Rekey: undelivered" not in (tmp_path / "case.snapshot.json").read_text()


def test_every_dimension_that_a_rule_counts_by_comes_out_of_its_query(
    judged: dict[str, dict[str, list[str]]],
) -> None:
    for name, rule in rules("everything-on").items():
        (criterion,) = rule["criteria"]["allOf"]
        counted = {dimension["name"] for dimension in criterion["dimensions"]}
        assert counted <= set(judged[name]["columns"]), name


def test_every_alert_says_why_and_links_to_its_own_section_of_the_runbook() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    sections = []
    for rule in rules("everything-on").values():
        why, _, link = rule["description"].rpartition(" ")
        address, _, section = link.partition("#")
        assert why.endswith(".")
        assert "LIMIT" not in why
        assert address == "https://wiki.contoso.example/rekey"
        assert section in anchors
        sections.append(section)
    assert {section for section in sections if sections.count(section) > 1} == {"dead-letters"}


def test_a_rule_that_looks_further_back_than_it_waits_tells_of_a_state_once() -> None:
    for name, rule in rules("everything-on").items():
        assert rule["autoMitigate"] == (rule["windowSize"] != rule["evaluationFrequency"]), name


def test_every_vault_must_be_swept() -> None:
    query = alert_queries("three-subscriptions")["unswept"]
    for vault in ("one", "two", "three"):
        assert f"'https://contoso-{vault}.vault.azure.net'" in query


def test_a_deployment_silences_the_missing_sweeps_for_three_hours_whatever_the_window(
    tmp_path: Path,
) -> None:
    """Who deploys every day and looks two days back would never hear of them."""
    wide = "param deployedAt = '2020-01-01T00:00:00Z'\nparam alertsTuned = { unswept: { window: 'P2D' } }\n"
    assert predicted(tmp_path, wide + VAULTS).code == 0
    assert "now() > datetime(2020-01-01T03:00:00Z)" in (tmp_path / "case.snapshot.json").read_text()


def test_an_alert_can_be_switched_off_and_tuned() -> None:
    enabled = {name: rule["enabled"] for name, rule in rules("three-subscriptions").items()}
    # A rule that is left out would stay, enabled, from an earlier deployment.
    assert enabled == {name: name != "drift" for name in ASKED}
    assert rules("three-subscriptions")["unswept"]["windowSize"] == "P2D"
    assert rules("everything-on")["failing"]["severity"] == 3
    assert "tries >= 5" in EVERY["failing"]
    assert "failed 5 times" in rules("everything-on")["failing"]["description"]
    assert rules("everything-off") == {}


def test_every_rules_limit_is_in_its_query() -> None:
    text = (ROOT / "infra" / "alert-rules.bicep").read_text()
    written = re.findall(r"query: '''(.*?)'''", text, re.DOTALL)
    assert len(written) == len(ASKED)
    assert all("LIMIT" in query for query in written)
    assert not [query for query in alert_queries().values() if re.search("LIMIT|VAULTS|DUE", query)]


def test_everybody_who_asked_is_told_of_every_alert() -> None:
    group = deployed.only(snapshot("everything-on"), "Microsoft.Insights/actionGroups")
    for rule in rules("everything-on").values():
        theirs, ours = rule["actions"]["actionGroups"]
        assert theirs.endswith("/actionGroups/teams")
        assert ours == group["id"]


def test_the_page_lists_every_alert_with_its_severity_and_its_limit() -> None:
    table = (
        (ROOT / "docs" / "deploy.md").read_text().partition("## Alerts")[2].partition("\n## ")[0]
    )
    rows = re.findall(r"^\| `(\w+)` \| (\d) \| .* \| (\d+)[^|]* \|$", table, re.MULTILINE)
    text = (ROOT / "infra" / "alert-rules.bicep").read_text()
    written = re.findall(
        r"^  (\w+): \{\n    severity: (\d).*?limit: (\d+)", text, re.MULTILINE | re.DOTALL
    )
    assert sorted(rows) == sorted(written)
