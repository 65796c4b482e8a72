"""Calls have few names, and none of them is the name of anybody's resource."""

from __future__ import annotations

import pytest

from cloud.meter.operations import operation_of, service_of

VAULT = "https://prod.vault.azure.net"
GROUP = (
    "https://management.azure.com/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups"
)
STORAGE = "providers/Microsoft.Storage/storageAccounts"
SQL = "providers/Microsoft.Sql"
BLOB = "https://rekeyhost.blob.core.windows.net"
GRAPH = "https://graph.microsoft.com/v1.0"


@pytest.mark.parametrize(
    ("method", "url", "service", "operation"),
    [
        ("GET", f"{VAULT}/secrets/app-key/?api-version=7.6", "keyvault", "GetSecret"),
        (
            "GET",
            f"{VAULT}/secrets/app-key/0123456789abcdef?api-version=7.6",
            "keyvault",
            "GetSecret",
        ),
        ("PUT", f"{VAULT}/secrets/app-key?api-version=7.6", "keyvault", "SetSecret"),
        ("PATCH", f"{VAULT}/secrets/app-key/0123456789abcdef", "keyvault", "UpdateSecret"),
        ("GET", f"{VAULT}/secrets?api-version=7.6&$skiptoken=abc", "keyvault", "ListSecrets"),
        ("GET", f"{VAULT}/secrets/app-key/versions", "keyvault", "ListVersions"),
        ("GET", "https://prod.vault.localhost:8443/secrets/a", "keyvault", "GetSecret"),
        ("GET", "https://prod.vault.usgovcloudapi.net/secrets/a", "keyvault", "GetSecret"),
        ("POST", f"{GROUP}/g/{STORAGE}/appdata/listKeys", "arm", "ListKeys"),
        ("POST", f"{GROUP}/g/{STORAGE}/appdata/regenerateKey", "arm", "RegenerateKey"),
        ("GET", f"{GROUP}/g/{STORAGE}/appdata", "arm", "GetStorageAccount"),
        ("GET", f"{GROUP}/providers/{STORAGE}/appdata", "arm", "GetStorageAccount"),
        ("POST", f"{GROUP}/g/{STORAGE}/providers/regenerateKey", "arm", "RegenerateKey"),
        (
            "POST",
            f"{GROUP}/g/providers/Microsoft.Search/searchServices/s/regenerateAdminKey/primary",
            "arm",
            "RegenerateAdminKey",
        ),
        ("PATCH", f"{GROUP}/g/{SQL}/servers/orders", "arm", "UpdateServer"),
        ("GET", f"{GROUP}/g/{SQL}/servers/orders", "arm", "GetServer"),
        (
            "GET",
            f"{GROUP}/g/{SQL}/servers/orders/azureADOnlyAuthentications/Default",
            "arm",
            "GetAzureADOnlyAuthentication",
        ),
        (
            "GET",
            f"{GROUP.rpartition('/')[0]}/{SQL}/locations/we/azureAsyncOperation/1",
            "arm",
            "GetAzureAsyncOperation",
        ),
        ("GET", f"{GROUP}/g", "arm", "Other"),
        ("GET", GROUP.rpartition("/")[0], "arm", "Other"),
        (
            "GET",
            f"{GRAPH}/applications(appId='11111111-2222')?$select=id",
            "graph",
            "GetApplication",
        ),
        (
            "POST",
            f"{GRAPH}/applications(appId='11111111-2222')/addPassword",
            "graph",
            "AddPassword",
        ),
        ("POST", f"{GRAPH}/applications/11111111-2222/removePassword", "graph", "RemovePassword"),
        ("PATCH", f"{GRAPH}/applications(appId='1111-2222')", "graph", "UpdateApplication"),
        ("GET", f"{GRAPH}/", "graph", "Other"),
        ("POST", f"{VAULT}/certificates/rekey-1/create", "keyvault", "CreateCertificate"),
        ("GET", f"{VAULT}/certificates/rekey-1/pending", "keyvault", "GetPending"),
        ("GET", f"{VAULT}/certificates/rekey-1/", "keyvault", "GetCertificate"),
        ("POST", "https://login.microsoftonline.com/tenant/oauth2/v2.0/token", "login", "GetToken"),
        ("HEAD", f"{BLOB}/rekey-leases/sources/0123", "blob", "GetProperties"),
        ("PUT", f"{BLOB}/rekey-leases/sources/0123", "blob", "PutBlob"),
        ("PUT", f"{BLOB}/rekey-leases/sources/0123?comp=metadata", "blob", "SetMetadata"),
        ("PUT", f"{BLOB}/rekey-leases?restype=container", "blob", "CreateContainer"),
        ("GET", f"{BLOB}/?restype=service&comp=properties", "blob", "GetServiceProperties"),
        ("GET", f"{BLOB}/rekey-policy/sources/0123", "blob", "GetBlob"),
        (
            "POST",
            "https://rekeyhost.queue.core.windows.net/rotations/messages?visibilitytimeout=0",
            "queue",
            "PutMessage",
        ),
        ("PUT", "https://rekeyhost.queue.core.windows.net/rotations", "queue", "CreateQueue"),
        (
            "GET",
            "https://rekeyhost.queue.core.windows.net/rotations?comp=metadata",
            "queue",
            "GetQueue",
        ),
        (
            "POST",
            "http://127.0.0.1:10001/devstoreaccount1/rotations/messages",
            "queue",
            "PutMessage",
        ),
        (
            "PUT",
            "http://127.0.0.1:10000/devstoreaccount1/rekey-leases/sources/0123",
            "blob",
            "PutBlob",
        ),
        (
            "POST",
            "https://outcomes.westeurope-1.eventgrid.azure.net/api/events",
            "eventgrid",
            "Publish",
        ),
        (
            "POST",
            "https://127.0.0.1:9000/api/events?api-version=2018-01-01",
            "eventgrid",
            "Publish",
        ),
    ],
)
def test_a_call_is_named_by_service_and_operation(
    method: str, url: str, service: str, operation: str
) -> None:
    assert service_of(url) == service
    assert operation_of(service, method, url, {}) == operation


@pytest.mark.parametrize("action", ["acquire", "renew", "release"])
def test_a_lease_is_named_by_its_action(action: str) -> None:
    url = f"{BLOB}/rekey-leases/sources/0123?comp=lease"
    assert (
        operation_of("blob", "PUT", url, {"x-ms-lease-action": action})
        == f"{action.capitalize()}Lease"
    )


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
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_no_name_of_a_resource_becomes_the_name_of_a_call(
    service: str, url: str, method: str
) -> None:
    assert "NAME" not in operation_of(service, method, url, {"x-ms-lease-action": ""}).upper()
