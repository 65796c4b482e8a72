"""Creating and changing registrations.

Covers applications by unique name, owners, federated credentials, service principals and app role
assignments.

Sources: https://learn.microsoft.com/graph/api/application-upsert, application-update,
application-post-owners, federatedidentitycredential-upsert, serviceprincipal-upsert,
serviceprincipal-post-serviceprincipals and serviceprincipal-post-approleassignedto. The texts of
the refusals are from issue reports.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from simulator.entra import errors, shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.entra.certificates import Certificates
    from simulator.entra.directory import Application, Directory
    from simulator.identity import Principal
    from simulator.wire import Request

KEY = r"(/(?P<id>[^/()]+)|\((?P<key>appId|uniqueName)='(?P<value>[^']+)'\))"
APPLICATION = re.compile(rf"/v1\.0/applications{KEY}", re.IGNORECASE)
OWNERS = re.compile(rf"/v1\.0/applications{KEY}/owners/\$ref", re.IGNORECASE)
TRUST = re.compile(
    rf"/v1\.0/applications{KEY}/federatedIdentityCredentials\(name='(?P<name>[^']+)'\)",
    re.IGNORECASE,
)
PRINCIPALS = re.compile(r"/v1\.0/servicePrincipals", re.IGNORECASE)
PRINCIPAL = re.compile(rf"/v1\.0/servicePrincipals{KEY}", re.IGNORECASE)
ASSIGNMENTS = re.compile(
    rf"/v1\.0/servicePrincipals{KEY}/(?P<list>appRoleAssignments|appRoleAssignedTo)", re.IGNORECASE
)

OWNED = "Application.ReadWrite.OwnedBy"
CHANGE, ASSIGN = "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"
TRUST_PROPERTIES = {"issuer", "subject", "audiences", "name", "description"}
PRINCIPAL_PROPERTIES = {"appRoleAssignmentRequired", "accountEnabled", "tags", "notes"}

type Answer = tuple[int, Any]


class Registrations:
    """Changes of the directory by an administrator.

    Answers carry their status; None means that the path is not one of these.
    """

    def __init__(self, directory: Directory, certificates: Certificates) -> None:
        self._directory, self._certificates = directory, certificates

    def answer(self, request: Request, caller: Principal, permissions: set[str]) -> Answer | None:
        """Answer one request; raises GraphError."""
        path, method = request.path.rstrip("/"), request.method
        if method != "GET" and (match := ASSIGNMENTS.fullmatch(path)):
            _demand(ASSIGN, permissions)
            return 201, self._assign(match, _body(request))
        if match := ASSIGNMENTS.fullmatch(path):
            return 200, self._assignments(request, match)
        if method == "GET" and (match := PRINCIPAL.fullmatch(path)):
            return 200, shapes.selected(request, self._directory.service_principal(_named(match)))
        if (
            method == "GET"
            and (match := APPLICATION.fullmatch(path))
            and match["key"] == "uniqueName"
        ):
            return 200, shapes.selected(request, shapes.application(self._application(match), ()))
        if method == "GET":
            return None
        return self._change(request, caller, permissions)

    def _change(self, request: Request, caller: Principal, permissions: set[str]) -> Answer | None:
        path, method = request.path.rstrip("/"), request.method
        create = "create-if-missing" in request.header("prefer")
        if method == "PATCH" and (match := APPLICATION.fullmatch(path)):
            self._demand_of(match, caller, permissions)
            return self._upsert(match, _body(request), caller, create=create)
        if method == "POST" and (match := OWNERS.fullmatch(path)):
            _demand(CHANGE, permissions)
            return self._own(self._application(match), _body(request))
        if method == "PATCH" and (match := TRUST.fullmatch(path)):
            _demand(CHANGE, permissions)
            return self._trust(
                self._application(match), match["name"], _body(request), create=create
            )
        if method == "PATCH" and (match := PRINCIPAL.fullmatch(path)):
            _demand(CHANGE, permissions)
            return self._upsert_principal(match, _body(request), create=create)
        if method == "POST" and PRINCIPALS.fullmatch(path):
            _demand(CHANGE, permissions)
            return self._add_principal(_body(request))
        return None

    def _demand_of(self, match: re.Match[str], caller: Principal, permissions: set[str]) -> None:
        """Demand the right to change an application: every one, or those that the caller owns."""
        application = self._directory.application(_named(match))
        if not (application and OWNED in permissions and caller.oid in application.owners):
            _demand(CHANGE, permissions)

    def _upsert(
        self, match: re.Match[str], body: dict[str, Any], caller: Principal, *, create: bool
    ) -> Answer:
        application = self._directory.application(_named(match))
        status = 204
        if application is None:
            if not create or match["key"] != "uniqueName":
                raise errors.no_resource(_named(match))
            application = self._directory.register(
                str(body.get("displayName", "")), match["value"], caller
            )
            status = 201
        _check_application(application, body)
        if "keyCredentials" in body:
            self._certificates.replace(application, body.pop("keyCredentials"))
        application.properties.update(body)
        return status, shapes.application(application, ()) if status == 201 else None  # noqa: PLR2004

    def _own(self, application: Application, body: dict[str, Any]) -> Answer:
        owner = str(body.get("@odata.id", "")).rpartition("/")[2]
        if owner not in self._directory.principals():
            raise errors.no_resource(owner)
        if owner in application.owners:
            raise errors.bad_request(
                "One or more added object references already exist for the following modified "
                "properties: 'owners'."
            )
        application.owners.add(owner)
        return 204, None

    def _trust(
        self, application: Application, name: str, body: dict[str, Any], *, create: bool
    ) -> Answer:
        _check_known(body, TRUST_PROPERTIES)
        known = application.trusts.get(name)
        if known is None and not create:
            raise errors.no_resource(name)
        trust = {"name": name, **(known or {}), **body}
        if (
            not trust.get("issuer")
            or not trust.get("subject")
            or len(trust.get("audiences") or ()) != 1
        ):
            raise errors.bad_request(
                "Property issuer, subject or audiences is missing or has an invalid value."
            )
        application.trusts[name] = trust
        return (204, None) if known else (201, trust)

    def _upsert_principal(
        self, match: re.Match[str], body: dict[str, Any], *, create: bool
    ) -> Answer:
        _check_known(body, PRINCIPAL_PROPERTIES)
        application = self._directory.application(_named(match))
        if application is None or (application.principal is None and not create):
            raise errors.no_resource(_named(match))
        status = 204 if application.principal else 201
        self._directory.add_service_principal(application)
        application.principal_properties.update(body)
        return status, self._directory.service_principal(
            application.app_id
        ) if status == 201 else None  # noqa: PLR2004

    def _add_principal(self, body: dict[str, Any]) -> Answer:
        application = self._directory.application(str(body.get("appId", "")))
        if application is None:
            raise errors.bad_request("The appId of the application specified is not valid.")
        if application.principal:
            raise errors.GraphError(
                409,
                "Request_MultipleObjectsWithSameKeyValue",
                "The service principal cannot be created, updated, or restored because the "
                "service principal name "
                f"{application.app_id} is already in use.",
            )
        self._directory.add_service_principal(application)
        return 201, self._directory.service_principal(application.app_id)

    def _assign(self, match: re.Match[str], body: dict[str, Any]) -> dict[str, Any]:
        resource = self._directory.service_principal(str(body.get("resourceId", "")))
        principal, role = str(body.get("principalId", "")), str(body.get("appRoleId", ""))
        if principal not in self._directory.principals():
            raise errors.no_resource(principal)
        own = {"approleassignments": principal, "approleassignedto": resource["id"]}[
            match["list"].lower()
        ]
        if self._directory.service_principal(_named(match))["id"] != own:
            raise errors.bad_request("The object in the address is not the one in the body.")
        if role not in {known["id"] for known in resource["appRoles"]}:
            raise errors.bad_request(
                f"Permission being assigned was not found on application '{resource['appId']}'."
            )
        if any(_same(known, body) for known in self._directory.assignments):
            raise errors.bad_request("Permission being assigned already exists on the object")
        return self._directory.assign(principal, resource, role)

    def _assignments(self, request: Request, match: re.Match[str]) -> dict[str, Any]:
        key = "principalId" if match["list"].lower() == "approleassignments" else "resourceId"
        holder = self._directory.service_principal(_named(match))["id"]
        entries = [entry for entry in self._directory.assignments if entry[key] == holder]
        start, size = int(request.query.get("$skiptoken", "0")), self._directory.page_size
        body: dict[str, Any] = {"value": entries[start : start + size]}
        if start + size < len(entries):
            body["@odata.nextLink"] = (
                f"https://{request.host}{request.path}?$skiptoken={start + size}"
            )
        return body

    def _application(self, match: re.Match[str]) -> Application:
        application = self._directory.application(_named(match))
        if application is None:
            raise errors.no_resource(_named(match))
        return application


def _named(match: re.Match[str]) -> str:
    return match["id"] or match["value"]


def _demand(permission: str, permissions: set[str]) -> None:
    if permission not in permissions:
        raise errors.denied()


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise errors.bad_request("Unable to read JSON request payload.")
    return body


def _check_known(body: Mapping[str, Any], known: set[str]) -> None:
    for name in body:
        if name not in known:
            raise errors.bad_request(f"Invalid property '{name}'.")


def _check_application(application: Application, body: Mapping[str, Any]) -> None:
    written = shapes.application(application, ())
    _check_known(body, set(written) - {"id", "appId", "passwordCredentials"})
    after = written | dict(body)
    scopes = {scope["id"] for scope in after["api"].get("oauth2PermissionScopes", ())}
    for trusted in after["api"].get("preAuthorizedApplications", ()):
        if not set(trusted["delegatedPermissionIds"]) <= scopes:
            raise errors.bad_request(
                "Property PreAuthorizedApplication references a permission that does not exist."
            )
    kept = {role["id"] for role in after["appRoles"]}
    if any(role["isEnabled"] and role["id"] not in kept for role in written["appRoles"]):
        raise errors.GraphError(
            400,
            "CannotDeleteOrUpdateEnabledEntitlement",
            "Permission (scope or role) cannot be deleted or updated unless disabled first.",
        )


def _same(known: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    return all(known[key] == body.get(key) for key in ("principalId", "resourceId", "appRoleId"))
