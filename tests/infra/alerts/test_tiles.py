"""The workbook's tiles show what they should, by their own queries on rows as the app sends them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.telemetry.tables import Row
from simulator_tests.telemetry.kql import Workspace
from tests.infra.alerts.arrived import Run
from tests.infra.queries import alert_queries, rules, tiles

NOW, HOUR = datetime.now(UTC), timedelta(hours=1)
FIRST, STAND = "What needs a person first", "Compliance"
VAULTS = re.findall(r"'(https://[^']+)'", alert_queries()["unswept"])
PROD = VAULTS[0]
type Rows = list[tuple[str, Row]]


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin now: the queries ask for the hours before they are run."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC))


def metric(name: str, ago: float, value: float = 1, **dimensions: str) -> tuple[str, Row]:
    """Return what a metric was so many hours ago."""
    at = {"timestamp": NOW - ago * HOUR, "name": name, "valueSum": float(value)}
    return "customMetrics", at | {"customDimensions": dimensions}


def swept(vault: str, ago: float, *secrets: str, **states: int) -> Rows:
    """Return what a sweep sends that ended so many hours ago."""
    return [
        metric("rekey.sweeps", ago, vault=vault, outcome="completed"),
        *(metric("rekey.secrets", ago, states[key], vault=vault, state=key) for key in states),
        *expiring(vault, ago, *secrets),
    ]


def expiring(vault: str, ago: float, *secrets: str) -> Rows:
    """Return what a part of a sweep sends of these secrets."""
    name = "rekey.secret.days_to_expiry"
    return [metric(name, ago, 60, vault=vault, secret=key, rotator="sql") for key in secrets]


def concluded(ago: float, result: str, **fields: Any) -> tuple[str, Row]:
    """Return an outcome's record."""
    usual = {"operation": "0b4f", "action": "audit", "source": "", "reason": "why", "fix": ""}
    record = {"vault": PROD, "secret": "app-key", "result": result} | usual | fields
    return "traces", {"timestamp": NOW - ago * HOUR, "message": json.dumps(record)}


def rechecked() -> Rows:
    return [metric("rekey.rechecks", 0.1)]


def shown(workspace: Workspace, title: str, rows: Iterable[tuple[str, Row]]) -> list[Row]:
    """Return what a tile shows of what was sent within its time."""
    content = tiles()[title]
    span = timedelta(milliseconds=content["timeContext"]["durationMs"] or 7 * 86_400_000)
    workspace.fill((table, row) for table, row in rows if NOW - row["timestamp"] <= span)
    return workspace.ask(content["query"])


@pytest.mark.parametrize("title", tiles())
def test_a_tile_is_answered_of_all_that_the_app_sends(
    title: str, played: Run, workspace: Workspace
) -> None:
    """Nothing of a query is beyond the engine, so any of them can be tried on a case."""
    rows = [
        (table, row | {"timestamp": row["timestamp"] + (NOW - scene.ended)})
        for scene in played.scenes.values()
        for table, row in scene.rows
    ]
    assert shown(workspace, title, rows)


@pytest.mark.parametrize(("ago", "count"), [(2.9, 0), (3.1, 1), (25, 1), (27, 1), (None, 1)])
def test_a_vault_without_a_sweep_needs_a_person_for_as_long_as_there_is_none(
    ago: float | None, count: int, workspace: Workspace
) -> None:
    others = [row for vault in VAULTS[1:] for row in swept(vault, 0.5)]
    mine = swept(PROD, ago) if ago else []
    rows = shown(workspace, FIRST, others + mine + rechecked())
    unswept = [(row["vault"], row["what"], row["section"]) for row in rows]
    assert unswept == [(PROD, "no sweep came to its end", "no-sweep")] * count


def test_a_timer_that_asks_for_nothing_needs_a_person(workspace: Workspace) -> None:
    every = [row for vault in VAULTS for row in swept(vault, 0.5)]
    (row,) = shown(workspace, FIRST, every)
    assert (row["vault"], row["section"]) == ("recheck", "no-sweep")


def open_alerts(workspace: Workspace, name: str, rows: Rows) -> list[dict[str, str]]:
    """Return the dimensions of each alert of a rule that is open: each is told of once."""
    (criterion,) = rules("everything-on")[name]["criteria"]["allOf"]
    workspace.fill(rows)
    by = [dimension["name"] for dimension in criterion["dimensions"]]
    return [{name: row[name] for name in by} for row in workspace.ask(criterion["query"])]


def given_up(*agos: float) -> Rows:
    """Return what counts a message for each of these hours ago."""
    return [metric("rekey.poison", ago, queue="rotations") for ago in agos]


