"""docs/runbook.md can be used in the dark: queries parse, links lead somewhere, names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulator_tests.telemetry import kusto
from tests.infra import deployed, queries
from tests.infra.bicep import ROOT, snapshot
from tests.infra.contract import METRICS
from tests.infra.queries import rules
from tests.programs import run

PAGE = (ROOT / "docs" / "runbook.md").read_text()
ALERTS = (ROOT / "infra" / "alert-rules.bicep").read_text()
ASKED = re.findall(r"ask '([^']+)'", PAGE)
SECTIONS = {
    title.lower().replace(" ", "-"): body
    for title, _, body in (section.partition("\n") for section in PAGE.split("\n## ")[1:])
}


def test_kustos_parser_takes_every_query_of_the_page() -> None:
    assert len(ASKED) > len(rules("everything-on"))
    judgements = kusto.parsed({query: query for query in ASKED})
    assert [judged for judged in judgements.values() if judged["complaints"]] == []


def test_the_pages_queries_read_no_metric_and_no_dimension_that_is_not_sent() -> None:
    for query in ASKED:
        metrics = set(re.findall(r'name == "(rekey\.[\w.]+)"', query)) - {"rekey.rotation"}
        assert metrics <= set(METRICS)
        assert queries.dimensions(query) <= set().union(*(METRICS[metric] for metric in metrics))


@pytest.mark.parametrize("name", rules("everything-on"))
def test_an_alerts_section_says_what_it_means_what_to_do_first_when_it_is_over_and_how_to_see_more(
    name: str,
) -> None:
    section = SECTIONS[rules("everything-on")[name]["description"].rpartition("#")[2]]
    words = ("**Means:**", "\n1. ", "**Over when:**", "**See more:**")
    meaning, first, over, more = (section.find(word) for word in words)
    assert 0 <= meaning < first < over < more


def test_the_page_begins_with_a_table_of_all_alerts_by_their_names_and_none_besides() -> None:
    table = PAGE.partition("\n## ")[0]
    listed = re.findall(
        r"^\| `(\w+)` \| (\d) \| .* \| \[.*\]\(#([\w-]+)\) \|$", table, re.MULTILINE
    )
    written = re.findall(
        r"^  (\w+): \{\n    severity: (\d).*?section: '([\w-]+)'", ALERTS, re.MULTILINE | re.DOTALL
    )
    assert sorted(listed) == sorted(written)
    assert [severity for _, severity, _ in listed] == sorted(severity for _, severity, _ in listed)


def test_the_leak_is_the_first_section() -> None:
    assert next(iter(SECTIONS)) == "a-credential-leaked"


def test_no_function_of_the_page_hides_the_command_line() -> None:
    defined = re.findall(r"^ *(\w+)\(\) \{", PAGE, re.MULTILINE)
    assert defined == ["rekey", "ask", "rekey_http"]


def test_a_command_of_the_page_gets_every_setting_of_the_app(tmp_path: Path) -> None:
    """Without RekeyEvents the doctor does not see what lies in the account of events."""
    (line,) = re.findall(r"^ *(rekey\(\) \{.*\})$", PAGE, re.MULTILINE)
    (tmp_path / "rekey").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "rekey").chmod(0o755)
    path = f"PATH={tmp_path}:$PATH"
    done = run("bash", "-c", f"{path}; {line}; rekey doctor --app $1", "-", "an app")
    assert done.stdout == "doctor --app an app --settings app-settings.json\n"
    assert f"> {done.stdout.split()[-1]}\n" in PAGE


@pytest.mark.parametrize("page", ["runbook", "deploy", "access"])
def test_what_was_deployed_is_found_whatever_the_deployment_is_called(page: str) -> None:
    """Azd and the portal call it otherwise, and one that failed has no outputs."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert "az deployment group show" not in text
    tags = set(re.findall(r"az (\w+ list) [^\n]*tags.application=='(\w+)'", text))
    assert {command for command, _ in tags} >= {"functionapp list", "identity list"}
    for kind in ("Microsoft.Web/sites", "Microsoft.ManagedIdentity/userAssignedIdentities"):
        (made,) = deployed.of_type(snapshot("three-subscriptions"), kind)
        assert {made["tags"]["application"]} == {name for _, name in tags}


def test_no_page_sends_anybody_to_a_log_stream_that_flex_consumption_does_not_have() -> None:
    pages = [page for page in (ROOT / "docs").rglob("*.md") if "log tail" in page.read_text()]
    assert pages == []


def test_no_command_of_the_page_fetches_a_value() -> None:
    assert not re.search(r"az keyvault secret (show|download|backup)", PAGE)
