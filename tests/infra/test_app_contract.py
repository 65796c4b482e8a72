"""What the template makes is what the code expects: queues, containers, settings, events."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

import pytest

from api import app
from api.github import MOST_BODY
from api.policies import MOST_BYTES
from cloud.settings import HOURLY, KNOWN, Settings
from cloud.storage import blobs, queues
from engine.state.events import VaultEvent, parse_event
from tests.infra import deployed
from tests.infra.bicep import ROOT, names, snapshot
from tests.infra.customer import CUSTOMER, template

INSIGHTS = (
    *("CONNECTION_STRING", "AUTHENTICATION_STRING"),
    *("STATSBEAT_DISABLED_ALL", "CONTROLPLANE_DISABLED"),
)
EVENTS = ("credential", "clientId", "blobServiceUri", "queueServiceUri")
HOSTS = {
    *("AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId"),
    *(f"RekeyEvents__{name}" for name in EVENTS),
    *(f"APPLICATIONINSIGHTS_{name}" for name in INSIGHTS),
    "PYTHON_ENABLE_OPENTELEMETRY",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
}
"""Settings that the Functions host, the worker, the exporter and the identity library read."""
BY_NAME = {"AzureWebJobsStorage__accountName"}
BY_ADDRESS = {f"AzureWebJobsStorage__{service}ServiceUri" for service in ("blob", "queue", "table")}
"""How the app's own storage account is named: in the public cloud, and in the others."""
SWITCHES = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
    "PYTHON_ENABLE_OPENTELEMETRY",
}
"""Settings that exporter and worker take for switched on where they are "true"."""
PLATFORMS = {"OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID", "WEBSITE_AUTH_AAD_ALLOWED_TENANTS"}
"""Settings that the platform's sign-in reads:
https://learn.microsoft.com/azure/app-service/configure-authentication-provider-aad."""
OPTIONAL = PLATFORMS | {
    f"REKEY_{name}" for name in ("ENDPOINTS", "EVENT_TOPIC", "LOGS_WORKSPACE", "POLICY", "RUNBOOK")
}
BY_HAND = {"REKEY_LOGS_ENDPOINT"}
"""Set where a cloud's own addresses are not known; the template knows those that it deploys to."""
KNOWN_LATER = {
    "REKEY_EVENT_TOPIC": "https://topic.example/api/events",
    "REKEY_LOGS_WORKSPACE": CUSTOMER,
}
"""What stands in for settings that only Azure knows."""


