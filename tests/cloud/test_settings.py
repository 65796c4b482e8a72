"""Wrong settings stop the app, all of them named at once, each with what to write instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud.settings import HOURLY, Settings
from engine.errors import ConfigError
from tests.shared.rig import Rig

VAULT = "https://prod.vault.azure.net"
SCOPE = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/production"
KEY = "c2VjcmV0LWtleQ=="
SOUND = {
    "REKEY_VAULTS": VAULT,
    "REKEY_SCOPES": json.dumps({VAULT: [SCOPE]}),
    "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=rekeyhost;AccountKey={KEY}",
}


def read(**changes: str | None) -> Settings:
    """Read sound settings with some changed; None takes one away."""
    return Settings.read(
        {name: text for name, text in {**SOUND, **changes}.items() if text is not None}
    )


def problems(**changes: str | None) -> tuple[str, ...]:
    """Return what is said of wrong settings."""
    with pytest.raises(ConfigError) as caught:
        read(**changes)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def test_sound_settings_are_read() -> None:
    settings = read()
    assert settings.scopes == {VAULT: (SCOPE.lower(),)}
    assert settings.arm_endpoint == "https://management.azure.com"
    assert settings.graph_endpoint == "https://graph.microsoft.com"
    assert settings.authority == "https://login.microsoftonline.com"
    assert (settings.event_topic, settings.client_id, settings.tenant_id) == (None, None, None)


def test_optional_settings_are_read() -> None:
    settings = read(
        REKEY_ARM_ENDPOINT="https://management.usgovcloudapi.net/",
        REKEY_GRAPH_ENDPOINT="https://graph.microsoft.us",
        REKEY_EVENT_TOPIC="https://outcomes.westeurope-1.eventgrid.azure.net/api/events",
        AZURE_AUTHORITY_HOST="https://login.microsoftonline.us/",
        REKEY_LOGS_ENDPOINT="https://API.loganalytics.us/",
        REKEY_IDENTITY_NAME=" rekey ",
        REKEY_SWEEP_SCHEDULE="0 30 6 * * *",
        AZURE_CLIENT_ID="client",
        AZURE_TENANT_ID="tenant",
    )
    assert settings.arm_endpoint == "https://management.usgovcloudapi.net"
    assert settings.event_topic == "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"
    assert settings.authority == "https://login.microsoftonline.us"
    assert (settings.client_id, settings.tenant_id) == ("client", "tenant")
    assert settings.logs_endpoint == "https://API.loganalytics.us"
    assert (settings.identity_name, settings.schedule) == ("rekey", "0 30 6 * * *")


def test_what_is_set_to_nothing_is_left_out() -> None:
    """The template, and a portal's form, may set a name to an empty text."""
    names = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "REKEY_IDENTITY_NAME", "REKEY_LOGS_ENDPOINT")
    settings = read(**dict.fromkeys(names, ""))
    assert (settings.client_id, settings.tenant_id) == (None, None)
    assert (settings.identity_name, settings.logs_endpoint) == (None, None)
    assert read(REKEY_IDENTITY_NAME=" ").identity_name is None


@pytest.mark.parametrize(
    ("site", "account", "deployment"),
    [
        ("rekey-app", "AccountName", "rekey-app"),
        ("", "AccountName", "own"),
        (None, "accountname", "own"),
    ],
)
def test_a_deployment_is_named_by_its_app_or_else_by_its_storage(
    site: str | None, account: str, deployment: str
) -> None:
    """Versions bear that name, so two deployments that serve one secret notice each other."""
    settings = read(WEBSITE_SITE_NAME=site, AzureWebJobsStorage=f"{account}=own;AccountKey={KEY}")
    assert settings.deployment == deployment


def test_case_blanks_and_slashes_make_no_difference() -> None:
    vaults = f" {VAULT.upper()}/ , https://test.vault.azure.net,, {VAULT}"
    bound = {VAULT + "/": [f" {SCOPE}/ "], "HTTPS://TEST.vault.azure.net": [SCOPE.upper()]}
    settings = read(REKEY_VAULTS=vaults, REKEY_SCOPES=json.dumps(bound))
    assert settings.scopes == dict.fromkeys(
        (VAULT, "https://test.vault.azure.net"), (SCOPE.lower(),)
    )


