"""function_app.py as Microsoft's worker sees it, and what host.json must agree with."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.route import Route
from api.routes import ROUTES, arriving
from engine.service import MAX_TRIES
from simulator.host.bundle import chosen
from simulator.host.describe import describe_app
from simulator.host.settings import HostFile

ROOT = Path(__file__).parents[1]
HOST = json.loads((ROOT / "host.json").read_text())
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
STORAGE, EVENTS = "AzureWebJobsStorage", "RekeyEvents"
BUILT_IN = {"httptrigger", "http", "timertrigger", "manualtrigger", "warmuptrigger"}
"""Bindings that the Functions host knows by itself; the extension bundle brings every other one.
Source: Azure/azure-functions-host, src/WebJobs.Script/ScriptHostBuilderExtensions.cs."""
QUEUES = {
    "on_vault_event": "vault-events",
    "sweep_vault": "sweeps",
    "rotate": "rotations",
    "park": "rotations-poison",
}
CALLS = {route.name: route for route in ROUTES}


def environment(**changes: str | None) -> dict[str, str]:
    """Return the environment with the sample's settings, some changed; None takes one away."""
    settings = {**os.environ, **SAMPLE, **changes}
    return {name: text for name, text in settings.items() if text is not None}


def indexed(**changes: str | None) -> dict[str, list[dict[str, Any]]]:
    """Return every function's bindings, as indexed in a process of its own."""
    functions = describe_app(ROOT, environment(**changes))
    return {function["name"]: function["bindings"] for function in functions}


@pytest.fixture(scope="module")
def functions() -> dict[str, list[dict[str, Any]]]:
    return indexed()


def trigger(functions: dict[str, list[dict[str, Any]]], name: str) -> dict[str, Any]:
    return next(
        binding for binding in functions[name] if binding["type"].lower().endswith("trigger")
    )


