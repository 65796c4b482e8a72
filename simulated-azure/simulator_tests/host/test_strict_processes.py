"""Worker processes of the strict host.

One a group, and what a death, a hang and a cancellation do to their neighbours.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from simulator.host.limits import Limits
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator_tests.host.strict import Strict, strict, write_app

GROUPS = """
seen = []
@app.route("http")
def http(req: func.HttpRequest) -> str:
    seen.append("http")
    return f"{os.getpid()} {len(seen)}"

@app.event_grid_trigger("event")
def on_event(event: func.EventGridEvent) -> None:
    seen.append("event")

@app.queue_trigger("message", "a", "S")
def on_a(message: func.QueueMessage) -> None:
    seen.append("a")

@app.queue_trigger("message", "b", "S")
def on_b(message: func.QueueMessage) -> None:
    seen.append("b")

@app.timer_trigger("timer", "0 0 * * * *")
def tick(timer: func.TimerRequest) -> None:
    seen.append("tick")
"""
ORDERS = """
@app.queue_trigger("message", "orders", "S")
async def obey(message: func.QueueMessage) -> None:
    order = message.get_body().decode()
    print("began", order, flush=True)
    if order == "die":
        os._exit(3)
    if order == "cancel":
        raise asyncio.CancelledError
    if order == "wait":
        await asyncio.Event().wait()
    if order == "think":
        logging.getLogger("rekey").warning("thinking")
        await asyncio.to_thread(logging.getLogger("rekey").warning, "in a thread")
"""
QUICK = "00:00:00.5"


def message(text: str) -> TypedData:
    return TypedData(string=text)


async def began(host: Strict, order: str) -> None:
    async with asyncio.timeout(60):
        while f"began {order}" not in host.said("Host.Function.Console"):  # noqa: ASYNC110 - another process prints it
            await asyncio.sleep(0.01)


async def test_http_shares_a_process_with_event_grid_and_every_other_function_has_its_own(
    tmp_path: Path,
) -> None:
    """A naive app keeps what one function learned in a global, for another to find."""
    async with strict(write_app(tmp_path / "app", GROUPS)) as host:
        await host.call("on_event", TypedData(json='{"id": "1", "data": {}}'))
        for name in ("on_a", "on_b"):
            assert (await host.call(name, message("x"))).ok
        assert (await host.call("tick", TypedData(json='{"IsPastDue": false}'))).ok
        pid, seen = (await host.text("http")).split()
        pids = host.pids()
        assert set(pids) == {"http", "function:on_a", "function:on_b", "function:tick"}
        assert len(set(pids.values())) == 4
        assert int(pid) == pids["http"]
        assert seen == "2"


async def test_a_group_has_no_process_before_its_first_invocation(tmp_path: Path) -> None:
    async with strict(write_app(tmp_path / "app", GROUPS)) as host:
        assert set(host.pids()) == {"http"}


async def test_a_worker_that_dies_fails_its_neighbours_and_is_started_again(tmp_path: Path) -> None:
    async with strict(write_app(tmp_path / "app", ORDERS)) as host:
        neighbour = asyncio.create_task(host.call("obey", message("wait")))
        await began(host, "wait")
        died = await host.call("obey", message("die"))
        assert "exited with code 3" in (died.error or "")
        assert not (await neighbour).ok
        assert (await host.call("obey", message("be"))).ok


async def test_three_deaths_recycle_the_host_and_deaths_long_apart_do_not(tmp_path: Path) -> None:
    now, recycled = [0.0], list[str]()
    async with strict(write_app(tmp_path / "app", ORDERS), clock=lambda: now[0]) as host:
        host.supervisor.recycled = recycled.append
        for seconds in (0, 1801, 100, 100):
            assert recycled == []
            now[0] += seconds
            await host.call("obey", message("die"))
            await buried()
        assert recycled == ["function:obey"]
        assert "Exceeded language worker restart retry count" in host.said("Host.WorkerChannel")
        assert (await host.call("obey", message("be"))).ok


async def buried() -> None:
    """Let the watcher of the dead process end."""
    tasks = [
        task for task in asyncio.all_tasks() if task.get_name().startswith("watcher of function:")
    ]
    await asyncio.gather(*tasks)


async def test_a_function_past_its_timeout_takes_its_neighbours_along(tmp_path: Path) -> None:
    """The neighbour is not late itself: only the other one has a limit."""
    async with strict(write_app(tmp_path / "app", ORDERS, functionTimeout="-1")) as host:
        neighbour = asyncio.create_task(host.call("obey", message("wait")))
        await began(host, "wait")
        pid, group = host.pids()["function:obey"], host.supervisor.processes["function:obey"]
        endless = group._limits
        group._limits = replace(endless, function_timeout=0.1)
        late = await host.call("obey", message("wait"))
        group._limits = endless
        assert "was exceeded by function: Functions.obey" in (late.error or "")
        assert "exited with code -9" in ((await neighbour).error or "")
        assert (await host.call("obey", message("be"))).ok
        assert host.pids()["function:obey"] != pid
        assert "Language Worker Process exited" not in host.said("Host.WorkerChannel"), (
            "counted as a death"
        )


async def test_a_cancellation_that_escapes_gets_no_answer_until_the_function_times_out(
    tmp_path: Path,
) -> None:
    async with strict(
        write_app(tmp_path / "app", ORDERS), AzureFunctionsJobHost__functionTimeout=QUICK
    ) as host:
        outcome = await host.call("obey", message("cancel"))
        assert "was exceeded by function: Functions.obey" in (outcome.error or "")


async def test_a_function_without_a_timeout_in_host_json_has_flex_consumptions_half_hour(
    tmp_path: Path,
) -> None:
    async with strict(write_app(tmp_path / "app", ORDERS)) as host:
        assert host.supervisor.limits.function_timeout == 1800
    async with strict(write_app(tmp_path / "endless", ORDERS, functionTimeout="-1")) as host:
        assert host.supervisor.limits.function_timeout is None


async def test_what_an_invocation_logs_is_filed_under_its_function_and_what_a_thread_logs_is_dropped(
    tmp_path: Path,
) -> None:
    async with strict(write_app(tmp_path / "app", ORDERS)) as host:
        await host.call("obey", message("think"))
        line = host.said("Function.obey.User")
        assert "thinking" in line
        assert "in a thread" not in {text for _, text in host.log}


async def test_a_killed_worker_runs_no_exit_handlers_and_hears_no_signal(tmp_path: Path) -> None:
    """A naive app sends its last telemetry as it exits."""
    marker = tmp_path / "told"
    source = f"""
        import atexit, signal
        from pathlib import Path
        atexit.register(lambda: Path({str(marker)!r}).write_text("atexit"))
        signal.signal(signal.SIGTERM, lambda *_: Path({str(marker)!r}).write_text("SIGTERM"))

        @app.route("hello")
        def hello(req: func.HttpRequest) -> str:
            return "hello"
        """
    async with strict(write_app(tmp_path / "app", source), Limits(stop_phase=0)) as host:
        await host.text("hello")
        async with asyncio.timeout(60):
            await host.supervisor.kill()
        assert host.pids() == {}
    assert not marker.exists()
