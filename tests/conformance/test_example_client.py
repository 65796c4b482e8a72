"""The one part of the example package that the kit replaces: what really sends over the network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.conformance.stands import over_https


@asynccontextmanager
async def acme(answer: web.Response) -> AsyncIterator[tuple[str, list[tuple[str, str, str]]]]:
    """Serve one answer on loopback; yields the host, and what arrived."""
    arrived: list[tuple[str, str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        arrived.append((request.method, request.path, request.headers["Authorization"]))
        return answer

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", arrived
    finally:
        await runner.cleanup()


async def test_it_sends_the_token_and_returns_status_and_json() -> None:
    async with acme(web.json_response({"token": "t"}, status=201)) as (host, arrived):
        assert await over_https(host)("POST", "/projects/x/tokens/blue", "b") == (
            201,
            {"token": "t"},
        )
        assert arrived == [("POST", "/projects/x/tokens/blue", "Bearer b")]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (web.Response(status=302, headers={"Location": "/elsewhere"}), (302, {})),
        (web.Response(status=502, text="<html>"), (502, {})),
        (web.json_response([1]), (200, {})),
    ],
)
async def test_what_is_no_answer_of_acmes_has_no_body(
    answer: web.Response, seen: tuple[int, dict[str, str]]
) -> None:
    async with acme(answer) as (host, arrived):
        assert await over_https(host)("GET", "/me", "b") == seen
        assert len(arrived) == 1


async def test_no_answer_is_a_connection_error_without_the_token() -> None:
    with pytest.raises(ConnectionError) as caught:
        await over_https("http://127.0.0.1:1")("GET", "/me", "the-token")
    assert caught.value.__context__ is None
    async with acme(web.Response(text="{", content_type="application/json")) as (host, _):
        with pytest.raises(ConnectionError):
            await over_https(host)("GET", "/me", "b")
