"""Two instances of one app: two hosts, each with its own workers, on one storage account."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobClient, BlobLeaseClient

from simulator.host.settings import HostFile
from simulator.host.timer_lock import LockOptions
from simulator_tests.host.accounts import Accounts
from simulator_tests.host.running import MICROSOFTS, OURS, RunningHost, running
from simulator_tests.host.test_queue_triggers import encoded, is_empty
from simulator_tests.host.waiting import wait_for

QUEUES = "AzureFunctionsJobHost__extensions__queues__"
ONE_AT_A_TIME = {f"{QUEUES}batchSize": "1", f"{QUEUES}newBatchThreshold": "0"}
IMPATIENT = ("--stop-seconds", "1", "--timer-lock-seconds", "0.2")
EVERY_SECOND = {"TICK_SCHEDULE": "* * * * * *"}


@contextlib.contextmanager
def instance(connection: str, folder: Path, **settings: str) -> Iterator[RunningHost]:
    folder.mkdir()
    with running(OURS, connection, folder, *IMPATIENT, **settings) as host:
        yield host


def lock(host: RunningHost) -> BlobClient:
    name = "locks/parity/Host.Functions.tick.Listener"
    return host.blobs().get_blob_client("azure-webjobs-hosts", name)


def test_of_two_instances_one_runs_the_timer_and_the_other_takes_over_when_it_stops(
    accounts: Accounts, tmp_path: Path
) -> None:
    connection = accounts.fresh()
    with contextlib.ExitStack() as first:
        one = first.enter_context(instance(connection, tmp_path / "one", **EVERY_SECOND))
        one.wait_for_records(1, "tick")
        with instance(connection, tmp_path / "two", **EVERY_SECOND) as two:
            one.wait_for_records(len(one.records("tick")) + 3, "tick")
            assert two.records("tick") == two.records("at_start") == []
            first.close()
            two.wait_for_records(1, "tick")
            two.wait_for_records(1, "at_start")


def test_an_instance_that_is_killed_keeps_the_timers_lock_until_the_lease_ends(
    accounts: Accounts, tmp_path: Path
) -> None:
    connection = accounts.fresh()
    with instance(connection, tmp_path / "one", **EVERY_SECOND) as one:
        one.wait_for_records(1, "tick")
        one.process.kill()
        one.process.wait(20)
        with instance(connection, tmp_path / "two", **EVERY_SECOND) as two:
            properties = lock(one).get_blob_properties()
            assert properties.lease.state == "leased"
            assert two.records("tick") == []
            BlobLeaseClient(lock(one)).break_lease(0)
            two.wait_for_records(1, "tick")


def test_two_instances_share_the_messages_of_a_queue(accounts: Accounts, tmp_path: Path) -> None:
    connection = accounts.fresh()
    with (
        instance(connection, tmp_path / "one", **ONE_AT_A_TIME) as one,
        instance(connection, tmp_path / "two", **ONE_AT_A_TIME) as two,
    ):
        queue = one.queue("things")
        for _ in range(2):
            queue.send_message(encoded("hold"))
        (first,) = one.wait_for_records(1, "on_thing", body="hold")
        (second,) = two.wait_for_records(1, "on_thing", body="hold")
        assert first["id"] != second["id"]
        for folder in ("one", "two"):
            (tmp_path / folder / "record.release").touch()
        wait_for(lambda: is_empty(queue), lambda: "both messages to be deleted")


@pytest.mark.parametrize("kind", [OURS, MICROSOFTS])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listenerLockPeriod", "00:00:14"),
        ("listenerLockPeriod", "00:01:01"),
        ("listenerLockRecoveryPollingInterval", "00:00:14"),
    ],
)
def test_periods_that_a_lease_cannot_have_are_refused(
    kind: str, name: str, value: str, accounts: Accounts, tmp_path: Path
) -> None:
    setting = {f"AzureFunctionsJobHost__singleton__{name}": value}
    with (
        pytest.raises(AssertionError, match=r"out of (the )?range"),
        running(kind, accounts.fresh(), tmp_path, **setting),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ({}, LockOptions(60, 60)),
        (
            {
                "singleton": {
                    "listenerLockPeriod": "00:00:15",
                    "listenerLockRecoveryPollingInterval": "00:00:30",
                }
            },
            LockOptions(15, 30),
        ),
    ],
)
def test_the_periods_of_the_lock_are_those_of_host_json(
    content: dict[str, object], options: LockOptions
) -> None:
    assert LockOptions.read(HostFile(content)) == options
