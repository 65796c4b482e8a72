"""The committed snapshots are what the template deploys, and tell all but what only Azure knows."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.infra import deployed
from tests.infra.bicep import SNAPSHOTS, names, predicted, snapshot

RUNTIME = (
    r"principalId\b|clientId\b|outputs\.connectionString\b|outputs\.endpoint\b|outputs\.hostName\b"
    r"|'full'\)\.location\b|enableRbacAuthorization\b"
)
"""What only Azure knows: ids of identities, URLs that it makes up, and properties of vaults that
exist already."""


def test_there_are_snapshots_of_the_least_the_most_three_subscriptions_and_another_cloud() -> None:
    assert names() == ["everything-off", "everything-on", "three-subscriptions", "us-government"]


@pytest.mark.parametrize("name", names())
def test_a_committed_snapshot_is_what_would_be_deployed(name: str, tmp_path: Path) -> None:
    parameters = (SNAPSHOTS / f"{name}.bicepparam").read_text()
    assert predicted(tmp_path, parameters.replace("using '../main.bicep'\n", "")).code == 0
    assert json.loads((tmp_path / "case.snapshot.json").read_text()) == snapshot(name), (
        "run python -m scripts.snapshots"
    )


@pytest.mark.parametrize("name", names())
def test_only_what_azure_alone_knows_is_left_open(name: str) -> None:
    text = (SNAPSHOTS / f"{name}.snapshot.json").read_text()
    for expression in re.findall(
        r"reference\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)[\w.]*[^\n]{0,60}", text
    ):
        assert re.search(RUNTIME, expression), expression


@pytest.mark.parametrize("name", names())
def test_no_two_resources_have_one_id(name: str) -> None:
    counted = Counter(resource["id"].lower() for resource in snapshot(name)["predictedResources"])
    assert [id_ for id_, number in counted.items() if number > 1] == []


@pytest.mark.parametrize("name", names())
def test_a_snapshots_outputs_are_in_order_so_that_only_changes_show_in_review(name: str) -> None:
    outputs = list(snapshot(name)["outputs"])
    assert outputs == sorted(outputs)


@pytest.mark.parametrize("name", names())
def test_a_snapshot_has_no_diagnostics(name: str) -> None:
    assert snapshot(name)["diagnostics"] == []


def test_every_vault_gets_its_topic_beside_it_unless_it_has_one() -> None:
    deployment = snapshot("three-subscriptions")
    sources = {
        resource["properties"]["source"]
        for resource in deployed.of_type(deployment, "Microsoft.EventGrid/systemTopics")
    }
    groups = [
        f"/subscriptions/{digit * 8}-{digit * 4}-{digit * 4}-{digit * 4}-{digit * 12}/resourceGroups/secrets"
        for digit in "12"
    ]
    vaults = ("contoso-one", "contoso-two")
    assert sources == {
        f"{group}/providers/Microsoft.KeyVault/vaults/{vault}"
        for group, vault in zip(groups, vaults, strict=True)
    }
    for topic in deployed.of_type(deployment, "Microsoft.EventGrid/systemTopics"):
        assert (
            topic["id"].partition("/providers/")[0]
            == topic["properties"]["source"].partition("/providers/")[0]
        )
    subscriptions = deployed.of_type(
        deployment, "Microsoft.EventGrid/systemTopics/eventSubscriptions"
    )
    names = {subscription["name"] for subscription in subscriptions}
    assert names == {
        "rekey-contoso-one/rekey",
        "rekey-contoso-two/rekey",
        "contoso-three-9a1f/rekey",
    }


def test_with_everything_off_nothing_optional_is_deployed() -> None:
    kinds = {resource["type"] for resource in snapshot("everything-off")["predictedResources"]}
    assert not [
        kind
        for kind in kinds
        if re.search(r"EventGrid|Network/|diagnosticSettings|sites/extensions", kind)
    ]
