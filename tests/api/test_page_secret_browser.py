"""One secret's page in a browser: read by all, copied from, acted from after a dry run."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.api.inventory import varied
from tests.api.visits import Start, axe
from tests.shared.scene import scene

ONE = "?vault=prod&secret="


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    "query", ["checkout-sql", "warehouse-sql&try=unpark", "orders-storage&try=rotate"]
)
def test_axe_finds_nothing_that_would_keep_anybody_out(
    visit: Start, query: str, width: int, scheme: str
) -> None:
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 4_000}).open(ONE + query)
    assert axe(page) == ([], [])


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(visit: Start, width: int) -> None:
    rig = varied()
    rig.add(
        "w" * 127, Owner="W" * 256, marked=("parked", "W" * 256), ProviderAddress="/" + "w" * 255
    )
    page = visit(rig, viewport={"width": width, "height": 640}).open(ONE + "w" * 127)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_problem_is_a_page_that_axe_finds_nothing_in(visit: Start) -> None:
    opened = visit()
    page = opened.open("?state=fine")
    expect(page.get_by_role("heading", name="This address cannot be understood")).to_be_visible()
    assert axe(page) == ([], [])
    page.get_by_role("link", name="To all secrets").click()
    expect(page.get_by_role("heading", name="Needs a person")).to_be_visible()
    opened.complaints.clear()


def test_the_door_leads_a_key_to_the_inventory(visit: Start) -> None:
    opened = visit()
    page = opened.page
    page.goto(f"{opened.address}/api/dashboard")
    assert axe(page) == ([], [])
    page.get_by_label("Function key").fill("a+key==")
    page.get_by_role("button", name="Open the inventory").click()
    expect(page.get_by_role("heading", name="Needs a person")).to_be_visible()
    assert page.url == f"{opened.address}/api/inventory?code=a%2Bkey%3D%3D"
    opened.complaints.clear()


def test_a_command_is_copied(visit: Start) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"]).open(ONE + "warehouse-sql")
    page.get_by_role("button", name="Copy the command 1").click()
    expect(page.locator("#heard")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "rekey rotate prod/warehouse-sql --dry-run"


def test_a_button_shows_what_would_happen_and_then_acts_once_with_its_reason(visit: Start) -> None:
    rig = scene(days_left=60)
    opened = visit(rig)
    page = opened.open(ONE + "app-key&code=a%2Bkey")
    page.get_by_role("link", name="Rotate now…").click()
    trial = page.get_by_role("region", name="Rotate now: what would happen")
    expect(trial).to_be_focused()
    expect(trial).to_contain_text("rotate")
    assert rig.messages("rotations") == []
    page.route(
        "**/operations/**", lambda route: route.fulfill(json={"status": "succeeded", "reason": ""})
    )
    page.get_by_label("Why, for the audit record").fill("a colleague left")
    trial.get_by_role("button", name="Rotate now").click()
    expect(page.locator("#outcome")).to_have_text("It succeeded.")
    expect(page.get_by_role("link", name="See how it stands now")).to_be_visible()
    (item,) = rig.messages("rotations")
    assert (item["action"], item["force"], item["reason"]) == ("rotate", True, "a colleague left")
    (sent,) = [request for request in opened.requests if request.method == "POST"]
    assert sent.headers["x-functions-key"] == "a+key"
    assert len(sent.headers["idempotency-key"]) == 36
    assert json.loads(sent.post_data or "") == {"force": True, "reason": "a colleague left"}


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, "", "This key opens the page alone. Take a host key, or the command below."),
        (409, '{"detail": "it is busy", "fix": "wait"}', "it is busy Fix: wait"),
        (502, "<html>", "The answer was 502."),
    ],
)
def test_why_a_button_may_not_act_is_said(visit: Start, status: int, body: str, words: str) -> None:
    opened = visit(scene(days_left=60))
    page = opened.open(ONE + "app-key&try=rotate&code=key")
    page.route("**/rotate", lambda route: route.fulfill(status=status, body=body))
    page.get_by_label("Why, for the audit record").fill("trying it")
    page.locator("#act button").click()
    expect(page.locator("#outcome")).to_have_text(words)
    expect(page.locator("#act button")).to_be_enabled()
    opened.complaints.clear()


def test_what_is_done_at_once_is_told_and_not_followed(visit: Start) -> None:
    page = visit(scene(days_left=60)).open(ONE + "app-key&try=rotate&code=key")
    done = {"status": "succeeded", "reason": "nothing is left to do"}
    page.route("**/rotate", lambda route: route.fulfill(json=done))
    page.get_by_label("Why, for the audit record").fill("mended")
    page.locator("#act button").click()
    expect(page.locator("#outcome")).to_have_text("It succeeded: nothing is left to do")


def test_without_a_script_the_dry_run_still_answers_and_the_command_is_there(visit: Start) -> None:
    page = visit(scene(days_left=60), java_script_enabled=False).open(ONE + "app-key")
    page.get_by_role("link", name="Rotate now…").click()
    expect(page.get_by_role("heading", name="Rotate now: what would happen")).to_be_visible()
    expect(page.locator("#act")).to_be_hidden()
    expect(page.get_by_text("Without JavaScript, take the command below.")).to_be_visible()


def test_every_link_and_button_is_reached_by_keyboard(visit: Start) -> None:
    page = visit().open(ONE + "checkout-sql")
    expected = page.locator("a:visible, button:visible, code").count()
    reached = set()
    for _ in range(expected):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML"))
        outline = page.locator(":focus").evaluate("e => getComputedStyle(e).outline")
        assert outline.endswith("solid 3px")
    assert len(reached) == expected