@pytest.mark.parametrize(
    ("vault", "scope"),
    [
        (VAULT, "0B6D3C1E-7A4F-4C55-9A51-2F6F5D1C8E90"),
        ("https://prod.vault.localhost:8443", SCOPE),
    ],
)
def test_an_application_may_be_a_scope_and_vaults_on_loopback_may_have_a_port(
    vault: str, scope: str
) -> None:
    settings = read(REKEY_VAULTS=vault, REKEY_SCOPES=json.dumps({vault: [scope]}))
    assert settings.scopes == {vault: (scope.lower(),)}


NO_VAULT = ("REKEY_VAULTS is empty", "https://prod.vault.azure.net")
UNBOUND = ("REKEY_SCOPES binds nothing to", "list the scopes")
FOREIGN = json.dumps({VAULT: [SCOPE], "https://x.vault.azure.net": [SCOPE]})
NO_STORAGE = ("AzureWebJobsStorage is missing", "AzureWebJobsStorage__accountName")
NO_ACCOUNT = ("AzureWebJobsStorage__accountName", "__blobServiceUri")
NO_CONNECTION = ("AzureWebJobsStorage is not a connection string", "AccountName=…")


TWICE = (
    f'{{"{VAULT}": ["{SCOPE}"], "{VAULT}": ["{SCOPE}"]}}',
    *(
        json.dumps({VAULT: [SCOPE], other: [SCOPE]})
        for other in (f"{VAULT}/", VAULT.upper(), f" {VAULT}")
    ),
)
"""One vault in two spellings: JSON's last member would win, and the other list be lost."""
NO_OBJECT = ("{", "prod", "'x'", "[" * 100_000, "[]", "7", "null", '"x"')
EXAMPLE = '{"https://prod.vault.azure.net": ["/subscriptions/<id>/resourceGroups/<name>"]}'
NO_URL = (
    "prod",
    "prod.vault.azure.net",
    "http://prod.vault.azure.net",
    "https://prod",
    "https://",
    "https://prod.vault.azure.net/secrets",
    "https://prod.vault.azure.net?x=y",
    "https://prod.vault.azure.net#x",
    "https://user@prod.vault.azure.net",
    "https://[prod",
    "https://prod..vault.azure.net",
    "https://prod.vault.azure.net:port",
    "https://prod.vault.azure.net:0",
    "https://prod.vault.azure.net:65536",
    "https://prod.vault.azure.net:99999",
    "https://prod vault.azure.net",
)
NO_SCOPE = (
    "",
    "/",
    "/subscriptions",
    "/subscriptions/",
    "/subscriptions//resourceGroups/x",
    "/subscriptions/x//resourceGroups/y",
    "/subscriptions/x y",
    "/kinds/acme-token x",
    "subscriptions/x",
    "/providers/Microsoft.Management/managementGroups/x",
    "*",
    "production",
    "0b6d3c1e-7a4f-4c55-9a51",
    7,
    None,
    ["x"],
)
"""Wider than a subscription, or no id."""
NO_SCHEDULE = (
    "",
    "hourly",
    "0 * * * *",
    "0 0 * * * * *",
    "60 0 * * * *",
    "0 0 24 * * *",
    "0 0 0 0 * *",
    "0 0 0 * 13 *",
    "0 0 0 * * 7",
    "0 */0 * * * *",
    "0 0 0 * * Someday",
    "Mon 0 0 * * *",
    "0 0, * * * *",
    "0 1-2-3 * * * *",
    "@hourly x x x x x",
    "٣ 0 * * * *",
    "0 0 0 31 feb *",
    "0 0 0 30 2 1",
    "0 0 0 29 2 *",
    "0 0 5-1 * * *",
    "0 0 0 * * sat-sun",
)
"""What the host would drop in silence, or what hardly ever comes."""
AZURITE = (
    f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)
