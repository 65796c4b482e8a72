"""Estimate the monthly cost of a deployment and compare it with a budget.

python scripts/validate_costs.py infra/snapshots/everything-on.snapshot.json --budget 100 [--secrets
100] [--json]

The resources come from a snapshot (`bicep snapshot my.bicepparam` makes one for your own
parameters), and the list prices from scripts/hosting_prices.py and cloud/meter/metering.py. The
estimate ignores free grants, taxes and discounts. Exit code 0: within the budget. 1: above it. 2:
no snapshot. 3: a resource has no known price.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # So that it runs as a file too.

from scripts.hosting_prices import METERS, Load, known, vault_calls

WORKSPACE = "Microsoft.OperationalInsights/workspaces"
QUEUE = "Microsoft.Storage/storageAccounts/queueServices/queues"
WITHIN, ABOVE, NO_SNAPSHOT, UNKNOWN = 0, 1, 2, 3
LEFT_OPEN = re.compile(r"'REKEY_VAULTS', join\(createArray\((.+?)\), ','\)")
"""How a snapshot writes the vaults' URLs where the parameters name no cloud."""


@dataclass(frozen=True)
class Estimate:
    """Dollars a month by item, and the resources without a known price."""

    costs: Mapping[str, float]
    unknown: Sequence[str]

    @property
    def total(self) -> float:
        """Return the sum in dollars a month."""
        return sum(self.costs.values())


def estimate(snapshot: Mapping[str, Any], load: Load) -> Estimate:
    """Add up the cost of a snapshot's resources under a load."""
    costs: dict[str, float] = defaultdict(float)
    unknown: set[str] = set()
    for resource in snapshot["predictedResources"]:
        kind = resource["type"]
        try:
            if kind in METERS:
                costs[kind] += METERS[kind](resource, load)
            elif not known(kind):
                unknown.add(kind)
        except KeyError as variant:
            unknown.add(f"{kind}: {variant}")
    costs["calls to the vaults"] = vault_calls(load)
    return Estimate(dict(sorted(costs.items())), sorted(unknown))


def verdict(estimated: Estimate, budget: float) -> int:
    """Return the exit code."""
    if estimated.unknown:
        return UNKNOWN
    return ABOVE if estimated.total > budget else WITHIN


def _table(estimated: Estimate, budget: float) -> str:
    lines = [f"{usd:>9.2f}  {what}" for what, usd in estimated.costs.items()]
    lines += [
        f"        ?  {what}: its price is not known; add it to scripts/hosting_prices.py"
        for what in estimated.unknown
    ]
    word = {WITHIN: "within", ABOVE: "ABOVE", UNKNOWN: "NOT COMPARED with"}[
        verdict(estimated, budget)
    ]
    return "\n".join(
        [*lines, f"{estimated.total:>9.2f}  USD a month, {word} the budget of {budget:.2f}"]
    )


def _from(least: float) -> Callable[[str], float]:
    """Return what reads a number that is not below this one."""

    def number(text: str) -> float:
        if not least <= float(text) < math.inf:
            raise ValueError(text)
        return float(text)

    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("snapshot", type=Path, help="a snapshot of what would be deployed")
    parser.add_argument("--budget", type=_from(0), required=True, help="US dollars a month")
    parser.add_argument(
        "--secrets", type=_from(0), default=100, help="managed secrets in all vaults"
    )
    parser.add_argument(
        "--validity-days", type=_from(1), default=60, help="after how many days each is rotated"
    )
    parser.add_argument(
        "--sweeps-a-day", type=_from(0), default=24, help="how often each vault is swept"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _load(options: argparse.Namespace, snapshot: Mapping[str, Any]) -> Load:
    resources = snapshot["predictedResources"]
    (app,) = [resource for resource in resources if resource["type"] == "Microsoft.Web/sites"]
    (workspace,) = [one for one in resources if one["type"] == WORKSPACE]
    queues = Counter(one["id"].split("/")[8] for one in resources if one["type"] == QUEUE)
    return Load(
        secrets=options.secrets,
        vaults=_vaults(app["properties"]["siteConfig"]["appSettings"]),
        rotations=options.secrets * 30 / options.validity_days,
        sweeps=options.sweeps_a_day * 30,
        memory_gb=app["properties"]["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"]
        / 1024,
        queues=queues,
        retention_days=workspace["properties"]["retentionInDays"],
    )


def _vaults(settings: Sequence[Mapping[str, str]] | str) -> int:
    """Return how many vaults the app serves; its settings are an expression if no cloud is named."""
    if isinstance(settings, str):
        if urls := LEFT_OPEN.search(settings):
            return urls[1].count("format(")
        raise ValueError("REKEY_VAULTS")
    values = {setting["name"]: setting["value"] for setting in settings}
    return len(values["REKEY_VAULTS"].split(","))


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        snapshot = json.loads(options.snapshot.read_text())
        estimated = estimate(snapshot, _load(options, snapshot))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(
            f"{options.snapshot} is not a snapshot of Rekey's template: {error!r}", file=sys.stderr
        )
        return NO_SNAPSHOT
    code = verdict(estimated, options.budget)
    whole = {
        "usd": estimated.costs,
        "total": estimated.total,
        "budget": options.budget,
        "unknown": estimated.unknown,
        "code": code,
    }
    print(json.dumps(whole, indent=2) if options.json else _table(estimated, options.budget))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
