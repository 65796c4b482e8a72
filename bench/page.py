"""The waiting time for the inventory page of 5,000 secrets: the answer itself, then the browser."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator

from playwright.sync_api import Browser, expect

from bench.goals import held
from tests.api.inventory import Inventory, many
from tests.shared.chromium import chromium, serve, start_chromium
from tests.shared.scene import send

SECRETS, ROWS, RUNS = 5_000, 100, 7
GOAL = 0.3


def answers(rig: Inventory) -> Iterator[float]:
    """Yield the seconds to the first answer of an app that has just started."""
    for _ in range(RUNS):
        api, started = rig.api(), time.perf_counter()
        answer = asyncio.run(send(api, "http_dashboard"))
        assert answer.text().count('<tr role="row" data-state') == ROWS
        yield time.perf_counter() - started


def visits(browser: Browser, rig: Inventory) -> Iterator[tuple[float, float]]:
    """Yield the seconds until the first rows are visible, and until all rows are loaded."""
    for _ in range(RUNS):
        with serve(rig.api()) as address:
            page, started = browser.new_page(), time.perf_counter()
            page.goto(f"{address}/api/inventory", wait_until="commit")
            expect(page.locator("tr[data-state]").first).to_be_visible()
            first = time.perf_counter() - started
            expect(page.locator("#said")).to_have_text(f"All loaded: {SECRETS}.", timeout=60_000)
            yield first, time.perf_counter() - started
            page.close()


def report() -> None:
    """Print one line for the answer, and one for the browser if there is one."""
    rig = many(SECRETS)
    answer = statistics.median(answers(rig))
    print(
        f"inventory page, {SECRETS} secrets: first {ROWS} rows answered in {answer:.2f} s "
        f"{held('the first rows of the inventory', answer, GOAL, ' s')}"
    )
    if chromium() is None:
        print("inventory page in Chromium: not measured, run `npm ci` first")
        return
    with start_chromium() as browser:
        first, every = (
            statistics.median(column) for column in zip(*visits(browser, rig), strict=True)
        )
    print(
        f"inventory page in Chromium: first rows seen after {first:.2f} s"
        f" {held('the first rows in Chromium', first, GOAL, ' s')}, all after {every:.1f} s"
    )


if __name__ == "__main__":
    report()
