"""A deployment's costs are what is known of them, and nothing unknown is within the budget."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts import validate_costs
from scripts.hosting_prices import METERS, Load
from tests.infra import bicep, deployed
from tests.infra.bicep import PUBLIC_CLOUD, ROOT, SNAPSHOTS, names, snapshot

LOAD = Load(secrets=100, vaults=1, rotations=50, sweeps=720)
DEFAULT = f"""
param vaults = [{{
  name: 'contoso'
  scopes: ['/subscriptions/{bicep.SUBSCRIPTION}/resourceGroups/data']
}}]
"""
"""The default deployment: one vault, and everything else left out."""
BUDGET = 16
FREE_PARTS = re.compile(r"/(storageAccounts|sites|systemTopics)/\w+")
"""Parts of resources that the page does not list by themselves."""


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


def test_the_front_page_names_the_total_of_the_page_of_costs() -> None:
    page = (ROOT / "docs" / "costs.md").read_text()
    (total,) = re.findall(r"\*\*total\*\* \| \| ([0-9.]+)", page)
    assert f"some {float(total):.0f} USD" in (ROOT / "README.md").read_text()


def test_an_alert_that_is_switched_off_costs_nothing() -> None:
    kind = "Microsoft.Insights/scheduledQueryRules"
    priced = {
        METERS[kind](rule, LOAD) > 0: rule["properties"]["enabled"]
        for rule in deployed.of_type(snapshot("three-subscriptions"), kind)
    }
    assert priced == {True: True, False: False}


def estimated(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    parameters: str = "",
    base: str = DEFAULT + PUBLIC_CLOUD,
) -> dict[str, Any]:
    """Return what a deployment is estimated to cost, and the types of its resources."""
    run = bicep.predicted(folder, base + parameters)
    assert run.code == 0, run.said
    file = folder / "case.snapshot.json"
    validate_costs.main([str(file), "--budget", str(BUDGET), "--json"])
    kinds = {made["type"] for made in json.loads(file.read_text())["predictedResources"]}
    return {**json.loads(capsys.readouterr().out), "kinds": kinds}


def test_the_default_deployment_costs_less_than_16_dollars_logs_and_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert estimated(tmp_path, capsys)["total"] < BUDGET


def test_parameters_that_name_no_cloud_cost_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So does what `rekey init` writes; a snapshot leaves the app's settings open then."""
    group = f"/subscriptions/{bicep.SUBSCRIPTION}/resourceGroups/data"
    two = DEFAULT.replace("\n}]", f"\n}}, {{ name: 'other', scopes: ['{group}'] }}]")
    shown = estimated(tmp_path, capsys, base=two)
    assert shown == estimated(tmp_path, capsys, base=two + PUBLIC_CLOUD)
    assert shown["total"] > estimated(tmp_path, capsys)["total"]


def test_the_page_justifies_each_resource_of_the_default_deployment_with_its_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "costs.md").read_text().partition("## Logs")[0]
    rows = re.findall(r"^\| (.+?) \| (.*?) \| ([\d.]+) \|$", page, re.MULTILINE)
    listed = {name: float(usd) for names, _, usd in rows for name in re.findall(r"`(.+?)`", names)}
    known = estimated(tmp_path, capsys)
    assert all(why or "total" in names for names, why, _ in rows)
    costly = {kind for kind in known["kinds"] if not FREE_PARTS.search(kind)}
    assert set(listed) == costly | {"calls to the vaults"}
    assert {name: usd for name, usd in listed.items() if name in known["usd"]} == {
        name: pytest.approx(usd, abs=0.005) for name, usd in known["usd"].items()
    }
    assert not [name for name, usd in listed.items() if usd and name not in known["usd"]]
    assert f"| {known['total']:.2f} |" in page


def test_logs_of_every_access_cost_more_than_everything_but_the_alerts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cheap = estimated(tmp_path, capsys)
    dear = estimated(tmp_path, capsys, "param auditLogs = true\n")
    logs = "Microsoft.Insights/diagnosticSettings"
    assert cheap["usd"][logs] == 0
    assert dear["total"] - cheap["total"] == pytest.approx(dear["usd"][logs])
    assert 4 < dear["usd"][logs] < 6


