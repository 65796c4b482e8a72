"""Microsoft.Insights: alert rules that run a query."""

from __future__ import annotations

import re
from datetime import timedelta

from isodate import parse_duration  # type: ignore[import-untyped]

from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import Tenant
from simulator.arm.errors import ArmError

_MINUTES = (1, 5, 10, 15, 30, 45, 60, 120, 180, 240, 300, 360, 1440)
_FREQUENCIES = {timedelta(minutes=minutes) for minutes in _MINUTES}
_WINDOWS = (_FREQUENCIES | {timedelta(days=2)}) - {timedelta(minutes=1)}
"""https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule; the windows in
https://github.com/Azure/azure-rest-api-specs/issues/21258."""


_TEXT, _OPERATORS = re.compile(r"'[^']*'"), re.compile(r"\b(search|union)\b")
"""What a query may not use: "we don't support creating or modifying log alert rules that use
`search` or `union` operators", https://github.com/MicrosoftDocs/azure-docs/pull/81261. In the words
of https://github.com/Azure/Azure-Sentinel/issues/1437 that is 'search' and 'union *'; whether a
union of named tables passes was not seen, so it is refused."""


def check_rule(tenant: Tenant, put: Put) -> None:
    """Refuse an operator that a rule may not use, too short a window, or an unsupported interval.

    Severities: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview. Of windows:
    "Should be greater than or equal to frequencyInMinutes": the class Schedule of Microsoft's
    management library for Java, com.microsoft.azure.management.monitor.
    """
    del tenant
    for criterion in put.properties["criteria"]["allOf"]:
        if used := _OPERATORS.search(_TEXT.sub("", criterion["query"])):
            message = f"The query of {put.name} uses '{used[1]}', which an alert rule may not."
            raise ArmError(400, "BadRequest", message)
    window = parse_duration(put.properties["windowSize"])
    frequency = parse_duration(put.properties["evaluationFrequency"])
    if window not in _WINDOWS or frequency not in _FREQUENCIES:
        raise ArmError(
            400, "BadRequest", f"windowSize or evaluationFrequency of {put.name} is not allowed."
        )
    if window < frequency:
        message = f"The window size of {put.name} must be greater than or equal to its frequency."
        raise ArmError(400, "BadRequest", message)
    if put.properties["severity"] not in range(5):
        raise ArmError(400, "BadRequest", f"The severity of {put.name} must be between 0 and 4.")
