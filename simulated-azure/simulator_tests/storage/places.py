"""Where the same storage tests run: in process, over TLS on loopback, and on Azurite."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from simulator.azure import Azure
from simulator.clock import VirtualClock
from simulator.reach.names import resolve_localhost
from simulator.reach.server import connection_string, serve
from simulator.reach.transport import SimulatedTransport

ACCOUNT = "shopdata"


@dataclass(frozen=True)
class Storage:
    """One storage account through Microsoft's own clients."""

    blobs: BlobServiceClient
    queues: QueueServiceClient


@dataclass(frozen=True)
class SimulatedStorage(Storage):
    """A simulated account, its world, and the clock that the world runs on."""

    world: Azure
    clock: VirtualClock


@contextlib.asynccontextmanager
async def in_process() -> AsyncIterator[SimulatedStorage]:
    """An account of a world that answers through azure-core's transport."""
    clock = VirtualClock()
    world = Azure(now=clock)
    world.add_account(ACCOUNT)
    transport = SimulatedTransport(world)
    text = connection_string(world, ACCOUNT)
    async with (
        BlobServiceClient.from_connection_string(text, transport=transport) as blobs,
        QueueServiceClient.from_connection_string(text, transport=transport) as queues,
    ):
        yield SimulatedStorage(blobs, queues, world, clock)


@contextlib.asynccontextmanager
async def over_tls() -> AsyncIterator[SimulatedStorage]:
    """An account of a world behind the loopback server, with the certificate checked."""
    clock = VirtualClock()
    async with serve(lambda domains: Azure(now=clock, domains=domains)) as running:
        running.world.add_account(ACCOUNT)
        text, ca_file = running.connection_string(ACCOUNT), str(running.ca_file)
        with contextlib.ExitStack() as stack:
            stack.callback(resolve_localhost())
            async with (
                BlobServiceClient.from_connection_string(text, connection_verify=ca_file) as blobs,
                QueueServiceClient.from_connection_string(
                    text, connection_verify=ca_file
                ) as queues,
            ):
                yield SimulatedStorage(blobs, queues, running.world, clock)


@contextlib.asynccontextmanager
async def on_azurite(text: str) -> AsyncIterator[Storage]:
    """Azurite's account, through its connection string."""
    async with (
        BlobServiceClient.from_connection_string(text) as blobs,
        QueueServiceClient.from_connection_string(text) as queues,
    ):
        yield Storage(blobs, queues)


async def refused(call: Awaitable[object]) -> tuple[int | None, str]:
    """Return the status and the error code with which a service refuses a call.

    Fail where it does not.
    """
    with pytest.raises(HttpResponseError) as caught:
        await call
    code = getattr(caught.value, "error_code", None)
    return caught.value.status_code, str(getattr(code, "value", code))
