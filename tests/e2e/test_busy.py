"""A compromised secret's rotation meets a source that another worker holds, on the running app."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobLeaseClient, BlobServiceClient

from demo.cast import VAULT
from simulator_tests.host.waiting import wait_for
from tests.e2e.running import OURS_SIMULATED, Product, product
from tests.e2e.test_product import alive
from tests.shared.promises import holds

NAME, ACCOUNT = "archive-key", "shoparchive"
PATH = f"/api/secrets/{VAULT}/{NAME}/rotate"
WAITS = re.compile(r"waits (\d+) s: another worker holds its source")


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product, whose queue brings a failed message back after thirty seconds, as on Azure."""
    with product(OURS_SIMULATED, tmp_path_factory.mktemp("busy"), "0 0 0 1 1 *", "00:00:30") as it:
        yield it


def lease(running: Product) -> BlobLeaseClient:
    """Take the lease on the secret's source, as another worker would."""
    source = running.cloud.world.accounts[ACCOUNT].resource_id.lower()
    blobs = BlobServiceClient.from_connection_string(
        running.connection, connection_verify=running.trusted
    )
    name = f"sources/{hashlib.sha256(source.encode()).hexdigest()[:40]}"
    return blobs.get_blob_client("rekey-leases", name).acquire_lease(60)


def test_a_leak_that_meets_a_busy_source_waits_and_leaves_no_traceback(running: Product) -> None:
    first = running.latest(NAME)
    assert running.app.post(PATH, {"force": True, "reason": "so that there is a record"})[0] == 202
    leaked = running.wait_until_rotated(NAME, first)
    wait_for(
        lambda: f'"secret": "{NAME}", "result": "rotated"' in running.log.read_text(),
        lambda: "the rotation to be reported",
    )
    held = wait_for(lambda: _taken(running), lambda: "the lease to be free")
    assert held
    assert running.app.post(PATH, {"compromised": True, "reason": "leaked"})[0] == 202
    wait_for(lambda: WAITS.search(running.log.read_text()), lambda: "the item to wait")
    held.release()
    wait_for(
        lambda: not holds(leaked, alive(running, ACCOUNT)),
        lambda: f"the leaked key to be gone; log: {running.log.read_text()[-3000:]}",
    )
    log = running.log.read_text()
    assert "Traceback" not in log
    assert "LeaseUnavailable" not in log
    assert int(WAITS.findall(log)[0]) <= 3


def _taken(running: Product) -> BlobLeaseClient | None:
    try:
        return lease(running)
    except ResourceExistsError:
        return None
