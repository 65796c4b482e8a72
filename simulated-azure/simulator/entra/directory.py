"""The tenant's applications and their secrets.

The history is kept, so that every replica can have its own view.
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from simulator.entra import errors
from simulator.entra.app_policy import AppPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simulator.identity import Identities, Principal

NOW = timedelta(0)
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
GRAPH_OBJECT_ID = "7c5b2a6e-2a0b-4b55-8a55-5d2f7a1c9e01"
GRAPH_ROLES = {
    "18a4783c-866b-4cc7-a460-3d5e5662c884": "Application.ReadWrite.OwnedBy",
    "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30": "Application.Read.All",
    "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9": "Application.ReadWrite.All",
    "06b708a9-e830-4db3-a914-8e69da51d44f": "AppRoleAssignment.ReadWrite.All",
}
"""Some application permissions: https://learn.microsoft.com/graph/permissions-reference."""
TWO_YEARS = timedelta(days=730)
"""The default lifetime of a secret:
https://learn.microsoft.com/graph/api/application-addpassword."""


@dataclass
class Password:
    """A secret of an application; it exists from `added` until `removed`."""

    key_id: str
    secret: str
    name: str | None
    start: datetime
    end: datetime
    added: datetime
    removed: datetime | None = None

    @property
    def hint(self) -> str:
        """The first characters of the secret, which Graph always shows."""
        return self.secret[:3]

    def alive(self, at: datetime) -> bool:
        """Return whether the secret existed at that time; expired secrets exist until removal."""
        return self.added <= at and (self.removed is None or at < self.removed)


@dataclass
class KeyCredential:
    """A certificate of an application; it exists from `added` until `removed`."""

    key_id: str
    der: bytes
    name: str | None
    start: datetime
    end: datetime
    added: datetime
    removed: datetime | None = None

    def alive(self, at: datetime) -> bool:
        """Return whether the certificate was listed at that time."""
        return self.added <= at and (self.removed is None or at < self.removed)


