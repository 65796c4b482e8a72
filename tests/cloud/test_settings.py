"""Wrong settings stop the app, all of them named at once, each with what to write instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud.settings import HOURLY, Settings
from engine.errors import ConfigError

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
        AZURE_CLIENT_ID="client",
        AZURE_TENANT_ID="tenant",
    )
    assert settings.arm_endpoint == "https://management.usgovcloudapi.net"
    assert settings.event_topic == "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"
    assert settings.authority == "https://login.microsoftonline.us"
    assert (settings.client_id, settings.tenant_id) == ("client", "tenant")


def test_case_blanks_and_slashes_make_no_difference() -> None:
    vaults = f" {VAULT.upper()}/ , https://test.vault.azure.net,, {VAULT}"
    bound = {VAULT + "/": [f" {SCOPE}/ "], "HTTPS://TEST.vault.azure.net": [SCOPE.upper()]}
    settings = read(REKEY_VAULTS=vaults, REKEY_SCOPES=json.dumps(bound))
    assert settings.scopes == {
        VAULT: (SCOPE.lower(),),
        "https://test.vault.azure.net": (SCOPE.lower(),),
    }


def test_an_application_may_be_a_scope() -> None:
    application = "0B6D3C1E-7A4F-4C55-9A51-2F6F5D1C8E90"
    assert read(REKEY_SCOPES=json.dumps({VAULT: [application]})).scopes == {
        VAULT: (application.lower(),)
    }


def test_vaults_on_loopback_may_have_a_port() -> None:
    vault = "https://prod.vault.localhost:8443"
    assert list(read(REKEY_VAULTS=vault, REKEY_SCOPES=json.dumps({vault: [SCOPE]})).scopes) == [
        vault
    ]


NO_VAULT = ("REKEY_VAULTS is empty", "https://prod.vault.azure.net")
UNBOUND = ("REKEY_SCOPES binds nothing to", "list the scopes")
FOREIGN = json.dumps({VAULT: [SCOPE], "https://x.vault.azure.net": [SCOPE]})
NO_STORAGE = ("AzureWebJobsStorage is missing", "AzureWebJobsStorage__accountName")
NO_CONNECTION = ("AzureWebJobsStorage is not a connection string", "AccountName=…")


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
        ({"AzureWebJobsStorage": None}, *NO_STORAGE),
        ({"AzureWebJobsStorage": ""}, *NO_STORAGE),
        ({"AzureWebJobsStorage": "rekeyhost"}, *NO_CONNECTION),
        ({"AzureWebJobsStorage": f"AccountKey={KEY}"}, *NO_CONNECTION),
        ({"REKEY_VALTS": VAULT}, "REKEY_VALTS is not a setting", "did you mean REKEY_VAULTS?"),
        ({"REKEY_COLOUR_OF_SKY": "x"}, "REKEY_COLOUR_OF_SKY is not a setting", "known are"),
    ],
)
def test_each_wrong_setting_is_named_with_its_fix(
    changes: dict[str, str | None], named: str, fix: str
) -> None:
    (problem,) = problems(**changes)
    assert named in problem
    assert fix in problem


@pytest.mark.parametrize("text", ["{", "prod", "'x'", "[" * 100_000, "[]", "7", "null", '"x"'])
def test_scopes_that_are_no_json_object_are_refused_with_an_example(text: str) -> None:
    (problem,) = problems(REKEY_SCOPES=text)
    assert "REKEY_SCOPES is not" in problem
    assert (
        '{"https://prod.vault.azure.net": ["/subscriptions/<id>/resourceGroups/<name>"]}' in problem
    )


@pytest.mark.parametrize(
    "url",
    [
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
        "https://prod vault.azure.net",
    ],
)
def test_what_is_no_vaults_url_is_refused(url: str) -> None:
    (problem,) = problems(REKEY_VAULTS=url, REKEY_SCOPES=json.dumps({url: [SCOPE]}))
    assert "is not the URL of a vault" in problem
    assert "https://<vault>.vault.azure.net" in problem


def test_two_vaults_of_one_name_are_refused() -> None:
    vaults = [VAULT, "https://prod.vault.azure.cn"]
    (problem,) = problems(
        REKEY_VAULTS=",".join(vaults), REKEY_SCOPES=json.dumps({vault: [SCOPE] for vault in vaults})
    )
    assert "two vaults are named 'prod'" in problem


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "/",
        "/subscriptions",
        "/subscriptions/",
        "/subscriptions//resourceGroups/x",
        "subscriptions/x",
        "/providers/Microsoft.Management/managementGroups/x",
        "*",
        "production",
        "0b6d3c1e-7a4f-4c55-9a51",
        7,
        None,
        ["x"],
    ],
)
def test_a_scope_wider_than_a_subscription_or_no_id_is_refused(scope: object) -> None:
    (problem,) = problems(REKEY_SCOPES=json.dumps({VAULT: [SCOPE, scope]}))
    assert "neither /subscriptions/<id>… nor an application's id" in problem


ENDPOINTS = ("REKEY_ARM_ENDPOINT", "REKEY_GRAPH_ENDPOINT", "AZURE_AUTHORITY_HOST")
ADDRESS = "management.azure.com"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        *((name, f"https://{ADDRESS}/subscriptions") for name in ENDPOINTS),
        *(
            (name, url)
            for name in (*ENDPOINTS, "REKEY_LOGS_ENDPOINT", "REKEY_EVENT_TOPIC")
            for url in (ADDRESS, f"http://{ADDRESS}", "https://[x", "https://host", "ftp://a.b")
        ),
    ],
)
def test_an_endpoint_that_is_no_https_address_without_a_path_is_refused_once(
    name: str, url: str
) -> None:
    (problem,) = problems(**{name: url})
    assert name in problem
    assert "https://<host>" in problem


WORKSPACE = "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90"


@pytest.mark.parametrize(
    ("text", "read_as"),
    [(None, None), ("", None), (" ", None), (f" {WORKSPACE.upper()}", WORKSPACE)],
)
def test_a_workspace_of_logs_is_its_guid_in_any_case_or_left_out(
    text: str | None, read_as: str | None
) -> None:
    assert read(REKEY_LOGS_WORKSPACE=text).logs_workspace == read_as


@pytest.mark.parametrize(
    "text",
    [
        "central",
        WORKSPACE[:-1],
        f"{WORKSPACE}/query?x=",
        f"{WORKSPACE}/../other",
        f"/subscriptions/{WORKSPACE}/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/central",
    ],
)
def test_a_workspace_of_logs_that_is_no_guid_is_refused(text: str) -> None:
    (problem,) = problems(REKEY_LOGS_WORKSPACE=text)
    assert "REKEY_LOGS_WORKSPACE" in problem
    assert "a GUID" in problem


@pytest.mark.parametrize(
    "schedule",
    [
        HOURLY,
        "0 */5 * * * *",
        "0 30 9 * * Mon-Fri",
        "0 0 1,13 1-7 JAN,jul *",
        "0/15 * * * * 0-6",
        "59 59 23 31 12 6",
    ],
)
def test_schedules_as_azure_documents_them_are_taken(schedule: str) -> None:
    assert read(REKEY_SWEEP_SCHEDULE=schedule)


@pytest.mark.parametrize(
    "schedule",
    [
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
    ],
)
def test_a_schedule_that_the_host_would_drop_in_silence_is_refused(schedule: str) -> None:
    (problem,) = problems(REKEY_SWEEP_SCHEDULE=schedule)
    assert "REKEY_SWEEP_SCHEDULE" in problem
    assert HOURLY in problem


@pytest.mark.parametrize(
    ("form", "blob", "queue"),
    [
        (
            {"accountName": "rekeyhost"},
            "https://rekeyhost.blob.core.windows.net",
            "https://rekeyhost.queue.core.windows.net",
        ),
        (
            {"blobServiceUri": "https://b.example", "queueServiceUri": "https://q.example"},
            "https://b.example",
            "https://q.example",
        ),
    ],
)
def test_host_storage_may_be_given_by_identity(form: dict[str, str], blob: str, queue: str) -> None:
    storage = read(
        AzureWebJobsStorage=None,
        **{f"AzureWebJobsStorage__{key}": text for key, text in form.items()},
    ).storage
    assert (storage.connection_string, storage.blob_url, storage.queue_url) == ("", blob, queue)


@pytest.mark.parametrize(
    "text",
    [
        "UseDevelopmentStorage=true",
        f"accountname=x;accountkey={KEY}",
        "BlobEndpoint=https://b.x;QueueEndpoint=https://q.x;SharedAccessSignature=s",
    ],
)
def test_every_form_of_a_connection_string_is_taken(text: str) -> None:
    assert read(AzureWebJobsStorage=text).storage.connection_string == text


def test_half_of_the_identity_form_is_refused() -> None:
    (problem,) = problems(
        AzureWebJobsStorage=None, AzureWebJobsStorage__blobServiceUri="https://b.example"
    )
    assert "AzureWebJobsStorage" in problem


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


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"RekeyEvents": ""}, "RekeyEvents is missing: set a connection string"),
        ({"RekeyEvents__credential": "managedidentity"}, "or RekeyEvents__accountName"),
        ({"RekeyEvents__queueServiceUri": "https://q.example"}, "RekeyEvents is missing"),
        ({"RekeyEvents": "rekeyevents"}, "RekeyEvents is not a connection string"),
    ],
)
def test_half_of_an_account_for_events_is_refused(form: dict[str, str], problem: str) -> None:
    (told,) = problems(**form)
    assert problem in told


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
    expected = [
        "'prod'",
        "'*'",
        "other.vault",
        "binds nothing to prod",
        "SCHEDULE",
        "EVENT_TOPIC",
        "ARM_ENDPOINT",
        "AUTHORITY",
        "REKEY_TYPO",
        "AzureWebJobsStorage",
    ]
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


@pytest.mark.parametrize(
    "address",
    ["docs/runbook.md", "javascript:alert(1)", "https://wiki.example/a b", "https://x/#y"],
)
def test_the_runbook_is_somewhere_in_the_web(address: str) -> None:
    (problem,) = problems(REKEY_RUNBOOK=address)
    assert problem.startswith("REKEY_RUNBOOK is")
    assert read(REKEY_RUNBOOK="https://wiki.example/rekey/runbook.html")
