"""Take the screenshots of the pages for the documentation: python -m scripts.screenshots."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, expect

from simulator.wire import Request, Response
from tests.api.inventory import varied
from tests.api.test_leaks import leak, leaky
from tests.shared.chromium import serve, start_chromium
from tests.shared.delivery import Delivery
from tests.shared.policies import PolicyRig

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESK, PHONE = ViewportSize(width=1180, height=1400), ViewportSize(width=390, height=844)
SHORT = ViewportSize(width=1180, height=720)
ONE = "?vault=prod&secret=checkout-sql"


def draw(
    browser: Browser,
    address: str,
    name: str,
    size: ViewportSize,
    *,
    dark: bool = False,
    query: str = "",
) -> None:
    """Take a screenshot: of the whole page at a desk, of the first screen on a phone.

    The browser does not draw what is out of sight, so the desk's screen is tall.
    """
    phone = size is PHONE
    page = browser.new_page(
        viewport=size,
        color_scheme="dark" if dark else "light",
        device_scale_factor=2 if phone else 1,
    )
    page.goto(f"{address}/api/inventory{query}")
    if not query:
        expect(page.locator("#said")).to_contain_text("All loaded")
    page.screenshot(path=IMAGES / f"dashboard-{name}.png", full_page=not phone)
    page.close()


async def leaked() -> tuple[PolicyRig, str]:
    """Return a rig in which a key has leaked and was cut off, and its incident."""
    rig = leaky()

    async def slow(_: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        rig.clock.advance(0.1)
        return await call()

    place = "https://github.com/northwind/shop/blob/main/.env"
    answer = await leak(rig.api(slow), rig.latest("app-key").value, location=place)
    await Delivery(rig, lambda: rig.service(slow)).run(within=timedelta(hours=1))
    return rig, str(answer.body["incident"])


if __name__ == "__main__":
    ended, incident = asyncio.run(leaked())
    with start_chromium() as running, serve(ended.api()) as where:
        draw(running, where, "incident", SHORT, query=f"?incident={incident}")
    with start_chromium() as running, serve(varied().api()) as where:
        draw(running, where, "light", DESK)
        draw(running, where, "dark", DESK, dark=True)
        draw(running, where, "phone", PHONE)
        draw(running, where, "secret", DESK, query=ONE)