UNPARSED = (
    f"AccountName=own;;AccountKey={KEY}",
    f"AccountName=own;AccountKey={KEY};\n",
    f"AccountName = own; AccountKey = {KEY}",
    f"AccountName=;AccountKey={KEY}",
    f"AccountName=own.blob;AccountKey={KEY}",
    "AccountName=own;AccountKey=abc",
    "AccountName=own;AccountKey=",
    "UseDevelopmentStorage=true;x",
    *(f"UseDevelopmentStorage={word}" for word in ("", "True", "false")),
    f"AccountName=own;AccountKey={KEY};BlobSecondaryEndpoint=https://s.x",
    f"AccountName=own;AccountKey={KEY};QueueEndpoint=https://",
    f"DefaultEndpointsProtocol=https;AccountName=own;AccountKey={KEY};EndpointSuffix=",
    f"DefaultEndpointsProtocol=;AccountName=own;AccountKey={KEY};EndpointSuffix=x.y",
    "BlobEndpoint=https://b.x;QueueEndpoint=https://q.x",
    f"BlobEndpoint=https://b.x;QueueEndpoint=https://q.x;AccountKey={KEY}",
    "BlobEndpoint=https://b.x;QueueEndpoint=https://q.x;SharedAccessSignature=s",
    "BlobEndpoint=;QueueEndpoint=;SharedAccessSignature=sv=1&sig=s",
    "BlobEndpoint=https://b.x:99999;QueueEndpoint=https://q.x;SharedAccessSignature=sv=1&sig=s",
)
"""What looks like a connection string, and the SDK cannot use."""
ADDRESS, WORKSPACE = "management.azure.com", "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90"
CLOUD = ("REKEY_ARM_ENDPOINT", "REKEY_GRAPH_ENDPOINT", "AZURE_AUTHORITY_HOST")
ENDPOINTS = (*CLOUD, "REKEY_LOGS_ENDPOINT", "REKEY_EVENT_TOPIC")
NO_ENDPOINT = (
    ADDRESS,
    f"http://{ADDRESS}",
    f"https://{ADDRESS}:99999",
    "https://[x",
    "https://host",
    "ftp://a.b",
)
LOGS = "providers/Microsoft.OperationalInsights/workspaces/central"
NO_WORKSPACE = (
    "central",
    WORKSPACE[:-1],
    f"{WORKSPACE}/query?x=",
    f"{WORKSPACE}/../other",
    f"/subscriptions/{WORKSPACE}/resourceGroups/ops/{LOGS}",
)
NO_POLICY = ("rekey-policy", f"{VAULT}/secrets/x/{'1' * 32}", f"{VAULT}/keys/rekey-policy")
TWINS = [VAULT, "https://prod.vault.azure.cn"]
EVENTS = "RekeyEvents__accountName"


def serving(*vaults: str) -> dict[str, str | None]:
    scopes = {vault: [SCOPE] for vault in vaults}
    return {"REKEY_VAULTS": ",".join(vaults), "REKEY_SCOPES": json.dumps(scopes)}


