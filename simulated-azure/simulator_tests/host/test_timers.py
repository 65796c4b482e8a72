"""Timers behave alike on our host and on Microsoft's own timer listener.

What is past due after a stop, and what is kept.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from azure.core.exceptions import ResourceNotFoundError

from simulator_tests.host.accounts import Accounts
from simulator_tests.host.running import MASTER_KEY, OURS, RunningHost, running
from simulator_tests.host.waiting import wait_for

STATUS = "timers/parity/Host.Functions.tick/status"
NEVER = "0001-01-01T00:00:00"
Start = Callable[..., contextlib.AbstractContextManager[RunningHost]]


def write_status(connection: str, status: dict[str, str]) -> None:
    from azure.storage.blob import BlobServiceClient

    container = BlobServiceClient.from_connection_string(connection).create_container(
        "azure-webjobs-hosts"
    )
    container.upload_blob(STATUS, json.dumps(status))


def read_status(host: RunningHost) -> dict[str, Any] | None:
    blob = host.blobs().get_blob_client("azure-webjobs-hosts", STATUS)
    with contextlib.suppress(ResourceNotFoundError):
        status: dict[str, Any] = json.loads(blob.download_blob().readall())
        return status
    return None


def run_tick_now(host: RunningHost) -> None:
    ours = f"{host.url}/admin/functions/tick?code={MASTER_KEY}"
    url = ours if host.kind == OURS else f"{host.url}/timers/tick"
    with urlopen(Request(url, data=b"{}", method="POST"), timeout=60):  # noqa: S310 - loopback
        pass


def at(text: str) -> datetime:
    # Microsoft writes seven digits of a second.
    return datetime.fromisoformat(text)


@pytest.fixture
def start(host_kind: str, accounts: Accounts, tmp_path: Path) -> Start:
    """Start a host of each kind on its own account, with a status of the timer left by an earlier run."""

    @contextlib.contextmanager
    def starting(status: dict[str, str] | None = None, **settings: str) -> Iterator[RunningHost]:
        connection = accounts.fresh()
        if status:
            write_status(connection, status)
        with running(host_kind, connection, tmp_path, **settings) as host:
            yield host

    return starting


def new_year(years_ago: int) -> datetime:
    """Return when the timer, which is due every New Year, was due."""
    return datetime(datetime.now(UTC).year - years_ago, 1, 1, tzinfo=UTC)


def left_behind(
    last: datetime | None, due: datetime, updated: datetime | None = None
) -> dict[str, str]:
    times = {"Last": last, "Next": due, "LastUpdated": updated or last}
    return {name: time.isoformat() if time else NEVER for name, time in times.items()}


def test_a_run_that_was_missed_while_the_host_was_down_happens_once_and_is_past_due(
    start: Start,
) -> None:
    started = datetime.now(UTC)
    status = left_behind(new_year(5), new_year(4))
    with start(status) as host:
        seen = host.wait_for_records(1, "tick")[0]
        after = wait_for(
            lambda: changed(read_status(host), status), lambda: "the status to be written"
        )
        assert len(host.records("tick")) == 1
    assert seen["past_due"] is True
    assert seen["schedule"] == {"AdjustForDST": True}
    assert {name: at(time) for name, time in seen["status"].items()} == {
        name: at(time) for name, time in status.items()
    }
    assert at(after["Last"]) == at(after["LastUpdated"]) > started
    assert at(after["Next"]) == new_year(-1)


def changed(latest: dict[str, Any] | None, status: dict[str, str]) -> dict[str, Any]:
    return latest if latest and latest["Next"] != status["Next"] else {}


def test_a_timer_that_never_ran_but_was_due_while_the_host_was_down_is_past_due(
    start: Start,
) -> None:
    with start(left_behind(None, new_year(4), new_year(4) - timedelta(minutes=1))) as host:
        seen = host.wait_for_records(1, "tick")[0]
    assert seen["past_due"] is True
    assert seen["status"]["Last"].startswith(NEVER)


def test_nothing_is_past_due_where_nothing_was_missed(start: Start) -> None:
    status = left_behind(new_year(0), new_year(-1))
    with start(status) as host:
        host.wait_for_records(1, "at_start")
        run_tick_now(host)
        seen = host.wait_for_records(1, "tick")[0]
        assert read_status(host) == status
    assert seen["past_due"] is False
    assert seen["status"] == status


def test_a_status_of_another_schedule_is_worked_out_anew_and_nothing_is_past_due(
    start: Start,
) -> None:
    started = datetime.now(UTC)
    status = left_behind(new_year(5), new_year(5) + timedelta(minutes=10))
    with start(status) as host:
        # Each timer starts by itself: that another one has run says nothing of this one's status.
        new_status = wait_for(
            lambda: changed(read_status(host), status), lambda: "the status to be worked out anew"
        )
        run_tick_now(host)
        seen = host.wait_for_records(1, "tick")[0]
    assert seen["past_due"] is False
    assert new_status
    assert new_status["Last"].startswith(NEVER)
    assert at(new_status["LastUpdated"]) > started
    assert at(new_status["Next"]) == new_year(-1)


def test_a_timer_s_first_start_writes_down_when_it_is_due(start: Start) -> None:
    started = datetime.now(UTC)
    with start() as host:
        host.wait_for_records(1, "at_start")
        status = wait_for(lambda: read_status(host) or {}, lambda: "a status")
        assert host.records("tick") == []
    assert status["Last"].startswith(NEVER)
    assert at(status["LastUpdated"]) > started
    assert at(status["Next"]) == new_year(-1)


def test_a_timer_that_runs_on_startup_does_so_without_being_past_due(start: Start) -> None:
    with start() as host:
        seen = host.wait_for_records(1, "at_start")[0]
    assert (seen["past_due"], seen["status"]) == (False, {})


def test_a_timer_that_is_due_every_second_is_not_monitored_whatever_it_asks_for(
    start: Start,
) -> None:
    with start(TICK_SCHEDULE="* * * * * *") as host:
        seen = host.wait_for_records(2, "tick")[0]
        assert read_status(host) is None
    assert seen["past_due"] is False
    assert seen["status"] == {}
