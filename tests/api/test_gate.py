"""An instance refuses more than it can hold, and says when to come back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import NoReturn

import pytest

from api.app import MOST_REQUESTS
from api.gate import Gate
from api.requests import Request as ApiRequest
from api.routes import ROUTES
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.shared.rig import Rig
from tests.shared.scene import ask, scene, send


async def held_up(rig: Rig, name: str, inside: int) -> tuple[int, str]:
    """Keep so many requests inside, send one more, and return its status and Retry-After."""
    go = asyncio.Event()

    async def wait(_: Request, call: Call) -> Response:
        await go.wait()
        return await call()

    api = replace(rig.api(wait), listings=Gate(inside), others=Gate(inside))
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


async def test_listings_do_not_keep_an_operator_out() -> None:
    api = replace(scene().api(), listings=Gate(0))
    assert (await send(api, "http_list")).status == 429
    assert (await ask(api)).status == 202


async def test_a_request_that_fails_leaves_its_place() -> None:
    api = replace(scene().api(), others=Gate(1))
    for _ in range(3):
        assert (await ask(api, name="no-such")).status == 404


async def test_who_waits_keeps_neither_an_operator_nor_a_probe_out() -> None:
    api = replace(scene().api(), waits=Gate(0))
    path = {"vault": "prod", "name": "app-key", "operation": "0"}
    query = {"since": "2026-01-01T00:00:00Z", "wait": "120"}
    assert (await send(api, "http_operation", path, query)).status == 429
    assert (await ask(api, wait="30")).status == 202
    assert (await send(api, "http_health")).status == 200


async def test_full_listings_do_not_keep_an_incident_out() -> None:
    api = replace(scene().api(), listings=Gate(0))
    body = b'{"everything": true, "reason": "a drill"}'
    assert (
        await send(api, "http_incident", body=body, headers={"idempotency-key": "1"})
    ).status == 202
    assert (await send(api, "http_incident", query={"dry_run": "true"}, body=body)).status == 429


async def test_strangers_who_all_wait_for_the_apps_health_do_not_keep_an_incident_out() -> None:
    """Sixty-four of them are inside while the app's storage does not answer what health asks of it."""
    rig, go = scene(), asyncio.Event()

    async def wait(request: Request, call: Call) -> Response:
        if ".blob." in request.host and "/sweeps/" in request.path:
            await go.wait()
        return await call()

    api = rig.api(wait)
    strangers = [asyncio.create_task(send(api, "http_health")) for _ in range(MOST_REQUESTS)]
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
