"""The registration that callers sign in with, made by a process with the real Azure CLI."""

from __future__ import annotations

from typing import Any

import pytest

from api.access import Role
from scripts import app_registration
from simulator.entra.directory import Application
from simulator_tests.az.stage import Stage
from tests.infra.tenant import Tenant

NAME, URL = "rekey-abc", "https://rekey-abc.azurewebsites.us"
IDENTITY = "aaaaaaaa-0000-0000-0000-000000000001"
CLIENT = "dddddddd-0000-0000-0000-000000000001"
REGISTER = ("register", NAME, URL, IDENTITY)
PEOPLE = ("jane", "joe", "robot")


@pytest.fixture
def tenant(stage: Stage) -> Tenant:
    return Tenant(stage, "app_registration.py")


def registered(tenant: Tenant) -> Application:
    done = tenant.run(*REGISTER)
    assert done.returncode == 0, done.stderr
    (application,) = tenant.registrations
    assert done.stdout == f"signInClientId: {application.app_id}\n"
    return application


def test_a_registration_has_what_callers_need_and_a_second_run_leaves_it(tenant: Tenant) -> None:
    application = registered(tenant)
    check_roles(application.properties)
    check_only_this_tenant_signs_in(application)
    check_the_identity_vouches(tenant, application)
    check_people_get_tokens_with_the_azure_cli(application)
    assert application.properties["web"] == {"redirectUris": [f"{URL}/.auth/login/aad/callback"]}
    before = tenant.state
    registered(tenant)
    assert tenant.state == before


def check_roles(properties: dict[str, Any]) -> None:
    """The roles are those that the app knows, for people and programs."""
    assert set(app_registration.ROLES) == {role.value for role in Role}
    roles = properties["appRoles"]
    assert [role["value"] for role in roles] == list(app_registration.ROLES)
    assert all(
        role["allowedMemberTypes"] == ["User", "Application"] and role["isEnabled"]
        for role in roles
    )
    assert len({role["id"] for role in roles}) == len(roles)


def check_only_this_tenant_signs_in(application: Application) -> None:
    """Without a role nobody gets a token."""
    assert application.properties["signInAudience"] == "AzureADMyOrg"
    assert application.principal_properties == {"appRoleAssignmentRequired": True}


def check_the_identity_vouches(tenant: Tenant, application: Application) -> None:
    """The app's identity vouches for the registration, which has no secret."""
    assert application.history == []
    login, home = tenant.world.domains.login, application.tenant
    assert application.trusts == {
        "rekey": {
            "name": "rekey",
            "issuer": f"https://{login}/{home}/v2.0",
            "subject": IDENTITY,
            "audiences": ["api://AzureADTokenExchangeUSGov"],
        }
    }


def check_people_get_tokens_with_the_azure_cli(application: Application) -> None:
    """The Azure CLI's own application is trusted with the one scope."""
    properties = application.properties
    assert properties["identifierUris"] == [f"api://{application.app_id}"]
    assert properties["api"]["requestedAccessTokenVersion"] == 2
    (scope,) = properties["api"]["oauth2PermissionScopes"]
    (trusted,) = properties["api"]["preAuthorizedApplications"]
    cli = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
    assert trusted == {"appId": cli, "delegatedPermissionIds": [scope["id"]]}


def test_roles_are_given_once_to_all_who_are_named_beside_what_they_hold(tenant: Tenant) -> None:
    application = registered(tenant)
    jane, joe, robot = (tenant.world.add_principal(name).oid for name in PEOPLE)
    roles = {role["value"]: role["id"] for role in application.properties["appRoles"]}
    done = tenant.run("assign", application.app_id, "Rekey.Operator", jane, joe, robot)
    assert done.returncode == 0, done.stderr
    again = tenant.run("assign", application.app_id, "Rekey.Operator", robot)
    assert again.stdout == f"{robot}: Rekey.Operator already\n"
    assert tenant.run("assign", application.app_id, "Rekey.Admin", jane).returncode == 0
    assert [(principal, role) for principal, role, _ in tenant.assignments] == [
        *((principal, roles["Rekey.Operator"]) for principal in (jane, joe, robot)),
        (jane, roles["Rekey.Admin"]),
    ]


def test_what_az_says_of_a_refusal_is_passed_on(tenant: Tenant) -> None:
    with tenant.refusing():
        done = tenant.run(*REGISTER)
    assert done.returncode == 1
    assert "Insufficient privileges to complete the operation." in done.stderr
    assert tenant.run(*REGISTER).returncode == 0, "the permissions of whom tests share are back"


def test_a_cloud_of_which_no_audience_is_known_is_named_before_anything_is_made(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, Any] = {"cloud": {"name": "AzureBleuCloud"}, "account": {"tenantId": "t"}}
    monkeypatch.setattr(app_registration, "cloud", lambda: answers["cloud"])
    monkeypatch.setattr(app_registration, "az", lambda command, _: answers[command])
    assert app_registration.main(REGISTER) == 1
    assert "AzureBleuCloud" in capsys.readouterr().err
    assert tenant.calls == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("register", NAME, "http://rekey", IDENTITY),
        ("register", NAME, URL, "rekey"),
        ("assign", CLIENT, "Rekey.Owner", IDENTITY),
        ("assign", CLIENT, "Rekey.Admin"),
        ("assign", CLIENT, "Rekey.Admin", "jane@contoso.com"),
    ],
)
def test_what_cannot_be_meant_is_answered_with_the_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app_registration.main(arguments) == 2
    assert "assign CLIENT ROLE PRINCIPAL" in capsys.readouterr().err
