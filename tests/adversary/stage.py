"""A world to misbehave in.

Two vaults, sources of every kind, the app on a host with production's schedule, and people.

`rotate` and `run_for` let the app work; everything else is what somebody does to it: edit a tag,
write a version, revoke a
credential, kill a worker, hold an answer back, serve an old copy. Nothing here looks into the app:
tests see vaults,
sources, reported outcomes and HTTP answers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from api.answers import Answer
from api.app import Api
from cloud.settings import Settings
from composition import build_api
from engine.state.record import RECHECK_EVERY
from simulator.azure import GROUP, Azure, build_world
from simulator.clock import VirtualClock
from simulator.entra.directory import Application, Password
from simulator.faults import Late, Outage, Throttling, unavailable
from simulator.host.virtual import HOUR, Dying, Host, OftenTimer, wait_until
from simulator.identity import Principal
from simulator.keyvault.state import SecretVersion, Vault
from simulator.reach.strikes import Hook, Strikes, Where
from simulator.reach.transport import SimulatedCredential, SimulatedTransport, forget_challenges
from simulator.sql.servers import ALTER_ANY_USER, LOGIN_MANAGER, Account
from simulator.storage.accounts import StorageAccount
from simulator.storage.blob_store import Blob, Container
from simulator.storage.blobs import BlobService
from simulator.storage.queue_store import Message
from simulator.wire import Request, Response
from simulator_tests.holders import Secret, of_account, of_application, of_logins
from tests.shared.due import next_check, next_request
from tests.shared.rig import KEY_ACTIONS, VAULT_ACTIONS, RigClock
from tests.shared.scene import send
from tests.shared.simulated_sql import SimulatedSqlServers
from tests.shared.sql_rig import SQL_ACTIONS, add_server, rotated

OWNED_BY = "Application.ReadWrite.OwnedBy"
RECORDS = "sources/"
"""Where in the app's own storage the records of the sources lie: docs and the runbook name it."""
POLICY = "rekey-policy"


type Function = Callable[[Api, bytes, Message], Awaitable[object]]
TOPIC = "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"


class Topic:
    """An Event Grid topic that takes whatever comes."""

    def answers(self, host: str) -> bool:
        return host.endswith("eventgrid.azure.net")

    def handle(self, request: Request) -> Response:
        return Response(200 if request.header("authorization") else 401)


class WatchedClock(VirtualClock):
    """A clock after whose alarms somebody looks."""

    watch: Callable[[], None] = staticmethod(lambda: None)

    def at(self, moment: datetime, act: Callable[[], object]) -> None:
        """Let something happen at a moment, and be seen then."""

        def seen() -> None:
            act()
            self.watch()

        super().at(moment, seen)


@dataclass
class Deployment:
    """One deployed app: its settings, its own storage, its identity and its host."""

    world: Azure
    clock: VirtualClock
    name: str
    settings: dict[str, str]
    watch: Callable[[], None]
    ahead: timedelta = timedelta()
    """How far the clock of a process that starts is ahead of the world's."""
    identity: Principal = field(init=False)
    strikes: Strikes = field(init=False)
    host: Host[Api] = field(init=False)
    delivered: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    """The messages on `rotations` that were worked on, and when."""

    def __post_init__(self) -> None:
        self.identity = self.world.add_principal(self.name)
        self.strikes = Strikes(self.clock.now, self.watch)
        account = self.world.add_account(f"{self.name}host")
        key = account.keys["key1"].value
        self.settings["AzureWebJobsStorage"] = (
            f"DefaultEndpointsProtocol=https;AccountName={account.name};AccountKey={key}"
        )
        functions: dict[str, Function] = {
            "vault-events": lambda api, body, _: api.service.on_event(body),
            "sweeps": lambda api, body, message: api.service.sweep_vault(body, message.dequeued),
            "rotations": self._rotate,
            "rotations-poison": lambda api, body, message: api.service.park(body, message.id),
        }
        self.host = Host(
            *(self.world, self.clock, account.name, self.start, lambda: self.strikes.kind),
            functions,
            lambda api, times: api.service.sweep(times, past_due=False),
            often=OftenTimer(RECHECK_EVERY, lambda api: api.service.recheck(), self._next_tick),
        )

    def _next_tick(self) -> datetime | None:
        asked = next_request(self.world, self.host.account)
        return min((at for at in (self.next_check(), asked) if at), default=None)

    def next_check(self) -> datetime | None:
        """Return when a record says next that its source is due."""
        return next_check(self.world, self.host.account, self.clock.now())

    async def _rotate(self, api: Api, body: bytes, message: Message) -> None:
        self.delivered.append((self.clock.now(), json.loads(body)))
        await api.service.rotate(body, message.dequeued)

    def start(self) -> Api:
        self.strikes.revive()
        return build_api(
            Settings.read(self.settings),
            env={},
            identity=SimulatedCredential(self.world, self.identity),
            clock=AheadClock(self.clock, self.ahead),
            options={"transport": SimulatedTransport(self.world, self.strikes, self.clock)},
            sql=SimulatedSqlServers(self.world, self.strikes),
        )

    @property
    def _containers(self) -> list[Container]:
        service = next(one for one in self.world.services if isinstance(one, BlobService))
        held = service.containers.held.items()
        return [container for (account, _), container in held if account == self.host.account]

    @property
    def blobs(self) -> dict[str, Blob]:
        """The records of the sources, by name."""
        return {
            name: blob
            for container in self._containers
            for name, blob in container.blobs.items()
            if name.startswith(RECORDS)
        }

    def copied(self) -> Callable[[], None]:
        """Copy the records; returns what puts the copy in their place, as a failover does."""
        copies = {name: (blob.content, blob.metadata) for name, blob in self.blobs.items()}

        def roll_back() -> None:
            for name, blob in self.blobs.items():
                blob.content, blob.metadata = copies[name]

        return roll_back

    def forget_sources(self) -> None:
        """Somebody deletes the records of all sources."""
        for container in self._containers:
            for name in self.blobs:
                container.blobs.pop(name, None)

    def lose_records(self) -> None:
        """Somebody deletes all that the app's own storage holds."""
        for container in self._containers:
            container.blobs.clear()