def lying(messages: int, ago: float = 0.1) -> tuple[str, Row]:
    return metric("rekey.queue.messages", ago, messages, queue="rotations-poison")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("dropped", [swept(PROD, ago, dropped=count) for ago, count in ((3, 1), (2, 2), (1, 1))]),
        ("poison", [given_up(*agos) for agos in ((2,), (2, 1), (2, 1, 0.1))]),
        ("poison", [[lying(count)] for count in (1, 2, 3)]),
        ("deadletters", [[metric("rekey.dead_letters", 0.5, count)] for count in (1, 2, 3)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_comes_behind_an_open_alert_is_an_alert_of_its_own(
    name: str, rows: list[Rows], workspace: Workspace
) -> None:
    """One that is open says nothing of what comes later, and closes once all of it has passed."""
    before = list[dict[str, str]]()
    for more in rows:
        now = open_alerts(workspace, name, more)
        assert len(now) == 1
        assert now != before
        before = now


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (given_up(2.9, 1), given_up(1)),
        ([lying(1, ago=2)], [lying(1, ago=2), lying(1)]),
    ],
    ids=["the first one is long ago", "it lies there"],
)
def test_what_is_open_is_told_of_once(before: Rows, now: Rows, workspace: Workspace) -> None:
    assert open_alerts(workspace, "poison", before) == open_alerts(workspace, "poison", now)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (swept(PROD, 0.4, ok=9, dropped=3), "dropped: 3"),
        (swept(PROD, 0.4, ok=9, overdue=2), "overdue: 2"),
        (swept(PROD, 0.6, ok=9, overdue=2) + swept(PROD, 0.4, ok=9, overdue=0), None),
        ([metric("rekey.queue.messages", 0.1, 7, queue="sweeps-poison")], "given up on sweeps-poison: 7"),
        ([metric("rekey.queue.messages", 0.1, 7, queue="sweeps")], None),
        ([metric("rekey.dead_letters", 0.1, 9)], "events that were not delivered: 9"),
        (
            [metric("rekey.dead_letters", 0.5, 9), metric("rekey.dead_letters", 0.1, 0)],
            None,
        ),
    ],
)  # fmt: skip
def test_what_is_counted_needs_a_person_as_long_as_it_is(
    rows: Rows, what: str | None, workspace: Workspace
) -> None:
    assert [row["what"] for row in shown(workspace, FIRST, [*well(), *rows])] == [what] * bool(what)


def test_what_was_declined_is_among_what_people_asked_for(workspace: Workspace) -> None:
    results = {"asked", "refused", "declined", "rotated"}
    calls = [concluded(1, result, requested_by="eve", trigger="api") for result in results]
    rows = shown(workspace, "What people asked for", calls)
    assert {row["result"] for row in rows} == results - {"rotated"}


def well() -> Rows:
    return [row for vault in VAULTS for row in swept(vault, 0.5)] + rechecked()


LEFT = {"action": "retire", "source": "/old", "operation": None}


@pytest.mark.parametrize(
    ("later", "count"),
    [
        ([concluded(1, "confirmed", source="/new")], 1),
        ([concluded(1, "rotated", source="/new", action="rotate")], 1),
        ([concluded(1, "retired", source="/new", action="retire")], 1),
        ([concluded(1, "retired", source="/old", action="retire")], 0),
        ([concluded(1, "parked", **LEFT | {"source": "/older"})], 2),
    ],
    ids=["audited", "rotated", "another is retired", "it is retired", "another is left"],
)
def test_a_source_that_was_left_needs_a_person_until_its_own_credential_is_revoked(
    later: Rows, count: int, workspace: Workspace
) -> None:
    rows = shown(workspace, FIRST, [*well(), concluded(2, "parked", **LEFT), *later])
    assert [row["section"] for row in rows] == ["a-secret-is-parked"] * count


@pytest.mark.parametrize(
    ("result", "count"),
    [("confirmed", 0), ("rotated", 0), ("healed", 0), ("skipped", 1), ("retired", 1)],
)
def test_a_parked_secret_needs_a_person_until_it_is_well_whatever_source_that_is_at(
    result: str, count: int, workspace: Workspace
) -> None:
    parked = concluded(2, "parked", action="rotate", reason="mend it")
    rows = shown(workspace, FIRST, [*well(), parked, concluded(1, result, source="/new")])
    assert [row["what"] for row in rows] == ["parked: mend it"] * count


def compliance(workspace: Workspace, rows: Rows) -> str:
    (row,) = shown(workspace, STAND, rows)
    return str(row["with_expiry"])


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        (swept(PROD, 2, "a", "b", "gone", "lost", ok=6) + swept(PROD, 1, "a", "b", ok=4), "50 %"),
        (swept(PROD, 2, "a", "b", "gone", ok=3) + swept(PROD, 1, "a", "b", ok=2), "100 %"),
        (swept(PROD, 1, "a", ok=2), "50 %"),
        (swept(PROD, 1, ok=2), "0 %"),
        (swept(PROD, 2, "a", ok=4) + expiring(PROD, 1.1, "a") + swept(PROD, 1, "b", ok=4), "50 %"),
        (swept(PROD, 1, "a", "b", ok=4) + expiring(PROD, 0.1, "a", "c"), "75 %"),
    ],
    ids=["two are gone", "one is gone", "the first sweep", "none expires", "in parts", "under way"],
)
def test_only_secrets_of_the_last_sweep_count_as_expiring(
    rows: Rows, share: str, workspace: Workspace
) -> None:
    assert compliance(workspace, rows) == share