@pytest.mark.parametrize(
    ("changes", "named", "fix"),
    [
        ({"REKEY_VAULTS": None, "REKEY_SCOPES": None}, *NO_VAULT),
        ({"REKEY_VAULTS": " , ", "REKEY_SCOPES": None}, *NO_VAULT),
        ({"REKEY_SCOPES": None}, *UNBOUND),
        ({"REKEY_SCOPES": "{}"}, *UNBOUND),
        ({"REKEY_SCOPES": json.dumps({VAULT: []})}, *UNBOUND),
        ({"REKEY_SCOPES": json.dumps({VAULT: SCOPE})}, *UNBOUND),
        ({"REKEY_SCOPES": FOREIGN}, "https://x.vault.azure.net", "add it to REKEY_VAULTS"),
        ({"REKEY_SCOPES": json.dumps({VAULT: {SCOPE: 1}})}, *UNBOUND),
        *(({"REKEY_SCOPES": text}, f"binds {VAULT} twice", "in one list") for text in TWICE),
        ({"AzureWebJobsStorage": None}, *NO_STORAGE),
        ({"AzureWebJobsStorage": ""}, *NO_STORAGE),
        ({"AzureWebJobsStorage": "rekeyhost"}, *NO_CONNECTION),
        ({"AzureWebJobsStorage": f"AccountKey={KEY}"}, *NO_CONNECTION),
        *(({"AzureWebJobsStorage": text}, *NO_CONNECTION) for text in UNPARSED),
        *(
            ({"AzureWebJobsStorage": None, f"AzureWebJobsStorage__{name}": text}, *NO_ACCOUNT)
            for name, text in (
                ("accountName", "https://own.blob.core.windows.net/"),
                ("accountName", " "),
                ("accountName", "own/../x"),
            )
        ),
        *(
            (
                {
                    "AzureWebJobsStorage": None,
                    "AzureWebJobsStorage__blobServiceUri": blob,
                    "AzureWebJobsStorage__queueServiceUri": queue,
                },
                *NO_ACCOUNT,
            )
            for blob, queue in (
                ("own.blob.core.windows.net", "https://own.queue.core.windows.net"),
                ("https://own.blob.core.windows.net", "https://own.queue.core.windows.net "),
                ("https://", "https://"),
                ("https://own.blob.core.windows.net:99999", "https://own.queue.core.windows.net"),
                ("https://-own.blob.core.windows.net", "https://own.queue.core.windows.net"),
            )
        ),
        (
            {"AzureWebJobsStorage": None, "AzureWebJobsStorage__blobServiceUri": "https://b.x"},
            *NO_STORAGE,
        ),
        ({"RekeyEvents": ""}, "RekeyEvents is missing", "set a connection string"),
        ({"RekeyEvents__credential": "managedidentity"}, "RekeyEvents", f"or {EVENTS}"),
        ({"RekeyEvents__queueServiceUri": "https://q.x"}, "RekeyEvents is missing", EVENTS),
        ({"RekeyEvents": "rekeyevents"}, "RekeyEvents is not a connection string", "AccountName"),
        ({"REKEY_VALTS": VAULT}, "REKEY_VALTS is not a setting", "did you mean REKEY_VAULTS?"),
        ({"REKEY_COLOUR_OF_SKY": "x"}, "REKEY_COLOUR_OF_SKY is not a setting", "known are"),
        *(({"REKEY_SCOPES": text}, "REKEY_SCOPES is not", EXAMPLE) for text in NO_OBJECT),
        *((serving(url), "is not the URL of a vault", "<vault>.vault.azure.net") for url in NO_URL),
        (serving(*TWINS), "two vaults are named 'prod'", ""),
        *(
            ({"REKEY_SCOPES": json.dumps({VAULT: [SCOPE, scope]})}, "/subscriptions/<id>…", "id")
            for scope in NO_SCOPE
        ),
        *(({name: f"https://{ADDRESS}/x"}, name, "https://<host>") for name in CLOUD),
        *(({name: url}, name, "https://<host>") for name in ENDPOINTS for url in NO_ENDPOINT),
        *(({"REKEY_LOGS_WORKSPACE": t}, "REKEY_LOGS_WORKSPACE", "a GUID") for t in NO_WORKSPACE),
        *(({"REKEY_SWEEP_SCHEDULE": t}, "REKEY_SWEEP_SCHEDULE", HOURLY) for t in NO_SCHEDULE),
        *(({"REKEY_POLICY": text}, "REKEY_POLICY is not a secret's id", "") for text in NO_POLICY),
        (
            {"REKEY_POLICY": "https://foreign.vault.azure.net/secrets/rekey-policy"},
            "REKEY_POLICY is in https://foreign.vault.azure.net",
            "",
        ),
    ],
)
def test_each_wrong_setting_is_named_once_with_its_fix(
    changes: dict[str, str | None], named: str, fix: str
) -> None:
    (problem,) = problems(**changes)
    assert named in problem
    assert fix in problem


POLICY = f"{VAULT}/secrets/rekey-policy"


@pytest.mark.parametrize(
    ("workspace", "policy", "read_as"),
    [
        (None, None, (None, None)),
        ("", "", (None, None)),
        (" ", f" {POLICY}/ ", (None, POLICY)),
        (f" {WORKSPACE.upper()}", POLICY.replace("https://p", "HTTPS://P"), (WORKSPACE, POLICY)),
    ],
)
def test_a_workspace_and_a_policy_are_read_in_whatever_spelling_or_left_out(
    workspace: str | None, policy: str | None, read_as: tuple[str | None, str | None]
) -> None:
    settings = read(
        REKEY_LOGS_WORKSPACE=workspace, REKEY_POLICY=policy, REKEY_RUNBOOK="https://wiki.example/x"
    )
    document = settings.policy and str(settings.policy)
    assert (settings.logs_workspace, document) == read_as


@pytest.mark.parametrize(
    "schedule",
    [
        HOURLY,
        "0 */5 * * * *",
        "0 30 9 * * Mon-Fri",
        "0 0 1,13 1-7 JAN,jul *",
        "0/15 * * * * 0-6",
        "59 59 23 31 * 6",
    ],
)
def test_schedules_as_azure_documents_them_are_taken(schedule: str) -> None:
    assert read(REKEY_SWEEP_SCHEDULE=schedule)


