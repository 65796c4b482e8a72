"""What a deployment costs a month beside Rekey's own calls, which cloud/meter/prices.py has: list prices, US dollars, East US.

Pay as you go, as known in November 2026: the page named beside each price was out of reach then,
and decides. Free grants that
a subscription has once (Functions, Event Grid, 5 GB of logs) are left out, since others may use
them up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.meter.prices import price

type Resource = Mapping[str, Any]

HOURS = 730
DAYS = 30
MILLION, GIB, PAGE = 1_000_000, 1 << 30, 25
"""PAGE: secrets in one page of a listing."""
GB_SECOND, EXECUTION = 0.000026, 0.40 / MILLION
"""Flex Consumption on demand: https://azure.microsoft.com/pricing/details/functions/."""
LOG_GB, LOG_GB_MONTH, LOG_DAYS_INCLUDED = 2.76, 0.12, 31
"""Analytics logs, and their retention beyond what is included:
https://azure.microsoft.com/pricing/details/monitor/."""
ALERT_RULE: Mapping[str, float] = {"PT1M": 3.0, "PT5M": 1.5, "PT10M": 1.0, "PT15M": 0.5}
"""A log alert by how often it is evaluated, the same page; rarer ones cost what the last does."""
ALERT_SERIES = 0.05
"""One monitored time series of a log alert with dimensions, the same page."""
ENDPOINT = 0.01 * HOURS
"""A private endpoint, traffic aside: https://azure.microsoft.com/pricing/details/private-link/."""
ZONE = 0.50
"""A private DNS zone: https://azure.microsoft.com/pricing/details/dns/."""
BLOB_GB: Mapping[str, float] = {"LRS": 0.021, "ZRS": 0.026, "GRS": 0.046, "GZRS": 0.047}
"""Hot: https://azure.microsoft.com/pricing/details/storage/blobs/."""


@dataclass(frozen=True)
class Load:
    """What is asked of Rekey in a month."""

    secrets: int
    vaults: int
    rotations: float
    sweeps: float
    """Of each vault."""
    memory_gb: float = 2
    rotation_seconds: float = 10
    sweep_seconds: float = 30
    troubled: float = 0.05
    """The share of secrets that an alert's query returns: of those alone it makes a time series."""

    @property
    def executions(self) -> float:
        """Return how often a function runs: a rotation is a message of its own, a sweep one more for each vault."""
        return self.rotations + self.sweeps * (1 + self.vaults)

    @property
    def calls(self) -> Mapping[tuple[str, str], float]:
        """Return how often Rekey calls what is charged for each call, by service and operation: ARCHITECTURE.md has the counts."""
        listed = self.sweeps * (self.secrets / PAGE + self.vaults)
        audited = self.secrets * DAYS
        return {
            ("keyvault", "ListSecrets"): listed,
            ("keyvault", "GetSecret"): 4 * self.rotations + audited,
            ("keyvault", "SetSecret"): 2 * self.rotations,
            ("blob", "AcquireLease"): 4 * self.rotations + audited,
            ("queue", "PutMessage"): 4 * self.rotations + 2 * self.sweeps * self.vaults,
            ("eventgrid", "Publish"): 2 * self.rotations,
        }

    @property
    def log_gb(self) -> float:
        """Return how much telemetry comes in: a kilobyte for a secret's gauge and a call, five for a function's run."""
        kilobytes = self.sweeps * self.secrets + sum(self.calls.values()) + 5 * self.executions
        return kilobytes * 1024 / GIB


def _calls(load: Load, *services: str) -> float:
    return sum(
        count * (price(*call) or 0) for call, count in load.calls.items() if call[0] in services
    )


def _plan(plan: Resource, load: Load) -> float:
    if plan["sku"]["name"] != "FC1":
        raise KeyError(plan["sku"]["name"])
    seconds = (
        load.rotations * load.rotation_seconds + load.sweeps * load.vaults * load.sweep_seconds
    )
    return seconds * load.memory_gb * GB_SECOND + load.executions * EXECUTION


def _workspace(workspace: Resource, load: Load) -> float:
    kept = max(0.0, float(workspace["properties"]["retentionInDays"]) - LOG_DAYS_INCLUDED) / DAYS
    return load.log_gb * (LOG_GB + kept * LOG_GB_MONTH)


def _storage(account: Resource, load: Load) -> float:
    # Six queues looked at every ten seconds by an instance that never rests: more than happens.
    polls = 6 * HOURS * 360 * (price("queue", "GetMessages") or 0)
    return BLOB_GB[account["sku"]["name"].partition("_")[2]] + polls + _calls(load, "blob", "queue")


def _alert(rule: Resource, load: Load) -> float:
    base = ALERT_RULE.get(rule["properties"]["evaluationFrequency"], ALERT_RULE["PT15M"])
    (criterion,) = rule["properties"]["criteria"]["allOf"]
    return base + (
        ALERT_SERIES * load.secrets * load.troubled if criterion.get("dimensions") else 0
    )


METERS: Mapping[str, Callable[[Resource, Load], float]] = {
    "Microsoft.Web/serverfarms": _plan,
    "Microsoft.OperationalInsights/workspaces": _workspace,
    "Microsoft.Storage/storageAccounts": _storage,
    "Microsoft.Insights/scheduledQueryRules": _alert,
    "Microsoft.Network/privateEndpoints": lambda _, __: ENDPOINT,
    "Microsoft.Network/privateDnsZones": lambda _, __: ZONE,
    "Microsoft.EventGrid/topics": lambda _, load: _calls(load, "eventgrid"),
    # An event for each secret that nears its expiry, and one when it expires.
    "Microsoft.EventGrid/systemTopics": lambda _, load: (
        2 * load.rotations * (price("eventgrid", "Publish") or 0)
    ),
}
"""What a resource costs a month, by its type. The vaults exist already; what Rekey asks of them is
added once."""
FREE = (
    "Microsoft.Authorization/",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    "Microsoft.Insights/actionGroups",  # mails: the first thousand a month
    "Microsoft.Insights/components",  # its data is the workspace's
    "Microsoft.Insights/diagnosticSettings",  # to a workspace: its data is the workspace's
    "Microsoft.Insights/workbooks",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Storage/storageAccounts/",
    "Microsoft.Web/sites",  # what runs is the plan's
    "Microsoft.Web/sites/",
)
"""Types, or beginnings of types that end in a slash, that cost nothing by themselves."""


def known(kind: str) -> bool:
    """Tell whether it is known what a type of resource costs."""
    return (
        kind in METERS
        or kind in FREE
        or kind.startswith(tuple(each for each in FREE if each.endswith("/")))
    )


def vault_calls(load: Load) -> float:
    """Return what Rekey's calls to the managed vaults cost a month."""
    return _calls(load, "keyvault")
