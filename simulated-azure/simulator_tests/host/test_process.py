"""The host as a process: how it starts, fails to start, and stops; and what it tells of an app."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from simulator.host.describe import describe_app
from simulator.host.worker import IndexingError
from simulator_tests.host.accounts import Accounts
from simulator_tests.host.running import APP, OURS, running
from simulator_tests.host.test_queue_triggers import encoded, is_empty


def test_a_host_that_is_told_to_stop_lets_the_running_function_finish_and_deletes_its_message(
    accounts: Accounts, tmp_path: Path
) -> None:
    with running(OURS, accounts.fresh(), tmp_path) as host:
        queue = host.queue("things")
        queue.send_message(encoded("hold"))
        host.wait_for_records(1, "on_thing", body="hold")
        host.process.send_signal(signal.SIGTERM)
        (tmp_path / "record.release").touch()
        assert host.process.wait(20) == 0
        assert is_empty(queue)


def test_a_host_that_is_killed_leaves_the_message_of_the_running_function_in_the_queue_unseen(
    accounts: Accounts, tmp_path: Path
) -> None:
    with running(OURS, accounts.fresh(), tmp_path) as host:
        queue = host.queue("things")
        queue.send_message(encoded("hold"))
        host.wait_for_records(1, "on_thing", body="hold")
        host.process.kill()
        host.process.wait(20)
        assert list(queue.peek_messages()) == []
        assert not is_empty(queue)


def test_describing_an_app_gives_its_functions_with_their_bindings() -> None:
    functions = {
        function["name"]: function["bindings"] for function in describe_app(APP, {**os.environ})
    }
    assert {"direction": "IN", "type": "eventGridTrigger", "name": "event"} in functions["on_event"]
    assert [binding.get("schedule") for binding in functions["tick"]] == ["%TICK_SCHEDULE%"]


def test_describing_an_app_that_fails_to_load_tells_what_it_printed(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(
        "import sys\nprint('a hint', file=sys.stderr, flush=True)\nraise RuntimeError('wrong')\n"
    )
    with pytest.raises(IndexingError, match=r"a hint(.|\n)*RuntimeError: wrong"):
        describe_app(tmp_path)


def test_describing_an_app_that_the_worker_refuses_raises_its_reason(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\n"
        "app = func.FunctionApp()\n"
        "@app.timer_trigger(arg_name='timer', schedule='0 0 * * * *')\n"
        "async def tick(timer: str) -> None: ...\n"
        "@app.queue_trigger(arg_name='m', queue_name='q', connection='C')\n"
        "@app.queue_output(arg_name='out', queue_name='o', connection='C')\n"
        "async def give(m: func.QueueMessage, out: func.Out[list[str]]) -> None: ...\n"
    )
    with pytest.raises(IndexingError, match="cannot load the give function"):
        describe_app(tmp_path)
