"""HTTP on the strict host.

One call at a time, an end to every wait, and keys that open nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simulator_tests.host.accounts import Accounts
from simulator_tests.host.running import (
    KEY,
    MASTER_KEY,
    OURS,
    ROOT,
    SYSTEM_KEY,
    RunningHost,
    running,
)
from simulator_tests.host.test_event_grid import NOTIFICATION, event
from simulator_tests.host.test_event_grid import call as deliver
from simulator_tests.host.test_http_triggers import ROTATE, call, with_key
from simulator_tests.host.waiting import wait_for


def both(host: RunningHost) -> list[int]:
    """Return the statuses of two calls that wait for each other."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda method: call(host, "/api/meet", method)[0], ("GET", "PUT")))


def test_an_instance_runs_one_http_call_at_a_time_unless_told_otherwise(
    accounts: Accounts, tmp_path: Path
) -> None:
    """Two calls that wait for each other never meet.

    The first is cut off and runs on; it keeps its place, so the second is cut off before it begins.
    """
    with running(OURS, accounts.fresh(), tmp_path, "--http-seconds", "0.5") as host:
        assert both(host) == [504, 504]
        assert len(host.records("meet")) == 1
        (tmp_path / "record.release").touch()  # It would hold up the host's end.


def test_a_call_that_was_cut_off_keeps_its_place_until_its_function_ends(
    accounts: Accounts, tmp_path: Path
) -> None:
    with running(OURS, accounts.fresh(), tmp_path, "--http-seconds", "1") as host:
        assert call(host, "/api/hold", "GET")[0] == 504
        assert call(host, "/api/open", "GET")[0] == 504
        (tmp_path / "record.release").touch()
        host.wait_for_records(1, "released")
        wait_for(
            lambda: call(host, "/api/open", "GET")[0] == 200, lambda: "the place to be free again"
        )


def test_with_more_concurrency_calls_run_side_by_side(accounts: Accounts, tmp_path: Path) -> None:
    with running(OURS, accounts.fresh(), tmp_path, "--http-concurrency", "2") as host:
        assert both(host) == [200, 200]


def test_a_call_that_takes_too_long_is_cut_off_while_its_function_runs_on(
    accounts: Accounts, tmp_path: Path
) -> None:
    with running(OURS, accounts.fresh(), tmp_path, "--http-seconds", "0.3") as host:
        assert call(host, "/api/hold", "GET")[:2] == (504, b"")
        assert host.records("released") == []
        (tmp_path / "record.release").touch()
        host.wait_for_records(1, "released")


def test_a_body_over_the_limit_reaches_no_function(accounts: Accounts, tmp_path: Path) -> None:
    limit = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000"}
    with running(OURS, accounts.fresh(), tmp_path, **limit) as host:
        assert call(host, ROTATE, headers=with_key(), body=b"x" * 1001)[0] == 500
        assert host.records("rotate") == []
        assert call(host, ROTATE, headers=with_key(), body=b"x" * 1000)[0] == 202


def test_each_key_opens_its_own_door_and_no_other(our_host: RunningHost) -> None:
    assert deliver(our_host, [event("A")], NOTIFICATION, key=KEY)[0] == 401
    assert deliver(our_host, [event("A")], NOTIFICATION, key=SYSTEM_KEY)[0] == 202
    assert call(our_host, ROTATE, headers=with_key(SYSTEM_KEY))[0] == 401
    assert call(our_host, "/admin/host/status", "GET", with_key(SYSTEM_KEY))[0] == 401


def test_a_host_with_the_same_key_twice_does_not_start() -> None:
    command = [
        sys.executable,
        "-m",
        "simulator.host",
        "--port",
        "0",
        "--key",
        "k",
        "--system-key",
        "k",
    ]
    ended = subprocess.run(  # noqa: S603
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode != 0
    assert "two keys are the same" in ended.stderr


def test_the_admin_api_ignores_the_case_of_a_functions_name_and_the_webhook_does_not(
    our_host: RunningHost,
) -> None:
    body = json.dumps({"input": "by another spelling"})
    assert (
        call(our_host, "/admin/functions/ON_THING", headers=with_key(MASTER_KEY), body=body)[0]
        == 202
    )
    our_host.wait_for_records(1, "on_thing", body="by another spelling")
    assert deliver(our_host, [event("A")], NOTIFICATION, function="ON_EVENT")[0] == 404


def test_the_admin_api_lists_what_was_indexed_to_the_master_alone(our_host: RunningHost) -> None:
    assert call(our_host, "/admin/functions", "GET", with_key(KEY))[0] == 401
    status, body, _ = call(our_host, "/admin/functions", "GET", with_key(MASTER_KEY))
    assert status == 200
    assert {"on_thing", "tick", "rotate"} <= {function["name"] for function in json.loads(body)}
