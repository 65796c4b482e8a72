"""A headless Chromium for tests, out of an npm package, and the API on loopback for it to call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from playwright.sync_api import Browser, Error, Playwright, expect, sync_playwright

from api.app import Api
from api.requests import Request
from api.route import Route
from api.routes import ROUTES

ROOT = Path(__file__).parents[2]
PATIENCE = 120_000
"""Milliseconds until a page is taken to hang."""
MODULES = ROOT / "node_modules"
UNPACK = (
    "const fs = require('fs'), zlib = require('zlib'), [source, target] = process.argv.slice(1);"
    "require('stream').pipeline(fs.createReadStream(source), zlib.createBrotliDecompress(), "
    "fs.createWriteStream(target),"
    " (error) => { if (error) throw error; });"
)


NO_GRAPHICS = ("--disable-gpu", "--disable-software-rasterizer")
"""The package has no GL library beside the executable. Without these, the process that draws ends
in an error once for each library that Chromium tries, and Chromium itself after too many."""


class Chromium:
    """A browser for many tests."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browser = self._started()

    def ready(self) -> Browser:
        """Return the browser for the next test: another one, if it has died since the last."""
        try:
            self._browser.new_context().close()
        except Error:
            self._browser.close()
            self._browser = self._started()
        return self._browser

    def close(self) -> None:
        self._browser.close()

    def _started(self) -> Browser:
        return self._playwright.chromium.launch(executable_path=_executable(), args=NO_GRAPHICS)


@contextlib.contextmanager
def many_tests() -> Iterator[Chromium]:
    """Run Chromium until the end of the block.

    Expectations wait for two minutes: on a busy machine their own five seconds are few.
    """
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright, contextlib.closing(Chromium(playwright)) as chromium:
        yield chromium


@contextlib.contextmanager
def start_chromium() -> Iterator[Browser]:
    """Run one browser until the end of the block."""
    with many_tests() as chromium:
        yield chromium.ready()


def chromium() -> str | None:
    """Return the executable: CHROMIUM, or the one in node_modules; None where there is none."""
    if program := os.environ.get("CHROMIUM"):
        return program
    packed = MODULES / "@sparticuz" / "chromium" / "bin" / "chromium.br"
    runs_here = (sys.platform, platform.machine()) == ("linux", "x86_64")
    return (
        str(_unpacked(packed)) if runs_here and packed.exists() and shutil.which("node") else None
    )


def _executable() -> str:
    """Return the executable; skip the test where there is none, fail it where CI is set."""
    if program := chromium():
        return program
    reason = "Chromium is missing: run `npm ci`, or set CHROMIUM to the executable of one"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _unpacked(packed: Path) -> Path:
    """Unpack the executable beside its package.

    The first of those that ask at once wins, and nobody replaces what it has put there. A Chromium
    whose file is replaced while it starts looks for "chromium (deleted)" to start its processes.
    """
    target = packed.with_name("chromium")
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=packed.parent) as folder:
            fresh = Path(folder) / "chromium"
            subprocess.run(["node", "-e", UNPACK, packed, fresh], check=True)  # noqa: S603, S607 - nobody else's input
            fresh.chmod(0o755)
            with contextlib.suppress(FileExistsError):
                target.hardlink_to(fresh)
    return target


@contextlib.contextmanager
def serve(api: Api) -> Iterator[str]:
    """Serve the API on loopback until the end of the block, and yield its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(_application(api))
    try:
        yield asyncio.run_coroutine_threadsafe(_listen(runner), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _listen(runner: web.AppRunner) -> str:
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


def _application(api: Api) -> web.Application:
    application = web.Application()
    for route in ROUTES:
        application.router.add_route(route.method, f"/api/{route.path}", _handler(api, route))
    return application


def _handler(api: Api, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(arrived: web.Request) -> web.Response:
        headers = {name.lower(): text for name, text in arrived.headers.items()}
        path, query, body = dict(arrived.match_info), dict(arrived.query), await arrived.read()
        request = Request.arrived(route.method, route.path, path, query, headers, body)
        answer = await api.answer(route, request)
        kind = {"Content-Type": f"{answer.content_type}; charset=utf-8"}
        return web.Response(
            text=answer.text(), status=answer.status, headers={**kind, **answer.headers}
        )

    return handle
