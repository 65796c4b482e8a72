"""Each resource is of the kind, in the place and with the names that what rests on it takes.

Most of this Azure accepts in any form. What is wrong shows later, as an app that never starts, mail
that nobody gets, or a name that leads to nothing.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import pairwise
from typing import Any

import pytest

from simulator.arm.deployments.refusals.app import settings_of
from tests.infra import deployed
from tests.infra.bicep import names, snapshot
from tests.infra.customer import CustomerTenant
from tests.infra.test_exposure import DIAGNOSTICS, PRIVATE, SITE, STORAGE, ZONES

type Sets = dict[str, dict[str, Any]]
INSIGHTS, WORKSPACE = "Microsoft.Insights/components", "Microsoft.OperationalInsights/workspaces"
TOPIC = "Microsoft.EventGrid/systemTopics"
ENDPOINT = "Microsoft.Network/privateEndpoints"
KEPT = {"enabled": True, "days": 7}
FORMS: dict[str, dict[str, Any]] = {
    # https://learn.microsoft.com/azure/azure-functions/functions-infrastructure-as-code
    "Microsoft.Web/serverfarms": {
        "sku": {"name": "FC1", "tier": "FlexConsumption"},
        "properties.reserved": True,
    },
    SITE: {
        "kind": "functionapp,linux",
        "properties.functionAppConfig.deployment.storage.type": "blobContainer",
    },
    # The kind has queues. Nobody can change the encryption later, so another is refused at an upgrade:
    # https://learn.microsoft.com/azure/storage/common/infrastructure-encryption-enable and
    # account-encryption-key-create.
    STORAGE: {
        "kind": "StorageV2",
        "properties.defaultToOAuthAuthentication": True,
        "properties.encryption": {
            "keySource": "Microsoft.Storage",
            "requireInfrastructureEncryption": True,
            "services": {
                service: {"enabled": True, "keyType": "Account"}
                for service in ("blob", "queue", "table")
            },
        },
    },
    f"{STORAGE}/blobServices": {
        "properties.deleteRetentionPolicy": KEPT,
        "properties.containerDeleteRetentionPolicy": KEPT,
    },
    INSIGHTS: {"kind": "web", "properties.IngestionMode": "LogAnalytics"},
    # Who may read the app's telemetry needs no right to the workspace:
    # https://learn.microsoft.com/azure/azure-monitor/logs/manage-access.
    WORKSPACE: {
        "properties.sku.name": "PerGB2018",
        "properties.features.enableLogAccessUsingOnlyResourcePermissions": True,
    },
    "Microsoft.Insights/actionGroups": {"properties.enabled": True},
    "Microsoft.Insights/scheduledQueryRules": {"kind": "LogAlert"},
    "Microsoft.Insights/workbooks": {"kind": "shared", "properties.category": "workbook"},
    "Microsoft.Authorization/policyAssignments": {"properties.enforcementMode": "Default"},
    # cloud/telemetry/reports.py sends such events, and no others.
    "Microsoft.EventGrid/topics": {"properties.inputSchema": "CloudEventSchemaV1_0"},
}
"""What all resources of a type have in every deployment that has them."""
EVERYWHERE = {ZONES, f"{ZONES}/virtualNetworkLinks", "Microsoft.Insights/actionGroups"}
"""The types that are in no region."""
NAMES = {
    "AzureCloud": {
        "vault": "vaultcore.azure.net",
        "topic": "eventgrid.azure.net",
        "sites": "azurewebsites.net",
        "graph": "https://graph.microsoft.com",
    },
    "AzureUSGovernment": {
        "vault": "vaultcore.usgovcloudapi.net",
        "topic": "eventgrid.azure.us",
        "sites": "azurewebsites.us",
        "graph": "https://graph.microsoft.us",
    },
    "AzureChinaCloud": {
        "vault": "vaultcore.azure.cn",
        "topic": "eventgrid.azure.cn",
        "sites": "chinacloudsites.cn",
        "graph": "https://microsoftgraph.chinacloudapi.cn",
    },
}
"""How names end by https://learn.microsoft.com/azure/private-link/private-endpoint-dns and
https://learn.microsoft.com/graph/deployments."""
CHINA = {
    "name": "AzureChinaCloud",
    "resourceManager": "https://management.chinacloudapi.cn/",
    "loginEndpoint": "https://login.chinacloudapi.cn/",
    "keyvaultDns": ".vault.azure.cn",
    "storage": "core.chinacloudapi.cn",
}


def part(resource: dict[str, Any], path: str) -> Any:
    value: Any = resource
    for name in path.split("."):
        value = value.get(name)
    return value


@pytest.mark.parametrize("kind", FORMS)
def test_every_resource_of_a_type_has_the_form_that_works(kind: str) -> None:
    made = [resource for name in names() for resource in deployed.of_type(snapshot(name), kind)]
    assert made
    for resource in made:
        assert {path: part(resource, path) for path in FORMS[kind]} == FORMS[kind], resource["id"]


