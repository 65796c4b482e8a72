"""A deployment is kept only if it is healthy; time passes without waiting, answers come by wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from scripts import health_signals, monitor_health
from simulator_tests.telemetry import kusto
from tests.infra.contract import METRICS, VALUES
from tests.scripts.deployed_app import START, Clock, Credential, Deployed, serving

INSIGHTS = "34adfa4f-cedf-4dc0-ba29-b6d1a69ab345"
DOWN = (503, "Service Unavailable")


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    with serving(tmp_path) as (app, authority):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        yield app


def watched(deployed: Deployed, *options: str, clock: Clock | None = None) -> int:
    where = ("--url", deployed.url, "--insights", INSIGHTS, "--insights-endpoint", deployed.url)
    return monitor_health.main([*where, *options], clock or Clock(), Credential())


def test_an_app_that_answers_and_got_no_worse_is_healthy(deployed: Deployed) -> None:
    clock = Clock()
    deployed.signals = [("completed sweeps", 1, 1), ("exceptions", 4, 4)]
    assert watched(deployed, clock=clock) == 0
    assert clock.now() - START == timedelta(minutes=10)
    assert len([path for path, _, _ in deployed.asked if path == "/api/health"]) == 21


WELL = (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("answers", "code", "minutes"),
    [
        ([DOWN] * 2, 0, 10),
        ([DOWN] * 3, 1, 1),
        ([*[WELL] * 20, DOWN], 1, 10),
        ([(200, {"status": "degraded"})] * 3, 1, 1),
        ([(200, "ok")] * 3, 1, 1),
        ([(200, [])] * 3, 1, 1),
        ([(404, {"status": "ok"})] * 3, 1, 1),
    ],
)
def test_a_restart_is_forgiven_and_an_app_that_stays_away_or_fails_at_the_end_is_not_healthy(
    answers: list[tuple[int, object]], code: int, minutes: int, deployed: Deployed
) -> None:
    """Only 200 with the status ok is healthy, and an app that stays away is given up at once."""
    clock = Clock()
    deployed.health = answers
    assert watched(deployed, clock=clock) == code
    assert clock.now() - START == timedelta(minutes=minutes)


def test_an_app_that_cannot_be_reached_is_not_healthy() -> None:
    assert monitor_health.main(["--url", "https://localhost:9"], Clock()) == 1


@pytest.mark.parametrize("signal", ["parked secrets", "incomplete sweeps", "exceptions"])
@pytest.mark.parametrize(("before", "after", "code"), [(0, 1, 1), (2, 2, 0), (2, 3, 1), (3, 2, 0)])
def test_what_happens_more_often_than_before_is_not_healthy(
    signal: str, before: float, after: float, code: int, deployed: Deployed
) -> None:
    deployed.signals = [(signal, before, after)]
    assert watched(deployed, "--duration", "30s") == code


def test_fewer_sweeps_are_no_fault_but_none_is_where_one_is_needed(deployed: Deployed) -> None:
    deployed.signals = [("completed sweeps", 2, 0)]
    assert watched(deployed, "--duration", "30s") == 0
    assert watched(deployed, "--duration", "30s", "--needs-sweep") == 1
    deployed.signals = [("completed sweeps", 2, 1)]
    assert watched(deployed, "--duration", "30s", "--needs-sweep") == 0


@pytest.mark.parametrize(
    "refusal",
    [
        (403, {"error": {"code": "InsufficientAccessError"}}),
        (200, {"tables": [], "error": {"message": "part"}}),
        (200, ""),
        None,
    ],
)
def test_telemetry_that_cannot_be_read_or_is_not_whole_is_not_taken_for_health(
    refusal: tuple[int, object] | None, deployed: Deployed
) -> None:
    _, whole = deployed.content("/query")
    deployed.refusal = refusal or (200, {**whole, "error": {"message": "timed out"}})
    assert watched(deployed, "--duration", "30s") == 2


def test_the_query_goes_to_the_application_with_a_token_for_its_service_and_none_elsewhere(
    deployed: Deployed,
) -> None:
    watched(deployed, "--duration", "2m")
    path, headers, body = deployed.asked[-1]
    assert path == f"/v1/apps/{INSIGHTS}/query"
    assert headers["authorization"] == f"Bearer for {deployed.url}/.default"
    assert "datetime(2026-11-24T12:00:00+00:00)" in body
    assert "deployed - 120s" in body
    assert [known for _, known, _ in deployed.asked if "authorization" in known] == [headers]


def test_without_telemetry_the_answer_alone_decides(deployed: Deployed) -> None:
    assert monitor_health.main(["--url", deployed.url, "--duration", "30s"], Clock()) == 0


def test_the_query_reads_what_the_app_sends() -> None:
    """A name that nobody sends counts nothing, before as after, and all is well for ever."""
    metrics = set(re.findall(r"name == '(rekey[\w.]+)'", health_signals.QUERY))
    assert metrics == {"rekey.parked", "rekey.sweeps"} & METRICS.keys()
    compared = re.findall(r"customDimensions\.(\w+)\) == '(\w+)'", health_signals.QUERY)
    assert compared
    for dimension, value in compared:
        assert value in VALUES[dimension]
        assert dimension in METRICS["rekey.sweeps"]


def test_kusto_takes_the_query() -> None:
    query = health_signals.QUERY.format(deployed=START.isoformat(), window=600)
    judged = kusto.parsed({"health": query})["health"]
    assert judged == {"complaints": [], "columns": ["signal", "before", "after"]}


@pytest.mark.parametrize("text", ["10", "m", "0m", "ten minutes", "-1m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(SystemExit):
        monitor_health.main(["--app", "rekey", "--duration", text])
