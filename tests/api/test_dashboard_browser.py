"""The inventory by eye, keyboard and screen reader, on a phone, with and without its script."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from cli.query import FORMULA
from engine.state.entry import NEEDS_A_PERSON, STATES
from simulator_tests.host.waiting import wait_for
from tests.api.inventory import Inventory, many, varied
from tests.api.visits import Start, axe
from tests.shared.scene import refuse, scene

HOSTILE = "</bdi><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>\u202e"
PHONE = {"width": 320, "height": 640}


def rows(page: Page | Locator) -> Locator:
    return page.locator("tr[data-state]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing_that_would_keep_anybody_out(
    visit: Start, scheme: str, width: int
) -> None:
    """The screen holds the whole page: axe cannot judge what is out of sight and so not drawn."""
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 4_000}).loaded()
    assert axe(page) == ([], [])


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_is_wider_than_the_screen(visit: Start, width: int) -> None:
    rig = varied()
    rig.add("w" * 127, Owner="W" * 256, marked=("parked", "W" * 256))
    page = visit(rig, viewport={"width": width, "height": 640}).loaded()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for summary in rows(page).locator("summary").all():
        summary.click()
    wide = "all => all.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText)"
    assert rows(page).locator("th, td").evaluate_all(wide) == []


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, PHONE], ids=["desk", "phone"])
def test_screen_readers_find_landmarks_headings_tables(visit: Start, size: dict[str, int]) -> None:
    page = visit(viewport=size).loaded()
    for landmark in ("banner", "main", "search"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    headings = ["Rekey inventory", "Needs a person", "All others"]
    assert page.get_by_role("heading").all_inner_texts() == headings
    table = page.get_by_role("table", name="Needs a person")
    expect(table.get_by_role("columnheader")).to_have_count(10 if size is not PHONE else 9)
    expect(table.get_by_role("rowheader")).to_have_count(5)
    row = table.get_by_role("row").filter(has_text="reports-storage")
    row.locator("summary").click()
    expect(row.get_by_role("img", name="expires 2026-11-07")).to_have_count(1)
    expect(page.get_by_role("status")).to_have_text("All loaded: 12.")


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(visit: Start) -> None:
    page = visit().loaded()
    reached = []
    fields = ["search", "state", "vault", "rotator", "owners", "expires_within", "group", "Show"]
    for _ in range(4 + len(STATES) + len(fields)):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        reached.append(focused.evaluate("e => e.id || e.name || e.innerText.split(/\\s/)[0]"))
        assert focused.evaluate("e => getComputedStyle(e).outline").endswith("solid 3px")
        expect(focused).to_be_in_viewport()
    assert reached == ["Skip", "live", "all", "needs", *STATES, *fields]


def test_the_skip_link_leads_to_the_secrets(visit: Start) -> None:
    page = visit().loaded()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#secrets")).to_be_focused()


def test_the_first_rows_are_there_before_the_script_and_all_5000_at_the_end(visit: Start) -> None:
    opened = visit(many(5_000))
    held: list[Route] = []
    opened.page.route("**/api/inventory?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
    page = opened.open()
    expect(page.locator("#said")).to_have_text("100 loaded, more are coming…")
    expect(rows(page)).to_have_count(100)
    expect(rows(page).first).to_be_in_viewport()
    opened.page.unroute("**/api/inventory?*")  # and so lets go on what was held
    expect(page.locator("#said")).to_have_text("All loaded: 5000.", timeout=60_000)
    names = rows(page).locator("th a").all_text_contents()
    assert sorted(names) == [f"app-{number:05}" for number in range(5_000)]
    states = rows(page.locator("[data-group=first]")).evaluate_all(
        "all => all.map(each => each.dataset.state)"
    )
    assert len(states) == 100
    assert set(states) <= NEEDS_A_PERSON
    counts = {state: int(page.locator(f"[data-count={state}]").inner_text()) for state in STATES}
    assert sum(counts.values()) == int(page.locator("[data-count=all]").inner_text()) == 5_000
    assert page.locator("[data-count=attention]").inner_text() == "100"
    expect(page.locator("#pages a")).to_have_count(0)


def test_where_loading_stops_the_page_says_so_and_the_link_goes_on(visit: Start) -> None:
    opened = visit(many(150))
    opened.page.route("**/api/inventory?*limit=500*", lambda route: route.fulfill(status=503))
    page = opened.open()
    expect(page.locator("#said")).to_contain_text("Loading stopped after 100: the answer was 503.")
    page.unroute("**/api/inventory?*limit=500*")
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("#said")).to_have_text("All loaded: 50.")
    assert [text for text in opened.complaints if "503" not in text] == []
    opened.complaints.clear()


def test_the_key_in_the_address_goes_along_and_only_to_the_pages_own_host(visit: Start) -> None:
    opened = visit(many(150))
    page = opened.loaded("?code=a%2Bkey%3D%3D")
    page.get_by_role("combobox", name="Vault").select_option("prod")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#said")).to_have_text("All loaded: 90.")
    page.get_by_role("link", name="overdue").click()
    expect(page.locator("#said")).to_have_text("All loaded: 1.")
    sent = [urlsplit(request.url) for request in opened.requests if request.url.startswith("http")]
    assert len(sent) == 4
    assert {(parts.netloc, parts.path) for parts in sent} == {
        (urlsplit(opened.address).netloc, "/api/inventory")
    }
    assert all(parse_qs(parts.query)["code"] == ["a+key=="] for parts in sent)
    assert not [request for request in opened.requests if "referer" in request.all_headers()]


def test_hostile_tags_are_read_and_never_run(visit: Start) -> None:
    rig = many(120)
    rig.add("aaa", Owner=HOSTILE, marked=("parked", HOSTILE))
    rig.add("zzz", vault=rig.shared, Owner=HOSTILE, marked=("parked", HOSTILE))
    page = visit(rig).loaded()
    shown = page.locator("tbody").get_by_text(HOSTILE.rstrip("\u202e"))
    expect(shown).to_have_count(4)
    assert page.evaluate("window.owned") is None
    expect(page.locator("img")).to_have_count(0)


def test_whoever_wants_less_motion_or_paper_gets_it(visit: Start) -> None:
    page = visit(reduced_motion="reduce").loaded()
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.emulate_media(media="print")
    expect(page.locator("input[name=search]")).to_be_hidden()
    expect(rows(page).last).to_be_visible()


def test_an_empty_part_says_so(visit: Start) -> None:
    page = visit(many(3)).loaded()
    expect(page.locator(".none:visible")).to_have_text("Nothing here needs a person.")
    expect(page.get_by_role("table", name="Needs a person")).to_be_hidden()


def test_groups_of_later_pages_join_those_that_are_there(visit: Start) -> None:
    rig = many(150)
    rig.add("aa-first", Owner="alpha")
    rig.add("zz-last", vault=rig.shared, Owner="zeta", left=-1)
    rig.add("zz-more", vault=rig.shared, Owner="alpha", left=-1)
    page = visit(rig).loaded("?group=owner")
    titles = page.locator("section[data-group] h2").all_inner_texts()
    assert titles == [
        "alpha 1 of 2 in need of a person",
        "platform 3 of 150 in need of a person",
        "zeta 1 of 1 in need of a person",
    ]
    expect(page.get_by_role("table", name="alpha").locator("tbody th a")).to_have_text(
        ["zz-more", "aa-first"]
    )


def test_a_state_alone_is_counted_among_all(visit: Start) -> None:
    page = visit(many(150)).loaded("?state=overdue")
    expect(rows(page)).to_have_count(3)
    expect(page.locator("[data-count=all]")).to_have_text("150")
    expect(page.locator("[data-count=ok]")).not_to_have_text("0")


def test_the_page_refreshes_itself_without_taking_the_focus_away(visit: Start) -> None:
    rig = varied()
    page = visit(rig).stopped()
    focused = page.get_by_role("link", name="orders-storage")
    focused.focus()
    page.evaluate("window.held = document.activeElement")
    rig.add("aaa-late", left=-1)
    rig.vault.secrets["orders-storage"].clear()
    rig.add("orders-storage", age=100, left=-2)
    page.clock.run_for(70_000)
    expect(rows(page)).to_have_count(13)
    expect(page.get_by_role("status").first).to_have_text("In need of a person: 7, before: 5.")
    assert page.evaluate("window.held === document.activeElement && window.held.isConnected")
    expect(rows(page).filter(has_text="orders-storage").locator(".state")).to_have_text("overdue")
    names = page.locator("[data-group=first] tbody th a").all_inner_texts()
    assert names[:2] == ["partner-api", "aaa-late"]
    expect(page.locator("[data-count=overdue]")).to_have_text("4")
    focused.blur()
    page.clock.run_for(70_000)
    expect(page.locator("[data-group=first] tbody tr")).to_have_count(7)


def test_who_switches_the_refresh_off_is_left_alone(visit: Start) -> None:
    opened = visit()
    page = opened.stopped()
    page.get_by_label("refresh by itself").uncheck()
    before = len(opened.requests)
    page.clock.run_for(300_000)
    assert len(opened.requests) == before


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (503, "It could not be refreshed: the answer was 503. You see how it was before."),
        (401, "the key in this page's address is not accepted"),
    ],
)
def test_a_refresh_that_fails_says_why_and_leaves_what_is_there(
    visit: Start, status: int, words: str
) -> None:
    """The platform answers a wrong key itself: 401 and an empty body."""
    opened = visit()
    page = opened.stopped()
    page.route("**/api/inventory*", lambda route: route.fulfill(status=status))
    page.clock.run_for(70_000)
    expect(page.locator("#said")).to_contain_text(words)
    expect(rows(page)).to_have_count(12)
    opened.complaints.clear()


def reading(visit: Start, rig: Inventory, anchoring: str) -> Page:
    """Open a page on a phone with a stopped clock, and read on to rows as high as their words."""
    page = visit(rig, viewport=PHONE).stopped()
    read_on(page, anchoring)
    return page


@pytest.mark.parametrize("anchoring", ["auto", "none"])
@pytest.mark.parametrize("high", [False, True])
def test_what_is_being_read_stays_where_it_is_when_something_comes_above_it(
    visit: Start, anchoring: str, high: bool
) -> None:
    """Some browsers keep the place by themselves, others do not.

    How high a row is, is known only once it has been drawn: it may be higher than thought.
    """
    rig = many(300)
    page = reading(visit, rig, anchoring)
    for number in range(5):
        if high:
            rig.add(f"app-00149-{number}", age=5, left=85, Owner="w" * 250)
        else:
            rig.add(f"aaa-{number}", left=-1)
    page.clock.run_for(70_000)
    expect(rows(page)).to_have_count(305)
    assert abs(drawn_at(page)) < 3
    page.mouse.wheel(0, 400)
    wait_for(lambda: drawn_at(page) < -300, lambda: "the reader to get away from there")


def test_who_stands_at_the_top_sees_what_comes_there(visit: Start) -> None:
    rig = many(300)
    page = visit(rig).stopped()
    rig.add("aaa-late", left=-9)
    page.clock.run_for(70_000)
    expect(rows(page)).to_have_count(301)
    drawn_at(page)
    assert page.evaluate("scrollY") == 0


PLACE = "[...document.querySelectorAll('th a')].find((a) => a.textContent === 'app-00150')"
DRAWN = """async () => {
  for (let times = 0; times < 3; times += 1) {
    await new Promise((done) => {
      new IntersectionObserver((_, watch) => { watch.disconnect(); done(); }).observe(document.body);
    });
  }
}"""


def drawn_at(page: Page) -> float:
    """Return where the row is once everything has been drawn: an observer hears of each frame."""
    page.evaluate(DRAWN)
    return float(page.evaluate(f"() => {PLACE}.getBoundingClientRect().top"))


def read_on(page: Page, anchoring: str) -> None:
    """Scroll to a row in the middle, until nothing that is drawn there moves it any more."""
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    page.evaluate("(how) => { document.documentElement.style.overflowAnchor = how; }", anchoring)

    def is_there() -> bool:
        page.evaluate(f"{PLACE}.scrollIntoView()")
        return abs(drawn_at(page)) < 1

    wait_for(is_there, lambda: "the page to scroll")


def test_a_column_sorts_at_once_and_the_address_remembers_it(visit: Start) -> None:
    opened = visit(many(150))
    page = opened.loaded()
    before = len(opened.requests)
    names = page.locator("[data-group=others] tbody th a")
    for order in ("ascending", "descending"):
        page.get_by_role("table", name="All others").get_by_role("link", name="Secret").click()
        head = page.locator("[data-group=others] th[data-column=secret]").first
        expect(head).to_have_attribute("aria-sort", order)
        shown = names.all_text_contents()
        assert shown == sorted(shown, reverse=order == "descending")
    assert len(opened.requests) == before
    assert page.url.endswith("?sort=-secret")
    opened.loaded("?sort=-secret")
    assert names.all_text_contents() == shown


def test_several_are_tried_again_with_one_reason_and_a_refusal_is_named(visit: Start) -> None:
    rig = scene(days_left=1)
    rig.secret("too-late", rig.account("gone"), days_left=1)
    opened = visit(rig)
    page = opened.loaded()
    expect(page.locator("#several")).to_be_hidden()
    for name in ("app-key", "too-late"):
        page.get_by_role("checkbox", name=f"Select {name}").check()
    page.route("**/too-late/rotate", lambda route: route.fulfill(status=409, json={"detail": "no"}))
    page.get_by_label("Why, for the audit record").fill("before the holidays")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#sent")).to_have_text("Sent: 1. Refused: too-late: no")
    (item,) = rig.messages("rotations")
    assert (item["secret"], item["reason"]) == ("app-key", "before the holidays")
    assert (item["force"], item["compromised"]) == (False, False)
    expect(page.locator("[data-selected]")).to_have_text("1")
    opened.complaints.clear()


def test_what_is_shown_is_exported_and_no_cell_is_a_formula(visit: Start) -> None:
    rig = varied()
    rig.add("odd", Owner='=HYPERLINK("x")')
    for number, first in enumerate(FORMULA):
        rig.add(f"formula-{number}", Owner=f"{first}1")
    page = visit(rig).loaded("?state=ok")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    assert download.value.suggested_filename == "rekey-secrets-2026-11-02.csv"
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "secret,vault,state,owner,kind,due,expires,reason,fix"
    assert len(lines) == 1 + rows(page).count()
    owners = [line.split(",")[3] for line in lines if line.startswith('"formula-')]
    assert sorted(owners) == sorted(f'"\'{first}1"' for first in FORMULA)
    (odd,) = [line for line in lines if line.startswith('"odd"')]
    assert odd.split(",")[:4] == ['"odd"', '"prod"', '"ok"', '"\'=HYPERLINK(""x"")"']


def test_a_vault_that_cannot_be_listed_is_named_by_the_page_and_its_export_until_it_can(
    visit: Start,
) -> None:
    """It fails on a later page here: the script brings its word along with the rows."""
    rig = many(300)
    refuse(
        rig, 503, "No", lambda sent: "shared" in sent.host and sent.path == "/secrets", times=999
    )
    page = visit(rig).stopped()
    expect(page.locator("#obstacle")).to_contain_text("the secrets of shared are missing here")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert 100 < rows(page).count() == len(lines) - 2
    assert lines[-1].startswith('"","","","","","","","the secrets of shared are missing here')
    rig.world.faults.clear()
    page.clock.run_for(70_000)
    expect(page.locator("#obstacle")).to_be_hidden()


def test_details_that_a_reader_has_opened_stay_open_when_the_page_refreshes(visit: Start) -> None:
    rig = varied()
    page = visit(rig).stopped()
    row = rows(page).filter(has_text="warehouse-sql")
    row.locator("summary").click()
    rig.add("aaa-late", left=-1)
    page.clock.run_for(70_000)
    expect(rows(page)).to_have_count(13)
    expect(row.locator(".fix")).to_be_visible()


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, {"width": 400, "height": 800}])
def test_first_of_300_is_what_needs_a_person(visit: Start, size: dict[str, int]) -> None:
    page = visit(many(339), viewport=size).loaded()
    in_need = rows(page.locator("[data-group=first]"))
    for number in range(4):
        expect(in_need.nth(number)).to_be_in_viewport(ratio=0.9)
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height < (13_000 if size["width"] == 1280 else 24_000)
