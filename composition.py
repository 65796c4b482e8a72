"""Put the parts together, once per process. This builds objects and opens no connection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from api.app import Api
from cloud.azure import READING, Azure
from cloud.clock import SystemClock
from cloud.databases.drivers import drivers
from cloud.databases.redis import RedisServers
from cloud.databases.servers import DatabaseServers, SignsIn
from cloud.follow_up.apps import AzureApps
from cloud.follow_up.webhooks import ChatWebhooks
from cloud.meter.metering import MeteredDatabases, MeteredSignIns, MeteredSqlServers
from cloud.print_keys import PrintKeys
from cloud.rest.github import GitHubAlerts
from cloud.rest.vault_log import VaultLog
from cloud.settings import Settings
from cloud.signing_keys import SigningKeys
from cloud.sql.driver import DriverSqlServers
from cloud.sql.servers import SqlServers
from cloud.storage.blobs import BlobMemory
from cloud.storage.incidents import BlobIncidents
from cloud.storage.leases import BlobLeases
from cloud.storage.queues import StorageQueues
from cloud.storage.requests import BlobRequests
from cloud.storage.watch import AppWatch
from cloud.telemetry.reports import Reports
from cloud.vaults import KeyVaults
from engine.engine import Engine
from engine.kinds import Kinds
from engine.ports import Clock
from engine.service import Service
from engine.state.policy import Policies, Policy
from rotators.own.registry import Registry, installed
from rotators.own.served import served
from rotators.registry import build as build_rotators

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def credential(client_id: str | None, env: Mapping[str, str]) -> AsyncTokenCredential:
    """Return the app's managed identity if the platform has one, else the developer's sign-in."""
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    from cloud.retries import ShortRetries

    if "IDENTITY_ENDPOINT" in env:
        # The identity answers on this machine alone: no proxy of the environment reaches it, and
        # none is to see the header that it asks for.
        limits = {**READING, "retry_total": 1, "use_env_settings": False}
        return ManagedIdentityCredential(
            client_id=client_id, retry_policy_class=ShortRetries, **limits
        )
    return DefaultAzureCredential()


def policies(vaults: KeyVaults, policy: Policy, kinds: Kinds, clock: Clock) -> Policies:
    """Return the source of the policy: the document, read at first use, or the settings alone."""
    if policy.own is None:
        return policy
    from cloud.policy_store import PolicyStore

    return PolicyStore(vaults, policy.own, policy, kinds, clock)


def every_kind(settings: Settings, azure: Azure, vaults: KeyVaults, clock: Clock) -> Registry:
    """Return the kinds of the registry, of installed packages and of the settings' endpoints."""
    specs = [*installed(), *served(settings.endpoints, SigningKeys(vaults, clock))]
    return Registry(build_rotators(azure, clock), specs, azure, clock)


def connect(
    settings: Settings,
    *,
    identity: AsyncTokenCredential | None = None,
    options: Mapping[str, Any] | None = None,
    sql: SqlServers | None = None,
    databases: Mapping[str, DatabaseServers] | None = None,
    redis: SignsIn | None = None,
) -> Azure:
    """Return the connection to Azure from the settings; the parts are those of `build_api`."""
    from cloud.meter.call_counter import metered

    return Azure(
        identity or credential(settings.client_id, os.environ),
        settings.arm_endpoint,
        metered(options or {}),
        graph_endpoint=settings.graph_endpoint,
        authority=settings.authority,
        tenant_id=settings.tenant_id,
        sql=MeteredSqlServers(sql or DriverSqlServers()),
        databases={
            engine: MeteredDatabases(servers, engine)
            for engine, servers in (databases or drivers()).items()
        },
        redis=MeteredSignIns(redis or RedisServers(), "redis"),
        identity_name=settings.identity_name,
        logs_workspace=settings.logs_workspace,
        logs_endpoint=settings.logs_endpoint,
    )


def build_api(
    settings: Settings,
    *,
    identity: AsyncTokenCredential | None = None,
    clock: Clock | None = None,
    options: Mapping[str, Any] | None = None,
    sql: SqlServers | None = None,
    databases: Mapping[str, DatabaseServers] | None = None,
    redis: SignsIn | None = None,
    env: Mapping[str, str] = os.environ,
) -> Api:
    """Build service and HTTP API; `options` go to SDK clients, the rest replaces drivers."""
    azure = connect(
        settings, identity=identity, options=options, sql=sql, databases=databases, redis=redis
    )
    clock, at = clock or SystemClock(), settings.storage
    queue, vaults = StorageQueues(at, azure), KeyVaults(azure, frozenset(settings.scopes))
    kinds = Kinds(every_kind(settings, azure, vaults, clock))
    policy = Policy(settings.scopes, own=settings.policy, deployment=settings.deployment)
    engine = Engine(
        vaults=vaults,
        leases=BlobLeases(at, azure, clock),
        kinds=kinds,
        policy=policy,
        clock=clock,
        reporter=Reports(azure, settings.event_topic),
        queue=queue,
        requests=BlobRequests(at, azure),
        apps=AzureApps(azure),
        webhooks=ChatWebhooks(azure),
        incidents=BlobIncidents(at, azure),
        audit_log=VaultLog(azure),
        alerts=GitHubAlerts(azure, clock),
        memory=BlobMemory(at, azure),
    )
    served_vaults = tuple(settings.scopes)
    watch = AppWatch(at, azure, clock, served_vaults, settings.schedule, events=settings.events)
    keys = PrintKeys(vaults, clock)
    service = Service(engine, policies(vaults, policy, kinds, clock), watch, keys)
    return Api(service, BlobMemory(at, azure), env)


def build(settings: Settings, **parts: Any) -> Service:
    """Build the service alone; the parts are those of `build_api`."""
    return build_api(settings, **parts).service