@pytest.mark.parametrize(
    ("form", "blob", "queue"),
    [
        ({"accountName": "own"}, "own.blob.core.windows.net", "own.queue.core.windows.net"),
        ({"blobServiceUri": "https://b.x", "queueServiceUri": "https://q.x"}, "b.x", "q.x"),
        (
            {"blobServiceUri": "https://b.x/", "queueServiceUri": "https://q.x:1/y"},
            "b.x/",
            "q.x:1/y",
        ),
        (
            {"blobServiceUri": "https://Own.b.x", "queueServiceUri": "https://localhost:10001/own"},
            "Own.b.x",
            "localhost:10001/own",
        ),
    ],
)
def test_host_storage_may_be_given_by_identity(form: dict[str, str], blob: str, queue: str) -> None:
    named = {f"AzureWebJobsStorage__{key}": text for key, text in form.items()}
    storage = read(AzureWebJobsStorage=None, **named).storage
    urls = (f"https://{blob}", f"https://{queue}")
    assert (storage.connection_string, (storage.blob_url, storage.queue_url)) == ("", urls)


@pytest.mark.parametrize(
    "text",
    [
        "UseDevelopmentStorage=true",
        "UseDevelopmentStorage=true;",
        f"accountname=own;accountkey={KEY}",
        f"DefaultEndpointsProtocol=https;AccountName=own;AccountKey={KEY};EndpointSuffix=x.y;",
        AZURITE,
        "BlobEndpoint=https://b.x/;QueueEndpoint=q.x;SharedAccessSignature=sv=1&sig=a%3D",
        f"UseDevelopmentStorage=false;AccountName=own;AccountKey={KEY};BlobEndpoint=http://blobs:1/own",
    ],
)
def test_every_form_of_a_connection_string_is_taken(text: str) -> None:
    assert read(AzureWebJobsStorage=text).storage.connection_string == text


def test_a_connection_string_counts_before_an_identity_as_it_does_for_the_functions_host() -> None:
    """Its queues would be in one account, and the app's work in another."""
    assert read(AzureWebJobsStorage__accountName="other").storage.account == "rekeyhost"


async def test_without_a_connection_string_each_service_is_asked_at_its_own_address() -> None:
    settings = read(AzureWebJobsStorage=None, AzureWebJobsStorage__accountName="own")
    azure = Rig().azure()
    for client, service in (
        (settings.storage.blobs(azure), "blob"),
        (settings.storage.queues(azure), "queue"),
    ):
        assert client.url.rstrip("/") == f"https://own.{service}.core.windows.net"


def test_events_are_in_the_apps_own_account_where_no_setting_names_another() -> None:
    settings = read()
    assert settings.events is settings.storage
    assert settings.events.connection == "AzureWebJobsStorage"


@pytest.mark.parametrize(
    "form",
    [
        {"RekeyEvents": f"AccountName=events;AccountKey={KEY}"},
        {"RekeyEvents__accountName": "events", "RekeyEvents__credential": "managedidentity"},
        {
            "RekeyEvents__queueServiceUri": "https://events.queue.core.windows.net",
            "RekeyEvents__blobServiceUri": "https://events.blob.core.windows.net",
        },
    ],
)
def test_events_may_have_an_account_of_their_own(form: dict[str, str]) -> None:
    settings = read(**form)
    assert (settings.events.connection, settings.events.account) == ("RekeyEvents", "events")
    assert settings.storage.account == "rekeyhost"


def test_every_problem_is_told_at_once() -> None:
    reported = problems(
        REKEY_VAULTS="prod,https://test.vault.azure.net",
        REKEY_SCOPES='{"https://test.vault.azure.net": ["*"], "https://other.vault.azure.net": []}',
        REKEY_SWEEP_SCHEDULE="now and then",
        REKEY_EVENT_TOPIC="somewhere",
        REKEY_ARM_ENDPOINT="nowhere",
        AZURE_AUTHORITY_HOST="nobody",
        REKEY_TYPO="x",
        AzureWebJobsStorage=None,
    )
    settings = "SCHEDULE EVENT_TOPIC ARM_ENDPOINT AUTHORITY REKEY_TYPO AzureWebJobsStorage"
    expected = ["'prod'", "'*'", "other.vault", "binds nothing to prod", *settings.split(" ")]
    assert len(reported) == len(expected)
    assert all(any(name in problem for problem in reported) for name in expected)


def test_no_problem_shows_a_key() -> None:
    assert KEY not in "".join(
        problems(AzureWebJobsStorage=f"AccountKey={KEY};nonsense", REKEY_VAULTS="")
    )


def test_the_sample_settings_are_sound() -> None:
    sample = json.loads((Path(__file__).parents[2] / "local.settings.sample.json").read_text())
    assert Settings.read(sample["Values"]).scopes
    assert sample["IsEncrypted"] is False