class AheadClock(RigClock):
    """The clock of an instance, which may be ahead of the vault's."""

    def __init__(self, clock: VirtualClock, ahead: timedelta) -> None:
        super().__init__(clock)
        self.now = lambda: clock.now() + ahead


@dataclass
class Stage:
    """The world, the app in it, and the people around."""

    clock: WatchedClock = field(default_factory=WatchedClock)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    """What the app reported of work items, in order."""
    refused: dict[str, list[tuple[datetime, datetime | None]]] = field(default_factory=dict)
    """By secret: from when until when its source refused what the vault held."""

    def __post_init__(self) -> None:
        forget_challenges()
        self.clock.rule(asyncio.get_running_loop())
        # Between two sweeps, so that what a test asks for does not meet one.
        self.clock.advance(20 * 60)
        self.world = build_world(self.clock.now)
        self.prod, self.other = self.world.add_vault("prod"), self.world.add_vault("other")
        self._watched: list[Secret] = []
        self._policy = ""
        self.apps: dict[str, Application] = {}
        self.app = self.deploy("rekey", self.prod, self.other)
        self.deployments = [self.app]
        self.server = add_server(self.world, self.app.identity)
        self.clock.watch = self.watch

    def deploy(self, name: str, *vaults: Vault) -> Deployment:
        """Deploy the app, with the rights that it needs at these vaults and at every source."""
        group = f"/subscriptions/{vaults[0].subscription}/resourceGroups/{GROUP}"
        scopes = {
            vault.url: [group, *(application.app_id for application in self.apps.values())]
            for vault in vaults
        }
        settings = {
            "REKEY_VAULTS": ",".join(vault.url for vault in vaults),
            "REKEY_SCOPES": json.dumps(scopes),
            **({"REKEY_POLICY": f"{self.prod.url}/secrets/{POLICY}"} if self._policy else {}),
        }
        deployed = Deployment(self.world, self.clock, name, settings, self.watch)
        for vault in vaults:
            self.world.grant(deployed.identity, VAULT_ACTIONS, vault.resource_id)
        self.world.grant(deployed.identity, (*KEY_ACTIONS, *SQL_ACTIONS), group)
        self.world.directory.grant(deployed.identity, OWNED_BY)
        return deployed

    def second_deployment(self, *vaults: Vault) -> Deployment:
        """Deploy the app a second time, for other vaults, over the same sources."""
        second = self.deploy("second", *vaults)
        for application in self.apps.values():
            application.owners.add(second.identity.oid)
        self.server.grant(second.identity, LOGIN_MANAGER)
        self.server.grant(second.identity, ALTER_ANY_USER, "shop")
        self.deployments.append(second)
        return second

    # What is put under management.

    def account(self, name: str = "appdata") -> StorageAccount:
        """Return a storage account, made where it is new."""
        return self.world.accounts.get(name) or self.world.add_account(name)

    def put(self, kind: str, **options: Any) -> Secret:
        """Put a secret under management: `storage`, `entra`, or a kind of SQL password."""
        if kind == "storage":
            return self.storage(**options)
        return self.entra(**options) if kind == "entra" else self.sql(kind, **options)

    def storage(
        self, name: str = "app-key", account: str = "appdata", holds: str = "key1", **options: Any
    ) -> Secret:
        """Put a storage account's key under management."""
        source = self.account(account)
        tags = {"ProviderAddress": source.resource_id, "CredentialId": holds}
        return self._manage(name, source.keys[holds].value, tags, of_account(source), **options)

    def application(self, name: str = "orders") -> Application:
        """Return an application that the app may change, made where it is new."""
        if name not in self.apps:
            self.apps[name] = self.world.add_application(name, self.app.identity)
            scopes: dict[str, list[str]] = json.loads(self.app.settings["REKEY_SCOPES"])
            for bound in scopes.values():
                bound.append(self.apps[name].app_id)
            self.app.settings["REKEY_SCOPES"] = json.dumps(scopes)
            self.app.host.restart()
        return self.apps[name]

    def password(self, by: str, application: str = "orders") -> Password:
        """Add a secret to an application by hand, as some team does for itself."""
        return self.world.directory.add_password(self.application(application), by)

    def entra(
        self, name: str = "app-secret", application: str = "orders", **options: Any
    ) -> Secret:
        """Put an application's secret under management."""
        source, first = self.application(application), self.password("by hand", application)
        tags = {"ProviderAddress": source.app_id, "CredentialId": first.key_id}
        return self._manage(
            name, first.secret, tags, of_application(source, self.clock.now), **options
        )

    def sql(self, kind: str = "login", name: str = "sql-password", **options: Any) -> Secret:
        """Put a SQL password under management.

        `kind` is `admin`, one `login`, a contained `user`, or `two logins`.
        """
        held = rotated(self.server, kind)
        accepts = of_logins(self.clock.now, *held.accounts)
        return self._manage(name, held.value, held.tags, accepts, **options)

    def account_of(self, kind: str) -> Account:
        """Return whose password a secret of such a kind holds."""
        return rotated(self.server, kind).accounts[0]

    def _manage(
        self,
        name: str,
        value: str,
        tags: Mapping[str, str],
        accepts: Callable[[str], bool],
        *,
        vault: Vault | None = None,
        days_left: float | None = 10,
        extra: Mapping[str, str | None] | None = None,
    ) -> Secret:
        usual = {**tags, "ValidityPeriodDays": "90", "Owner": "team-a", **(extra or {})}
        kept = {tag: text for tag, text in usual.items() if text is not None}
        expires = None if days_left is None else self.clock.now() + timedelta(days=days_left)
        secret = Secret(vault or self.prod, name, accepts)
        secret.vault.put(name, value, expires=expires, tags=kept, content_type="text/plain")
        self._watched.append(secret)
        return secret

    def plain(
        self,
        name: str,
        value: str = "somebody's own",
        vault: Vault | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Secret:
        """Put a secret into a vault that the app does not manage."""
        secret = Secret(vault or self.prod, name)
        secret.vault.put(name, value, tags=tags, content_type="text/plain")
        return secret

    def copy(self, primary: Secret) -> Secret:
        """Put a replica into the other vault, name it on its primary, and watch what it holds."""
        copy = Secret(self.other, "copy", primary.accepts)
        tags = {"ReplicaOf": primary.url}
        if "ValueTemplate" in primary.tags:
            tags["ValueTemplate"] = primary.tags["ValueTemplate"]
        copy.vault.put(copy.name, primary.current.value, tags=tags, content_type="text/plain")
        self._watched.append(copy)
        self.tag(primary, Replicas=copy.url)
        return copy

    def policy(self, text: str) -> Secret:
        """Give the app a policy document."""
        self._policy = "version: 1\n" + text
        self.app.settings["REKEY_POLICY"] = f"{self.prod.url}/secrets/{POLICY}"
        self.app.host.restart()
        return self.plain(POLICY, self._policy)

    # What people do.

    def tag(
        self, secret: Secret, version: SecretVersion | None = None, /, **tags: str | None
    ) -> SecretVersion:
        """Edit tags of a version, the newest one where none is given; None takes a tag away."""
        edited = version or secret.current
        kept = {**(edited.tags or {}), **tags}
        return secret.vault.amend(
            edited, tags={tag: text for tag, text in kept.items() if text is not None}
        )

    def person_writes(
        self, secret: Secret, value: str, tags: Mapping[str, str] | None = None
    ) -> SecretVersion:
        """Write a version by hand; like Key Vault itself, it copies no tags."""
        self.clock.advance(1)
        written = secret.vault.put(secret.name, value, tags=tags, content_type="text/plain")
        self.clock.advance(1)
        return written

    def disable(self, secret: Secret, version: SecretVersion | None = None) -> None:
        """Disable a version, the newest one where none is given."""
        secret.vault.amend(version or secret.current, enabled=False)

    # What the clouds do.

    def lag_reads(self, vault: Vault, *seconds: float) -> None:
        """Let the replicas that reads of a vault go to in turn be so far behind."""
        vault.lags = tuple(timedelta(seconds=lag) for lag in seconds)

    def serve_copy(self, vault: Vault, of: datetime | None) -> None:
        """Let a vault's reads come from a copy of that time, as after a failover; None ends it."""
        vault.copy_of = of

    def outage(
        self,
        where: Where,
        lasts: timedelta,
        response: Response | None = None,
        *,
        after: bool = False,
    ) -> Outage:
        """Let matching requests fail for a while; with `after` they take effect all the same."""
        until = self.clock.now() + lasts
        outage = Outage(where, self.clock.now, until, response or unavailable(), after=after)
        self.world.faults.append(outage)
        return outage

    def throttle(self, where: Where, lasts: timedelta) -> Throttling:
        """Let matching requests be answered 429 for a while, with the time left in Retry-After."""
        throttling = Throttling(where, self.clock.now, self.clock.now() + lasts)
        self.world.faults.append(throttling)
        return throttling

    def late(self, where: Where, delay: timedelta, times: int = 1) -> Late:
        """Let the next matching requests stay without an answer and take effect so much later."""
        late = Late(where, self.clock, delay, times)
        self.world.faults.append(late)
        return late

    def before(self, where: Where, act: Callable[[], object], times: int = 1) -> Hook:
        """Let something happen just before the app's next matching calls."""
        return self._hook(Hook(where, act, times))

    def after(self, where: Where, act: Callable[[], object], times: int = 1) -> Hook:
        """Let something happen just after the app's next matching calls took effect."""
        return self._hook(Hook(where, act, times, after=True))

    def kill(
        self, where: Where, times: int = 1, what: Dying = "worker", *, after: bool = True
    ) -> Hook:
        """Kill what runs the app at its next matching calls, after their effect or before it."""
        return self._hook(Hook(where, lambda: self.app.strikes.die(what), times, after=after))

    def _hook(self, hook: Hook) -> Hook:
        self.app.strikes.hooks.append(hook)
        return hook

    # How time passes.

    def post(self, secret: Secret, deployment: Deployment | None = None, **fields: Any) -> None:
        """Put a work item on the queue `rotations`."""
        item = {
            "action": "rotate",
            "vault": secret.vault.url,
            "secret": secret.name,
            "trigger": "manual",
            **fields,
        }
        (deployment or self.app).host.post("rotations", json.dumps(item))

    async def rotate(self, secret: Secret, **fields: Any) -> None:
        """Ask for a rotation of the current version as an operator, and wait half an hour."""
        self.post(secret, **{"version": secret.current.version, "reason": "asked for", **fields})
        await self.run_for(minutes=30)

    async def rotated(self, kind: str, **options: Any) -> Secret:
        """Put a secret under management, and have it rotated."""
        secret = self.put(kind, **options)
        await self.rotate(secret)
        return secret

    async def run_for(self, **span: float) -> None:
        """Let time pass (`minutes=`, `hours=`, `days=`), with hourly sweeps and daily audits.

        In the middle of a wait of more than twelve hours, the timer runs twice a day.
        """
        await wait_until(
            self.clock,
            [deployment.host for deployment in self.deployments],
            self.clock.now() + timedelta(**span),
        )
        self.watch()

    async def run_past_overlap(self) -> None:
        """Let the usual overlap of seven days pass, and two sweeps."""
        await self.run_for(days=7, hours=2)

    async def run_a_day(self) -> None:
        """Let a day pass, with the one audit that falls into it."""
        await self.run_for(hours=25)

    # What can be seen.

    def watch(self) -> None:
        """Note from when until when a source refuses what the vault holds."""
        now = self.clock.now()
        # Nobody can look at a deleted secret.
        for secret in (shown for shown in self._watched if shown.vault.latest(shown.name)):
            spans = self.refused.setdefault(secret.url, [])
            is_open = bool(spans) and spans[-1][1] is None
            if secret.works == is_open:
                if is_open:
                    spans[-1] = (spans[-1][0], now)
                else:
                    spans.append((now, None))

    def longest_refusal(self, secret: Secret, since: datetime | None = None) -> timedelta:
        """Return the longest time since `since` in which consumers had nothing that works."""
        now, first = self.clock.now(), since or datetime.min.replace(tzinfo=self.clock.now().tzinfo)
        spans = [(max(begin, first), end or now) for begin, end in self.refused.get(secret.url, [])]
        return max((end - begin for begin, end in spans if end > begin), default=timedelta())

    def of(self, secret: Secret, *results: str) -> list[dict[str, Any]]:
        """Return the outcomes of one secret, of these kinds where some are given."""
        return [
            outcome
            for outcome in self.outcomes
            if outcome["secret"] == secret.name
            and outcome["vault"] == secret.vault.url
            and (not results or outcome["result"] in results)
        ]

    def reason(self, secret: Secret) -> str:
        """Return why a secret is parked, as its tags or else its last outcome say.

        Empty where it is not.
        """
        last = self.of(secret)[-1:] or [{}]
        errors = (
            f"{last[0].get('reason', '')} {last[0].get('fix', '')}"
            if last[0].get("result") == "parked"
            else ""
        )
        return secret.tags.get("RekeyReason", "") or errors.strip()

    def calls(self, where: Where) -> int:
        """Count the app's calls that match."""
        return sum(where(request) for request in self.app.strikes.trace)

    async def http(
        self, name: str, path: Mapping[str, str] | None = None, body: object = None, **query: str
    ) -> Answer:
        """Send one request to the app's HTTP API."""
        sent = b"" if body is None else json.dumps(body).encode()
        headers = {"idempotency-key": str(uuid.uuid4()), "content-type": "application/json"}
        return await send(self.app.host.app, name, path or {}, query, sent, headers)

    async def ask(self, secret: Secret, body: object, **query: str) -> Answer:
        """Ask for a rotation of a secret over HTTP."""
        path = {"vault": "prod", "name": secret.name}
        return await self.http("http_rotate", path, body, **query)

    async def report_incident(self, **scope: Any) -> str:
        """Report everything in a scope as compromised.

        Returns the address at which it is followed.
        """
        answer = await self.http("http_incident", body={"reason": "leaked", **scope})
        assert answer.status == 202, answer.body
        return str(answer.headers["Location"])

    async def incident(self, location: str) -> dict[str, Any]:
        """Return how far an incident has come."""
        answer = await self.http(
            "http_incident_progress", {"incident": location.rpartition("/")[2]}
        )
        assert answer.status == 200, answer.body
        return dict(answer.body)

    async def attention(self, secret: Secret) -> dict[str, Any] | None:
        """Return the entry of a secret among those that need a person.

        None where it is not one of them.
        """
        answer = await self.http("http_list", state="attention")
        body: dict[str, Any] = dict(answer.body)
        return next((row for row in body["secrets"] if row["secret"] == secret.name), None)

    def outcome_topic(self) -> None:
        """Give the app a topic for its outcomes."""
        self.app.settings["REKEY_EVENT_TOPIC"] = TOPIC
        self.world.services.append(Topic())
        self.app.host.restart()

    def damage_records(self, content: bytes) -> None:
        """Somebody overwrites every record of a source."""
        assert self.app.blobs, "there is no record yet"
        for blob in self.app.blobs.values():
            blob.content, blob.metadata = content, {}

    def record_from_the_future(self) -> None:
        """Let a newer version of the app write the records: their format's number is higher."""
        for blob in self.app.blobs.values():
            try:
                record = json.loads(blob.content)
            except ValueError:
                record = {}
            newer = {
                key: 999
                for key in ("format", "version", "schema")
                if isinstance(record.get(key), int)
            }
            blob.content = json.dumps({**record, **(newer or {"format": 999})}).encode()


class Ear(logging.Handler):
    """Hears what the app reports, and what libraries warn of."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.outcomes: list[dict[str, Any]] = []
        self.warnings: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "rekey.audit" and record.getMessage().startswith("{"):
            data = json.loads(record.getMessage())
            if "operation" in data:
                self.outcomes.append(data)
        if record.levelno >= logging.WARNING and not record.name.startswith("rekey"):
            self.warnings.append(record)


__all__ = ["HOUR", "Deployment", "Ear", "Stage"]
