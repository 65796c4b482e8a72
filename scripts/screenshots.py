"""Draw the pictures of the pages for their documentation: python -m scripts.screenshots."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, expect

from tests.api.inventory import varied
from tests.chromium import serve, start_chromium

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESK, PHONE = ViewportSize(width=1180, height=1400), ViewportSize(width=390, height=844)
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
    """Draw a page: at a desk all of it, on a phone its first screen. What is out of sight is not drawn: so, tall screens."""
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


if __name__ == "__main__":
    with start_chromium() as running, serve(varied().api()) as where:
        draw(running, where, "light", DESK)
        draw(running, where, "dark", DESK, dark=True)
        draw(running, where, "phone", PHONE)
        draw(running, where, "secret", DESK, query=ONE)