@pytest.mark.parametrize("name", names())
def test_what_has_a_region_is_in_the_deployments_own_or_beside_its_vault(name: str) -> None:
    for resource in snapshot(name)["predictedResources"]:
        place, kind = resource.get("location"), resource["type"]
        if place and kind != TOPIC:
            region = deployed.only(snapshot(name), SITE)["location"]
            assert place == ("global" if kind in EVERYWHERE else region), resource["id"]


@pytest.mark.parametrize("name", names())
def test_telemetry_goes_to_the_workspace_of_the_deployment(name: str) -> None:
    """Azure makes no other kind: https://learn.microsoft.com/azure/azure-monitor/app/create-workspace-resource."""
    (workspace,) = deployed.of_type(snapshot(name), WORKSPACE)
    insights = deployed.only(snapshot(name), INSIGHTS)["properties"]
    assert insights["WorkspaceResourceId"] == workspace["id"]
    listed = deployed.of_type(snapshot(name), DIAGNOSTICS)
    assert {setting["properties"]["workspaceId"] for setting in listed} <= {workspace["id"]}


@pytest.mark.parametrize("name", names())
def test_a_system_topic_is_of_its_sources_kind(name: str) -> None:
    for topic in deployed.of_type(snapshot(name), TOPIC):
        source = "/".join(topic["properties"]["source"].split("/")[-3:-1])
        assert topic["properties"]["topicType"].lower() == source.replace("/", ".").lower()


@pytest.mark.parametrize("name", names())
def test_an_event_that_could_not_be_delivered_is_tried_for_a_day_and_waits_for_the_app_for_ever(
    name: str,
) -> None:
    for resource in deployed.of_type(snapshot(name), f"{TOPIC}/eventSubscriptions"):
        properties = resource["properties"]
        assert properties["eventDeliverySchema"] == "EventGridSchema"
        retries = {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 24 * 60}
        assert properties["retryPolicy"] == retries, "the most that Event Grid allows"
        queue = properties["deliveryWithResourceIdentity"]["destination"]["properties"]
        assert queue["queueMessageTimeToLiveInSeconds"] == -1


@pytest.mark.parametrize("name", PRIVATE)
def test_subnets_lie_in_the_network_beside_each_other_and_endpoints_in_the_one_for_them(
    name: str,
) -> None:
    network = deployed.only(snapshot(name), "Microsoft.Network/virtualNetworks")
    (space,) = map(IPv4Network, network["properties"]["addressSpace"]["addressPrefixes"])
    ranges = sorted(
        IPv4Network(subnet["properties"]["addressPrefix"])
        for subnet in network["properties"]["subnets"]
    )
    assert all(space.supernet_of(subnet) for subnet in ranges)
    assert not [pair for pair in pairwise(ranges) if pair[0].overlaps(pair[1])]
    endpoints = deployed.of_type(snapshot(name), ENDPOINT)
    subnets = {endpoint["properties"]["subnet"]["id"] for endpoint in endpoints}
    assert subnets == {f"{network['id']}/subnets/endpoints"}
    links = [
        link["properties"]
        for link in deployed.of_type(snapshot(name), f"{ZONES}/virtualNetworkLinks")
    ]
    assert {link["virtualNetwork"]["id"] for link in links} == {network["id"]}
    # A network registers the names of its machines in one zone at most.
    assert not any(link["registrationEnabled"] for link in links)


@pytest.mark.parametrize("cloud", NAMES)
def test_the_name_of_each_endpoint_is_in_the_zone_that_leads_to_it(cloud: str, sets: Sets) -> None:
    name = "us-government" if cloud == "AzureUSGovernment" else "everything-on"
    # Of these two the parameters name a vault in the public cloud.
    others = {"policyDocument": "", "endpoints": {}}
    known = {"cloud": CHINA, **others} if cloud == "AzureChinaCloud" else {}
    customer = CustomerTenant(sets[name] | known)
    customer.deploy()
    storage = customer.parameters["cloud"]["storage"]
    ends = NAMES[cloud] | {group: f"{group}.{storage}" for group in ("blob", "queue", "table")}
    endpoints = {
        endpoint.id: endpoint.properties["privateLinkServiceConnections"][0]["properties"][
            "groupIds"
        ]
        for endpoint in customer.all(ENDPOINT)
    }
    assert {group for groups in endpoints.values() for group in groups} <= ends.keys()
    for group in customer.all(f"{ENDPOINT}/privateDnsZoneGroups"):
        (called,) = endpoints[group.id.partition("/privateDnsZoneGroups/")[0]]
        (config,) = group.properties["privateDnsZoneConfigs"]
        zone = config["properties"]["privateDnsZoneId"].rpartition("/")[2]
        assert zone == f"privatelink.{ends[called]}"
    settings = settings_of(customer.one(SITE))
    assert settings["REKEY_GRAPH_ENDPOINT"] == ends["graph"]
