"""An app that nobody needs has no instance, and gets one back for whatever it is needed for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from simulator.host.functions import Function
from simulator.host.scaling import ScaleController
from simulator.host.site import Site
from simulator.host.storage import Storage
from simulator_tests.host.accounts import Accounts
from simulator_tests.host.running import KEY, OURS, RunningHost, running
from simulator_tests.host.test_http_triggers import ROTATE, call, with_key
from simulator_tests.host.test_queue_triggers import encoded, is_empty
from simulator_tests.host.test_strict_life import held
from simulator_tests.host.waiting import wait_for

QUICK = ("--idle-seconds", "0.3", "--wake-seconds", "0.1", "--stop-seconds", "1")
ZERO = "Scaled to zero."


@pytest.fixture
def host(accounts: Accounts, tmp_path: Path) -> Iterator[RunningHost]:
    with running(OURS, accounts.fresh(), tmp_path, *QUICK) as started:
        yield started


def asleep(host: RunningHost, times: int = 1) -> None:
    """Wait until the app has gone to sleep so often."""
    wait_for(lambda: host.log().count(ZERO) >= times, lambda: f"sleep {times}: {host.log()[-900:]}")


def workers(host: RunningHost) -> list[Path]:
    pids = re.findall(r"python process with Id=(\d+) started", host.log())
    return [path for pid in pids if (path := Path(f"/proc/{pid}")).exists()]


def test_an_idle_app_has_no_worker_left(host: RunningHost) -> None:
    asleep(host)
    wait_for(lambda: not workers(host), lambda: "the workers to be gone")


def test_a_call_waits_for_the_new_instance_and_is_answered(host: RunningHost) -> None:
    asleep(host)
    assert call(host, ROTATE, headers=with_key(KEY))[0] == 202
    asleep(host, 2)


def test_a_message_brings_an_instance_back(host: RunningHost) -> None:
    asleep(host)
    queue = host.queue("things")
    queue.send_message(encoded("be"))
    host.wait_for_records(1, "on_thing", body="be")
    wait_for(lambda: is_empty(queue), lambda: "the message to be deleted")


def test_an_app_with_a_message_in_hand_or_one_that_is_hidden_does_not_go(
    host: RunningHost, tmp_path: Path
) -> None:
    host.queue("late").send_message(encoded("later"), visibility_timeout=3600)
    queue = held(host)
    before = host.log().count(ZERO)
    (tmp_path / "record.release").touch()
    wait_for(lambda: is_empty(queue), lambda: "the message to be deleted")
    for _ in range(10):
        assert call(host, "/api/open", "GET")[0] == 200
    assert host.log().count(ZERO) == before
    assert workers(host)


class NeverNeeded:
    """A site with one hourly timer, which nobody calls; an hour passes while it sleeps."""

    def __init__(self) -> None:
        timer = {"type": "timerTrigger", "direction": "IN", "name": "t", "schedule": "0 0 * * * *"}
        functions = (Function("tick", (timer,)),)
        self.host = SimpleNamespace(functions=functions, busy=False, invocations=0)
        self.calls = 0
        self.time = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
        self.slept = 0
        self.started = asyncio.Event()

    async def sleep(self) -> None:
        self.slept += 1

    async def start(self) -> None:
        self.started.set()

    def now(self) -> datetime:
        self.time += timedelta(minutes=10)
        return self.time


async def test_a_timer_that_is_due_brings_an_instance_back() -> None:
    """The new instance finds the run past due, as after every stop: test_timers.py."""
    site = NeverNeeded()
    async with Storage({}) as storage:
        scale = ScaleController(cast("Site", site), storage, 0.1, 0, site.now)
        scaling = asyncio.create_task(scale.run())
        await asyncio.wait_for(site.started.wait(), 60)
        scaling.cancel()
    assert site.slept == 1
    assert site.time >= datetime(2026, 1, 1, 13, tzinfo=UTC)
