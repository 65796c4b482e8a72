"""The inventory page in a real browser: by eye, by keyboard, by screen reader, on a phone, with and without its script."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, Route, expect

from engine.model.entry import NEEDS_A_PERSON, STATES
from tests.api.inventory import Inventory, many, varied
from tests.chromium import MODULES, serve, start_chromium
from tests.rig import Rig

AXE = MODULES / "axe-core" / "axe.min.js"
HOSTILE = "</bdi><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>\u202e"
PHONE = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as running:
        yield running


@dataclass
class Visit:
    """A page on its world's API, and what the browser had to say about it."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def open(self, query: str = "") -> Page:
        """Open the inventory."""
        self.page.goto(f"{self.address}/api/dashboard{query}")
        return self.page

    def loaded(self, query: str = "") -> Page:
        """Open the inventory, and wait until the script has brought everything."""
        self.open(query)
        expect(self.page.locator("#said")).to_contain_text("All loaded", timeout=60_000)
        return self.page


type Start = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Start]:
    """Start a visit to a world; at the end no visit may have had an error or broken the page's policy."""
    visits: list[Visit] = []
    contexts: list[BrowserContext] = []
    with contextlib.ExitStack() as stack:

        def start(rig: Rig | None = None, **options: Any) -> Visit:
            address = stack.enter_context(serve((rig or varied()).api()))
            context = browser.new_context(**options)
            contexts.append(context)
            one = Visit(context.new_page(), address)
            one.page.on("console", lambda message: one.complaints.append(message.text))
            one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
            one.page.on("request", lambda sent: one.requests.append(sent))  # noqa: PLW0108 - Playwright marks it
            visits.append(one)
            return one

        yield start
        for context in contexts:
            context.close()
    assert [one.complaints for one in visits] == [[] for _ in visits]


