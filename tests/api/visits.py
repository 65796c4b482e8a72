"""Visits of a browser to pages, each to its own world; a page that complains fails its test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.api.inventory import varied
from tests.shared.chromium import MODULES, PATIENCE, serve
from tests.shared.rig import Rig

AXE = MODULES / "axe-core" / "axe.min.js"


@dataclass
class Visit:
    """A page on its world's API, and what the browser had to say about it."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def open(self, query: str = "") -> Page:
        """Open the inventory, or what the query names."""
        answer = self.page.goto(f"{self.address}/api/inventory{query}")
        # Whatever is waited for on a page that the app failed to make never comes.
        assert answer and answer.status < 500, answer and f"{answer.url} answered {answer.status}"  # noqa: PT018
        return self.page

    def loaded(self, query: str = "") -> Page:
        """Open the inventory, and wait until the script has brought everything."""
        self.open(query)
        expect(self.page.locator("#secrets[aria-busy=false]")).to_be_attached(timeout=60_000)
        return self.page

    def stopped(self) -> Page:
        """Open the inventory with a clock that stands until the test lets it run."""
        self.page.clock.install()
        return self.loaded()


type Start = Callable[..., Visit]


@contextlib.contextmanager
def visits(browser: Browser) -> Iterator[Start]:
    """Start visits; at the end none may have had an error or broken its page's policy."""
    made: list[Visit] = []
    contexts: list[BrowserContext] = []
    with contextlib.ExitStack() as stack:

        def start(rig: Rig | None = None, **options: Any) -> Visit:
            address = stack.enter_context(serve((rig or varied()).api()))
            context = browser.new_context(**options)
            context.set_default_timeout(PATIENCE)
            contexts.append(context)
            visit = Visit(context.new_page(), address)
            visit.page.on("console", lambda message: visit.complaints.append(message.text))
            visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
            visit.page.on("request", lambda sent: visit.requests.append(sent))  # noqa: PLW0108 - Playwright marks it
            made.append(visit)
            return visit

        yield start
        for context in contexts:
            context.close()
    assert [visit.complaints for visit in made] == [[] for _ in made]


def axe(page: Page) -> tuple[list[Any], list[Any]]:
    """Return what axe found: violations with their elements, and what it could not judge."""
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run({resultTypes: ['violations', 'incomplete']})")
    assert len(result["passes"]) > 10
    violations = [
        (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in result["violations"]
    ]
    return violations, [rule["id"] for rule in result["incomplete"]]
