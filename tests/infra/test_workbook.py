"""The workbook shows what a person needs, in that order; test_alerts.py parses its queries."""

from __future__ import annotations

import re
from typing import get_args

from engine.state.entry import State
from tests.infra import deployed, queries
from tests.infra.bicep import ROOT, snapshot
from tests.infra.queries import tiles, workbook


def test_what_needs_a_person_comes_first() -> None:
    assert next(iter(tiles())) == "What needs a person first"


def test_everything_that_is_asked_of_it_is_shown() -> None:
    shown = " / ".join(tiles()).lower()
    for word in (
        *("days to expiry", "by kind", "by outcome", "steps", "drift", "parked, with reasons"),
        *("compliance", "calls to azure", "cost", "people asked for", "time to refusal"),
    ):
        assert word in shown


def test_every_tile_asks_application_insights_for_its_own_or_the_chosen_period() -> None:
    chooser = next(part for part in workbook()["items"] if part["type"] == 9)
    period = chooser["content"]["parameters"][0]
    for title, content in tiles().items():
        assert content["resourceType"] == "microsoft.insights/components"
        chosen = content.get("timeContextFromParameter") == period["name"]
        assert chosen != (content["timeContext"]["durationMs"] > 0), title


def test_every_section_that_a_tile_names_is_in_the_runbook() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    named = set(re.findall(r"section = '([\w-]+)'", " ".join(queries.workbook_queries().values())))
    assert named
    assert named <= anchors


def test_the_workbook_belongs_to_the_apps_insights_and_links_to_the_runbook() -> None:
    book = deployed.only(snapshot("everything-on"), queries.WORKBOOK)["properties"]
    insights = deployed.only(snapshot("everything-on"), "Microsoft.Insights/components")["id"]
    assert book["sourceId"] == insights
    assert workbook()["fallbackResourceIds"] == [insights]
    assert "(https://wiki.contoso.example/rekey)" in book["serializedData"]


def test_where_nothing_was_sent_a_tile_shows_no_empty_row() -> None:
    """Kusto answers a summary without `by` of no rows with one row of nothing."""
    for title, query in queries.workbook_queries().items():
        (*lets, _) = query.split(";")
        assert [part for part in lets if "summarize" in part and " by " not in part] == [], title


def test_it_can_be_left_out() -> None:
    assert deployed.of_type(snapshot("everything-off"), queries.WORKBOOK) == []


def test_compliance_counts_every_state_of_a_managed_secret() -> None:
    (listed,) = re.findall(r"where state in (\([^)]*\))", queries.workbook_queries()["Compliance"])
    assert set(re.findall(r"'(\w+)'", listed)) == set(get_args(State)) - {"disabled", "unmanaged"}
