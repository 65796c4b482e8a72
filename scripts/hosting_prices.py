"""The monthly cost of a deployment, apart from Rekey's own calls (see cloud/meter/metering.py).

These are list prices in US dollars: East US, pay as you go, November 2026. The pages named beside
them could not be checked then; where they differ, the page is right. Free grants of a subscription
(Functions, Event Grid, 5 GB of logs) are not counted, since other apps may use them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.meter.metering import price

type Resource = Mapping[str, Any]

HOURS = 730
DAYS = 30
MILLION, GIB, PAGE, BLOBS = 1_000_000, 1 << 30, 25, 5000
"""PAGE is the number of secrets in one page of a listing, BLOBS that of records."""
POLLS = HOURS * 360
"""How often Azure looks at a queue in a month: every ten seconds, whether the app runs or not.
https://github.com/Azure/azure-functions-durable-extension/issues/391 says so of the component that
scales apps, and host.json lets a running app poll as often."""
START_KB, RUN_KB, RECORD_KB = 120, 6, 1
"""What an instance logs as it starts, what a function logs each time, and a record of an access to
storage. Assumed: a line or a record is 1 KB, a start is 120 lines."""
GB_SECOND, EXECUTION = 0.000026, 0.40 / MILLION
"""Flex Consumption on demand: https://azure.microsoft.com/pricing/details/functions/."""
LOG_GB, LOG_GB_MONTH, LOG_DAYS_INCLUDED = 2.76, 0.12, 31
"""Analytics logs, and their retention after the included days:
https://azure.microsoft.com/pricing/details/monitor/."""
ALERT_RULE: Mapping[str, float] = {"PT1M": 3.0, "PT5M": 1.5, "PT10M": 1.0, "PT15M": 0.5}
"""A log alert by its frequency, from the same page; rarer evaluation costs the same as the last."""
ALERT_SERIES = 0.05
"""One monitored time series of a log alert with dimensions, from the same page."""
ENDPOINT = 0.01 * HOURS
"""A private endpoint, traffic aside: https://azure.microsoft.com/pricing/details/private-link/."""
ZONE = 0.50
"""A private DNS zone: https://azure.microsoft.com/pricing/details/dns/."""
BLOB_GB: Mapping[str, float] = {"LRS": 0.021, "ZRS": 0.026, "GRS": 0.046, "GZRS": 0.047}
"""Hot: https://azure.microsoft.com/pricing/details/storage/blobs/."""


@dataclass(frozen=True)
class Load:
    """The work of Rekey in a month."""

    secrets: int
    vaults: int
    rotations: float
    sweeps: float
    """Of each vault."""
    memory_gb: float = 2
    rechecks: float = HOURS * 20
    """Of the records of all sources: every three minutes."""
    rotation_seconds: float = 10
    least_seconds: float = 1
    """The least that is charged for a run, such as a recheck or an audit."""
    sweep_seconds: float = 30
    troubled: float = 0.05
    """The share of secrets that an alert's query returns; only those become a time series."""
    queues: Mapping[str, int] = field(default_factory=dict)
    """How many queues each storage account has, by its name."""
    retention_days: float = 31

    @property
    def executions(self) -> float:
        """Return how often functions run: for each rotation, audit, recheck, sweep and swept vault."""
        return self.rotations + self.audits + self.rechecks + self.sweeps * (1 + self.vaults)

    @property
    def audits(self) -> float:
        """Return how often a secret is audited: once a day."""
        return self.secrets * DAYS

    @property
    def calls(self) -> Mapping[tuple[str, str], float]:
        """Return the charged calls by service and operation, as counted in ARCHITECTURE.md."""
        listed = self.sweeps * (self.secrets / PAGE + self.vaults)
        pages = max(1, math.ceil(self.secrets / BLOBS))
        return {
            ("keyvault", "ListSecrets"): listed,
            ("keyvault", "GetSecret"): 4 * self.rotations + self.audits,
            ("keyvault", "SetSecret"): 2 * self.rotations,
            # A recheck lists the records and the requests, a sweep the records.
            ("blob", "ListBlobs"): self.rechecks * (pages + 1) + self.sweeps * self.vaults * pages,
            ("blob", "AcquireLease"): 4 * self.rotations + self.audits,
            ("queue", "PutMessage"): (
                4 * self.rotations + self.audits + 2 * self.sweeps * self.vaults
            ),
            ("eventgrid", "Publish"): 2 * self.rotations,
        }

    @property
    def starts(self) -> float:
        """Return how often an instance starts.

        Each function that is woken has instances of its own. Only that of the rechecks stays. One
        takes all audits that a sweep has posted.
        """
        swept = self.sweeps * self.vaults
        return self.rotations + self.sweeps + swept + min(self.audits, swept)

    @property
    def lines_kb(self) -> float:
        """Return the KB that the host and the app log."""
        return START_KB * self.starts + RUN_KB * self.executions

    @property
    def log_gb(self) -> float:
        """Return the GB of telemetry: the log, and 1 KB for a secret's gauge or a call."""
        kilobytes = self.lines_kb + self.sweeps * self.secrets + sum(self.calls.values())
        return kilobytes * 1024 / GIB

    @property
    def log_gb_price(self) -> float:
        """Return what a GB of logs costs, its retention too."""
        kept = max(0.0, self.retention_days - LOG_DAYS_INCLUDED) / DAYS
        return LOG_GB + kept * LOG_GB_MONTH


