"""The engine understands the queries as Kusto does.

What is rewritten keeps its meaning, what it gets wrong is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator_tests.telemetry.kql import Workspace, rewritten

BAG = {"vault": "prod", "a.b": "dotted", "where": "azure", "times": 3, "sure": True, "none": None}


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """Return the engine; its tables are filled anew for each question."""
    engine = Workspace()
    yield engine
    engine.close()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("tostring(customDimensions.vault)", "prod"),
        ("tostring(customDimensions['vault'])", "prod"),
        ('tostring(customDimensions["a.b"])', "dotted"),
        ("tostring(customDimensions['where'])", "azure"),
        ("tostring(customDimensions.missing)", ""),
        ("tostring(customDimensions.none)", ""),
        ("toint(customDimensions.times)", 3),
        ("tobool(customDimensions.sure)", True),
        ("tostring(parse_json(message).vault)", None),
        ("strcat('customDimensions.vault', \"x.y\")", "customDimensions.vaultx.y"),
    ],
)
def test_a_member_of_a_property_bag_is_read_as_kusto_reads_it(
    expression: str, value: Any, workspace: Workspace
) -> None:
    now = datetime.now(UTC)
    workspace.fill(
        [("traces", {"timestamp": now, "message": json.dumps(BAG), "customDimensions": BAG})]
    )
    if value is None:
        with pytest.raises(RuntimeError):
            workspace.ask(f"traces | project found = {expression}")
    else:
        assert workspace.ask(f"traces | project found = {expression}") == [{"found": value}]


def test_a_message_of_json_is_read(workspace: Workspace) -> None:
    workspace.fill(
        [
            ("traces", {"timestamp": datetime.now(UTC), "message": json.dumps({"result": text})})
            for text in "ab"
        ]
    )
    query = (
        "traces | extend it = parse_json(message) | where it.result == 'a' | project result = "
        "tostring(it.result)"
    )
    assert workspace.ask(query) == [{"result": "a"}]


def test_only_members_of_bags_are_rewritten() -> None:
    kept = (
        "t | where name == 'rekey.drift' and x > 1.5 // see customDimensions.x\n| join (u) on "
        "$left.a == $right.b"
    )
    assert rewritten(kept) == kept


LETTERS = "datatable(x: int, letter: string) [1, 'a', 2, 'b', 3, 'b', 20, 'Poison queue']"


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("| where x > 99 | summarize n = count()", [{"n": 0}]),
        ("| where x > 99 | summarize n = count() by letter", []),
        ("| where letter has 'poison' | project x", [{"x": 20}]),
        ("| where letter has 'pois' | project x", []),
        ("| where letter contains 'POIS' | project x", [{"x": 20}]),
        ("| where letter in ('a', 'B') | project x", [{"x": 1}]),
        ("| where letter == 'poison queue' | project x", []),
        ("| where x < 4 | summarize p = percentile(x, 50)", [{"p": 2}]),
        ("| where x > 99 | summarize p = percentile(x, 95) | where p > 5", []),
        ("| summarize n = dcount(letter)", [{"n": 3}]),
        ("| summarize n = sumif(x, letter == 'b')", [{"n": 5}]),
        (
            (
                "| join kind=leftanti (datatable(letter: string) ['b', 'Poison queue']) on "
                "letter | project x"
            ),
            [{"x": 1}],
        ),
        (
            (
                "| join kind=inner (datatable(letter: string, y: int) ['a', 7]) on letter | "
                "project x, y"
            ),
            [{"x": 1, "y": 7}],
        ),
        (
            "| where x < 3 | extend half = bin(x, 2) | project half | order by half asc",
            [{"half": 0}, {"half": 2}],
        ),
    ],
)
def test_what_the_alerts_are_made_of_means_what_kustos_documentation_says(
    query: str, answer: list[dict[str, Any]], workspace: Workspace
) -> None:
    assert workspace.ask(f"{LETTERS} {query}") == answer


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("arg_max(x, letter, y)", {"x": 3, "letter": "c", "y": 7}),
        ("arg_min(x, y, at = tolower(letter))", {"x": 1, "y": 9, "at": "a"}),
        ("n = count(), arg_max(y, letter) by large = x > 9", {"n": 3, "y": 9, "letter": "A"}),
    ],
)
def test_arg_max_answers_what_the_row_of_the_greatest_holds(
    query: str, answer: dict[str, Any], workspace: Workspace
) -> None:
    rows = "datatable(x: int, letter: string, y: int) [1, 'A', 9, 2, 'b', 8, 3, 'c', 7]"
    (row,) = workspace.ask(f"{rows} | summarize {query}")
    assert row.items() >= answer.items()


def test_a_sum_of_nothing_is_nought(workspace: Workspace) -> None:
    workspace.fill(
        [("customMetrics", {"timestamp": datetime.now(UTC), "name": "a", "valueSum": 2.0})]
    )
    query = (
        "customMetrics | summarize some = sumif(valueSum, name == 'a'), none = sumif(valueSum, "
        "name == 'b')"
    )
    assert workspace.ask(query) == [{"some": 2, "none": 0}]


@pytest.mark.parametrize(
    "query",
    [
        "traces | summarize arg_max(timestamp, *) by operation_Id",
        "traces | summarize arg_max(timestamp, a = strcat(message, ')')) by operation_Id",
        "print a = dynamic([1]) | mv-expand b = a to typeof(int)",
    ],
)
def test_what_the_engine_gets_wrong_is_refused(query: str, workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="the engine gets"):
        workspace.ask(query)


@pytest.mark.parametrize(
    "query",
    ["nowhere | take 1", "traces | where nothing == 1", "traces | make-series count() on x"],
)
def test_what_the_engine_does_not_know_is_an_error(query: str, workspace: Workspace) -> None:
    with pytest.raises(RuntimeError):
        workspace.ask(query)


def test_ago_is_counted_from_now(workspace: Workspace) -> None:
    now = datetime.now(UTC)
    workspace.fill(
        [
            ("traces", {"timestamp": now - timedelta(minutes=minutes), "message": ""})
            for minutes in (59, 61)
        ]
    )
    assert workspace.ask("traces | where timestamp > ago(1h) | count") == [{"Count": 1}]
