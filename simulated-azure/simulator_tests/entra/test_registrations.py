"""The simulated Graph's registrations: what is made and changed, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from simulator.azure import Azure, build_world
from simulator.entra.directory import GRAPH_OBJECT_ID, Application
from simulator.identity import Principal
from simulator.wire import Response
from simulator_tests.caller import Caller, body_of, error_of

GRAPH = "https://graph.microsoft.com"
CREATE = {"prefer": "create-if-missing"}
OWNED_BY = "18a4783c-866b-4cc7-a460-3d5e5662c884"
ROLE = {"id": "0b5f7a0e-0000-4000-8000-000000000001", "value": "Reader", "isEnabled": True}
TRUST = {"issuer": "https://login.microsoftonline.com/t/v2.0", "subject": "s", "audiences": ["a"]}


@dataclass
class Tenant:
    """A tenant with an administrator, and requests in the administrator's name."""

    azure: Azure = field(default_factory=build_world)
    administrator: Principal = field(init=False)

    def __post_init__(self) -> None:
        self.administrator = self.azure.add_principal("administrator")
        self.azure.directory.grant(
            self.administrator, "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"
        )

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        token = self.azure.identities.token_for(GRAPH, self.administrator)
        return Caller(self.azure).send(
            method, f"{GRAPH}/v1.0{path}", body, token=token, headers=headers
        )

    def register(self, **properties: Any) -> Application:
        response = self.send(
            "PATCH",
            "/applications(uniqueName='rekey')",
            {"displayName": "rekey"} | properties,
            CREATE,
        )
        application = self.azure.directory.application("rekey")
        assert response.status in (201, 204), response.body
        assert application
        return application

    def hold_only(self, *permissions: str) -> None:
        self.azure.identities.app_roles[self.administrator.oid] = permissions


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


def test_a_registration_is_made_once_and_then_changed(tenant: Tenant) -> None:
    first = tenant.register()
    assert tenant.register(appRoles=[ROLE]) is first
    assert first.owners == {tenant.administrator.oid}
    shown = body_of(tenant.send("GET", "/applications(uniqueName='rekey')?$select=appId,appRoles"))
    assert shown == {"appId": first.app_id, "appRoles": [ROLE]}


def test_without_the_preference_nothing_is_made(tenant: Tenant) -> None:
    response = tenant.send("PATCH", "/applications(uniqueName='rekey')", {"displayName": "rekey"})
    assert error_of(response) == (404, "Request_ResourceNotFound")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"appRoless": []}, "Request_BadRequest"),
        ({"appRoles": []}, "CannotDeleteOrUpdateEnabledEntitlement"),
        (
            {
                "api": {
                    "preAuthorizedApplications": [
                        {"appId": "a", "delegatedPermissionIds": ["none"]}
                    ]
                }
            },
            "Request_BadRequest",
        ),
    ],
)
def test_a_change_that_breaks_a_rule_is_refused_and_changes_nothing(
    tenant: Tenant, change: dict[str, Any], code: str
) -> None:
    application = tenant.register(appRoles=[ROLE])
    before = dict(application.properties)
    assert error_of(tenant.send("PATCH", f"/applications/{application.object_id}", change)) == (
        400,
        code,
    )
    assert application.properties == before


def test_trust_needs_an_issuer_a_subject_and_one_audience(tenant: Tenant) -> None:
    application = tenant.register()
    path = f"/applications/{application.object_id}/federatedIdentityCredentials(name='rekey')"
    assert tenant.send("PATCH", path, TRUST | {"audiences": ["a", "b"]}, CREATE).status == 400
    assert tenant.send("PATCH", path, TRUST).status == 404
    assert tenant.send("PATCH", path, TRUST, CREATE).status == 201
    assert tenant.send("PATCH", path, {"subject": "another"}).status == 204
    assert application.trusts == {"rekey": {"name": "rekey", **TRUST, "subject": "another"}}


def test_an_owner_is_added_once_and_must_exist(tenant: Tenant) -> None:
    path, owner = (
        f"/applications/{tenant.register().object_id}/owners/$ref",
        tenant.azure.add_principal("owner").oid,
    )
    assert (
        tenant.send("POST", path, {"@odata.id": f"{GRAPH}/v1.0/directoryObjects/{owner}"}).status
        == 204
    )
    assert (
        tenant.send("POST", path, {"@odata.id": f"{GRAPH}/v1.0/directoryObjects/{owner}"}).status
        == 400
    )
    assert (
        tenant.send("POST", path, {"@odata.id": f"{GRAPH}/v1.0/directoryObjects/nobody"}).status
        == 404
    )


def test_a_service_principal_is_made_once(tenant: Tenant) -> None:
    body = {"appId": tenant.register().app_id}
    assert tenant.send("POST", "/servicePrincipals", body).status == 201
    assert error_of(tenant.send("POST", "/servicePrincipals", body)) == (
        409,
        "Request_MultipleObjectsWithSameKeyValue",
    )


def test_a_permission_of_graph_that_is_given_works_and_is_given_once(tenant: Tenant) -> None:
    identity = tenant.azure.add_principal("identity").oid
    path = f"/servicePrincipals/{identity}/appRoleAssignments"
    body = {"principalId": identity, "resourceId": GRAPH_OBJECT_ID, "appRoleId": OWNED_BY}
    assert tenant.send("POST", path, body).status == 201
    assert tenant.azure.identities.app_roles[identity] == ("Application.ReadWrite.OwnedBy",)
    again = tenant.send("POST", path, body)
    assert (again.status, b"already exists" in again.body) == (400, True)
    assert body_of(tenant.send("GET", path))["value"][0]["appRoleId"] == OWNED_BY


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"appRoleId": "0b5f7a0e-0000-4000-8000-00000000ffff"}, 400),
        ({"principalId": "nobody"}, 404),
        ({"resourceId": "nobody"}, 404),
    ],
)
def test_a_role_that_is_not_there_is_not_given(
    tenant: Tenant, change: dict[str, str], status: int
) -> None:
    identity = tenant.azure.add_principal("identity").oid
    body = {"principalId": identity, "resourceId": GRAPH_OBJECT_ID, "appRoleId": OWNED_BY} | change
    assert (
        tenant.send("POST", f"/servicePrincipals/{identity}/appRoleAssignments", body).status
        == status
    )
    assert tenant.azure.directory.assignments == []


def test_whoever_may_only_read_changes_nothing(tenant: Tenant) -> None:
    application, identity = tenant.register(), tenant.azure.add_principal("identity").oid
    tenant.hold_only("Application.Read.All")
    body = {"principalId": identity, "resourceId": GRAPH_OBJECT_ID, "appRoleId": OWNED_BY}
    for method, path, sent in (
        ("PATCH", f"/applications/{application.object_id}", {"displayName": "mine"}),
        (
            "POST",
            f"/applications/{application.object_id}/owners/$ref",
            {"@odata.id": f"{GRAPH}/{identity}"},
        ),
        ("POST", "/servicePrincipals", {"appId": application.app_id}),
        ("POST", f"/servicePrincipals/{identity}/appRoleAssignments", body),
    ):
        assert error_of(tenant.send(method, path, sent)) == (403, "Authorization_RequestDenied")
