"""What Key Vault refuses, with its status, code and inner code."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator.azure import Azure
from simulator.clock import VirtualClock
from simulator.keyvault.state import Vault
from simulator.rbac import ROLES
from simulator_tests.caller import Caller, body_of, error_of, inner_of

VAULT_AUDIENCE = "https://vault.azure.net"


def test_a_request_without_a_token_gets_the_challenge(stranger: Caller, vault: Vault) -> None:
    response = stranger.secrets(vault, "GET", "secrets/password/")

    assert error_of(response) == (401, "Unauthorized")
    assert response.headers["WWW-Authenticate"] == (
        f'Bearer authorization="https://login.microsoftonline.com/{vault.tenant}", resource="https://vault.azure.net"'
    )


def test_a_set_without_token_and_body_gets_the_challenge_and_not_a_complaint_about_the_body(
    stranger: Caller, vault: Vault
) -> None:
    assert stranger.secrets(vault, "PUT", "secrets/password").status == 401


def test_a_made_up_token_is_refused(caller: Caller, vault: Vault) -> None:
    response = caller.secrets(vault, "GET", "secrets", token="a.b.c")

    assert error_of(response) == (401, "Unauthorized")
    assert "AKV10046" in body_of(response)["error"]["message"]
    assert "WWW-Authenticate" in response.headers


def test_a_token_with_a_changed_payload_is_refused(
    azure: Azure, caller: Caller, vault: Vault
) -> None:
    assert caller.principal
    header, payload, signature = azure.identities.token_for(VAULT_AUDIENCE, caller.principal).split(
        "."
    )

    response = caller.secrets(
        vault, "GET", "secrets", token=f"{header}.{payload[:-2]}AA.{signature}"
    )

    assert error_of(response) == (401, "Unauthorized")


@pytest.mark.parametrize("audience", ["https://management.azure.com", "https://vault.azure.net/"])
def test_a_token_for_somebody_else_is_refused(
    azure: Azure, caller: Caller, vault: Vault, audience: str
) -> None:
    assert caller.principal
    token = azure.identities.token_for(audience, caller.principal)

    response = caller.secrets(vault, "GET", "secrets", token=token)

    expected = f"AKV10022: Invalid audience. Expected https://vault.azure.net, found: {audience}."
    assert (response.status, body_of(response)["error"]["message"]) == (401, expected)


@pytest.mark.parametrize(("seconds", "status"), [(-1, 200), (0, 401), (1, 401)])
def test_a_token_ends_with_its_life(
    azure: Azure, caller: Caller, vault: Vault, clock: VirtualClock, seconds: int, status: int
) -> None:
    assert caller.principal
    token = azure.identities.token_for(VAULT_AUDIENCE, caller.principal)
    clock.advance(azure.identities.life.total_seconds() + seconds)

    response = caller.secrets(vault, "GET", "secrets", token=token)

    assert response.status == status
    assert (b"[TokenExpired]" in response.body) == (status == 401)


def test_a_token_of_another_tenant_is_refused(azure: Azure, caller: Caller) -> None:
    foreign = azure.add_vault("foreign", tenant="12345678-1234-1234-1234-123456789012")

    response = caller.secrets(foreign, "GET", "secrets")

    assert error_of(response) == (401, "Unauthorized")
    assert "AKV10032" in body_of(response)["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "secrets", "readMetadata/action"),
        ("GET", "secrets/password/versions", "readMetadata/action"),
        ("GET", "secrets/password/", "getSecret/action"),
        ("PUT", "secrets/password", "setSecret/action"),
        ("PATCH", "secrets/password/", "update/action"),
        ("DELETE", "secrets/password", "delete"),
        ("GET", "deletedsecrets", "readMetadata/action"),
        ("GET", "deletedsecrets/password", "readMetadata/action"),
        ("POST", "deletedsecrets/password/recover", "recover/action"),
        ("DELETE", "deletedsecrets/password", "purge/action"),
    ],
)
def test_a_caller_without_the_role_is_told_the_missing_action(
    nobody: Caller, vault: Vault, method: str, path: str, action: str
) -> None:
    response = nobody.secrets(vault, method, path)

    assert inner_of(response) == (403, "Forbidden", "ForbiddenByRbac")
    message = body_of(response)["error"]["message"]
    assert f"Action: 'Microsoft.KeyVault/vaults/secrets/{action}'\r\n" in message


def test_a_reader_may_read_but_not_write(azure: Azure, nobody: Caller, vault: Vault) -> None:
    vault.put("password", "v")
    assert nobody.principal
    azure.grant(nobody.principal, ROLES["Key Vault Secrets User"], vault.resource_id)

    assert nobody.secrets(vault, "GET", "secrets/password/").status == 200
    assert nobody.secrets(vault, "PUT", "secrets/password", {"value": "w"}).status == 403
    assert [version.value for version in vault.versions("password")] == ["v"]


def test_a_role_on_one_secret_opens_no_other(azure: Azure, nobody: Caller, vault: Vault) -> None:
    for name in ("pass", "password"):
        vault.put(name, "v")
    assert nobody.principal
    azure.grant(
        nobody.principal, ROLES["Key Vault Secrets User"], f"{vault.resource_id}/secrets/pass"
    )

    assert nobody.secrets(vault, "GET", "secrets/pass/").status == 200
    assert nobody.secrets(vault, "GET", "secrets/password/").status == 403


def test_a_caller_without_the_role_does_not_learn_what_exists(nobody: Caller, vault: Vault) -> None:
    vault.put("password", "v")

    assert [
        nobody.secrets(vault, "GET", f"secrets/{name}/").status for name in ("password", "missing")
    ] == [403, 403]


def test_a_missing_secret_is_not_found(caller: Caller, vault: Vault) -> None:
    response = caller.secrets(vault, "GET", "secrets/missing/")

    assert error_of(response) == (404, "SecretNotFound")
    assert "innererror" not in body_of(response)["error"]


def test_a_missing_version_is_not_found(caller: Caller, vault: Vault) -> None:
    vault.put("password", "v")

    response = caller.secrets(vault, "GET", f"secrets/password/{'0' * 32}")

    assert error_of(response) == (404, "SecretNotFound")
    assert f"(name/id) password/{'0' * 32} was not found" in body_of(response)["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "secrets/missing/"), ("DELETE", "secrets/missing")]
)
def test_a_missing_secret_can_be_neither_changed_nor_deleted(
    caller: Caller, vault: Vault, method: str, path: str
) -> None:
    assert error_of(caller.secrets(vault, method, path, {"tags": {}})) == (404, "SecretNotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "deletedsecrets/held"),
        ("POST", "deletedsecrets/held/recover"),
        ("DELETE", "deletedsecrets/held"),
    ],
)
def test_a_secret_that_is_not_deleted_is_not_among_the_deleted(
    caller: Caller, vault: Vault, method: str, path: str
) -> None:
    vault.put("held", "v")

    response = caller.secrets(vault, method, path)

    assert (response.status, body_of(response)["error"]["message"]) == (
        404,
        "Deleted Secret not found: held",
    )


def test_a_disabled_secret_answers_403_secret_disabled(caller: Caller, vault: Vault) -> None:
    version = vault.put("password", "v", enabled=False).version

    for path in ("secrets/password/", f"secrets/password/{version}"):
        assert inner_of(caller.secrets(vault, "GET", path)) == (403, "Forbidden", "SecretDisabled")


def test_a_deleted_name_cannot_be_set(caller: Caller, vault: Vault, clock: VirtualClock) -> None:
    vault.put("password", "v")
    vault.delete("password")
    clock.advance(3.9)
    assert (
        inner_of(caller.secrets(vault, "PUT", "secrets/password", {"value": "w"}))[2]
        == "ObjectIsBeingDeleted"
    )

    clock.advance(0.1)
    response = caller.secrets(vault, "PUT", "secrets/password", {"value": "w"})

    assert inner_of(response) == (409, "Conflict", "ObjectIsDeletedButRecoverable")


def test_a_secret_that_is_being_recovered_can_be_neither_read_nor_set(
    caller: Caller, vault: Vault, clock: VirtualClock
) -> None:
    vault.put("password", "v")
    vault.delete("password")
    vault.recovery_delay = timedelta(seconds=5)
    vault.recover("password")

    assert error_of(caller.secrets(vault, "GET", "secrets/password/")) == (404, "SecretNotFound")
    refused = caller.secrets(vault, "PUT", "secrets/password", {"value": "w"})
    assert inner_of(refused) == (409, "Conflict", "ObjectIsBeingRecovered")

    clock.advance(5)
    assert caller.secrets(vault, "GET", "secrets/password/").status == 200


def test_a_secret_of_a_certificate_cannot_be_set(caller: Caller, vault: Vault) -> None:
    vault.amend(vault.put("certificate", "v"), kid=f"{vault.url}/keys/certificate/{'0' * 32}")

    assert error_of(caller.secrets(vault, "PUT", "secrets/certificate", {"value": "w"})) == (
        403,
        "Forbidden",
    )


@pytest.mark.parametrize("name", ["under_score", "blank%20", "d%C3%B6ner", "a" * 128])
def test_a_name_that_no_secret_can_have_is_refused(caller: Caller, vault: Vault, name: str) -> None:
    response = caller.secrets(vault, "PUT", f"secrets/{name}", {"value": "v"})

    assert error_of(response) == (400, "BadParameter")
    assert "invalid name" in body_of(response)["error"]["message"]


def test_the_longest_name_is_accepted(caller: Caller, vault: Vault) -> None:
    assert caller.secrets(vault, "PUT", f"secrets/{'a' * 127}", {"value": "v"}).status == 200


LARGEST = {
    "value": "é" * 12_800,
    "contentType": "c" * 255,
    "tags": {f"{number:02}" + "n" * 510: "v" * 512 for number in range(15)},
}


def test_the_largest_secret_is_accepted(caller: Caller, vault: Vault) -> None:
    assert caller.secrets(vault, "PUT", "secrets/password", LARGEST).status == 200


@pytest.mark.parametrize(
    "beyond",
    [
        {"value": "é" * 12_800 + "e"},
        {"contentType": "c" * 256},
        {"tags": {str(number): "v" for number in range(16)}},
        {"tags": {"n" * 513: "v"}},
        {"tags": {"n": "v" * 513}},
        {"tags": {"n": 5}},
        {"tags": []},
        {"value": 5},
        {"value": None},
        {"attributes": {"exp": "2027"}},
        {"attributes": {"exp": True}},
        {"attributes": {"enabled": "yes"}},
    ],
)
def test_a_body_just_beyond_a_limit_is_refused_and_changes_nothing(
    caller: Caller, vault: Vault, beyond: dict[str, Any]
) -> None:
    response = caller.secrets(vault, "PUT", "secrets/password", LARGEST | beyond)

    assert error_of(response) == (400, "BadParameter")
    assert vault.versions("password") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"'])
def test_a_body_that_is_no_object_is_refused(caller: Caller, vault: Vault, body: bytes) -> None:
    assert error_of(caller.secrets(vault, "PUT", "secrets/password", body)) == (400, "BadParameter")


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=1999-01-01"])
def test_an_unknown_or_missing_api_version_is_refused(
    caller: Caller, vault: Vault, query: str
) -> None:
    vault.put("password", "v")

    assert error_of(caller.send("GET", f"{vault.url}/secrets/password/{query}")) == (
        400,
        "BadParameter",
    )


@pytest.mark.parametrize("version", ["7.0", "7.4", "7.6", "2025-07-01", "2026-04-01"])
def test_stable_api_versions_are_understood(caller: Caller, vault: Vault, version: str) -> None:
    vault.put("password", "v")

    assert caller.send("GET", f"{vault.url}/secrets/password/?api-version={version}").status == 200


@pytest.mark.parametrize(
    ("size", "status"), [("0", 400), ("1", 200), ("25", 200), ("26", 400), ("x", 400)]
)
def test_a_page_holds_one_to_twenty_five(
    caller: Caller, vault: Vault, size: str, status: int
) -> None:
    assert caller.secrets(vault, "GET", "secrets", query=f"&maxresults={size}").status == status


@pytest.mark.parametrize("mark", ["!", "bm90IGpzb24", "e30"])
def test_a_page_mark_that_the_service_did_not_give_is_refused(
    caller: Caller, vault: Vault, mark: str
) -> None:
    assert error_of(caller.secrets(vault, "GET", "secrets", query=f"&$skiptoken={mark}")) == (
        400,
        "BadParameter",
    )


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "secrets/password"), ("GET", "keys"), ("GET", "")]
)
def test_an_operation_that_does_not_exist_is_refused(
    caller: Caller, vault: Vault, method: str, path: str
) -> None:
    assert error_of(caller.secrets(vault, method, path)) == (400, "BadParameter")