def test_the_app_has_these_functions_and_no_others(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    assert set(functions) == {*QUEUES, *CALLS, "on_event_grid", "sweep", "recheck"}


@pytest.mark.parametrize(("name", "queue"), QUEUES.items())
def test_each_queue_starts_its_function(
    functions: dict[str, list[dict[str, Any]]], name: str, queue: str
) -> None:
    binding = trigger(functions, name)
    assert (binding["type"], binding["queueName"]) == ("queueTrigger", queue)
    assert binding["connection"] == (EVENTS if name == "on_vault_event" else STORAGE)


def test_without_an_account_of_their_own_events_are_taken_from_the_apps_own() -> None:
    functions = indexed(RekeyEvents=None)
    assert {trigger(functions, name)["connection"] for name in QUEUES} == {STORAGE}


def test_the_timer_takes_its_schedule_from_the_settings_and_is_monitored(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    binding = trigger(functions, "sweep")
    assert (binding["type"], binding["useMonitor"]) == ("timerTrigger", True)
    assert binding["schedule"] == "%REKEY_SWEEP_SCHEDULE%"


def test_without_a_schedule_the_sweep_runs_every_hour() -> None:
    """The host leaves a function out whose setting has no value, and says so only in its log."""
    functions = indexed(REKEY_SWEEP_SCHEDULE=None)
    assert trigger(functions, "sweep")["schedule"] == "0 0 * * * *"


def test_sources_are_rechecked_so_often_that_a_repair_is_in_time(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    """P1 gives five minutes: one that is due a minute after its change is asked for in four.

    A tick that was missed says nothing that the next one does not.
    """
    binding = trigger(functions, "recheck")
    assert (binding["type"], binding["useMonitor"]) == ("timerTrigger", False)
    assert binding["schedule"] == "0 */3 * * * *"


def test_every_function_is_bounded_logged_and_flushed_under_its_own_name() -> None:
    """Outside of `running` a cancellation escapes, and a failure is in no log that is sent."""
    tree = ast.parse((ROOT / "function_app.py").read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    assert len(functions) == len(QUEUES) + 4
    for function in functions:
        (block,) = [node for node in function.body if isinstance(node, ast.AsyncWith)]
        call = block.items[0].context_expr
        assert isinstance(call, ast.Call)
        assert ast.unparse(call.func) == "running"
        assert ast.unparse(call.args[0]) in (repr(function.name), "route.name")
        outside = [node for part in function.body if part is not block for node in ast.walk(part)]
        assert not [node for node in outside if isinstance(node, ast.Await)]


def printed(script: str) -> Any:
    """Run a script beside the app, in a process of its own; return what it prints last, as JSON."""
    run = subprocess.run(  # noqa: S603 - nobody else's input
        [sys.executable, "-c", script],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


SERVED = """
import asyncio, json
import azure.functions as func
import function_app
from api.answers import Answer

class Seen:
    async def answer(self, route, request):
        seen = {"query": request.query, "headers": request.headers}
        return Answer(202, seen, "application/seen", {"Location": "/there"})

function_app.api = Seen
url = "https://app/api/secrets/prod/app-key/rotate?dry_run&dryRun=&wait=5"
sent = func.HttpRequest(
    "POST", url, headers={"If-Match": '"A"'}, params={"wait": "5"}, route_params={}, body=b""
)
served = asyncio.run(function_app.serve(function_app.ROUTES[0])(sent))
head = [served.status_code, served.mimetype, served.headers["Location"]]
print(json.dumps([head, json.loads(served.get_body())]))
"""


def test_a_call_reaches_the_api_and_its_answer_the_caller() -> None:
    """`?dry_run` without a value, which the host leaves out, would act otherwise."""
    head, seen = printed(SERVED)
    assert seen["query"] == {"dry_run": "", "dryRun": "", "wait": "5"}
    assert seen["headers"]["if-match"] == '"A"'
    assert head == [202, "application/seen", "/there"]


HANDED_ON = """
import asyncio, json
from azure.functions.queue import QueueMessage
from azure.functions.timer import TimerRequest
import function_app

calls = {}

class Service:
    def __getattr__(self, name):
        async def note(*arguments, **named):
            calls[name] = [arguments, named]
        return note

function_app.service = Service
message = QueueMessage(id="its id", body=b"its text", dequeue_count=3)
timer = TimerRequest(past_due=True, schedule_status={"Last": "then"})
for function in function_app.app.get_functions():
    kind = function.get_trigger().type
    if kind in ("queueTrigger", "timerTrigger"):
        asyncio.run(function.get_user_function()(message if kind == "queueTrigger" else timer))
print(json.dumps(calls, default=bytes.decode))
"""


def test_each_message_reaches_the_service_with_how_often_it_was_tried() -> None:
    """The last try parks a secret, and counts what is lost. A timer says what it has missed."""
    tried = [["its text", 3], {}]
    assert printed(HANDED_ON) == {
        "on_event": tried,
        "sweep_vault": tried,
        "rotate": tried,
        "park": [["its text", "its id"], {}],
        "sweep": [[{"Last": "then"}], {"past_due": True}],
        "recheck": [[], {}],
    }


def test_event_grid_starts_its_function(functions: dict[str, list[dict[str, Any]]]) -> None:
    assert trigger(functions, "on_event_grid")["type"] == "eventGridTrigger"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_call_needs_a_function_key_but_those_that_anybody_may_ask(
    functions: dict[str, list[dict[str, Any]]], route: Route
) -> None:
    binding = trigger(functions, route.name)
    assert binding["route"] == route.path
    assert [method.upper() for method in binding["methods"]] == arriving(route)
    assert binding["authLevel"].upper() == ("FUNCTION" if route.role else "ANONYMOUS")
    open_to_all = ("http_health", "http_openapi", "http_door", "http_leak_github")
    assert route.role or route.name in open_to_all


def test_where_the_platform_signs_callers_in_no_key_is_asked_for() -> None:
    functions = indexed(WEBSITE_AUTH_ENABLED="True")
    levels = {trigger(functions, name)["authLevel"].upper() for name in CALLS}
    assert levels == {"ANONYMOUS"}


def test_the_host_tries_as_often_as_the_code_counts_and_waits_in_between() -> None:
    queues = HOST["extensions"]["queues"]
    assert queues["maxDequeueCount"] == MAX_TRIES
    assert queues["visibilityTimeout"] == "00:00:30"
    assert queues["messageEncoding"] == "base64"


def test_the_extension_bundle_brings_every_binding_that_the_host_does_not_know_itself(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    """Without the bundle these functions are left out, while HTTP answers as if all were well."""
    kinds = {binding["type"].lower() for bindings in functions.values() for binding in bindings}
    assert kinds - BUILT_IN == {"queuetrigger", "eventgridtrigger"}
    assert HOST["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }


def test_the_host_is_told_all_that_its_defaults_would_get_wrong() -> None:
    assert HOST["version"] == "2.0"
    assert HOST["telemetryMode"] == "OpenTelemetry"
    assert HOST["functionTimeout"] == "00:10:00"
    assert HOST["extensions"]["http"]["routePrefix"] == "api"
    # By itself an idle queue is looked at once a minute: a person who asks would wait for that.
    assert HOST["extensions"]["queues"]["maxPollingInterval"] == "00:00:10"
    # The most that a host takes:
    # https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue.
    assert 0 < HOST["extensions"]["queues"]["batchSize"] <= 32
    assert HOST["logging"]["logLevel"]["default"] == "Information"


def test_the_range_of_bundles_in_our_host_json_holds_one() -> None:
    assert chosen(HostFile.read(ROOT, {})) == "4.38"
