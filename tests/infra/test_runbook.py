"""docs/runbook.md can be used in the dark: its queries parse, its links lead somewhere, its names exist."""

from __future__ import annotations

import re

import pytest

from tests.infra import queries
from tests.infra.bicep import ROOT
from tests.infra.contract import METRICS
from tests.infra.queries import rules

PAGE = (ROOT / "docs" / "runbook.md").read_text()
ASKED = re.findall(r"ask '([^']+)'", PAGE)
SECTIONS = {
    title.lower().replace(" ", "-"): body
    for title, _, body in (section.partition("\n") for section in PAGE.split("\n## ")[1:])
}


def test_kustos_parser_takes_every_query_of_the_page() -> None:
    assert len(ASKED) > len(rules("everything-on"))
    found = queries.parsed({query: query for query in ASKED})
    assert {query: judged["complaints"] for query, judged in found.items() if judged["complaints"]} == {}


def test_the_pages_queries_read_no_metric_and_no_dimension_that_is_not_sent() -> None:
    for query in ASKED:
        metrics = set(re.findall(r'name == "(rekey\.[\w.]+)"', query)) - {"rekey.rotation"}
        assert metrics <= set(METRICS)
        assert queries.dimensions(query) <= set().union(*(METRICS[metric] for metric in metrics))


@pytest.mark.parametrize("name", rules("everything-on"))
def test_an_alerts_section_says_what_it_means_what_to_do_first_and_how_to_see_more(name: str) -> None:
    section = SECTIONS[rules("everything-on")[name]["description"].rpartition("#")[2]]
    meaning, first, more = (section.find(words) for words in ("**Means:**", "\n1. ", "**See more:**"))
    assert 0 <= meaning < first < more


def test_every_link_inside_the_page_leads_to_a_section() -> None:
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= set(SECTIONS)
