"""The registration that callers sign in with: run as a process, with an `az` that answers as Microsoft Graph does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.access import Role
from scripts import app_registration
from tests.infra.tenant import FIRST_CLIENT, Tenant

NAME, URL = "rekey-abc", "https://rekey-abc.azurewebsites.us"
IDENTITY = "aaaaaaaa-0000-0000-0000-000000000001"
REGISTER = ("register", NAME, URL, IDENTITY)
JANE, JOE, ROBOT = (f"eeeeeeee-0000-0000-0000-00000000000{digit}" for digit in "123")


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path, "app_registration.py")


def registered(tenant: Tenant) -> dict[str, Any]:
    """Return the one registration that there is."""
    done = tenant.run(*REGISTER)
    assert done.returncode == 0, done.stderr
    (found,) = tenant.state["applications"]
    return dict(found)


def test_the_client_id_is_printed_for_the_template(tenant: Tenant) -> None:
    assert tenant.run(*REGISTER).stdout == f"signInClientId: {FIRST_CLIENT}\n"


def test_its_roles_are_those_that_the_app_knows_for_people_and_programs(tenant: Tenant) -> None:
    assert set(app_registration.ROLES) == {role.value_in_entra for role in Role}
    roles = registered(tenant)["appRoles"]
    assert [role["value"] for role in roles] == list(app_registration.ROLES)
    assert all(role["allowedMemberTypes"] == ["User", "Application"] and role["isEnabled"] for role in roles)
    assert len({role["id"] for role in roles}) == len(roles)


def test_only_this_tenant_signs_in_and_without_a_role_nobody_gets_a_token(tenant: Tenant) -> None:
    assert registered(tenant)["signInAudience"] == "AzureADMyOrg"
    assert tenant.state["principals"] == {FIRST_CLIENT: {"appRoleAssignmentRequired": True}}


def test_sign_ins_lead_back_to_the_app(tenant: Tenant) -> None:
    assert registered(tenant)["web"] == {"redirectUris": [f"{URL}/.auth/login/aad/callback"]}


def test_the_apps_identity_vouches_for_it_and_there_is_no_secret(tenant: Tenant) -> None:
    assert "password" not in str(registered(tenant)).lower()
    assert tenant.state["credentials"] == {
        f"id-{NAME} rekey": {
            "issuer": "https://login.microsoftonline.us/cccccccc-0000-0000-0000-000000000001/v2.0",
            "subject": IDENTITY,
            "audiences": ["api://AzureADTokenExchangeUSGov"],
        }
    }


def test_people_get_tokens_for_it_with_the_azure_cli(tenant: Tenant) -> None:
    found = registered(tenant)
    assert found["identifierUris"] == [f"api://{FIRST_CLIENT}"]
    assert found["api"]["requestedAccessTokenVersion"] == 2
    (scope,), (trusted,) = found["api"]["oauth2PermissionScopes"], found["api"]["preAuthorizedApplications"]
    assert trusted == {"appId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "delegatedPermissionIds": [scope["id"]]}


def test_a_second_run_leaves_everything_as_it_is(tenant: Tenant) -> None:
    first = registered(tenant)
    kept = {key: value for key, value in tenant.state.items() if key != "calls"}
    assert registered(tenant) == first
    assert {key: value for key, value in tenant.state.items() if key != "calls"} == kept


def test_a_role_is_given_to_all_who_are_named_and_once_only(tenant: Tenant) -> None:
    roles = {role["value"]: role["id"] for role in registered(tenant)["appRoles"]}
    done = tenant.run("assign", FIRST_CLIENT, "Rekey.Operator", JANE, JOE, ROBOT)
    assert done.returncode == 0, done.stderr
    again = tenant.run("assign", FIRST_CLIENT, "Rekey.Operator", ROBOT)
    assert again.stdout == f"{ROBOT}: Rekey.Operator already\n"
    given = tenant.state["assignments"]
    assert [(each["principalId"], each["appRoleId"]) for each in given] == [
        (principal, roles["Rekey.Operator"]) for principal in (JANE, JOE, ROBOT)
    ]


def test_another_role_is_given_beside_the_one_that_is_held(tenant: Tenant) -> None:
    roles = {role["value"]: role["id"] for role in registered(tenant)["appRoles"]}
    for role in ("Rekey.Reader", "Rekey.Admin"):
        assert tenant.run("assign", FIRST_CLIENT, role, JANE).returncode == 0
    assert [each["appRoleId"] for each in tenant.state["assignments"]] == [roles["Rekey.Reader"], roles["Rekey.Admin"]]


def test_what_az_says_of_a_refusal_is_passed_on(tmp_path: Path) -> None:
    done = Tenant(tmp_path, "app_registration.py", refuse=True).run(*REGISTER)
    assert (done.returncode, done.stderr.strip()) == (1, "Insufficient privileges to complete the operation.")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("register", NAME, "http://rekey", IDENTITY),
        ("register", NAME, URL, "rekey"),
        ("assign", FIRST_CLIENT, "Rekey.Owner", JANE),
        ("assign", FIRST_CLIENT, "Rekey.Admin"),
        ("assign", FIRST_CLIENT, "Rekey.Admin", "jane@contoso.com"),
    ],
)
def test_what_cannot_be_meant_is_answered_with_the_usage(arguments: tuple[str, ...], tenant: Tenant) -> None:
    done = tenant.run(*arguments)
    assert done.returncode == 2
    assert "assign CLIENT ROLE PRINCIPAL" in done.stderr
    assert tenant.state["calls"] == []
