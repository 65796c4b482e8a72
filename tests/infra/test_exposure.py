"""Nothing is public that need not be, and nothing is opened by a key or a password."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra import deployed
from tests.infra.bicep import names, snapshot

PRIVATE = ("everything-on", "us-government")
STORAGE, SITE = "Microsoft.Storage/storageAccounts", "Microsoft.Web/sites"
ZONES = "Microsoft.Network/privateDnsZones"
DIAGNOSTICS = "Microsoft.Insights/diagnosticSettings"
EVERYWHERE: dict[str, dict[str, Any]] = {
    STORAGE: {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "supportsHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
    },
    f"{STORAGE}/blobServices/containers": {"publicAccess": "None"},
    SITE: {
        "httpsOnly": True,
        "siteConfig.minTlsVersion": "1.2",
        "siteConfig.scmMinTlsVersion": "1.2",
    },
    f"{SITE}/basicPublishingCredentialsPolicies": {"allow": False},
    "Microsoft.Insights/components": {"DisableLocalAuth": True},
    "Microsoft.OperationalInsights/workspaces": {"features.disableLocalAuth": True},
    "Microsoft.EventGrid/topics": {"disableLocalAuth": True, "minimumTlsVersionAllowed": "1.2"},
}
"""Properties of all resources of a type: no key, no password, no plain HTTP, no anonymous reader."""


def accounts(name: str) -> list[dict[str, Any]]:
    return [account["properties"] for account in deployed.accounts(snapshot(name))]


def property_of(resource: dict[str, Any], path: str) -> Any:
    value = resource["properties"]
    for name in path.split("."):
        value = value[name]
    return value


@pytest.mark.parametrize("kind", EVERYWHERE)
@pytest.mark.parametrize("name", names())
def test_nothing_is_opened_by_a_key_a_password_or_without_tls(name: str, kind: str) -> None:
    listed = deployed.of_type(snapshot(name), kind)
    assert listed or kind == "Microsoft.EventGrid/topics"
    for resource in listed:
        told = {path: property_of(resource, path) for path in EVERYWHERE[kind]}
        assert told == EVERYWHERE[kind], resource["id"]
    if kind.endswith("CredentialsPolicies"):
        assert {policy["id"].rpartition("/")[2] for policy in listed} == {"ftp", "scm"}


@pytest.mark.parametrize("name", names())
def test_the_app_uses_an_identity_that_outlives_it_and_each_topic_one_of_its_own(name: str) -> None:
    deployment = snapshot(name)
    assert deployed.only(deployment, SITE)["identity"]["type"] == "UserAssigned"
    topics = deployed.of_type(deployment, "Microsoft.EventGrid/systemTopics")
    assert {topic["identity"]["type"] for topic in topics} <= {"SystemAssigned"}
    storage = deployed.site(name)["functionAppConfig"]["deployment"]["storage"]
    assert storage["authentication"]["type"] == "UserAssignedIdentity"
    assert "AzureWebJobsStorage" not in deployed.settings(deployment)


@pytest.mark.parametrize("name", names())
def test_with_a_private_network_storage_and_topic_answer_there_only_and_without_one_they_must_be_reachable(
    name: str,
) -> None:
    private, deployment = name in PRIVATE, snapshot(name)
    for properties in accounts(name):
        # Disabled would shut Event Grid out, too: nothing promises that it gets in there.
        assert properties["publicNetworkAccess"] == "Enabled"
        assert properties["networkAcls"] == {
            "bypass": "AzureServices",
            "defaultAction": "Deny" if private else "Allow",
        }
    for topic in deployed.of_type(deployment, "Microsoft.EventGrid/topics"):
        assert topic["properties"]["publicNetworkAccess"] == ("Disabled" if private else "Enabled")


@pytest.mark.parametrize("name", PRIVATE)
def test_what_is_closed_has_a_private_endpoint_with_its_name_in_a_linked_zone(name: str) -> None:
    deployment = snapshot(name)
    connections = [
        resource["properties"]["privateLinkServiceConnections"][0]["properties"]
        for resource in deployed.of_type(deployment, "Microsoft.Network/privateEndpoints")
    ]
    reached = {(to["privateLinkServiceId"], to["groupIds"][0]) for to in connections}
    own, events = (account["id"] for account in deployed.accounts(deployment))
    stores = {(own, "blob"), (own, "queue"), (own, "table"), (events, "blob"), (events, "queue")}
    assert stores <= reached
    others = {(target.split("/")[-2], group) for target, group in reached - stores}
    expected = {("topics", "topic"), ("vaults", "vault")}
    assert others == (expected | {("sites", "sites")} if name == "everything-on" else expected)
    zones = {zone["id"] for zone in deployed.of_type(deployment, ZONES)}
    groups = deployed.of_type(deployment, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    named = [group["properties"]["privateDnsZoneConfigs"][0]["properties"] for group in groups]
    assert {properties["privateDnsZoneId"] for properties in named} == zones
    links = deployed.of_type(deployment, f"{ZONES}/virtualNetworkLinks")
    assert {link["id"].partition("/virtualNetworkLinks/")[0] for link in links} == zones


@pytest.mark.parametrize("name", PRIVATE)
def test_a_source_whose_private_endpoint_is_in_another_network_is_found_by_its_public_name(
    name: str,
) -> None:
    """Its name leads through the zone here, which knows nothing of it."""
    links = deployed.of_type(snapshot(name), f"{ZONES}/virtualNetworkLinks")
    assert {link["properties"]["resolutionPolicy"] for link in links} == {"NxDomainRedirect"}


@pytest.mark.parametrize("name", PRIVATE)
def test_the_app_runs_in_the_delegated_subnet_of_its_network(name: str) -> None:
    deployment = snapshot(name)
    network = deployed.only(deployment, "Microsoft.Network/virtualNetworks")
    delegated = [
        subnet["name"]
        for subnet in network["properties"]["subnets"]
        for delegation in subnet["properties"].get("delegations", [])
        if delegation["properties"]["serviceName"] == "Microsoft.App/environments"
    ]
    assert delegated == ["app"]
    assert deployed.site(name)["virtualNetworkSubnetId"] == f"{network['id']}/subnets/app"


def test_the_apps_url_is_closed_opened_to_all_or_to_listed_addresses_as_asked() -> None:
    sites = {name: deployed.site(name) for name in names()}
    assert sites["everything-on"]["publicNetworkAccess"] == "Disabled"
    assert sites["everything-off"]["publicNetworkAccess"] == "Enabled"
    assert sites["everything-off"]["siteConfig"]["ipSecurityRestrictionsDefaultAction"] == "Allow"
    listed = sites["three-subscriptions"]["siteConfig"]
    assert listed["ipSecurityRestrictionsDefaultAction"] == "Deny"
    (restriction,) = listed["ipSecurityRestrictions"]
    assert (restriction["ipAddress"], restriction["action"]) == ("203.0.113.0/24", "Allow")
    assert listed["scmIpSecurityRestrictionsUseMain"] is True


def logged(deployment: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (setting["id"].partition("/providers/Microsoft.Insights/")[0].split("/")[-2], log)
        for setting in deployed.of_type(deployment, DIAGNOSTICS)
        for entry in setting["properties"]["logs"]
        for log in (entry.get("category") or entry["categoryGroup"],)
    }


def test_without_a_wish_only_what_fails_is_logged_a_second_time() -> None:
    assert logged(snapshot("three-subscriptions")) == {
        ("blobServices", "StorageWrite"),
        ("systemTopics", "DeliveryFailures"),
    }
    names = [row["id"] for row in deployed.of_type(snapshot("three-subscriptions"), DIAGNOSTICS)]
    (setting,) = (name for name in names if "/blobServices/" in name)
    _, events = deployed.accounts(snapshot("three-subscriptions"))
    assert setting.startswith(events["id"])
    assert logged(snapshot("everything-off")) == set()


def test_logs_of_everything_that_the_deployment_owns_go_to_the_workspace_if_asked() -> None:
    deployment = snapshot("everything-on")
    workspace = deployed.only(deployment, "Microsoft.OperationalInsights/workspaces")["id"]
    listed = deployed.of_type(deployment, DIAGNOSTICS)
    assert {setting["properties"]["workspaceId"] for setting in listed} == {workspace}
    assert logged(deployment) == {
        ("blobServices", "audit"),
        ("queueServices", "audit"),
        ("tableServices", "audit"),
        ("topics", "allLogs"),
        ("systemTopics", "DeliveryFailures"),
        ("sites", "FunctionAppLogs"),
    }
    assert len([setting for setting in listed if "/storageAccounts/" in setting["id"]]) == 6
