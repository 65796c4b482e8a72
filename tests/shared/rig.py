"""The whole product on a simulated Azure, in process: real SDK clients, virtual time, no socket."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from api.app import Api
from cloud.azure import Azure as Client
from cloud.settings import Settings
from composition import build_api
from engine.contract import Job
from engine.secret import SecretRef, Sensitive
from engine.service import Service
from engine.state.record import Record, parts_of
from engine.state.request import Outcome, WorkItem
from rotators.shared.two_keys import TwoKeys
from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.identity import Principal
from simulator.keys.accounts import KeyedAccount
from simulator.keyvault.state import SecretVersion, Vault
from simulator.reach.transport import (
    Intercept,
    SimulatedCredential,
    SimulatedTransport,
    forget_challenges,
)
from simulator.storage.accounts import StorageAccount
from simulator.storage.queue_store import Message
from simulator.storage.queues import QueueService
from simulator.wire import Request
from tests.shared.due import stored
from tests.shared.items import work_item
from tests.shared.records import knowing
from tests.shared.simulated_databases import SimulatedRedis, simulated_databases
from tests.shared.simulated_sql import SimulatedSqlServers

VAULT_ACTIONS = (
    "Microsoft.KeyVault/vaults/secrets/getSecret/action",
    "Microsoft.KeyVault/vaults/secrets/setSecret/action",
    "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    "Microsoft.KeyVault/vaults/secrets/update/action",
)
KEY_ACTIONS = (
    "Microsoft.Storage/storageAccounts/listKeys/action",
    "Microsoft.Storage/storageAccounts/regenerateKey/action",
)
OPERATION = "6f1c1f64-3c3a-5b52-9c1e-2d1f6a9f3b11"
CONNECTION_STRING = (
    "DefaultEndpointsProtocol=https;AccountName={account};AccountKey={key};EndpointSuffix={suffix}"
)


class RigClock:
    """The world's virtual clock as the product wants one."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.now = clock.now
        self.sleep = clock.sleep

    def monotonic(self) -> float:
        return self._clock.now().timestamp()


@lru_cache(maxsize=16)
def _read(texts: tuple[tuple[str, str], ...]) -> Settings:
    """Read settings once for all processes of one rig: nothing changes them."""
    return Settings.read(dict(texts))


