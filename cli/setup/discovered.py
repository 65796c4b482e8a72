"""What there is that a deployment could serve, as the deployer's own sign-in sees it.

Sources: https://learn.microsoft.com/rest/api/resources/subscriptions/list,
https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/list-by-subscription,
https://learn.microsoft.com/rest/api/eventgrid/controlplane/system-topics/list-by-subscription and
https://learn.microsoft.com/rest/api/loganalytics/workspaces/list.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cli.sources import Credential, under
from cloud.azure import Azure
from cloud.rest.arm import Arm
from engine.errors import RekeyError

SUBSCRIPTIONS = "2022-12-01"
VAULTS = "2023-07-01"
TOPICS = "2025-02-15"
WORKSPACES = "2023-09-01"


@dataclass(frozen=True, slots=True)
class FoundVault:
    """A vault that could be served. `tenant` is the one that its secrets are opened in."""

    resource_id: str
    name: str
    tenant: str
    uses_rbac: bool
    """False where it still uses access policies."""

    @property
    def subscription(self) -> str:
        """The subscription's id."""
        return self.resource_id.split("/")[2]

    @property
    def group(self) -> str:
        """The resource group's name."""
        return self.resource_id.split("/")[4]


@dataclass(frozen=True, slots=True)
class Topic:
    """A system topic of a vault."""

    name: str
    is_beside_vault: bool
    """Whether it is in the vault's resource group, where the template can attach a subscription to
    it."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What one sign-in sees: one tenant, its subscriptions and their vaults."""

    tenant: str
    subscriptions: Sequence[str]
    vaults: Sequence[FoundVault]
    foreign_topics: Mapping[str, str]
    """The id of a vault (lower case) → the id of a system topic that this deployment does not
    make."""

    def topic_of(self, vault: FoundVault) -> Topic | None:
        """Return the system topic that a vault has already, unless this deployment makes it.

        There can be only one.
        """
        topic = self.foreign_topics.get(vault.resource_id.lower())
        if topic is None:
            return None
        return Topic(
            topic.rpartition("/")[2], is_beside_vault=_group(topic) == _group(vault.resource_id)
        )

    def named(self, name: str) -> FoundVault | None:
        """Return the vault of this name; names are unique in the world."""
        return next((vault for vault in self.vaults if vault.name.lower() == name.lower()), None)


async def survey(azure: Azure, name: str) -> Discovered:
    """Look at every subscription that the sign-in sees, for the deployment of this name.

    Raises RekeyError where none can be read.
    """
    rows = [row async for row in _rows(azure, "/subscriptions", SUBSCRIPTIONS, "subscriptions")]
    enabled = [row for row in rows if row.get("state", "Enabled") in ("Enabled", "Warned")]
    ids = [str(row["subscriptionId"]) for row in enabled]
    vaults, topics = await _vaults(azure, ids), await _topics(azure, ids, name)
    return Discovered(str(enabled[0]["tenantId"]) if enabled else "", ids, vaults, topics)


async def sources(azure: Azure, subscription: str) -> list[Credential]:
    """Return what Rekey can rotate in a subscription, each source once.

    It is what the sign-in may list.
    """
    credentials: dict[str, Credential] = {}
    for listing in under(azure, f"/subscriptions/{subscription.lower()}").values():
        try:
            async for credential in listing:
                credentials.setdefault(credential.source, credential)
        except RekeyError:
            continue  # Somebody who may list accounts need not be allowed to list servers.
    return list(credentials.values())


async def workspaces(azure: Azure, subscriptions: Sequence[str]) -> list[str]:
    """Return the ids of the Log Analytics workspaces that the sign-in may list."""
    kind = "providers/Microsoft.OperationalInsights/workspaces"
    ids: list[str] = []
    for subscription in subscriptions:
        # A deployment can do without, so nothing that stands in the way of a listing ends it.
        with suppress(RekeyError):
            ids += [
                str(row["id"]) async for row in _everywhere(azure, [subscription], kind, WORKSPACES)
            ]
    return sorted(ids, key=str.lower)


async def workspace_problem(azure: Azure, resource_id: str) -> str:
    """Return why no workspace can be read at an id; empty where one can."""
    try:
        await Arm(azure, WORKSPACES, "Reader").read(
            resource_id, "reading the workspace of logs", resource_id
        )
    except RekeyError as error:
        return str(error)
    return ""


async def _vaults(azure: Azure, subscriptions: Sequence[str]) -> list[FoundVault]:
    kind = "providers/Microsoft.KeyVault/vaults"
    rows = [row async for row in _everywhere(azure, subscriptions, kind, VAULTS)]
    return sorted((_vault(row) for row in rows), key=lambda vault: vault.name)


def _vault(row: Mapping[str, Any]) -> FoundVault:
    properties = row["properties"]
    rbac = bool(properties.get("enableRbacAuthorization"))
    return FoundVault(str(row["id"]), str(row["name"]), str(properties["tenantId"]), uses_rbac=rbac)


async def _topics(azure: Azure, subscriptions: Sequence[str], name: str) -> dict[str, str]:
    kind = "providers/Microsoft.EventGrid/systemTopics"
    rows = [row async for row in _everywhere(azure, subscriptions, kind, TOPICS)]
    return {
        source: str(row["id"])
        for row in rows
        if (source := str(row["properties"].get("source", "")).lower())
        and str(row["id"]).lower() != _own_topic(source, name)
    }


def _own_topic(vault: str, name: str) -> str:
    """Return the id (lower case) of the topic that a deployment makes: infra/names.bicep."""
    group, own = "/".join(_group(vault)), f"{name}-{vault.rpartition('/')[2]}"
    return f"{group}/providers/microsoft.eventgrid/systemtopics/{own}".lower()


async def _everywhere(
    azure: Azure, subscriptions: Sequence[str], kind: str, version: str
) -> AsyncIterator[Mapping[str, Any]]:
    """Stream a kind of resource from all subscriptions.

    Those where the sign-in may list none are left out.
    """
    for subscription in subscriptions:
        try:
            async for row in _rows(azure, f"/subscriptions/{subscription}/{kind}", version, kind):
                yield row
        except RekeyError as error:
            if error.code != "AuthorizationFailed":
                raise


async def _rows(
    azure: Azure, path: str, version: str, what: str
) -> AsyncIterator[Mapping[str, Any]]:
    arm = Arm(azure, version, "Reader")
    while path:
        body = await arm.read(path, f"listing {what.rpartition('/')[2]}", path.partition("?")[0])
        for row in body.get("value", ()):
            yield row
        path = _next(str(body.get("nextLink") or ""), azure)


def _group(resource_id: str) -> list[str]:
    return resource_id.lower().split("/")[:5]


def _next(link: str, azure: Azure) -> str:
    """Return the next page's path, empty after the last.

    It must be Resource Manager's own: the token goes there.
    """
    path = link.removeprefix(azure.arm_endpoint)
    return path if path.startswith("/subscriptions") else ""
