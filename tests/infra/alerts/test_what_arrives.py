"""The real exporter delivers every name that queries rely on, all well-formed, and no value."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from simulator.telemetry import tables
from simulator.telemetry.tables import Row
from tests.infra.alerts.arrived import Run
from tests.infra.contract import METRICS, SPAN_ATTRIBUTES
from tests.infra.queries import alert_queries, dimensions, metrics, workbook_queries

SPANS = ("RemoteDependencyData", "RequestData")
QUERIES = alert_queries() | workbook_queries()


def of_table(played: Run, table: str) -> list[Row]:
    return [row for name, row in played.own() if name == table]


def measured(played: Run) -> dict[str, set[str]]:
    """Return every metric of Rekey's that arrived, with all dimensions that it had."""
    columns: dict[str, set[str]] = defaultdict(set)
    for row in of_table(played, "customMetrics"):
        if row["name"].startswith("rekey."):
            columns[row["name"]] |= set(row["customDimensions"])
    return columns


def test_the_endpoint_refuses_nothing_that_the_exporter_sends(played: Run) -> None:
    assert played.refused == []
    assert all(scene.envelopes or scene.imitated for scene in played.scenes.values())


def test_exactly_the_documented_metrics_arrive_with_exactly_their_dimensions(played: Run) -> None:
    assert measured(played) == METRICS


def test_every_rotation_arrives_as_a_span_with_all_its_attributes(played: Run) -> None:
    spans = [row for row in of_table(played, "dependencies") if row["name"] == "rekey.rotation"]
    assert spans
    for span in spans:
        assert set(span["customDimensions"]) >= SPAN_ATTRIBUTES - {"rekey.operation"}


@pytest.mark.parametrize("name", QUERIES)
def test_what_a_query_reads_has_arrived(name: str, played: Run) -> None:
    measures = metrics(QUERIES[name])
    arrived = measured(played)
    assert measures <= arrived.keys()
    spans = set().union(*(row["customDimensions"] for row in of_table(played, "dependencies")))
    assert dimensions(QUERIES[name]) <= (
        set().union(*(arrived[measure] for measure in measures)) if measures else spans
    )


def test_the_trace_of_an_event_leads_through_the_queue_to_its_rotation(played: Run) -> None:
    rows = [tables.row(envelope) for envelope in played.scenes["comes_by_event"].envelopes]
    (call,) = [row for table, row in rows if table == "requests"]
    (rotation,) = [
        row for table, row in rows if table == "dependencies" and row["name"] == "rekey.rotation"
    ]
    assert call["name"] == "on_vault_event"
    assert rotation["customDimensions"]["rekey.trigger"] == "event"
    assert rotation["operation_Id"] == call["operation_Id"]
    assert rotation["operation_ParentId"] == call["id"]


def test_no_span_is_sampled_away(played: Run) -> None:
    scene = played.scenes["nine_of_ten_end_well"]
    assert sum(columns.get("name") == "rekey.rotation" for _, columns in scene.rows) == 10
    # The exporter's default sampler leaves the rate out until it begins to drop.
    spans = [sent for sent in scene.envelopes if sent["data"]["baseType"] in SPANS]
    assert {sent.get("sampleRate") for sent in spans} == {100}


def test_no_value_arrives(played: Run) -> None:
    text = json.dumps([scene.envelopes for scene in played.scenes.values()])
    values = {value for scene in played.scenes.values() for value in scene.values}
    assert len(values) > 50
    assert not [value for value in values if value in text or json.dumps(value)[1:-1] in text]
