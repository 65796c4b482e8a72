"""The HTML report in a real browser: on a screen, on a phone, and as printed pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.cli.test_report import a_desk
from tests.shared.chromium import MODULES, Chromium, many_tests

AXE = MODULES / "axe-core" / "axe.min.js"
A4_ACROSS = 1040
"""Pixels between the margins of an A4 page that lies on its side."""
BROKEN = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), broken = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest("thead")?.offsetWidth < 2) continue;
    for (const word of node.data.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (word[0].length < 20 && range.getClientRects().length > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report. It comes before the browser, which leaves no room for a second event loop."""
    path, world = tmp_path_factory.mktemp("report") / "report.html", a_desk()
    reason = (
        "the identity of the app lacks Microsoft.Storage/storageAccounts/regenerateKey/action "
        "on the account"
    )
    tags = {"Owner": "integration@contoso.example", "RekeyReason": reason}
    world.secret(
        "a-name-of-several-words-" * 4 + "x", world.account("longdata"), days_left=-1, tags=tags
    )
    world.run("report", "--format", "html", "--out", str(path))
    return path


@pytest.fixture(scope="module")
def chromium(report: Path) -> Iterator[Chromium]:
    assert report.exists()
    with many_tests() as running:
        yield running


@pytest.fixture
def browser(chromium: Chromium) -> Browser:
    return chromium.ready()


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    made = browser.new_page()
    made.goto(report.as_uri())
    yield made
    made.close()


@pytest.mark.parametrize(
    ("media", "width"), [("screen", 1280), ("screen", 800), ("screen", 390), ("print", A4_ACROSS)]
)
def test_no_word_is_broken_and_nothing_is_too_wide(page: Page, media: str, width: int) -> None:
    """Seventeen columns broke their words letter by letter."""
    page.set_viewport_size({"width": width, "height": 700})
    page.emulate_media(media="print" if media == "print" else "screen")
    assert page.evaluate(BROKEN) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_axe_finds_nothing(page: Page, browser: Browser) -> None:
    context = browser.new_context(bypass_csp=True)
    bare = context.new_page()
    bare.goto(page.url)
    bare.evaluate(AXE.read_text())
    result = bare.evaluate("axe.run({resultTypes: ['violations']})")
    assert [
        (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in result["violations"]
    ] == []
    context.close()


def test_it_prints_on_pages_that_lie_on_their_side(page: Page) -> None:
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert b"/MediaBox [0 0 841.91998 594.95996]" in printed
