"""The alert rules as the template deploys them, and whether one fires."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from isodate import parse_duration  # type: ignore[import-untyped]

from simulator.telemetry.tables import Row
from simulator_tests.telemetry.kql import Workspace
from tests.infra import deployed
from tests.infra.bicep import PUBLIC_CLOUD, predicted
from tests.infra.queries import RULE

PARAMETERS = """
param vaults = [{ name: 'prod', applications: ['11111111-2222-3333-4444-555555555555'] }]
param deployedAt = '2020-01-01T00:00:00Z'
param alertsTuned = { costly: { limit: 1 }, unreliable: { limit: 90 } }
"""
"""The vault of the scenes, and two limits that ask for less: a dollar is a third of a million
calls, 99 % needs a hundred."""
OPERATORS = {
    "GreaterThan": ">",
    "GreaterThanOrEqual": ">=",
    "LessThan": "<",
    "LessThanOrEqual": "<=",
    "Equal": "==",
}
ONCE = {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1}


@dataclass(frozen=True)
class Rule:
    """One rule, which counts the rows of its query."""

    name: str
    query: str
    window: timedelta
    operator: str
    threshold: float
    dimensions: tuple[str, ...]

    @property
    def question(self) -> str:
        """Return the query followed by what the service does to its rows, in the same language."""
        by = ", ".join(f"['{dimension}']" for dimension in self.dimensions)
        counted = f"summarize measured = count(){f' by {by}' if by else ''}"
        return (
            f"{self.query.rstrip()}\n| {counted}\n| where measured {self.operator} {self.threshold}"
        )

    def fires(
        self, workspace: Workspace, rows: list[tuple[str, Row]], ended: datetime, now: datetime
    ) -> bool:
        """Tell whether it fires once the scene has ended: rows move to the queries' own now()."""
        moved = [
            (table, row | {"timestamp": row["timestamp"] + (now - ended)}) for table, row in rows
        ]
        workspace.fill(
            (table, row) for table, row in moved if now - self.window <= row["timestamp"] <= now
        )
        return bool(workspace.ask(self.question))


def compiled(folder: Path) -> str:
    """Return what the template would deploy, as JSON."""
    run = predicted(folder, PARAMETERS + PUBLIC_CLOUD)
    assert run.code == 0, run.said
    return (folder / "case.snapshot.json").read_text()


def rules(text: str) -> dict[str, Rule]:
    """Return the rules of what would be deployed, by their names."""
    compiled_rules = [
        _rule(resource["properties"]) for resource in deployed.of_type(json.loads(text), RULE)
    ]
    return {rule.name: rule for rule in compiled_rules}


def _rule(properties: dict[str, Any]) -> Rule:
    (criterion,) = properties["criteria"]["allOf"]
    # What no rule uses is not evaluated here.
    assert (criterion["timeAggregation"], criterion["failingPeriods"]) == ("Count", ONCE)
    taken = [(dimension["operator"], *dimension["values"]) for dimension in criterion["dimensions"]]
    assert set(taken) <= {("Include", "*")}
    return Rule(
        properties["displayName"].removeprefix("Rekey: "),
        criterion["query"],
        parse_duration(properties["windowSize"]),
        OPERATORS[criterion["operator"]],
        criterion["threshold"],
        tuple(dimension["name"] for dimension in criterion["dimensions"]),
    )
