"""The worker that rotates is killed in the midst of a call.

Its message comes back, and the secret is as promised.

The same over our host and Microsoft's listeners: in both the worker is a process of its own, and
the listener survives it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient

from simulator.faults import Fault
from simulator.wire import Request, Response
from simulator_tests.host.waiting import wait_for
from tests.e2e.running import MICROSOFTS, OURS_AZURITE, OURS_SIMULATED, Product, product
from tests.e2e.test_product import alive
from tests.parts import sampled
from tests.shared.promises import holds

STARTED = re.compile(r"python process with Id=(\d+) started for function:rotate")


def is_regenerating(request: Request) -> bool:
    return request.path.lower().endswith("/regeneratekey")


def is_publishing(request: Request) -> bool:
    return request.method == "PUT" and request.path.startswith("/secrets/")


type Place = tuple[str, str, Callable[[Request], bool], bool]
# A secret is rotated once within its overlap: so each place to die at has one of the demo's for
# itself.
PLACES: list[Place] = [
    ("orders-key", "shoporders", is_regenerating, False),
    ("invoices-key", "shopinvoices", is_regenerating, True),
    ("media-key", "shopmedia", is_publishing, False),
    ("archive-key", "shoparchive", is_publishing, True),
]


@dataclass
class Death(Fault):
    """Kills the worker that rotates, after or before the call that it makes takes effect."""

    kill: Callable[[], None] = lambda: None
    struck: threading.Event = field(default_factory=threading.Event)

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Serve the call where it is to take effect, and kill; the answer reaches nobody."""
        if self.after:
            serve(request)
        self.kill()
        self.struck.set()
        return self.response


BY_DAY = [
    *((OURS_SIMULATED, place) for place in PLACES),
    *((MICROSOFTS, place) for place in (PLACES[0], PLACES[-1])),
]
"""Each place to die at on one host; on the other each call, and each moment, once."""
EVERY = [(host, place) for host in (OURS_SIMULATED, OURS_AZURITE, MICROSOFTS) for place in PLACES]


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """The product on each host; a dead worker's message is back after 2 seconds instead of 30."""
    with product(
        str(request.param), tmp_path_factory.mktemp("crash"), between_tries="00:00:02"
    ) as started:
        yield started


@pytest.mark.parametrize(("running", "place"), sampled(EVERY, BY_DAY), indirect=["running"])
def test_a_worker_killed_during_a_call_leaves_a_secret_that_opens_and_rotates_it_once(
    running: Product, place: Place
) -> None:
    name, account, matches, after = place
    count, before = len(running.vault.versions(name)), running.latest(name)
    death = Death(matches, after=after, kill=lambda: kill(running))
    running.cloud.world.faults.append(death)
    path = f"/api/secrets/{running.vault.name}/{name}/rotate"
    assert running.app.post(path, {"force": True, "reason": "drill"})[0] == 202
    assert death.struck.wait(90), running.log.read_text()[-2000:]
    assert holds(running.latest(name), alive(running, account)), "the current version was cut off"
    let_time_pass(running)
    wait_for(
        lambda: reported(running, name),
        lambda: f"the retry; log: {running.log.read_text()[-3000:]}",
    )
    assert running.latest(name).version != before.version
    assert len(running.vault.versions(name)) == count + 1
    assert holds(running.latest(name), alive(running, account))
    assert holds(before, alive(running, account)), "the previous key was cut off before its overlap"


def pid(running: Product) -> int:
    """Return the process that rotates now."""
    return int(STARTED.findall(running.log.read_text())[-1])


def kill(running: Product) -> None:
    """Kill the process that rotates now."""
    os.kill(pid(running), signal.SIGKILL)
    if running.witness:
        running.witness.die()


def reported(running: Product, name: str) -> bool:
    """Return whether a rotation of the secret has been reported."""
    return f'"secret": "{name}", "result": "rotated"' in running.log.read_text()


def let_time_pass(running: Product) -> None:
    """Let the minute pass in which a dead worker's leases last and its write might still come."""
    blobs = BlobServiceClient.from_connection_string(
        running.connection, connection_verify=running.trusted
    )
    with blobs, contextlib.suppress(ResourceNotFoundError):
        container = blobs.get_container_client("rekey-leases")
        for blob in container.list_blobs():
            with contextlib.suppress(ResourceExistsError):
                BlobLeaseClient(container.get_blob_client(blob.name)).break_lease(0)
                age(container.get_blob_client(blob.name))


def age(blob: BlobClient) -> None:
    """Let what a record announces be two minutes older."""
    metadata = blob.get_blob_properties().metadata
    record = json.loads(blob.download_blob().readall())
    if record["ahead"]:
        at = datetime.fromisoformat(record["ahead"]["at"]) - timedelta(minutes=2)
        record["ahead"]["at"] = at.isoformat()
        blob.upload_blob(json.dumps(record), overwrite=True, metadata=metadata)