def test_a_poll_of_a_queue_is_a_record_where_accesses_are_logged() -> None:
    account = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/own"
    kind = "Microsoft.Insights/diagnosticSettings"
    setting = {
        "type": kind,
        "id": f"{account}/queueServices/default/providers/Microsoft.Insights/diagnosticSettings/x",
        "properties": {"logs": [{"categoryGroup": "audit"}]},
    }
    load = replace(LOAD, queues={"own": 4})
    polls = 4 * 6 * 60 * 730
    costs = validate_costs.estimate({"predictedResources": [setting]}, load).costs
    assert costs[kind] == pytest.approx(polls * 1024 / 2**30 * 2.76)


def test_a_budget_is_kept_to_the_cent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path)
    validate_costs.main([file, "--budget", "1000", "--json"])
    total = json.loads(capsys.readouterr().out)["total"]
    assert validate_costs.main([file, "--budget", str(total)]) == 0
    assert validate_costs.main([file, "--budget", str(total - 0.01)]) == 1


@pytest.mark.parametrize(
    "resource",
    [
        {"type": "Microsoft.Compute/virtualMachines"},
        {"type": "Microsoft.Web/serverfarms", "sku": {"name": "EP1"}},
        {"type": "Microsoft.Storage/storageAccounts", "sku": {"name": "Premium_RAGRS"}},
        {"type": "Microsoft.Networking/somethingElse"},
    ],
)
def test_a_resource_whose_price_is_not_known_is_within_no_budget(
    resource: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate_costs.main([saved(tmp_path, resource), "--budget", "1000000"]) == 3
    assert resource["type"] in capsys.readouterr().out


def test_a_private_endpoint_more_costs_what_one_costs() -> None:
    endpoint = {"type": "Microsoft.Network/privateEndpoints"}
    before, after = ({"predictedResources": [endpoint] * count} for count in (1, 2))
    single, double = (validate_costs.estimate(known, LOAD).total for known in (before, after))
    assert double - single == pytest.approx(7.30)


def test_more_secrets_and_shorter_validity_cost_more(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(SNAPSHOTS / "everything-on.snapshot.json")
    totals = []
    for options in ([], ["--secrets", "1000"], ["--secrets", "1000", "--validity-days", "7"]):
        validate_costs.main([file, "--budget", "0", "--json", *options])
        totals.append(json.loads(capsys.readouterr().out)["total"])
    assert totals == sorted(set(totals))


def test_an_audit_of_each_secret_a_day_is_an_execution_and_wakes_an_instance_where_it_is_alone() -> (
    None
):
    none, some = replace(LOAD, secrets=0), LOAD
    assert some.executions - none.executions == 100 * 30
    assert some.starts - none.starts == LOAD.sweeps
    assert replace(LOAD, secrets=3).starts - none.starts == 3 * 30
    plan = METERS["Microsoft.Web/serverfarms"]
    before, after = (plan({"sku": {"name": "FC1"}}, load) for load in (none, some))
    assert after - before == pytest.approx(3000 * (2 * 0.000026 + 0.40 / 1e6))


@pytest.mark.parametrize(("secrets", "pages"), [(0, 1), (100, 1), (5000, 1), (5001, 2)])
def test_each_recheck_lists_records_and_requests_and_each_sweep_the_records(
    secrets: int, pages: int
) -> None:
    load = replace(LOAD, secrets=secrets)
    listed = load.rechecks * (pages + 1) + load.sweeps * pages
    assert load.calls["blob", "ListBlobs"] == listed


@pytest.mark.parametrize(
    "wrong",
    [
        ("--budget", "nan"),
        ("--budget", "inf"),
        ("--budget", "-1"),
        ("--budget", "15", "--validity-days", "0"),
        ("--budget", "15", "--validity-days", "nan"),
        ("--budget", "15", "--sweeps-a-day", "-1"),
        ("--budget", "15", "--secrets", "-5"),
    ],
)
def test_a_number_that_says_nothing_is_refused(
    wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        validate_costs.main([str(SNAPSHOTS / "everything-on.snapshot.json"), *wrong])
    assert wrong[-2] in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"predictedResources": []}'])
def test_what_is_no_snapshot_is_no_answer(text: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    assert validate_costs.main([str(file), "--budget", "10"]) == 2
