"""Places for storage tests.

`storage` is each of the three in turn, `simulated` each of the two with a virtual clock.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from azure.storage.blob.aio import BlobClient, ContainerClient
from azure.storage.queue.aio import QueueClient

from simulator.clock import VirtualClock
from simulator_tests.azurite import start_azurite
from simulator_tests.storage.places import (
    SimulatedStorage,
    Storage,
    in_process,
    on_azurite,
    over_tls,
)

SIMULATED = {"in process": in_process, "over TLS": over_tls}


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of one Azurite for all tests."""
    with start_azurite() as connection_string:
        yield connection_string


@pytest.fixture(params=[*SIMULATED, "Azurite"])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    """An account in each place in turn."""
    simulated = SIMULATED.get(request.param)
    async with (
        simulated() if simulated else on_azurite(request.getfixturevalue("azurite")) as place
    ):
        yield place


@pytest.fixture(params=SIMULATED)
async def simulated(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedStorage]:
    """A simulated account in each place in turn."""
    async with SIMULATED[request.param]() as place:
        yield place


@pytest.fixture
async def container(storage: Storage) -> ContainerClient:
    """An empty container."""
    return await storage.blobs.create_container(f"c{uuid.uuid4().hex}")


@pytest.fixture
async def blob(container: ContainerClient) -> BlobClient:
    """A blob without a lease."""
    return await container.upload_blob("lock", b"owner")


@pytest.fixture
async def queue(storage: Storage) -> QueueClient:
    """An empty queue."""
    return await storage.queues.create_queue(f"q{uuid.uuid4().hex}")


@pytest.fixture
def clock(simulated: SimulatedStorage) -> VirtualClock:
    """The clock of the simulated place."""
    return simulated.clock


@pytest.fixture
async def timed_blob(simulated: SimulatedStorage) -> BlobClient:
    """A blob without a lease, in a world whose time the test moves."""
    container = await simulated.blobs.create_container("locks")
    return await container.upload_blob("lock", b"owner")


@pytest.fixture
async def timed_queue(simulated: SimulatedStorage) -> QueueClient:
    """An empty queue in a world whose time the test moves."""
    return await simulated.queues.create_queue("events")
