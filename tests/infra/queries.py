"""The queries of alerts and workbook as they are deployed."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.infra import deployed
from tests.infra.bicep import snapshot

RULE = "Microsoft.Insights/scheduledQueryRules"
WORKBOOK = "Microsoft.Insights/workbooks"


def rules(name: str) -> dict[str, dict[str, Any]]:
    """Return the properties of every alert rule of a snapshot, by the rule's name."""
    properties = [resource["properties"] for resource in deployed.of_type(snapshot(name), RULE)]
    return {rule["displayName"].removeprefix("Rekey: "): rule for rule in properties}


def query(rule: dict[str, Any]) -> str:
    """Return a rule's query, its limit and its vaults filled in."""
    (criterion,) = rule["criteria"]["allOf"]
    return str(criterion["query"])


def alert_queries(name: str = "everything-on") -> dict[str, str]:
    """Return the query of every alert rule of a snapshot."""
    return {key: query(rule) for key, rule in rules(name).items()}


def workbook(name: str = "everything-on") -> dict[str, Any]:
    """Return the workbook of a snapshot as the portal reads it."""
    document: dict[str, Any] = json.loads(
        deployed.only(snapshot(name), WORKBOOK)["properties"]["serializedData"]
    )
    return document


def tiles() -> dict[str, dict[str, Any]]:
    """Return the content of every tile of the workbook that asks something, by its title."""
    groups = [item for item in workbook()["items"] if item["type"] == 12]
    parts = [part for group in groups for part in group["content"]["items"] if part["type"] == 3]
    return {part["name"]: part["content"] for part in parts}


def workbook_queries() -> dict[str, str]:
    """Return the query of every tile."""
    return {title: str(content["query"]) for title, content in tiles().items()}


def metrics(text: str) -> set[str]:
    return set(re.findall(r"name == '(rekey\.[\w.]+)'", text)) if "customMetrics" in text else set()


def dimensions(text: str) -> set[str]:
    """Return the custom dimensions that a query reads."""
    return {
        dotted or quoted
        for dotted, quoted in re.findall(r"customDimensions(?:\.(\w+)|\['([\w.]+)'\])", text)
    }
