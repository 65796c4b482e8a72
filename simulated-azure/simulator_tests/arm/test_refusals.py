"""What Resource Manager refuses, with its status and code."""

from __future__ import annotations

import pytest
from azure.core.pipeline.policies._utils import get_challenge_parameter

from simulator.azure import GROUP, SUBSCRIPTION, Azure
from simulator.clock import VirtualClock
from simulator.rbac import ROLES
from simulator.storage.accounts import StorageAccount
from simulator_tests.caller import STORAGE_VERSION, Caller, body_of, error_of

ACCOUNTS = "providers/Microsoft.Storage/storageAccounts"
HOST = "https://management.azure.com"


def test_a_request_without_a_token_is_refused(stranger: Caller, account: StorageAccount) -> None:
    response = stranger.storage(account, "POST", "/listKeys")

    assert error_of(response) == (401, "AuthenticationFailed")
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer authorization_uri="https://login.microsoftonline.com/')
    assert 'error="invalid_token"' in challenge


def test_a_made_up_token_is_refused(caller: Caller, account: StorageAccount) -> None:
    response = caller.arm("GET", account.resource_id, token="a.b.c")

    assert error_of(response) == (401, "InvalidAuthenticationToken")


def test_a_token_for_somebody_else_is_refused(
    azure: Azure, caller: Caller, account: StorageAccount
) -> None:
    assert caller.principal
    token = azure.identities.token_for("https://vault.azure.net", caller.principal)

    response = caller.arm("GET", account.resource_id, token=token)

    assert error_of(response) == (401, "InvalidAuthenticationTokenAudience")
    assert (
        "wrong audience or resource 'https://vault.azure.net'"
        in body_of(response)["error"]["message"]
    )


def test_who_signed_in_without_a_second_factor_may_look_and_is_asked_for_it_before_a_change(
    azure: Azure, caller: Caller, account: StorageAccount
) -> None:
    assert caller.principal
    azure.arm.single_factor.add(caller.principal.oid)
    before = account.keys["key1"].value
    assert caller.arm("GET", account.resource_id).status == 200
    refused = caller.storage(account, "POST", "/regenerateKey", {"keyName": "key1"})
    assert error_of(refused) == (401, "InvalidAuthenticationToken")
    challenge = refused.headers["WWW-Authenticate"]
    assert get_challenge_parameter({"WWW-Authenticate": challenge}, "Bearer", "error") == (
        "insufficient_claims"
    )
    assert account.keys["key1"].value == before


@pytest.mark.parametrize("audience", [f"{HOST}/", HOST, "https://management.core.windows.net/"])
def test_every_name_of_resource_manager_is_an_audience(
    azure: Azure, caller: Caller, account: StorageAccount, audience: str
) -> None:
    assert caller.principal
    token = azure.identities.token_for(audience, caller.principal)

    assert caller.arm("GET", account.resource_id, token=token).status == 200


def test_an_expired_token_is_refused(
    azure: Azure, caller: Caller, account: StorageAccount, clock: VirtualClock
) -> None:
    assert caller.principal
    token = azure.identities.token_for(HOST, caller.principal)
    clock.advance(azure.identities.life.total_seconds())

    assert error_of(caller.arm("GET", account.resource_id, token=token)) == (
        401,
        "ExpiredAuthenticationToken",
    )


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("?api-version=", "MissingApiVersionParameter"),
        ("?api-version=latest", "InvalidApiVersionParameter"),
        ("?api-version=2018-07-02", "NoRegisteredProviderFound"),
    ],
)
def test_an_unknown_or_missing_api_version_is_refused(
    caller: Caller, account: StorageAccount, query: str, code: str
) -> None:
    assert error_of(caller.send("GET", f"{HOST}{account.resource_id}{query}")) == (400, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/subscriptions/none/{ACCOUNTS}", 400, "InvalidSubscriptionId"),
        (
            f"/subscriptions/99999999-2222-4333-8444-555555555555/{ACCOUNTS}",
            404,
            "SubscriptionNotFound",
        ),
        (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/missing/{ACCOUNTS}/store",
            404,
            "ResourceGroupNotFound",
        ),
        (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/{ACCOUNTS}/missing",
            404,
            "ResourceNotFound",
        ),
        (
            f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Nothing/things",
            404,
            "InvalidResourceNamespace",
        ),
        (
            f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Storage/things",
            404,
            "InvalidResourceType",
        ),
        ("/elsewhere", 404, "InvalidResourceNamespace"),
    ],
)
def test_what_does_not_exist_is_named(caller: Caller, path: str, status: int, code: str) -> None:
    assert error_of(caller.arm("GET", path)) == (status, code)


def test_an_account_is_not_found_in_another_group(
    azure: Azure, caller: Caller, account: StorageAccount
) -> None:
    azure.add_group(group="staging")

    response = caller.arm("GET", account.resource_id.replace(GROUP, "staging"))

    assert error_of(response) == (404, "ResourceNotFound")
    assert response.headers["x-ms-failure-cause"] == "gateway"


def test_a_deleted_account_is_not_found(
    azure: Azure, caller: Caller, account: StorageAccount
) -> None:
    azure.remove_account(account.name)

    assert error_of(caller.storage(account, "POST", "/listKeys")) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("method", "operation", "action"),
    [
        ("GET", "", "read"),
        ("POST", "/listKeys", "listKeys/action"),
        ("POST", "/regenerateKey", "regenerateKey/action"),
    ],
)
def test_a_caller_without_the_role_is_told_who_what_and_where(
    nobody: Caller, account: StorageAccount, method: str, operation: str, action: str
) -> None:
    response = nobody.storage(account, method, operation, {"keyName": "key1"})

    assert error_of(response) == (403, "AuthorizationFailed")
    assert nobody.principal
    assert body_of(response)["error"]["message"] == (
        f"The client '{nobody.principal.appid}' with object id '{nobody.principal.oid}' does not have authorization to "
        f"perform action 'Microsoft.Storage/storageAccounts/{action}' over scope '{account.resource_id}' or the scope is "
        "invalid. If access was recently granted, please refresh your credentials."
    )