def triggered_queues() -> Iterator[str]:
    """Yield the queue of every queue trigger in function_app.py."""
    for node in ast.walk(ast.parse((ROOT / "function_app.py").read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "queue_trigger":
            assert isinstance(node.args[1], ast.Constant)
            yield str(node.args[1].value)


def child_names(template: dict[str, Any], kind: str, account: str) -> set[str]:
    return {
        resource["id"].rpartition("/")[2]
        for resource in deployed.of_type(template, f"Microsoft.Storage/storageAccounts/{kind}")
        if f"/{account}/" in resource["id"]
    }


@pytest.mark.parametrize("name", names())
def test_every_queue_that_is_read_or_written_exists_with_its_poison_queue(name: str) -> None:
    used = {*triggered_queues(), queues.ROTATIONS, queues.SWEEPS}
    expected = used | {f"{queue}-poison" for queue in used if not queue.endswith("-poison")}
    assert len(expected) == 6
    deployment = snapshot(name)
    own, events = (
        child_names(deployment, "queueServices/queues", account["name"])
        for account in deployed.accounts(deployment)
    )
    assert events == {queue for queue in expected if queue.startswith("vault-events")}
    assert own == expected - events


@pytest.mark.parametrize("name", names())
def test_the_containers_of_leases_package_and_dead_letters_exist_and_no_others(name: str) -> None:
    deployment = snapshot(name)
    account, events = (each["name"] for each in deployed.accounts(deployment))
    containers = "blobServices/containers"
    assert child_names(deployment, containers, account) == {blobs.CONTAINER, "deployments"}
    assert child_names(deployment, containers, events) == {"dead-letters"}
    package = deployed.site(name)["functionAppConfig"]["deployment"]["storage"]
    assert package["value"].startswith(f"https://{account}.blob.core.")
    assert package["value"].endswith("/deployments")


@pytest.mark.parametrize("name", names())
def test_answers_to_requests_are_deleted_after_a_week_and_nothing_else_is(name: str) -> None:
    kind = "Microsoft.Storage/storageAccounts/managementPolicies"
    (rule,) = deployed.only(snapshot(name), kind)["properties"]["policy"]["rules"]
    assert (rule["enabled"], rule["type"]) == (True, "Lifecycle")
    after_a_week = {"daysAfterModificationGreaterThan": 7}
    assert rule["definition"]["actions"] == {"baseBlob": {"delete": after_a_week}}
    (prefix,) = rule["definition"]["filters"]["prefixMatch"]
    container, _, begins = prefix.partition("/")
    assert container == blobs.CONTAINER
    assert f'f"{begins}{{key}}"' in (ROOT / "cloud" / "storage" / "blobs.py").read_text()
    assert rule["definition"]["filters"]["blobTypes"] == ["blockBlob"]


@pytest.mark.parametrize("name", names())
def test_the_settings_are_those_that_are_read_none_missing_none_unknown(name: str) -> None:
    configured = set(deployed.settings(snapshot(name)))
    storage = BY_ADDRESS if name == "us-government" else BY_NAME
    assert configured - OPTIONAL == (KNOWN | HOSTS | storage) - OPTIONAL - BY_HAND


@pytest.mark.parametrize("name", names())
def test_no_setting_is_empty_least_of_all_the_hosts_storage(name: str) -> None:
    configured = deployed.settings(snapshot(name))
    assert not [setting for setting, value in configured.items() if not value]
    assert "AzureWebJobsStorage" not in configured


@pytest.mark.parametrize("name", names())
def test_each_switch_is_on_and_the_host_takes_every_body_that_the_app_reads(name: str) -> None:
    configured = deployed.settings(snapshot(name))
    assert {switch: configured[switch] for switch in SWITCHES} == dict.fromkeys(SWITCHES, "true")
    assert int(configured["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]) >= max(MOST_BODY, MOST_BYTES)


def test_the_sweeps_have_one_schedule_where_nobody_names_another() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    default = template()["parameters"]["sweepSchedule"]["defaultValue"]
    assert {default, sample["REKEY_SWEEP_SCHEDULE"]} == {HOURLY}


def test_every_known_setting_is_set_with_everything_on_and_no_optional_one_with_it_off() -> None:
    configured = set(deployed.settings(snapshot("everything-on")))
    assert configured == (KNOWN | HOSTS | BY_NAME | PLATFORMS) - BY_HAND
    assert not OPTIONAL & set(deployed.settings(snapshot("everything-off")))


def settings_of(name: str) -> Settings:
    """Read a snapshot's settings as the app does, with KNOWN_LATER for what only Azure knows."""
    configured = deployed.settings(snapshot(name))
    later = {name: value for name, value in KNOWN_LATER.items() if name in configured}
    return Settings.read({**configured, **later})


@pytest.mark.parametrize("name", names())
def test_the_app_starts_with_the_settings_as_they_are(name: str) -> None:
    settings = settings_of(name)
    assert settings.storage.connection_string == ""
    assert settings.storage.blob_url.startswith("https://")
    own, events = deployed.accounts(snapshot(name))
    assert settings.storage.account == own["name"]
    assert (settings.events.account, settings.events.connection) == (events["name"], "RekeyEvents")


def test_scopes_applications_and_consumers_reach_the_app_bound_to_their_vault() -> None:
    settings = settings_of("everything-on")
    assert list(settings.scopes) == ["https://contoso-prod.vault.azure.net"]
    data = "/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/data/providers/"
    keyed = f"{data.replace('/data/', '/keys/')}microsoft."
    bound = settings.scopes["https://contoso-prod.vault.azure.net"]
    assert any(scope.startswith(f"{keyed}servicebus/namespaces/contoso") for scope in bound)
    assert tuple(scope for scope in bound if not scope.startswith(keyed)) == (
        f"{data}microsoft.storage/storageaccounts/contosodata",
        f"{data}microsoft.sql/servers/contoso-sql",
        f"{data}microsoft.sql/servers/contoso-users/databases/orders",
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/shared",
        "11111111-2222-3333-4444-555555555555",
        "/kinds/acme-token",
        f"{data.replace('/data/', '/shop/')}microsoft.web/sites/contoso-shop",
        f"{data.replace('/data/', '/shop/')}microsoft.app/containerapps/worker",
    )


def test_another_cloud_has_its_own_names_everywhere() -> None:
    settings = settings_of("us-government")
    assert list(settings.scopes) == ["https://agency-prod.vault.usgovcloudapi.net"]
    assert settings.arm_endpoint == "https://management.usgovcloudapi.net"
    assert settings.graph_endpoint == "https://graph.microsoft.us"
    assert settings.authority == "https://login.microsoftonline.us"
    assert settings.storage.blob_url.endswith(".blob.core.usgovcloudapi.net")
    assert settings.storage.queue_url.endswith(".queue.core.usgovcloudapi.net")
    assert settings.events.blob_url.endswith(".blob.core.usgovcloudapi.net")
    assert settings.events.queue_url.endswith(".queue.core.usgovcloudapi.net")
    text = json.dumps(snapshot("us-government"))
    public = "core.windows.net vault.azure.net vaultcore.azure.net management.azure.com"
    assert not [name for name in (*public.split(), "azurewebsites.net") if name in text]


@pytest.mark.parametrize("name", [name for name in names() if name != "everything-off"])
def test_the_events_that_are_delivered_are_those_that_the_app_acts_on(name: str) -> None:
    for resource in deployed.of_type(
        snapshot(name), "Microsoft.EventGrid/systemTopics/eventSubscriptions"
    ):
        properties = resource["properties"]
        kinds = properties["filter"]["includedEventTypes"]
        assert set(kinds) == {
            "Microsoft.KeyVault.SecretNearExpiry",
            "Microsoft.KeyVault.SecretExpired",
        }
        for kind in kinds:
            data = {
                "Id": "https://prod.vault.azure.net/secrets/key/0123",
                "VaultName": "prod",
                "ObjectName": "key",
            }
            event = json.dumps({"id": "1", "eventType": kind, "subject": "key", "data": data})
            assert isinstance(parse_event(event), VaultEvent)
        destination = properties["deliveryWithResourceIdentity"]["destination"]
        assert destination["endpointType"] == "StorageQueue"
        assert destination["properties"]["queueName"] == "vault-events"
        dead = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
        assert dead["blobContainerName"] == "dead-letters"
        _, account = deployed.accounts(snapshot(name))
        assert {destination["properties"]["resourceId"], dead["resourceId"]} == {account["id"]}


def test_the_runtime_is_the_one_that_the_code_is_written_for() -> None:
    runtime = deployed.site("everything-off")["functionAppConfig"]["runtime"]
    assert runtime == {"name": "python", "version": (ROOT / ".python-version").read_text().strip()}


@pytest.mark.parametrize("name", names())
def test_an_instance_answers_as_many_calls_as_the_host_lets_in_and_the_app_holds(name: str) -> None:
    config = deployed.site(name)["functionAppConfig"]
    at_once = config["scaleAndConcurrency"]["triggers"]["http"]["perInstanceConcurrency"]
    host = json.loads((ROOT / "host.json").read_text())
    assert at_once == host["extensions"]["http"]["maxConcurrentRequests"]
    # What does not act leaves places to what does.
    look = app.MOST_LISTINGS + app.MOST_WAITS + app.MOST_LOOKS + app.MOST_PROBES
    assert at_once > look + app.MOST_DELIVERIES + app.MOST_LEAKS


@pytest.mark.parametrize("name", names())
def test_a_preview_of_azures_is_used_only_where_it_is_asked_for(name: str) -> None:
    config = deployed.site(name)["functionAppConfig"]
    asked = {"type": "RollingUpdate"} if name == "everything-on" else None
    assert config.get("siteUpdateStrategy") == asked
