"""Calls have few names, and none of them is the name of anybody's resource."""

from __future__ import annotations

import pytest

from cloud.meter.metering import operation_of, service_of

VAULT = "https://prod.vault.azure.net"
SUBSCRIPTION = "https://management.azure.com/subscriptions/11111111-2222-4333-8444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups"
QUEUES = "https://rekeyhost.queue.core.windows.net"
LOCAL = "http://127.0.0.1"
STORAGE = "providers/Microsoft.Storage/storageAccounts"
SQL = "providers/Microsoft.Sql"


SEARCH = f"{GROUP}/g/providers/Microsoft.Search/searchServices"
ENTRA_ONLY = f"{GROUP}/g/{SQL}/servers/orders/azureADOnlyAuthentications"
LOCATION = f"{SUBSCRIPTION}/{SQL}/locations/we"
BLOB = "https://rekeyhost.blob.core.windows.net"
GRAPH = "https://graph.microsoft.com/v1.0"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (f"GET {VAULT}/secrets/app-key/?api-version=7.6", "keyvault GetSecret"),
        (f"GET {VAULT}/secrets/app-key/0123456789abcdef?api-version=7.6", "keyvault GetSecret"),
        (f"PUT {VAULT}/secrets/app-key?api-version=7.6", "keyvault SetSecret"),
        (f"PATCH {VAULT}/secrets/app-key/0123456789abcdef", "keyvault UpdateSecret"),
        (f"GET {VAULT}/secrets?api-version=7.6&$skiptoken=abc", "keyvault ListSecrets"),
        (f"GET {VAULT}/secrets/app-key/versions", "keyvault ListVersions"),
        ("GET https://prod.vault.localhost:8443/secrets/a", "keyvault GetSecret"),
        ("GET https://prod.vault.usgovcloudapi.net/secrets/a", "keyvault GetSecret"),
        (f"POST {GROUP}/g/{STORAGE}/appdata/listKeys", "arm ListKeys"),
        (f"POST {GROUP}/g/{STORAGE}/appdata/regenerateKey", "arm RegenerateKey"),
        (f"GET {GROUP}/g/{STORAGE}/appdata", "arm GetStorageAccount"),
        (f"GET {GROUP}/providers/{STORAGE}/appdata", "arm GetStorageAccount"),
        (f"POST {GROUP}/g/{STORAGE}/providers/regenerateKey", "arm RegenerateKey"),
        (f"POST {SEARCH}/s/regenerateAdminKey/primary", "arm RegenerateAdminKey"),
        (f"PATCH {GROUP}/g/{SQL}/servers/orders", "arm UpdateServer"),
        (f"GET {GROUP}/g/{SQL}/servers/orders", "arm GetServer"),
        (f"GET {ENTRA_ONLY}/Default", "arm GetAzureADOnlyAuthentication"),
        (f"GET {LOCATION}/azureAsyncOperation/1", "arm GetAzureAsyncOperation"),
        (f"POST {GROUP}/g/{STORAGE}/app-data", "arm Other"),
        (f"GET {GROUP}/g", "arm Other"),
        (f"GET {SUBSCRIPTION}", "arm Other"),
        (f"GET {GRAPH}/applications(appId='11111111-2222')?$select=id", "graph GetApplication"),
        (f"POST {GRAPH}/applications(appId='11111111-2222')/addPassword", "graph AddPassword"),
        (f"POST {GRAPH}/applications/11111111-2222/removePassword", "graph RemovePassword"),
        (f"PATCH {GRAPH}/applications(appId='1111-2222')", "graph UpdateApplication"),
        (f"POST {GRAPH}/applications/1111-2222", "graph Other"),
        (f"GET {GRAPH}/", "graph Other"),
        (f"POST {VAULT}/certificates/rekey-1/create", "keyvault CreateCertificate"),
        (f"GET {VAULT}/certificates/rekey-1/pending", "keyvault GetPending"),
        (f"GET {VAULT}/certificates/rekey-1/", "keyvault GetCertificate"),
        ("POST https://login.microsoftonline.com/tenant/oauth2/v2.0/token", "login GetToken"),
        (f"HEAD {BLOB}/rekey-leases/sources/0123", "blob GetProperties"),
        (f"PUT {BLOB}/rekey-leases/sources/0123", "blob PutBlob"),
        (f"PUT {BLOB}/rekey-leases/sources/0123?comp=metadata", "blob SetMetadata"),
        (f"PUT {BLOB}/rekey-leases?restype=container", "blob CreateContainer"),
        (f"GET {BLOB}/?restype=service&comp=properties", "blob GetServiceProperties"),
        (f"GET {BLOB}/rekey-policy/sources/0123", "blob GetBlob"),
        (f"POST {QUEUES}/rotations/messages?visibilitytimeout=0", "queue PutMessage"),
        (f"PUT {QUEUES}/rotations", "queue CreateQueue"),
        (f"GET {QUEUES}/rotations?comp=metadata", "queue GetQueue"),
        (f"POST {LOCAL}:10001/devstoreaccount1/rotations/messages", "queue PutMessage"),
        (f"PUT {LOCAL}:10000/devstoreaccount1/rekey-leases/sources/0123", "blob PutBlob"),
        *(
            (f"POST https://api.loganalytics.{cloud}/v1/workspaces/0123/query", "logs Query")
            for cloud in ("azure.com", "us", "azure.cn")
        ),
        ("POST https://outcomes.westeurope-1.eventgrid.azure.net/api/events", "eventgrid Publish"),
        ("POST https://127.0.0.1:9000/api/events?api-version=2018-01-01", "eventgrid Publish"),
    ],
)
def test_a_call_is_named_by_service_and_operation(call: str, name: str) -> None:
    method, url = call.split(" ", 1)
    service = service_of(url)
    assert f"{service} {operation_of(service, method, url, {})}" == name


@pytest.mark.parametrize("action", ["acquire", "renew", "release"])
def test_a_lease_is_named_by_its_action(action: str) -> None:
    url = f"{BLOB}/rekey-leases/sources/0123?comp=lease"
    name = operation_of("blob", "PUT", url, {"x-ms-lease-action": action})
    assert name == f"{action.capitalize()}Lease"


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("keyvault", "https://prod.vault.azure.net/secrets/NAME"),
        ("keyvault", "https://prod.vault.azure.net/secrets/NAME/NAME/NAME"),
        ("arm", f"{GROUP}/NAME/{STORAGE}/NAME"),
        ("arm", f"{GROUP}/NAME/{STORAGE}/NAME/listKeys"),
        ("arm", f"{GROUP}/providers/{STORAGE}/NAME"),
        ("arm", f"{GROUP}/NAME"),
        ("arm", "https://management.azure.com/NAME"),
        ("graph", f"{GRAPH}/applications/NAME"),
        ("graph", f"{GRAPH}/applications(appId='NAME')"),
        ("blob", f"{BLOB}/NAME/NAME"),
        ("blob", f"{BLOB}/NAME?comp=NAME&restype=NAME"),
        ("queue", "https://NAME.queue.core.windows.net/NAME"),
        ("eventgrid", "https://NAME.westeurope-1.eventgrid.azure.net/api/events"),
        ("login", "https://login.microsoftonline.com/NAME/oauth2/v2.0/token"),
    ],
)
def test_no_resources_name_becomes_a_calls_name(service: str, url: str) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert "NAME" not in operation_of(service, method, url, {"x-ms-lease-action": ""}).upper()
