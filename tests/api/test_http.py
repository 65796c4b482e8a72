"""What every call has in common over HTTP: methods, headers, problems, and how many are let in."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from api import app
from api.answers import Answer, TooMany, problem
from api.concurrency_limit import ConcurrencyLimit
from api.errors import PayloadTooLarge
from api.request_models import Body
from api.requests import Request as ApiRequest
from api.requests import query_of
from api.route import Route
from api.routes import METHODS, ROUTES, allowed, arriving, document
from engine.errors import TransientError
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, scene, send
from tests.unchanged import unchanged

PATH = {"vault": "prod", "name": NAME, "operation": "0", "incident": "0"}
EVERY = pytest.mark.parametrize("called", ROUTES, ids=lambda called: called.name)


async def by(method: str, called: Route, rig: Rig | None = None) -> Answer:
    """Send a request by a method that may be none of the call's."""
    request = ApiRequest.arrived(method, called.path, PATH, {}, {}, b"")
    return await (rig or scene()).api().answer(called, request)


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("", {}),
        ("?", {}),
        ("?dry_run", {"dry_run": ""}),
        ("?dryRun=&wait=5", {"dryRun": "", "wait": "5"}),
        ("?dry_run=true&dry_run=false", {"dry_run": "true,false"}),
        ("?name=a+b%2Fc&=x", {"name": "a b/c", "": "x"}),
        ("?vault=%ed%a0%80", {"vault": "\ufffd" * 3}),
    ],
)
def test_a_parameter_without_a_value_is_a_parameter(query: str, read: dict[str, str]) -> None:
    assert query_of("https://app.azurewebsites.net/api/secrets" + query) == read


@EVERY
async def test_no_answer_is_kept_or_guessed_at(called: Route) -> None:
    answer = await send(scene().api(), called.name, PATH)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@EVERY
async def test_a_method_that_a_path_does_not_take_is_a_405_that_names_those_that_it_takes(
    called: Route,
) -> None:
    rig = scene()
    with unchanged(rig):
        for method in set(arriving(called)) - set(called.methods):
            answer = await by(method, called, rig)
            assert answer.status == 405
            assert answer.headers["Allow"] == ", ".join(allowed(called.path))
    assert rig.world.exchanges == []


@pytest.mark.parametrize("path", sorted({called.path for called in ROUTES}))
def test_each_method_reaches_one_function_of_a_path(path: str) -> None:
    """The platform answers 404 where none takes it, and either of two where both do."""
    methods = [method for called in ROUTES if called.path == path for method in arriving(called)]
    assert sorted(methods) == sorted(METHODS)


@pytest.mark.parametrize(
    "called", [route for route in ROUTES if route.method == "GET"], ids=lambda called: called.name
)
async def test_the_head_of_what_can_be_read_is_the_same_without_its_body(called: Route) -> None:
    whole, head = await by("GET", called), await by("HEAD", called)
    assert replace(whole, body="") == head


@pytest.mark.parametrize(
    ("name", "query", "kind"),
    [
        ("http_list", {"limit": "0"}, "bad-request"),
        ("http_show", {}, "not-found"),
        ("http_policy", {}, "not-found"),
    ],
)
async def test_a_problem_has_a_type_that_the_document_describes(
    name: str, query: dict[str, str], kind: str
) -> None:
    shown = (await send(scene().api(), name, {"vault": "prod", "name": "none"}, query)).body
    address, _, place = shown["type"].partition("#/")
    assert (address, place.rpartition("/")[2]) == ("/api/openapi.json", kind)
    described = document()
    for part in place.split("/"):
        described = described[part]
    assert described["description"] == shown["title"]
    assert set(shown) == {"type", "title", "status", "detail", "instance", "fix", "errors"}


@pytest.mark.parametrize(
    ("wait", "shown"), [(None, "30"), (0.2, "1"), (1.0, "1"), (7.2, "8"), (60.0, "60")]
)
def test_who_comes_back_when_a_problem_says_comes_no_earlier_than_azure_asked(
    wait: float | None, shown: str
) -> None:
    assert problem(TransientError("busy", retry_after=wait), "/").headers["Retry-After"] == shown


async def held_up(rig: Rig, name: str, inside: int) -> tuple[int, str]:
    """Keep so many requests inside, send one more, and return its status and Retry-After."""
    go = asyncio.Event()

    async def wait(_: Request, call: Call) -> Response:
        await go.wait()
        return await call()

    api = replace(rig.api(wait), listings=ConcurrencyLimit(inside), looks=ConcurrencyLimit(inside))
    waiting = [
        asyncio.create_task(send(api, name, {"vault": "prod", "name": "app-key"}))
        for _ in range(inside)
    ]
    await asyncio.sleep(0)
    answer = await send(api, name, {"vault": "prod", "name": "app-key"})
    assert all(not task.done() for task in waiting)
    go.set()
    assert [task.status for task in await asyncio.gather(*waiting)] == [200] * inside
    after = await send(api, name, {"vault": "prod", "name": "app-key"})
    assert after.status == 200, "a place that was left is not given away again"
    return answer.status, answer.headers.get("Retry-After", "")


@pytest.mark.parametrize("name", ["http_list", "http_show"])
async def test_one_request_too_many_is_a_429_with_retry_after(name: str) -> None:
    assert await held_up(scene(), name, 3) == (429, "5")


