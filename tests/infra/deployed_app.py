"""The app as it was deployed: its settings, its identity, and its rights as they spread."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cloud.settings import Settings
from composition import build_api
from engine.errors import AccessDenied
from engine.service import Service
from simulator.arm.deployments import ids
from simulator.arm.deployments.delivery import deliver
from simulator.arm.deployments.ids import place_of
from simulator.arm.deployments.refusals.app import check_upload, settings_of
from simulator.arm.deployments.tenant import ASSIGNMENT, IDENTITY, Resource, scope_of
from simulator.arm.errors import ArmError
from simulator.azure import Azure, build_world
from simulator.identity import Principal
from simulator.keyvault.state import SecretVersion, Vault
from simulator.reach.transport import SimulatedCredential, SimulatedTransport, forget_challenges
from simulator.storage.accounts import StorageAccount
from simulator.storage.queues import QueueService
from simulator.world import Domains
from tests.infra.customer import CustomerTenant
from tests.shared.rig import RigClock
from tests.shared.simulated_sql import SimulatedSqlServers

ACCOUNT = "Microsoft.Storage/storageAccounts"
SERVICES = ("blob", "queue", "table")
QUEUE = f"{ACCOUNT}/queueServices/queues"
ENDPOINT = "Microsoft.Network/privateEndpoints"
SUBSCRIPTIONS = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
PUBLIC = Domains()
GOVERNMENT = Domains(
    vault="vault.usgovcloudapi.net",
    arm="management.usgovcloudapi.net",
    blob="blob.core.usgovcloudapi.net",
    queue="queue.core.usgovcloudapi.net",
    login="login.microsoftonline.us",
    graph="graph.microsoft.us",
)
POLICY = "version: 1"


@dataclass
class DeployedApp:
    """What runs after a deployment; every secret that it finds is one that a test put there."""

    customer: CustomerTenant
    world: Azure = field(init=False)
    identity: Principal = field(init=False)
    sources: dict[str, StorageAccount] = field(default_factory=dict)
    """By the vault whose secret holds a key of it."""

    def __post_init__(self) -> None:
        forget_challenges()
        another = self.customer.parameters["cloud"]["name"] == "AzureUSGovernment"
        self.world = build_world(self.customer.clock.now, GOVERNMENT if another else PUBLIC)
        own = self.customer.one(IDENTITY)
        self.identity = self.world.add_principal(
            "rekey", own.added["principalId"], own.added["clientId"]
        )
        for account in self.customer.all(ACCOUNT):
            self._add_account(account)
        for queue in self.customer.tenant.of_kind(QUEUE):
            account_name, name = queue.id.split("/")[8], queue.id.rpartition("/")[2]
            self._queues.create(account_name, name, {}, self.world.now())
        for vault in self.customer.parameters["vaults"]:
            self._add_vault(vault)

    @property
    def settings(self) -> dict[str, str]:
        """What the app's process finds in its environment."""
        return settings_of(self.customer.one("Microsoft.Web/sites"))

    def wait_for_code(self, limit: timedelta = timedelta(minutes=30)) -> None:
        """Push the code until Azure takes it; ArmError where it never does."""
        until = self.customer.clock.now() + limit
        while True:
            try:
                return check_upload(self.customer.tenant, self.customer.one("Microsoft.Web/sites"))
            except ArmError:
                if self.customer.clock.now() > until:
                    raise
                self.customer.clock.advance(30)

    def service(self) -> Service:
        """Start the app with the rights that have spread by now."""
        tenant = self.customer.tenant
        self.world.roles.assignments.clear()
        for assignment in tenant.of_kind(ASSIGNMENT):
            old = tenant.now() - assignment.since >= tenant.spread.rights
            if old and assignment.properties["principalId"] == self.identity.oid:
                actions = tenant.role(assignment.properties["roleDefinitionId"]) or ()
                self.world.grant(self.identity, actions, scope_of(assignment.id))
        return build_api(
            # What happens on the outcome topic is no part of this: tests/cloud has that.
            Settings.read({**self.settings, "REKEY_EVENT_TOPIC": ""}),
            env={},
            identity=SimulatedCredential(self.world, self.identity),
            clock=RigClock(self.customer.clock),
            options={"transport": SimulatedTransport(self.world)},
            sql=SimulatedSqlServers(self.world),
        ).service

    async def first_sweep(self, limit: timedelta = timedelta(minutes=15)) -> list[dict[str, Any]]:
        """Let the app sweep until its rights work everywhere; returns the work that is posted."""
        until = self.customer.clock.now() + limit
        while True:
            try:
                return await self._sweep()
            except AccessDenied:
                if self.customer.clock.now() > until:
                    raise
                self.customer.clock.advance(30)

    async def _sweep(self) -> list[dict[str, Any]]:
        service = self.service()
        await service.sweep({}, past_due=False)
        for order in self.take("sweeps"):
            await service.sweep_vault(order)
        return [json.loads(item) for item in self.take("rotations")]

    async def rotate(self, item: dict[str, Any]) -> None:
        """Work on one item that a sweep or an event posted."""
        await self.service().rotate(json.dumps(item), 1)

    async def events(self) -> list[dict[str, Any]]:
        """Let an event of each subscribed vault be delivered; returns the work that it makes."""
        service = self.service()
        for subscription in list(self.customer.tenant.of_kind(SUBSCRIPTIONS)):
            if deliver(self.customer.tenant, subscription) == self.events_queue:
                topic = subscription.id.split("/systemTopics/")[1].partition("/")[0]
                await service.on_event(json.dumps(self._event(topic)))
        return [json.loads(item) for item in self.take("rotations")]

    @property
    def events_queue(self) -> str:
        """The id of the queue that events are meant to reach."""
        (queue,) = (
            queue.id
            for queue in self.customer.tenant.of_kind(QUEUE)
            if queue.id.endswith("/queues/vault-events")
        )
        return queue

    def secret(self, vault: str) -> SecretVersion:
        version = self.world.vaults[vault].latest("storage")
        assert version is not None
        return version

    def take(self, queue: str) -> Iterator[str]:
        own = Settings.read(self.settings | {"REKEY_EVENT_TOPIC": ""}).storage.account
        messages = self._queues.find(own, queue).messages
        texts = [base64.b64decode(message.body).decode() for message in messages]
        messages.clear()
        yield from texts

    def _reaches(self, host: Resource) -> bool:
        """Return whether the app reaches its storage, in public or by endpoints with names."""
        tenant = self.customer.tenant
        if host.properties["networkAcls"]["defaultAction"] == "Allow":
            return True
        named = {
            ids.parent(group.id) for group in tenant.of_kind(f"{ENDPOINT}/privateDnsZoneGroups")
        }
        connections = [
            connection["properties"]
            for endpoint in tenant.of_kind(ENDPOINT)
            if endpoint.id in named
            for connection in endpoint.properties["privateLinkServiceConnections"]
        ]
        groups = {
            connection["groupIds"][0]
            for connection in connections
            if connection["privateLinkServiceId"] == host.id
        }
        inside = self.customer.one("Microsoft.Web/sites").properties.get("virtualNetworkSubnetId")
        needed = {"blob", "queue"} if "ev" in host.id.rpartition("/")[2] else set(SERVICES)
        return bool(inside) and groups == needed

    @property
    def _queues(self) -> Any:
        return next(
            service for service in self.world.services if isinstance(service, QueueService)
        ).queues

    def _event(self, topic: str) -> dict[str, Any]:
        names = [vault["name"] for vault in self.customer.parameters["vaults"]]
        (name,) = [name for name in names if name in topic]
        version = self.secret(name)
        data = {
            "Id": f"{self.world.vaults[name].url}/secrets/storage/{version.version}",
            "VaultName": name,
            "ObjectName": "storage",
        }
        kind = "Microsoft.KeyVault.SecretNearExpiry"
        return {"id": "1", "eventType": kind, "subject": "storage", "data": data}

    def _add_account(self, account: Resource) -> None:
        place, name = place_of(account.id), account.id.rpartition("/")[2]
        keys = account.properties["allowSharedKeyAccess"]
        made = self.world.add_account(
            name, place.subscription, place.group, allow_shared_key_access=keys
        )
        made.network_default_action = "Allow" if self._reaches(account) else "Deny"

    def _add_vault(self, entry: dict[str, Any]) -> None:
        """Add a vault with one secret that is due, a key of an account in its scope."""
        place = self.customer.place(entry)
        vault = self.world.add_vault(entry["name"], place.subscription, place.group)
        scope = next(scope for scope in entry["scopes"] if "Microsoft.Sql" not in scope)
        at, named = place_of(scope), scope.strip("/").rpartition("/storageAccounts/")[2]
        name = named if "/storageAccounts/" in scope else f"of{entry['name'].replace('-', '')}"
        account = self.world.add_account(name, at.subscription, at.group or "data")
        self.sources[entry["name"]] = account
        self._put_secret(vault, account)

    def _put_secret(self, vault: Vault, account: StorageAccount) -> None:
        tags = {
            "ProviderAddress": account.resource_id,
            "CredentialId": "key1",
            "ValidityPeriodDays": "90",
        }
        expires = self.world.now() + timedelta(days=10)
        vault.put(
            "storage",
            account.keys["key1"].value,
            expires=expires,
            tags=tags,
            content_type="text/plain",
        )
        vault.put(
            "rekey-policy", POLICY, expires=expires + timedelta(days=300), content_type="text/plain"
        )
