"""Estimate what a deployment costs a month and hold it against a budget.

python scripts/validate_costs.py infra/snapshots/everything-on.snapshot.json --budget 100 [--secrets
100] [--json]

Reads what would be deployed from a snapshot (`bicep snapshot my.bicepparam` makes one of your own
parameters), and list prices
from scripts/hosting_prices.py and cloud/meter/prices.py. It is an estimate, without free grants,
taxes and discounts.
Exit code 0: within the budget. 1: above it. 2: no snapshot. 3: it deploys something whose price is
not known.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # So that it runs as a file too.

from scripts.hosting_prices import METERS, Load, known, vault_calls

WITHIN, ABOVE, NO_SNAPSHOT, UNKNOWN = 0, 1, 2, 3


@dataclass(frozen=True)
class Estimate:
    """Dollars a month by what is paid for, and what nobody knows the price of."""

    costs: Mapping[str, float]
    unknown: Sequence[str]

    @property
    def total(self) -> float:
        """Return the sum in dollars a month."""
        return sum(self.costs.values())


def estimate(snapshot: Mapping[str, Any], load: Load) -> Estimate:
    """Add up what a snapshot's resources cost under a load."""
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


def verdict(found: Estimate, budget: float) -> int:
    """Return the exit code."""
    if found.unknown:
        return UNKNOWN
    return ABOVE if found.total > budget else WITHIN


def _table(found: Estimate, budget: float) -> str:
    lines = [f"{usd:>9.2f}  {what}" for what, usd in found.costs.items()]
    lines += [
        f"        ?  {what}: its price is not known; add it to scripts/hosting_prices.py"
        for what in found.unknown
    ]
    word = {WITHIN: "within", ABOVE: "ABOVE", UNKNOWN: "NOT COMPARED with"}[verdict(found, budget)]
    return "\n".join(
        [*lines, f"{found.total:>9.2f}  USD a month, {word} the budget of {budget:.2f}"]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("snapshot", type=Path, help="a snapshot of what would be deployed")
    parser.add_argument("--budget", type=float, required=True, help="US dollars a month")
    parser.add_argument("--secrets", type=int, default=100, help="managed secrets in all vaults")
    parser.add_argument(
        "--validity-days", type=float, default=60, help="after how many days each is rotated"
    )
    parser.add_argument(
        "--sweeps-a-day", type=float, default=24, help="how often each vault is swept"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _load(asked: argparse.Namespace, snapshot: Mapping[str, Any]) -> Load:
    found = defaultdict(list)
    for resource in snapshot["predictedResources"]:
        found[resource["type"]].append(resource)
    (app,) = found["Microsoft.Web/sites"]
    settings = {
        each["name"]: each["value"] for each in app["properties"]["siteConfig"]["appSettings"]
    }
    return Load(
        secrets=asked.secrets,
        vaults=len(settings["REKEY_VAULTS"].split(",")),
        rotations=asked.secrets * 30 / asked.validity_days,
        sweeps=asked.sweeps_a_day * 30,
        memory_gb=app["properties"]["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"]
        / 1024,
    )


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; returns the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        snapshot = json.loads(asked.snapshot.read_text())
        found = estimate(snapshot, _load(asked, snapshot))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{asked.snapshot} is no snapshot of Rekey's template: {error!r}", file=sys.stderr)
        return NO_SNAPSHOT
    code = verdict(found, asked.budget)
    whole = {
        "usd": found.costs,
        "total": found.total,
        "budget": asked.budget,
        "unknown": found.unknown,
        "code": code,
    }
    print(json.dumps(whole, indent=2) if asked.json else _table(found, asked.budget))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