def _calls(load: Load, *services: str) -> float:
    return sum(
        count * (price(*call) or 0) for call, count in load.calls.items() if call[0] in services
    )


def _plan(plan: Resource, load: Load) -> float:
    if plan["sku"]["name"] != "FC1":
        raise KeyError(plan["sku"]["name"])
    seconds = (
        load.rotations * load.rotation_seconds
        + (load.rechecks + load.audits) * load.least_seconds
        + load.sweeps * load.vaults * load.sweep_seconds
    )
    return seconds * load.memory_gb * GB_SECOND + load.executions * EXECUTION


def _storage(account: Resource, load: Load) -> float:
    polls = load.queues.get(account["name"], 0) * POLLS * (price("queue", "GetMessages") or 0)
    kept = BLOB_GB[account["sku"]["name"].partition("_")[2]]
    # The app's own calls go to its own account, which has more queues than that of events.
    own = account["name"] == max(load.queues, key=lambda name: load.queues[name], default="")
    return kept + polls + (_calls(load, "blob", "queue") if own else 0)


def _logged(setting: Resource, load: Load) -> float:
    """Return the cost of what a diagnostic setting sends to the workspace."""
    target = setting["id"].partition("/providers/Microsoft.Insights/")[0].split("/")
    logs = {log.get("category") or log["categoryGroup"] for log in setting["properties"]["logs"]}
    kilobytes = 0.0
    if "FunctionAppLogs" in logs:
        kilobytes = load.lines_kb
    elif "queueServices" in target and "audit" in logs:
        kilobytes = load.queues.get(target[target.index("storageAccounts") + 1], 0) * POLLS
    elif "blobServices" in target and "audit" in logs:
        kilobytes = sum(count for call, count in load.calls.items() if call[0] == "blob")
    return kilobytes * RECORD_KB * 1024 / GIB * load.log_gb_price


def _alert(rule: Resource, load: Load) -> float:
    if not rule["properties"]["enabled"]:
        return 0.0
    base = ALERT_RULE.get(rule["properties"]["evaluationFrequency"], ALERT_RULE["PT15M"])
    (criterion,) = rule["properties"]["criteria"]["allOf"]
    return base + (
        ALERT_SERIES * load.secrets * load.troubled if criterion.get("dimensions") else 0
    )


METERS: Mapping[str, Callable[[Resource, Load], float]] = {
    "Microsoft.Web/serverfarms": _plan,
    "Microsoft.OperationalInsights/workspaces": lambda _, load: load.log_gb * load.log_gb_price,
    "Microsoft.Insights/diagnosticSettings": _logged,
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
"""The monthly cost of a resource by type. The vaults exist already; `vault_calls` has their
cost."""
FREE = (
    "Microsoft.Authorization/",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    "Microsoft.Insights/actionGroups",  # mails: the first thousand a month
    "Microsoft.Insights/components",  # its data is the workspace's
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
"""Types that cost nothing by themselves; an entry with a slash at its end is a prefix."""


def known(kind: str) -> bool:
    """Return whether the cost of a resource type is known."""
    prefixes = tuple(prefix for prefix in FREE if prefix.endswith("/"))
    return kind in METERS or kind in FREE or kind.startswith(prefixes)


def vault_calls(load: Load) -> float:
    """Return the monthly cost of Rekey's calls to the managed vaults."""
    return _calls(load, "keyvault")