def test_a_refused_regeneration_changes_no_key(nobody: Caller, account: StorageAccount) -> None:
    before = dict(account.keys)

    nobody.storage(account, "POST", "/regenerateKey", {"keyName": "key1"})

    assert account.keys == before


def test_a_caller_without_the_role_does_not_learn_what_exists(
    nobody: Caller, account: StorageAccount
) -> None:
    paths = (
        account.resource_id,
        f"{account.resource_id}x",
        account.resource_id.replace(GROUP, "missing"),
    )

    assert {nobody.arm("GET", path).status for path in paths} == {403}


def test_the_key_operator_role_does_not_read_the_account(
    azure: Azure, nobody: Caller, account: StorageAccount
) -> None:
    assert nobody.principal
    azure.grant(
        nobody.principal, ROLES["Storage Account Key Operator Service Role"], account.resource_id
    )

    assert nobody.storage(account, "POST", "/listKeys").status == 200
    assert nobody.storage(account, "POST", "/regenerateKey", {"keyName": "key1"}).status == 200
    assert nobody.storage(account, "GET").status == 403


def test_a_list_shows_only_what_the_caller_may_read(
    azure: Azure, nobody: Caller, account: StorageAccount
) -> None:
    azure.add_account("hidden")
    assert nobody.principal
    path = f"/subscriptions/{SUBSCRIPTION}/{ACCOUNTS}"
    assert error_of(nobody.arm("GET", path)) == (403, "AuthorizationFailed")
    azure.grant(nobody.principal, ["*/read"], account.resource_id)

    assert [row["name"] for row in body_of(nobody.arm("GET", path))["value"]] == [account.name]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidRequestContent"),
        (b"{", "InvalidRequestContent"),
        (b"[]", "InvalidValuesForRequestParameters"),
        ({}, "InvalidValuesForRequestParameters"),
        ({"keyName": "key3"}, "InvalidValuesForRequestParameters"),
        ({"keyName": "kerb1"}, "InvalidValuesForRequestParameters"),
        ({"keyName": ["key1"]}, "InvalidValuesForRequestParameters"),
    ],
)
def test_a_key_that_does_not_exist_cannot_be_regenerated(
    caller: Caller, account: StorageAccount, body: object, code: str
) -> None:
    before = dict(account.keys)

    assert error_of(caller.storage(account, "POST", "/regenerateKey", body)) == (400, code)
    assert account.keys == before


@pytest.mark.parametrize(
    ("method", "operation"), [("PUT", ""), ("GET", "/listKeys"), ("POST", "/failover")]
)
def test_an_operation_that_the_simulator_does_not_have_is_refused(
    caller: Caller, account: StorageAccount, method: str, operation: str
) -> None:
    assert error_of(caller.storage(account, method, operation)) == (404, "InvalidResourceType")


def test_requests_beyond_the_hourly_limit_are_throttled(
    azure: Azure, caller: Caller, account: StorageAccount, clock: VirtualClock
) -> None:
    azure.arm.limits["writes"] = 2
    azure.arm.retry_after = 600
    keys = [
        caller.storage(account, "POST", "/regenerateKey", {"keyName": "key1"}) for _ in range(2)
    ]
    left = "x-ms-ratelimit-remaining-subscription-writes"
    assert [answer.headers[left] for answer in keys] == ["1", "0"]
    before = dict(account.keys)

    refused = caller.storage(account, "POST", "/regenerateKey", {"keyName": "key1"})

    assert error_of(refused) == (429, "SubscriptionRequestsThrottled")
    assert refused.headers["Retry-After"] == "600"
    assert account.keys == before
    assert caller.storage(account, "POST", "/listKeys").status == 200
    clock.advance(3600)
    assert caller.storage(account, "POST", "/regenerateKey", {"keyName": "key1"}).status == 200


def test_a_path_is_understood_in_any_case(caller: Caller, account: StorageAccount) -> None:
    url = f"{HOST}{account.resource_id.upper()}/LISTKEYS?api-version={STORAGE_VERSION}&$expand=kerb"

    assert caller.send("POST", url).status == 200


@pytest.mark.parametrize(("version", "single"), [("2019-05-01", False), ("2022-09-01", True)])
def test_the_cloud_describes_itself_to_anybody(
    stranger: Caller, version: str, single: bool
) -> None:
    response = stranger.send("GET", f"{HOST}/metadata/endpoints?api-version={version}")

    assert response.status == 200
    described = response.json()
    cloud = described if single else described[0]  # type: ignore[index]
    assert isinstance(cloud, dict)
    assert cloud["suffixes"] == {
        "keyVaultDns": "vault.azure.net",
        "storage": "core.windows.net",
        "sqlServerHostname": "database.windows.net",
        "acrLoginServer": "azurecr.io",
    }
    assert cloud["microsoftGraphResourceId"] == "https://graph.microsoft.com/"
    assert cloud["authentication"]["loginEndpoint"] == "https://login.microsoftonline.com/"


def test_the_clouds_description_needs_an_api_version(stranger: Caller) -> None:
    assert error_of(stranger.send("GET", f"{HOST}/metadata/endpoints")) == (
        400,
        "MissingApiVersionParameter",
    )
