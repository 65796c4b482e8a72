"""A complete simulated Azure: `build_world` creates it, and the add_… methods fill it."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from simulator.arm.container_apps import ContainerAppsProvider
from simulator.arm.databases import DatabasesProvider
from simulator.arm.event_grid import EventGridProvider
from simulator.arm.key_vaults import VaultsProvider
from simulator.arm.service import ArmService
from simulator.arm.sql import SqlProvider
from simulator.arm.storage import StorageProvider
from simulator.arm.web import WebProvider
from simulator.arm.workspaces import WorkspacesProvider
from simulator.clock import utc_now
from simulator.databases.gateway import DatabaseGateway
from simulator.entra.directory import Application, Directory
from simulator.entra.login import LoginService
from simulator.entra.managed_identity import ManagedIdentityService
from simulator.entra.service import GraphService
from simulator.identity import HOME_TENANT, Principal
from simulator.keys.accounts import KeyedAccount
from simulator.keys.contracts import BY_KIND, CONTRACTS
from simulator.keys.data_plane import KeysService
from simulator.keys.provider import KeysProvider
from simulator.keyvault.service import KeyVaultService
from simulator.keyvault.state import Vault
from simulator.sql.gateway import SqlGateway
from simulator.storage.accounts import StorageAccount
from simulator.storage.blobs import BlobService
from simulator.storage.others import EmptyService
from simulator.storage.queues import QueueService
from simulator.telemetry.logs import LogsService, LogWorkspace
from simulator.webhooks import WebhookService
from simulator.world import Domains, Service, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from simulator.rbac import Assignment

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP = "production"


class Azure(World):
    """A world with all services. `arm`, `managed_identity` and `directory` have test switches."""

    def __init__(
        self,
        now: Callable[[], datetime] = utc_now,
        domains: Domains | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(now, domains, entropy)
        self.sql = SqlGateway(self)
        self.databases = DatabaseGateway(self)
        self.web = WebProvider(self)
        self.container_apps = ContainerAppsProvider(self)
        self.vault_resources = VaultsProvider(self)
        self.event_grid = EventGridProvider(self)
        providers = (
            StorageProvider(self),
            SqlProvider(self, self.sql),
            DatabasesProvider(self, self.databases, "postgresql"),
            DatabasesProvider(self, self.databases, "mysql"),
            self.web,
            self.container_apps,
            self.event_grid,
        )
        namespaces = dict.fromkeys(contract.kind.partition("/")[0] for contract in CONTRACTS)
        keyed = (
            KeysProvider(self, name) for name in namespaces if name != EventGridProvider.namespace
        )
        self.logs = LogsService(self)
        workspaces = WorkspacesProvider(self, self.logs)
        self.arm = ArmService(self, *providers, self.vault_resources, workspaces, *keyed)
        self.webhooks = WebhookService()
        self.managed_identity = ManagedIdentityService(self)
        self.directory = Directory(now, entropy, self.identities)
        self.services += self._services()

    def _services(self) -> list[Service]:
        """Return what answers requests: one service for each kind of host."""
        return [
            KeyVaultService(self),
            self.arm,
            LoginService(self, self.directory),
            GraphService(self, self.directory),
            self.managed_identity,
            BlobService(self),
            QueueService(self),
            EmptyService(self, "table"),
            EmptyService(self, "file"),
            self.sql,
            self.databases,
            self.webhooks,
            self.logs,
            KeysService(self),
        ]

    def add_group(self, subscription: str = SUBSCRIPTION, group: str = GROUP) -> None:
        """Add a resource group, and its subscription if that is new."""
        self.groups.setdefault(subscription.lower(), set()).add(group.lower())

    def add_vault(
        self,
        name: str,
        subscription: str = SUBSCRIPTION,
        group: str = GROUP,
        tenant: str = HOME_TENANT,
    ) -> Vault:
        """Add an empty vault; raise ValueError if the name exists.

        Vault names are globally unique.
        """
        if name in self.vaults:
            raise ValueError(f"there is a vault named {name} already")
        self.add_group(subscription, group)
        self.vaults[name] = Vault(
            name,
            subscription,
            group,
            lambda: self.domains.vault,
            self.now,
            self.entropy,
            tenant=tenant,
        )
        return self.vaults[name]

    def add_account(
        self,
        name: str,
        subscription: str = SUBSCRIPTION,
        group: str = GROUP,
        *,
        allow_shared_key_access: bool = True,
    ) -> StorageAccount:
        """Add a storage account with two fresh keys; raise ValueError if the name exists."""
        if name in self.accounts:
            raise ValueError(f"there is a storage account named {name} already")
        self.add_group(subscription, group)
        self.accounts[name] = StorageAccount(
            name,
            subscription,
            group,
            allow_shared_key_access=allow_shared_key_access,
            now=self.now,
            entropy=self.entropy,
        )
        return self.accounts[name]

    def add_keyed(
        self,
        kind: str,
        name: str,
        path: str = "",
        subscription: str = SUBSCRIPTION,
        group: str = GROUP,
    ) -> KeyedAccount:
        """Add a resource with two keys, or a rule below one that has such rules.

        ValueError where its name is taken.
        """
        contract = BY_KIND[kind.lower()]
        resource_id = (
            f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{contract.kind}/{name}"
        )
        self.add_group(subscription, group)
        account = self.keyed.get(resource_id.lower())
        if account is None:
            host = self.domains.of_resource(contract.host.format(name=name.lower()))
            account = KeyedAccount(contract, resource_id, host, self.now, self.entropy)
            self.keyed[resource_id.lower()] = account
        if path.lower() in account.rings:
            raise ValueError(f"there is {kind} {name} {path} already")
        account.add_ring(path)
        return account

    def add_log_workspace(
        self, name: str, subscription: str = SUBSCRIPTION, group: str = GROUP
    ) -> LogWorkspace:
        """Add an empty Log Analytics workspace; its id is derived from its name."""
        self.add_group(subscription, group)
        resource_id = (
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.OperationalInsights/workspaces/{name}"
        )
        workspace = LogWorkspace(str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), resource_id)
        self.logs.workspaces[workspace.id] = workspace
        return workspace

    def remove_account(self, name: str) -> None:
        """Delete a storage account; raise KeyError if it does not exist."""
        del self.accounts[name]

    def add_application(
        self, name: str, *owners: Principal, service_principal: bool = True
    ) -> Application:
        """Register an Entra application and service principal; raise ValueError if it exists."""
        return self.directory.add(name, owners, service_principal=service_principal)

    def add_principal(
        self, name: str, oid: str | None = None, appid: str | None = None
    ) -> Principal:
        """Add a principal that can hold tokens; missing ids are derived from the name."""
        return self.identities.add(name, oid, appid)

    def add_person(self, name: str, scopes: str) -> Principal:
        """Add a person, such as ada@northwind.example.

        `scopes` are the delegated permissions of the tool with which the person signed in.
        """
        return self.identities.add(name, scopes=scopes)

    def grant(self, principal: Principal, actions: Iterable[str], scope: str) -> Assignment:
        """Allow a principal actions (with wildcards) at a scope and everything below it."""
        return self.roles.grant(principal, actions, scope)


def build_world(now: Callable[[], datetime] = utc_now, domains: Domains | None = None) -> Azure:
    """Return an empty simulated Azure whose clock is `now`."""
    return Azure(now, domains)
