"""What deaths, stops, refusals and deployments do to messages and calls, on real queues.

Where it can, on both hosts.
"""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from simulator_tests.host.accounts import Accounts
from simulator_tests.host.running import APP, MICROSOFTS, OURS, RunningHost, running, running_app
from simulator_tests.host.test_queue_triggers import encoded, is_empty
from simulator_tests.host.waiting import wait_for

IMPATIENT = ("--stop-seconds", "0.2")


def held(host: RunningHost) -> QueueClient:
    """Return a queue of which one message is being worked on until it is released."""
    queue = host.queue("things")
    queue.send_message(encoded("hold"))
    host.wait_for_records(1, "on_thing", body="hold")
    return queue


def is_invisible(queue: QueueClient) -> bool:
    return not list(queue.peek_messages()) and not is_empty(queue)


def test_a_message_whose_worker_dies_comes_back_after_the_visibility_timeout_with_one_try_more(
    host: RunningHost,
) -> None:
    """Not after ten minutes: those are for a host that dies."""
    queue = host.queue("things")
    sent = queue.send_message(encoded("die"))
    tries = host.wait_for_records(2, "on_thing", id=sent.id)
    assert [attempt["dequeue_count"] for attempt in tries] == [1, 2]
    wait_for(lambda: is_empty(queue), lambda: "the second try to succeed")


def test_a_host_that_may_not_read_its_queue_stops_altogether(
    accounts: Accounts, tmp_path: Path
) -> None:
    """An app whose right is taken away does not wait for it to come back."""
    wrong = accounts.fresh().replace("AccountKey=", "AccountKey=AAAA")
    with running(OURS, wrong, tmp_path) as host:
        assert host.process.wait(20) == 1
        assert "An unhandled exception has occurred. Host is shutting down." in host.log()


def test_microsofts_listeners_without_the_right_do_not_even_start(
    accounts: Accounts, tmp_path: Path
) -> None:
    wrong = accounts.fresh().replace("AccountKey=", "AccountKey=AAAA")
    with pytest.raises(AssertionError, match="ended with 1"), running(MICROSOFTS, wrong, tmp_path):
        pass


def test_after_three_deaths_the_groups_host_starts_anew_and_hears_its_queue(
    accounts: Accounts, tmp_path: Path
) -> None:
    with running(OURS, accounts.fresh(), tmp_path) as host:
        queue = host.queue("things")
        for _ in range(3):
            sent = queue.send_message(encoded("die"))
            host.wait_for_records(2, "on_thing", id=sent.id)
        wait_for(lambda: "proactively recycling" in host.log(), lambda: "the host to be recycled")
        queue.send_message(encoded("be"))
        host.wait_for_records(1, "on_thing", body="be")


@pytest.mark.parametrize("kind", [OURS, MICROSOFTS])
def test_a_stop_that_takes_too_long_leaves_the_message_unseen(
    kind: str, accounts: Accounts, tmp_path: Path
) -> None:
    with running(kind, accounts.fresh(), tmp_path, *IMPATIENT) as host:
        queue = held(host)
        host.process.send_signal(signal.SIGTERM)
        if kind == OURS:
            assert host.process.wait(20) == 0
        else:
            host.process.kill()  # Azure's patience has an end as well.
            host.process.wait(20)
        assert is_invisible(queue)


def test_a_deployment_kills_what_runs_and_its_message_stays_unseen(
    accounts: Accounts, tmp_path: Path
) -> None:
    with running(OURS, accounts.fresh(), tmp_path, *IMPATIENT) as host:
        queue = held(host)
        host.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "Deployment: Recreate." in host.log(), lambda: "the deployment")
        (tmp_path / "record.release").touch()
        queue.send_message(encoded("be"))
        host.wait_for_records(1, "on_thing", body="be")
        assert is_invisible(queue)
        started = re.findall(
            r"python process with Id=(\d+) started for function:on_thing", host.log()
        )
        assert len(set(started)) == 2


def test_a_rolling_update_lets_what_runs_finish_beside_the_new_code(
    accounts: Accounts, tmp_path: Path
) -> None:
    options = (*IMPATIENT, "--site-update", "RollingUpdate", "--timer-lock-seconds", "0.2")
    with running(OURS, accounts.fresh(), tmp_path, *options) as host:
        queue = held(host)
        host.process.send_signal(signal.SIGHUP)
        host.wait_for_records(2, "at_start")
        (tmp_path / "record.release").touch()
        wait_for(lambda: is_empty(queue), lambda: "the old code to finish its message")
        assert len(host.records("on_thing", body="hold")) == 1


@pytest.mark.parametrize("kind", [OURS, MICROSOFTS])
def test_a_host_json_with_a_name_twice_is_refused(
    kind: str, accounts: Accounts, tmp_path: Path
) -> None:
    """Python's own reader takes the second: a merge of two branches can leave such a file."""
    app = tmp_path / "app"
    shutil.copytree(APP, app)
    (app / "host.json").write_text(
        '{"version": "2.0", "functionTimeout": "00:10:00", "FunctionTimeout": "00:05:00"}'
    )
    with (
        pytest.raises(AssertionError, match=r"(?i)duplicate key '?functiontimeout"),
        running_app(app, kind, accounts.fresh(), tmp_path),
    ):
        pass
