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
"""What only Azure knows: ids of identities, URLs that it makes up, and properties of what exists."""
TOPICS = "Microsoft.EventGrid/systemTopics"


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
    sources = {topic["properties"]["source"] for topic in deployed.of_type(deployment, TOPICS)}
    first, second = (f"/subscriptions/{d * 8}-{d * 4}-{d * 4}-{d * 4}-{d * 12}" for d in "12")
    assert sources == {
        f"{place}/resourceGroups/secrets/providers/Microsoft.KeyVault/vaults/contoso-{name}"
        for place, name in ((first, "one"), (second, "two"))
    }
    for topic in deployed.of_type(deployment, TOPICS):
        places = (topic["id"], topic["properties"]["source"])
        assert len({place.partition("/providers/")[0] for place in places}) == 1
    subscriptions = deployed.of_type(deployment, f"{TOPICS}/eventSubscriptions")
    topics = ("rekey-contoso-one", "rekey-contoso-two", "contoso-three-9a1f")
    names = {subscription["name"] for subscription in subscriptions}
    assert names == {f"{topic}/rekey" for topic in topics}


def test_with_everything_off_nothing_optional_is_deployed() -> None:
    kinds = {resource["type"] for resource in snapshot("everything-off")["predictedResources"]}
    optional = re.compile(r"EventGrid|Network/|diagnosticSettings|sites/extensions")
    assert not [kind for kind in kinds if optional.search(kind)]
