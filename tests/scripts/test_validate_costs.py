"""What a deployment costs is added up from what is known.

Nothing unknown is called within the budget.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import validate_costs
from scripts.hosting_prices import Load
from tests.infra.bicep import SNAPSHOTS, names, snapshot

LOAD = Load(secrets=100, vaults=1, rotations=50, sweeps=720)


def saved(folder: Path, *more: dict[str, Any]) -> str:
    """Save a snapshot with further resources; returns its file."""
    changed = snapshot("everything-off")
    changed["predictedResources"] += more
    file = folder / "case.snapshot.json"
    file.write_text(json.dumps(changed))
    return str(file)


@pytest.mark.parametrize("name", names())
def test_the_price_of_everything_that_the_template_deploys_is_known(name: str) -> None:
    costs = validate_costs.estimate(snapshot(name), LOAD)
    assert not costs.unknown
    assert 1 < costs.total < 200


def test_a_budget_is_kept_to_the_cent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path)
    validate_costs.main([file, "--budget", "1000", "--json"])
    total = json.loads(capsys.readouterr().out)["total"]
    assert validate_costs.main([file, "--budget", str(total)]) == 0
    assert validate_costs.main([file, "--budget", str(total - 0.01)]) == 1


def test_a_resource_whose_price_is_not_known_is_within_no_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, {"type": "Microsoft.Compute/virtualMachines"})
    assert validate_costs.main([file, "--budget", "1000000"]) == 3
    assert "Microsoft.Compute/virtualMachines: its price is not known" in capsys.readouterr().out


@pytest.mark.parametrize(
    "resource",
    [
        {"type": "Microsoft.Web/serverfarms", "sku": {"name": "EP1"}},
        {"type": "Microsoft.Storage/storageAccounts", "sku": {"name": "Premium_RAGRS"}},
        {"type": "Microsoft.Networking/somethingElse"},
    ],
)
def test_a_variant_whose_price_is_not_known_is_within_no_budget(
    resource: dict[str, Any], tmp_path: Path
) -> None:
    assert validate_costs.main([saved(tmp_path, resource), "--budget", "1000000"]) == 3


def test_a_private_endpoint_more_costs_what_one_costs() -> None:
    endpoint = {"type": "Microsoft.Network/privateEndpoints"}
    before, after = ({"predictedResources": [endpoint] * count} for count in (1, 2))
    dearer = (
        validate_costs.estimate(after, LOAD).total - validate_costs.estimate(before, LOAD).total
    )
    assert dearer == pytest.approx(7.30)


def test_more_secrets_and_shorter_validity_cost_more(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(SNAPSHOTS / "everything-on.snapshot.json")
    totals = []
    for options in ([], ["--secrets", "1000"], ["--secrets", "1000", "--validity-days", "7"]):
        validate_costs.main([file, "--budget", "0", "--json", *options])
        totals.append(json.loads(capsys.readouterr().out)["total"])
    assert totals == sorted(set(totals))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"predictedResources": []}'])
def test_what_is_no_snapshot_is_no_answer(text: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    assert validate_costs.main([str(file), "--budget", "10"]) == 2
