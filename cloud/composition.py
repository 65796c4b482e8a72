"""Put the parts together, once per process. Builds objects; opens nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloud.azure import Azure
from cloud.clock import SystemClock
from cloud.leases import BlobLeases
from cloud.queues import StorageQueues
from cloud.reporting import Reports
from cloud.settings import Settings
from cloud.sql import SqlServers
from cloud.vaults import KeyVaults
from engine.policy import Policy
from engine.ports import Clock
from engine.rotation import Engine
from engine.service import Service
from rotators.registry import build as build_rotators

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


log = logging.getLogger("rekey")


def credential(client_id: str | None, env: Mapping[str, str]) -> AsyncTokenCredential:
    """Return the app's identity: its managed one where the platform offers that, else the developer's own sign-in."""
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    if "IDENTITY_ENDPOINT" in env:
        return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
    return DefaultAzureCredential()


def build(
    settings: Settings,
    *,
    identity: AsyncTokenCredential | None = None,
    clock: Clock | None = None,
    options: Mapping[str, Any] | None = None,
    sql: SqlServers | None = None,
) -> Service:
    """Build the service; `options` go to every SDK client, `sql` takes the place of Microsoft's driver."""
    azure = Azure(
        identity or credential(settings.client_id, os.environ),
        settings.arm_endpoint,
        options or {},
        graph_endpoint=settings.graph_endpoint,
        authority=settings.authority,
        tenant_id=settings.tenant_id,
        sql=sql,
    )
    if settings.policy:
        log.warning("REKEY_POLICY is set, but policy documents are not read yet: only tags count")
    clock = clock or SystemClock()
    queue = StorageQueues(settings.storage, azure)
    engine = Engine(
        vaults=KeyVaults(azure, frozenset(settings.scopes)),
        leases=BlobLeases(settings.storage, azure, clock),
        rotators=build_rotators(azure, clock),
        policy=Policy(settings.scopes),
        clock=clock,
        reporter=Reports(azure, settings.event_topic),
        queue=queue,
    )
    return Service(engine, queue)