@dataclass
class Rig:
    """A world with one vault, the accounts that it may rotate.

    The app has exactly the rights that it needs.
    """

    clock: VirtualClock = field(default_factory=VirtualClock)
    world: Azure = field(init=False)
    vault: Vault = field(init=False)
    identity: Principal = field(init=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings besides the usual ones, or in their place."""

    def __post_init__(self) -> None:
        forget_challenges()
        self.world = build_world(self.clock.now)
        self.vault = self.world.add_vault("prod")
        self.host = self.world.add_account("rekeyhost")
        self.identity = self.world.add_principal("rekey")
        self.world.grant(self.identity, VAULT_ACTIONS, self.vault.resource_id)

    @property
    def settings(self) -> Settings:
        group = self.host.resource_id.split("/providers/")[0]
        key = self.host.keys["key1"].value
        texts = {
            "REKEY_VAULTS": self.vault.url,
            "REKEY_SCOPES": json.dumps({self.vault.url: [group]}),
            "REKEY_IDENTITY_NAME": self.identity.name,
            "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=rekeyhost;AccountKey={key}",
            **self.environment,
        }
        return _read(tuple(texts.items()))

    def account(self, name: str, **options: Any) -> StorageAccount:
        """Add an account whose keys the app may rotate."""
        account = self.world.add_account(name, **options)
        self.world.grant(self.identity, KEY_ACTIONS, account.resource_id)
        return account

    def keyed(self, kind: type[TwoKeys], name: str, path: str = "", top: str = "") -> KeyedAccount:
        """Add a resource whose keys the app may rotate, with the rights that the kind asks for."""
        account = self.world.add_keyed(top or kind.facts.tops[0], name, path)
        self.world.grant(self.identity, kind.facts.actions, account.resource_id)
        return account

    def secret(
        self,
        name: str,
        account: StorageAccount,
        *,
        days_left: float | None = 10,
        holds: str = "key1",
        template: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> SecretVersion:
        """Put a secret under management; `tags` change the usual ones, None takes one away."""
        key = account.keys[holds].value
        value = (
            template.format(account=account.name, key=key, suffix="core.windows.net")
            if template
            else key
        )
        usual = {
            "ProviderAddress": account.resource_id,
            "CredentialId": holds,
            "ValidityPeriodDays": "90",
            "ValueTemplate": template,
            **(tags or {}),
        }
        expires = None if days_left is None else self.clock.now() + timedelta(days=days_left)
        kept = {tag: text for tag, text in usual.items() if text is not None}
        return self.vault.put(
            name, value, expires=expires, tags=kept, content_type="text/plain", **options
        )

    def service(self, intercept: Intercept | None = None) -> Service:
        """Start the app: a fresh process as far as the product's own state goes."""
        return self.api(intercept).service

    def api(self, intercept: Intercept | None = None, env: Mapping[str, str] | None = None) -> Api:
        """Start the app as its HTTP callers see it.

        `env` is what the platform tells the process.
        """
        transport = SimulatedTransport(self.world, intercept)
        return build_api(
            self.settings,
            env=env or {},
            identity=SimulatedCredential(self.world, self.identity),
            clock=RigClock(self.clock),
            options={"transport": transport},
            sql=SimulatedSqlServers(self.world, intercept),
            databases=simulated_databases(self.world, intercept),
            redis=SimulatedRedis(self.world, intercept),
        )

    def azure(self, intercept: Intercept | None = None, **changes: Any) -> Client:
        """Return the app's own view of Azure, with some of it changed."""
        options: dict[str, Any] = {
            "credential": SimulatedCredential(self.world, self.identity),
            "options": {"transport": SimulatedTransport(self.world, intercept)},
            "sql": SimulatedSqlServers(self.world, intercept),
            "databases": simulated_databases(self.world, intercept),
            "redis": SimulatedRedis(self.world, intercept),
        }
        return Client(**{**options, **changes})

    def alone[R](
        self, kind: Callable[[Client, RigClock], R], intercept: Intercept | None = None, **more: Any
    ) -> R:
        """Return a rotator without the rest of the app, as a fresh process has it."""
        return kind(self.azure(intercept, **more), RigClock(self.clock))

    def job_of(self, source: str, held_id: str, held: str, **more: Any) -> Job:
        """Return a job for a credential that Rekey wrote itself."""
        facts = {
            "proven": True,
            "in_place": False,
            "expires": self.clock.now() + timedelta(days=90),
        }
        return Job(source, OPERATION, held_id, Sensitive(held), **{**facts, **more})

    def item(self, name: str, **fields: Any) -> WorkItem:
        return work_item(SecretRef(self.vault.url, name), **fields)

    async def handle(self, name: str, **fields: Any) -> Outcome:
        """Work once on an item, in a fresh process."""
        return await self.service().engine.handle(self.item(name, **fields))

    async def work(self, name: str, tries: int = 1, **fields: Any) -> None:
        """Work on an item as the queue's trigger does, in a fresh process."""
        await self.service().rotate(self.item(name, **fields).to_json(), tries)

    async def known(self, source: str) -> Record:
        """Return what Rekey knows of a source."""
        record = await self.service().engine.leases.peek(source)
        assert record
        return record

    async def note(self, source: str, name: str, **changes: Any) -> None:
        """Change what is known of a secret's source, as a worker that died has left it."""
        owner = str(SecretRef(self.vault.url, name))
        leases = self.service().engine.leases
        async with leases.hold(parts_of(source)[0], owner, source) as lease:
            await lease.write(knowing(lease.record, **changes))

    def latest(self, name: str) -> SecretVersion:
        version = self.vault.latest(name)
        assert version is not None
        return version

    def tags(self, name: str) -> Mapping[str, str]:
        """Return the tags of a secret's current version."""
        return self.latest(name).tags or {}

    def write(
        self, name: str, value: str, days_left: float = 80, /, **tags: str | None
    ) -> SecretVersion:
        """Let somebody write a version under the tags that are there, some of them changed."""
        kept = {tag: text for tag, text in {**self.tags(name), **tags}.items() if text is not None}
        expires = self.clock.now() + timedelta(days=days_left)
        return self.vault.put(name, value, expires=expires, tags=kept, content_type="text/plain")

    def tag(self, name: str, **tags: str | None) -> SecretVersion:
        """Edit tags of a secret's current version; None takes one away."""
        kept = {tag: text for tag, text in {**self.tags(name), **tags}.items() if text is not None}
        return self.vault.amend(self.latest(name), tags=kept)

    def queue(self, name: str, account: str = "rekeyhost") -> list[Message]:
        """Return what waits on one of the app's queues, hidden messages too."""
        service = next(
            candidate for candidate in self.world.services if isinstance(candidate, QueueService)
        )
        if name not in service.queues.names(account):
            service.queues.create(account, name, {}, self.clock.now())
        return service.queues.find(account, name).alive(self.clock.now())

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Return the JSON messages that wait on one of the host's queues."""
        return [json.loads(base64.b64decode(message.body)) for message in self.queue(queue)]

    @property
    def open_requests(self) -> list[tuple[datetime, dict[str, Any]]]:
        """What people asked for and is not done yet: when it is due, and what it says."""
        requests = [
            (datetime.fromisoformat(blob.metadata["due"]), json.loads(blob.content))
            for blob in stored(self.world, self.host.name, "accepted/")
        ]
        return sorted(requests, key=lambda pair: pair[0])

    @property
    def open_items(self) -> list[tuple[datetime, dict[str, Any]]]:
        """The work items among them: an incident's order is sent again for a while."""
        return [pair for pair in self.open_requests if "secret" in pair[1]]

    def calls(self) -> Counter[str]:
        """Count the requests so far by service, challenges aside, and forget them."""
        counts = Counter(
            _service(exchange.request)
            for exchange in self.world.exchanges
            if not (
                exchange.response.status == 401 and "WWW-Authenticate" in exchange.response.headers
            )
        )
        self.world.exchanges.clear()
        return counts


def _service(request: Request) -> str:
    account, _, rest = request.host.partition(".")
    if rest == "vault.azure.net":
        return "vault"
    if request.host == "management.azure.com":
        return "arm"
    kind = rest.partition(".")[0]
    return f"host {kind}" if account == "rekeyhost" else kind