def rows(page: Page | Locator) -> Locator:
    return page.locator("tr[data-state]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing_that_would_keep_anybody_out(visit: Start, scheme: str, width: int) -> None:
    """The screen is high enough for the whole page: what is out of sight is not drawn, and axe could not judge it."""
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 4_000}).loaded()
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({resultTypes: ['violations', 'incomplete']})")
    assert len(found["passes"]) > 20
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
    assert [each["id"] for each in found["incomplete"]] == []


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_is_wider_than_the_screen(visit: Start, width: int) -> None:
    rig = varied()
    rig.add("w" * 127, Owner="W" * 256, marked=("parked", "W" * 256))
    page = visit(rig, viewport={"width": width, "height": 640}).loaded()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cells = rows(page).locator("th, td")
    assert (
        cells.evaluate_all("all => all.filter(each => each.scrollWidth > each.clientWidth).map(each => each.innerText)")
        == []
    )


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, PHONE], ids=["desk", "phone"])
def test_a_screen_reader_finds_landmarks_headings_and_tables(visit: Start, size: dict[str, int]) -> None:
    page = visit(viewport=size).loaded()
    for landmark in ("banner", "main", "search"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    assert page.get_by_role("heading").all_inner_texts() == ["Rekey inventory", "Needs a person", "All others"]
    table = page.get_by_role("table", name="Needs a person")
    expect(table.get_by_role("columnheader")).to_have_count(4)
    expect(table.get_by_role("rowheader")).to_have_count(5)
    row = table.get_by_role("row").filter(has_text="reports-storage")
    expect(row.get_by_role("cell")).to_have_count(3)
    expect(row.get_by_role("img", name="expires 2026-11-07")).to_have_count(1)
    expect(page.get_by_role("status")).to_have_text("All loaded: 12.")


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(visit: Start) -> None:
    page = visit().loaded()
    reached = []
    for _ in range(1 + len(STATES) + 4):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        reached.append(focused.evaluate("e => e.name || e.innerText.split(/\\s/)[0]"))
        assert focused.evaluate("e => getComputedStyle(e).outline").endswith("solid 3px")
        expect(focused).to_be_in_viewport()
    assert reached == ["Skip", *STATES, "state", "vault", "name", "Show"]


def test_the_skip_link_leads_to_the_secrets(visit: Start) -> None:
    page = visit().loaded()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#secrets")).to_be_focused()


def test_the_first_rows_are_there_before_the_script_asks_and_all_five_thousand_at_the_end(visit: Start) -> None:
    one = visit(many(5_000))
    held: list[Route] = []
    one.page.route("**/api/dashboard?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
    page = one.open()
    expect(page.locator("#said")).to_have_text("100 loaded, more are coming…")
    expect(rows(page)).to_have_count(100)
    expect(rows(page).first).to_be_in_viewport()
    one.page.unroute("**/api/dashboard?*")  # and so lets go on what was held
    expect(page.locator("#said")).to_have_text("All loaded: 5000.", timeout=60_000)
    names = rows(page).locator("th").evaluate_all("all => all.map(each => each.firstChild.data)")
    assert sorted(names) == [f"app-{number:05}" for number in range(5_000)]
    states = rows(page.locator("#first")).evaluate_all("all => all.map(each => each.dataset.state)")
    assert len(states) == 100
    assert set(states) <= NEEDS_A_PERSON
    counts = page.locator("[data-count]").all_inner_texts()
    assert sum(map(int, counts)) == 5_000
    expect(page.locator("#pages a")).to_have_count(0)


def test_where_loading_stops_the_page_says_so_and_the_link_goes_on(visit: Start) -> None:
    one = visit(many(150))
    one.page.route("**/api/dashboard?*limit=500*", lambda route: route.fulfill(status=503))
    page = one.open()
    expect(page.locator("#said")).to_contain_text("Loading stopped after 100: the answer was 503.")
    page.unroute("**/api/dashboard?*limit=500*")
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("#said")).to_have_text("All loaded: 50.")
    assert [text for text in one.complaints if "503" not in text] == []
    one.complaints.clear()


def test_without_a_script_links_and_form_lead_everywhere(visit: Start) -> None:
    page = visit(many(120), java_script_enabled=False).open()
    expect(page.locator("#said")).to_have_text("100 shown; there are more.")
    page.get_by_role("link", name="Next page").click()
    expect(rows(page)).to_have_count(20)
    page.get_by_role("link", name="Back to the first page").click()
    expect(rows(page)).to_have_count(100)
    page.get_by_label("Name").fill("0001")
    page.get_by_role("combobox", name="State").select_option("ok")
    page.get_by_role("button", name="Show").click()
    expect(rows(page)).to_have_count(11)
    expect(page.get_by_role("combobox", name="State")).to_have_value("ok")


def test_the_key_in_the_address_goes_along_and_only_to_the_pages_own_host(visit: Start) -> None:
    one = visit(many(150))
    page = one.loaded("?code=a%2Bkey%3D%3D")
    page.get_by_role("combobox", name="Vault").select_option("prod")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#said")).to_have_text("All loaded: 90.")
    page.get_by_role("link", name="overdue").click()
    expect(page.locator("#said")).to_have_text("All loaded: 1.")
    sent = [urlsplit(request.url) for request in one.requests if request.url.startswith("http")]
    assert len(sent) == 4
    assert {(parts.netloc, parts.path) for parts in sent} == {(urlsplit(one.address).netloc, "/api/dashboard")}
    assert all(parse_qs(parts.query)["code"] == ["a+key=="] for parts in sent)
    assert not [request for request in one.requests if "referer" in request.all_headers()]


def test_hostile_tags_are_read_and_never_run(visit: Start) -> None:
    rig = many(120)
    rig.add("aaa", Owner=HOSTILE, marked=("parked", HOSTILE))
    rig.add("zzz", vault=rig.shared, Owner=HOSTILE, marked=("parked", HOSTILE))
    page = visit(rig).loaded()
    expect(page.get_by_text(HOSTILE.rstrip("\u202e"))).to_have_count(4)
    assert page.evaluate("window.owned") is None
    expect(page.locator("img")).to_have_count(0)


def test_whoever_wants_less_motion_or_paper_gets_it(visit: Start) -> None:
    page = visit(reduced_motion="reduce").loaded()
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.emulate_media(media="print")
    expect(page.get_by_label("Name")).to_be_hidden()
    expect(rows(page).last).to_be_visible()


@pytest.mark.parametrize("rig", [Inventory, lambda: many(3)], ids=["no secret", "none in need"])
def test_an_empty_part_says_so(visit: Start, rig: Callable[[], Inventory]) -> None:
    page = visit(rig()).loaded()
    expect(page.get_by_text("Nothing here needs a person.")).to_be_visible()
    expect(page.get_by_role("table", name="Needs a person")).to_be_hidden()
