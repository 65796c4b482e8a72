"""Incidents in a real browser: read by everybody, on a phone, in the dark, and kept fresh."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import expect

from api.app import Api
from tests.api.inventory import Inventory, many, varied
from tests.api.test_incidents import begin, carry_out
from tests.api.visits import Start, axe


def apart[T](work: Coroutine[Any, Any, T]) -> T:
    """Run in a thread of its own: Playwright has this one's event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def troubled() -> tuple[Inventory, str]:
    """Return a world with an incident under way, one that has ended, and the open one's id."""
    rig = varied()
    apart(begin(rig.api(), key="other", name="nothing-of-this-name"))
    accepted = apart(begin(rig.api(), name="*-storage", reason="a laptop was stolen"))
    return rig, str(accepted.body["id"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing_and_nothing_is_too_wide(visit: Start, width: int, scheme: str) -> None:
    rig, identity = troubled()
    opened = visit(rig, color_scheme=scheme, viewport={"width": width, "height": 4_000})
    for query in ("", f"?incident={identity}", "?vault=prod&secret=orders-storage"):
        page = opened.loaded() if not query else opened.open(query)
        assert axe(page) == ([], []), query
        assert page.evaluate("document.documentElement.scrollWidth") == width, query


def test_an_incident_leads_to_its_page_and_that_to_its_secrets(visit: Start) -> None:
    rig, identity = troubled()
    page = visit(rig).loaded()
    page.get_by_role("link", name=identity).click()
    expect(page.get_by_role("heading", name=f"Incident {identity}")).to_be_visible()
    page.get_by_role("link", name="orders-storage").first.click()
    expect(page.get_by_role("heading", name="orders-storage")).to_be_visible()
    expect(page.get_by_role("link", name=identity)).to_be_visible()


def test_an_incident_that_begins_or_goes_on_shows_without_a_reload(visit: Start) -> None:
    rig = many(150)
    page = visit(rig).stopped()
    expect(page.locator("#incidents")).to_be_hidden()
    apart(begin(rig.api(), name="app-00001"))
    page.clock.run_for(70_000)
    expect(page.get_by_role("heading", name="Incidents under way")).to_be_visible()
    expect(page.locator("#incidents")).to_contain_text("0 of 1 replaced and cut off")
    apart(carry_out(rig))
    page.locator("#said").click()
    page.clock.run_for(70_000)
    expect(page.locator("#incidents")).to_contain_text("needs a person")
    expect(page.locator("#incidents")).to_contain_text("1 in need of a person")


def test_a_page_that_the_app_fails_to_make_is_not_waited_for(
    visit: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = visit()
    monkeypatch.setattr(Api, "answer", None)
    with pytest.raises(AssertionError, match="answered 500"):
        opened.loaded()
    opened.complaints.clear()