@dataclass
class Application:
    """An application.

    Without `principal`, its service principal, nobody can sign in as it.
    """

    name: str
    object_id: str
    app_id: str
    tenant: str
    created: datetime
    principal: Principal | None
    audience: str = "AzureADMyOrg"
    disabled: bool = False
    owners: set[str] = field(default_factory=set)
    history: list[Password] = field(default_factory=list)
    certificates: list[KeyCredential] = field(default_factory=list)
    """Its history, as that of the secrets."""
    changed: datetime | None = None
    unique_name: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    """Properties that the registration set, as Graph writes them."""
    trusts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Federated identity credentials, by name."""
    principal_properties: dict[str, Any] = field(default_factory=dict)

    def passwords(self, at: datetime) -> list[Password]:
        """Return the secrets as they were at that time."""
        return [password for password in self.history if password.alive(at)]

    def keys(self, at: datetime) -> list[KeyCredential]:
        """Return the certificates as they were at that time."""
        return [key for key in self.certificates if key.alive(at)]

    @property
    def personal(self) -> bool:
        """Return whether personal accounts may sign in, which limits the app to two secrets."""
        return "Personal" in self.audience


class Directory:
    """All applications of the world, by application id.

    `lags` is how far each replica of the sign-in service is behind: sign-ins use the replicas in
    turn. `graph_lag` is how far Graph's own reads are behind. `removal_lag` is how far the replica
    that handles removals is behind. `settle` is how long a changed application refuses the next
    change.
    """

    def __init__(
        self, now: Callable[[], datetime], entropy: Callable[[int], bytes], identities: Identities
    ) -> None:
        self.applications: dict[str, Application] = {}
        self.deleted: dict[str, Application] = {}
        self.lags: tuple[timedelta, ...] = (NOW,)
        self.graph_lag = NOW
        self.removal_lag = NOW
        self.settle = NOW
        self.policy = AppPolicy()
        self.page_size = 100
        self.assignments: list[dict[str, Any]] = []
        """App roles that were assigned to principals, as Graph writes them."""
        self._now, self._entropy, self._identities = now, entropy, identities
        self._turns = 0

    def add(
        self, name: str, owners: Iterable[Principal] = (), *, service_principal: bool = True
    ) -> Application:
        """Register an application with ids derived from its name; raise ValueError if it exists."""
        known = self._identities.add(name)
        if known.appid in self.applications:
            raise ValueError(f"there is an application named {name} already")
        application = Application(
            name,
            str(uuid.uuid5(uuid.NAMESPACE_DNS, f"application.{name}")),
            known.appid,
            known.tenant,
            self._now(),
            known if service_principal else None,
            owners={owner.oid for owner in owners},
        )
        self.applications[application.app_id] = application
        return application

    def delete(self, application: Application) -> None:
        """Delete an application softly, as a person does.

        It can be restored within 30 days: https://learn.microsoft.com/graph/api/application-delete.
        """
        self.deleted[application.app_id] = self.applications.pop(application.app_id)

    def restore(self, application: Application) -> None:
        """Bring a deleted application back, with its credentials."""
        self.applications[application.app_id] = self.deleted.pop(application.app_id)

    def grant(self, principal: Principal, *permissions: str) -> None:
        """Grant Graph's application permissions, such as Application.ReadWrite.OwnedBy."""
        held = self._identities.app_roles.get(principal.oid, ())
        self._identities.app_roles[principal.oid] = tuple(dict.fromkeys((*held, *permissions)))

    def principals(self) -> Mapping[str, Principal]:
        """Return all principals of the tenant, by object id."""
        return self._identities.principals

    def find(self, key: str) -> Application | None:
        """Return an application by its object id."""
        return next(
            (
                application
                for application in self.applications.values()
                if application.object_id == key.lower()
            ),
            None,
        )

    def application(self, key: str) -> Application | None:
        """Return an application by its object id, its client id or its own unique name."""
        keys = (key.lower(), key)
        return next(
            (
                application
                for application in self.applications.values()
                if application.object_id in keys
                or application.app_id in keys
                or application.unique_name == key != ""
            ),
            None,
        )

    def register(self, name: str, unique_name: str, owner: Principal) -> Application:
        """Create an application owned by the caller, without a service principal."""
        application = self.add(unique_name, (owner,), service_principal=False)
        application.unique_name = unique_name
        application.properties["displayName"] = name
        return application

    def add_service_principal(self, application: Application) -> None:
        """Give an application a service principal if it has none."""
        application.principal = application.principal or self._identities.add(application.name)

    def service_principal(self, key: str) -> dict[str, Any]:
        """Return a service principal by object id or client id, as Graph writes it.

        Raises GraphError if it does not exist.
        """
        if key in (GRAPH_APP_ID, GRAPH_OBJECT_ID):
            roles = [
                {"id": role, "value": name, "isEnabled": True} for role, name in GRAPH_ROLES.items()
            ]
            return _principal(GRAPH_OBJECT_ID, GRAPH_APP_ID, "Microsoft Graph", roles)
        for application in self.applications.values():
            if application.principal and key in (application.app_id, application.principal.oid):
                roles = application.properties.get("appRoles", [])
                body = _principal(
                    application.principal.oid, application.app_id, application.name, roles
                )
                return body | application.principal_properties
        for principal in self._identities.principals.values():
            registered = principal.appid in self.applications
            if key in (principal.oid, principal.appid) and not principal.scopes and not registered:
                return _principal(principal.oid, principal.appid, principal.name, [])
        raise errors.no_resource(key)

    def assign(self, principal: str, resource: Mapping[str, Any], role: str) -> dict[str, Any]:
        """Assign an app role to a principal; tokens for Graph list Graph's roles as permissions."""
        entry = {
            "id": self._id(),
            "deletedDateTime": None,
            "appRoleId": role,
            "createdDateTime": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "principalId": principal,
            "resourceDisplayName": resource["displayName"],
            "resourceId": resource["id"],
        }
        self.assignments.append(entry)
        if resource["id"] == GRAPH_OBJECT_ID:
            self.grant(self._identities.principals[principal], GRAPH_ROLES[role])
        return entry

    def add_password(
        self,
        application: Application,
        name: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Password:
        """Add a secret to an application, as the portal does."""
        now = self._now()
        begins = start or now
        password = Password(
            self._id(), self._secret(), name, begins, end or begins + TWO_YEARS, now
        )
        application.history.append(password)
        application.changed = now
        return password

    def remove_password(self, application: Application, password: Password) -> None:
        """Remove a secret."""
        password.removed = application.changed = self._now()

    def add_certificate(
        self,
        application: Application,
        der: bytes,
        lifetime: tuple[datetime, datetime],
        name: str | None = None,
        key_id: str = "",
    ) -> KeyCredential:
        """Add a certificate to an application, as the portal does."""
        now = self._now()
        key = KeyCredential(key_id or self._id(), der, name, *lifetime, now)
        application.certificates.append(key)
        application.changed = now
        return key

    def remove_certificate(self, application: Application, key: KeyCredential) -> None:
        """Remove a certificate."""
        key.removed = application.changed = self._now()

    def at_next_replica(self) -> datetime:
        """Return the time up to which the replica for the next sign-in is up to date."""
        lag = self.lags[self._turns % len(self.lags)]
        self._turns += 1
        return self._now() - lag

    def seen_by_graph(self) -> datetime:
        """Return the time up to which Graph's reads are up to date."""
        return self._now() - self.graph_lag

    def seen_by_removals(self) -> datetime:
        """Return the time up to which the replica that handles removals is up to date."""
        return self._now() - max(self.graph_lag, self.removal_lag)

    def settled(self, application: Application) -> bool:
        """Return whether the application accepts another change already."""
        return application.changed is None or self._now() - application.changed >= self.settle

    def _id(self) -> str:
        return str(uuid.UUID(bytes=self._entropy(16), version=4))

    def _secret(self) -> str:
        """Return a secret in the real form: 40 characters, with a mark after the first three."""
        text = (
            base64.urlsafe_b64encode(self._entropy(30)).decode().replace("-", "~").replace("_", ".")
        )
        return f"{text[:3]}8Q~{text[6:]}"


def _principal(oid: str, appid: str, name: str, roles: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": oid,
        "deletedDateTime": None,
        "accountEnabled": True,
        "appDisplayName": name,
        "appId": appid,
        "appRoleAssignmentRequired": False,
        "appRoles": roles,
        "displayName": name,
        "servicePrincipalType": "Application",
    }