@pytest.mark.parametrize("name", ["http_rotate", "http_list", "http_leak"])
async def test_a_request_that_no_service_answers_is_told_so_before_azure_cuts_it_off(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stay_silent(request: Request, call: Call) -> Response:
        del request, call
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(app, "ANSWER_SECONDS", 0.0)
    body = b'{"value": "none-of-ours"}' if name == "http_leak" else b""
    async with asyncio.timeout(60):
        answer = await send(scene().api(stay_silent), name, PATH, body=body)
    assert answer.status == 503
    assert "did not finish within" in answer.body["detail"]


async def test_listings_do_not_keep_an_operator_out() -> None:
    api = replace(scene().api(), listings=ConcurrencyLimit(0))
    assert (await send(api, "http_list")).status == 429
    assert (await ask(api)).status == 202


async def test_a_request_that_fails_leaves_its_place() -> None:
    api = replace(scene().api(), acts=ConcurrencyLimit(1))
    for _ in range(3):
        assert (await ask(api, name="no-such")).status == 404


async def test_who_waits_keeps_neither_an_operator_nor_a_probe_out() -> None:
    api = replace(scene().api(), waits=ConcurrencyLimit(0))
    path = {"vault": "prod", "name": "app-key", "operation": "0"}
    query = {"since": "2026-01-01T00:00:00Z", "wait": "120"}
    assert (await send(api, "http_operation", path, query)).status == 429
    assert (await ask(api, wait="30")).status == 202
    assert (await send(api, "http_health")).status == 200


async def test_full_listings_do_not_keep_an_incident_out() -> None:
    api = replace(scene().api(), listings=ConcurrencyLimit(0))
    body = b'{"everything": true, "reason": "a drill"}'
    begun = await send(api, "http_incident", body=body, headers={"idempotency-key": "1"})
    assert begun.status == 202
    assert (await send(api, "http_incident", query={"dry_run": "true"}, body=body)).status == 429


@pytest.mark.parametrize(
    ("name", "query", "body"),
    [
        ("http_show", {}, b""),
        ("http_readers", {}, b""),
        ("http_policy", {}, b""),
        ("http_operation", {"since": "2026-01-01T00:00:00Z"}, b""),
        ("http_rotate", {"dry_run": "true"}, b""),
        ("http_leak", {}, b'{"value": "a"}'),
    ],
)
async def test_neither_who_only_looks_nor_who_reports_a_leak_keeps_an_incident_out(
    name: str, query: dict[str, str], body: bytes
) -> None:
    api = replace(scene().api(), looks=ConcurrencyLimit(0), leaks=ConcurrencyLimit(0))
    assert (await send(api, name, PATH, query, body)).status == 429
    leaked = b'{"everything": true, "reason": "leaked"}'
    begun = await send(api, "http_incident", body=leaked, headers={"idempotency-key": "1"})
    assert (begun.status, (await ask(api)).status) == (202, 202)


def test_those_who_do_not_act_leave_a_dozen_places_of_the_hosts_to_who_does() -> None:
    host = json.loads((Path(app.__file__).parents[1] / "host.json").read_text())
    most = host["extensions"]["http"]["maxConcurrentRequests"]
    kinds = ("LISTINGS", "WAITS", "LOOKS", "PROBES", "DELIVERIES", "LEAKS")
    assert sum(getattr(app, f"MOST_{kind}") for kind in kinds) + 12 <= most


async def test_strangers_who_all_wait_for_the_apps_health_do_not_keep_an_incident_out() -> None:
    """As many as may are inside while the app's storage does not answer what health asks of it."""
    rig, go = scene(), asyncio.Event()

    async def wait(request: Request, call: Call) -> Response:
        if ".blob." in request.host and "/sweeps/" in request.path:
            await go.wait()
        return await call()

    api = rig.api(wait)
    strangers = [asyncio.create_task(send(api, "http_health")) for _ in range(app.MOST_PROBES)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert (await send(api, "http_health")).status == 429, "not all of them are inside"
    body = b'{"everything": true, "reason": "leaked"}'
    accepted = await send(api, "http_incident", body=body, headers={"idempotency-key": "1"})
    assert (accepted.status, (await ask(api)).status) == (202, 202)
    assert not any(task.done() for task in strangers)
    go.set()
    assert {task.status for task in await asyncio.gather(*strangers)} == {200}


async def test_what_nobody_thought_of_is_a_500_that_shows_nothing_of_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError("a value may be in here")

    route = replace(ROUTES[0], handler=broken)
    answer = (
        await scene().api().answer(route, ApiRequest.arrived("GET", "secrets", {}, {}, {}, b""))
    )
    assert (answer.status, answer.content_type) == (500, "application/problem+json")
    assert "a value" not in answer.text() + caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_body_that_arrived_is_read_however_it_was_sent() -> None:
    ApiRequest("POST", "/", headers={"transfer-encoding": "chunked"}, body=b"{}").whole()


def test_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    ApiRequest("POST", "/", body=b"{}").read(Body, most=2)
    with pytest.raises(PayloadTooLarge):
        ApiRequest("POST", "/", body=b"{} ").read(Body, most=2)


def test_who_leaves_makes_room_for_themselves_alone() -> None:
    limit = ConcurrencyLimit(9, of_one=1)
    first, second = limit.let_in("a"), limit.let_in("b")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with limit.let_in("a"), pytest.raises(TooMany), limit.let_in("b"):
        pass
