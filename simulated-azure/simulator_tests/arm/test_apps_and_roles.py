"""What a deployment asks of an app, and what an operator asks of roles."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.azure import SUBSCRIPTION, Azure, build_world
from simulator.rbac import ROLES
from simulator.wire import Response
from simulator_tests.caller import Caller

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/rekey-abc"
ROLE_READER = ("Microsoft.Authorization/*/read",)


@pytest.fixture
def azure() -> Azure:
    made = build_world()
    made.add_group()
    made.web.add(SITE)
    return made


def asked(azure: Azure, method: str, path: str, *actions: str, body: Any = None) -> Response:
    ada = azure.add_principal("ada")
    azure.grant(ada, actions, GROUP)
    version = "2022-04-01" if "Authorization" in path else "2024-11-01"
    url = f"https://management.azure.com{path}?api-version={version}"
    return Caller(azure, ada).send(method, url, body)


def test_the_keys_of_a_host_that_starts_cannot_be_told(azure: Azure) -> None:
    """The body is that of https://github.com/Azure/azure-functions-host/issues/5722."""
    path, action = f"{SITE}/host/default/listkeys", "Microsoft.Web/sites/host/listkeys/action"
    answer = asked(azure, "POST", path, action)
    body: Any = answer.json()
    assert answer.status == 400
    assert body["error"]["message"] == (
        "Encountered an error (ServiceUnavailable) from host runtime."
    )
    azure.web.sites[SITE.lower()].keys = {"masterKey": "secret"}
    assert asked(azure, "POST", path, action).json() == {"masterKey": "secret"}


@pytest.mark.parametrize("required", [True, False])
def test_whether_callers_have_to_sign_in_is_told(required: bool, azure: Azure) -> None:
    azure.web.sites[SITE.lower()].signs_in = required
    path = f"{SITE}/config/authsettingsV2/list"
    body: Any = asked(azure, "POST", path, "Microsoft.Web/sites/config/list/action").json()
    assert body["properties"]["globalValidation"]["requireAuthentication"] is required


def test_apps_are_listed_as_far_as_the_caller_may_read_them(azure: Azure) -> None:
    azure.web.add(f"{SITE}/slots/next")
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Web/sites"
    assert asked(azure, "GET", path).status == 403
    body: Any = asked(azure, "GET", path, "Microsoft.Web/sites/read").json()
    assert [row["id"] for row in body["value"]] == [SITE]
    assert asked(azure, "GET", f"{GROUP}/providers/Microsoft.Web/sites").json() == body


def test_an_app_s_settings_are_replaced_as_a_whole(azure: Azure) -> None:
    azure.add_vault("shop")
    reference = "@Microsoft.KeyVault(SecretUri=https://shop.vault.azure.net/secrets/key)"
    path, sent = f"{SITE}/config/appsettings", {"plain": "text", "held": reference}
    assert asked(azure, "PUT", path, body={"properties": sent}).status == 403
    action = "Microsoft.Web/sites/config/write"
    assert asked(azure, "PUT", path, action, body={"nothing": sent}).status == 400
    body: Any = asked(azure, "PUT", path, body={"properties": sent}).json()
    assert body["properties"] == sent
    assert azure.web.sites[SITE.lower()].settings == {"held": reference}


def test_roles_hold_below_the_scope_that_they_were_given_at(azure: Azure) -> None:
    account = azure.add_account("rekeyhost")
    eve = azure.add_principal("eve")
    for scope in (GROUP, account.resource_id, f"{GROUP}2", "/"):
        azure.grant(eve, ROLES["Storage Blob Data Contributor"], scope)
    path = f"{account.resource_id}/providers/Microsoft.Authorization/roleAssignments"
    body: Any = asked(azure, "GET", path, *ROLE_READER).json()
    held = [
        one["properties"] for one in body["value"] if one["properties"]["principalId"] == eve.oid
    ]
    assert [one["scope"] for one in held] == [GROUP, account.resource_id, "/"]


def test_a_role_s_data_actions_are_apart(azure: Azure) -> None:
    eve = azure.add_principal("eve")
    azure.grant(eve, ROLES["Storage Blob Data Contributor"], GROUP)
    listing = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments"
    body: Any = asked(azure, "GET", listing, *ROLE_READER).json()
    (given,) = [
        one["properties"] for one in body["value"] if one["properties"]["principalId"] == eve.oid
    ]
    role = f"{GROUP}/providers/{given['roleDefinitionId'].partition('/providers/')[2]}"
    shown: Any = asked(azure, "GET", role, *ROLE_READER).json()
    assert shown["properties"]["roleName"] == "Storage Blob Data Contributor"
    (permissions,) = shown["properties"]["permissions"]
    assert permissions["dataActions"] == [
        "Microsoft.Storage/storageAccounts/blobServices/containers/*"
    ]


def test_whoever_may_not_see_roles_is_refused(azure: Azure) -> None:
    path = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments"
    assert asked(azure, "GET", path).status == 403
