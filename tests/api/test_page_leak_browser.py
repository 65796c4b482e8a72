"""The form of the inventory that takes a leaked value, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.api.test_leaks import KEYED, leaky
from tests.api.visits import Start, axe


@pytest.mark.parametrize("cut", [True, False])
def test_a_value_is_reported_and_nothing_of_it_is_left_on_the_page_or_in_an_address(
    visit: Start, cut: bool
) -> None:
    rig = leaky(KEYED)
    leaked, opened = rig.latest("app-key").value, visit(rig)
    page = opened.loaded()
    page.get_by_text("Report a value that has leaked").click()
    assert axe(page) == ([], [])
    page.get_by_label("The value, or the text").fill(f"KEY={leaked}")
    page.get_by_label("Where it was found").fill("a wiki")
    page.get_by_label("cut it off at once").set_checked(cut)
    page.get_by_role("button", name="Report it").click()
    expect(page.locator("#found")).to_contain_text("alive; prod/app-key, version")
    assert page.locator("#leaked").input_value() == ""
    assert leaked not in page.content()
    assert not [sent.url for sent in opened.requests if "KEY" in sent.url]
    (message,) = rig.messages("rotations")
    assert message["action"] == ("rotate" if cut else "tell")
    assert "leaked: a wiki" in message["reason"]
    page.get_by_role("link", name="See its incident").click() if cut else None
    expect(page.locator("#incident" if cut else "#begun")).to_be_visible(visible=cut)


def test_without_the_script_no_value_can_be_sent(visit: Start) -> None:
    page = visit(leaky(), java_script_enabled=False).open()
    page.get_by_text("Report a value that has leaked").click()
    expect(page.locator("#report")).to_be_hidden()
    expect(page.locator("#found")).to_contain_text("rekey leak")
    assert page.locator("#leaked").get_attribute("name") is None


def test_what_is_refused_is_said_and_can_be_sent_again(visit: Start) -> None:
    opened = visit(leaky())
    page = opened.loaded()
    page.route("**/leaks", lambda route: route.fulfill(status=429, json={"detail": "too many"}))
    page.get_by_text("Report a value that has leaked").click()
    page.get_by_label("The value, or the text").fill("something-else")
    page.get_by_role("button", name="Report it").click()
    expect(page.locator("#found")).to_have_text("too many")
    expect(page.get_by_role("button", name="Report it")).to_be_enabled()
    opened.complaints.clear()
