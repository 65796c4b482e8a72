"""The inventory page as the server writes it: complete without the script, closed to everything foreign, without a value."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

import pytest

from api.answers import Answer
from engine.decide.inventory import NEEDS_A_PERSON, STATES
from tests.api.inventory import DRIFTED, Inventory, many, varied
from tests.api.page import Element, read
from tests.engine.scene import send
from tests.rig import Rig

HOSTILE = "</bdi><script>alert('owned')</script><img src=x onerror=alert(1)> \"'& \u202eexe.txt\u200f"


async def ask(rig: Rig, **query: str) -> Answer:
    return await send(rig.api(), "http_dashboard", query=query)


async def shown(rig: Rig, **query: str) -> Element:
    """Return the page, parsed."""
    answer = await ask(rig, **query)
    assert (answer.status, answer.content_type) == (200, "text/html"), answer.body
    return read(answer.text())


def rows(page: Element, part: str = "") -> dict[str, Element]:
    """Return the rows, or those of one part of the page, by the secret's name."""
    inside = page.one("tbody", id=part) if part else page
    return {row.one("th").texts[0]: row for row in inside.all("tr") if "data-state" in row.attributes}


def next_query(page: Element) -> dict[str, str]:
    (link,) = page.all("a", rel="next")
    return dict(parse_qsl(link.attributes["href"].removeprefix("?")))


async def test_what_needs_a_person_stands_first_with_its_reason_and_the_way_out() -> None:
    page = await shown(varied())
    first, others = rows(page, "first"), rows(page, "others")
    assert set(first) == {"invoices-app", "mail-relay", "partner-api", "reports-storage", "warehouse-sql"}
    assert {row.attributes["data-state"] for row in first.values()} == NEEDS_A_PERSON - {"dropped"}
    assert len(others) == 7
    assert not NEEDS_A_PERSON & {row.attributes["data-state"] for row in others.values()}
    for row in first.values():
        assert row.one("p", **{"class": "why"}).text
        assert row.one("p", **{"class": "fix"}).text.startswith("Way out:")
    assert first["reports-storage"].one("p", **{"class": "why"}).text == DRIFTED


async def test_a_state_is_told_by_its_word_and_by_a_shape_of_its_own() -> None:
    page = await shown(varied())
    shapes = {symbol.attributes["id"] for symbol in page.all("symbol")}
    assert shapes == set(STATES)
    for row in rows(page).values():
        badge = next(each for each in row.all("span") if each.attributes["class"].startswith("state "))
        assert badge.text == row.attributes["data-state"]
        assert badge.one("use").attributes["href"] == f"#{badge.text}"


async def test_a_table_stays_one_where_a_style_makes_grids_of_its_rows() -> None:
    """Some browsers forget what a row or a cell is once it is laid out as something else, but for its explicit role."""
    roles = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
    headers = {"col": "columnheader", "row": "rowheader"}
    for each in (await shown(varied())).all():
        expected = headers[each.attributes["scope"]] if each.tag == "th" else roles.get(each.tag)
        assert expected is None or each.attributes["role"] == expected


async def test_the_states_are_counted_and_each_count_leads_to_those_secrets() -> None:
    page = await shown(varied())
    found = [row.attributes["data-state"] for row in rows(page).values()]
    for state in STATES:
        assert page.one("b", **{"data-count": state}).text == str(found.count(state))
    (link,) = [each for each in page.all("a") if each.attributes["href"] == "?state=parked"]
    assert link.text.split() == ["parked", str(found.count("parked"))]


async def test_the_time_line_tells_in_words_what_it_draws() -> None:
    line = rows(await shown(varied()))["checkout-sql"].one("svg", role="img")
    told = "created 2026-11-01, due 2026-12-31, expires 2027-01-30, overlap to 2026-11-08"
    assert line.attributes["aria-label"] == told
    assert [bar.attributes["class"] for bar in line.all("rect")] == ["gone", "left", "overlap"]
    assert [mark.attributes["href"] for mark in line.all("use")] == ["#grid", "#due-mark", "#expires-mark"]


async def test_marks_stand_in_order_of_their_time_and_what_lies_beyond_the_ends_has_none() -> None:
    rig = Inventory()
    for number, days in enumerate((-91, -89, -1, 0.5, 7, 365, 399, 401)):
        rig.add(f"key-{number}", left=days)
    found = rows(await shown(rig))
    marks = [row.all("use", href="#expires-mark") for _, row in sorted(found.items())]
    assert [len(each) for each in marks] == [0, 1, 1, 1, 1, 1, 1, 0]
    places = [float(mark.attributes["x"].removesuffix("%")) for (mark,) in marks[1:-1]]
    assert all(left < right for left, right in pairwise([0, *places, 100]))


async def test_a_later_day_stands_further_right() -> None:
    page = await shown(Inventory())
    places = [float(line.attributes["x1"].removesuffix("%")) for line in page.one("g", id="grid").all("line")]
    assert all(left < right for left, right in pairwise([0.0, *places, 100.0]))


async def test_a_tag_stays_text_whatever_is_in_it() -> None:
    rig, harmless = Inventory(), Inventory()
    for world, text in ((rig, HOSTILE), (harmless, "text")):
        world.add("marked", Owner=text, marked=("parked", text))
        world.add("malformed", Owner=text, ValidityPeriodDays=text)
        world.add("replica", ProviderAddress=None, ReplicaOf=text)
        world.add("strange-source", ProviderAddress=text, CredentialId=text)
    page, expected = await shown(rig), await shown(harmless)
    assert _skeleton(page) == _skeleton(expected)
    row = rows(page)["marked"]
    assert [bdi.texts for bdi in row.all("bdi")].count([HOSTILE]) == 2
    assert not [each for each in page.all() if each.tag != "bdi" and "\u202e" in "".join(each.texts)]


def _skeleton(page: Element) -> list[tuple[str, list[str]]]:
    return [(each.tag, sorted(each.attributes)) for each in page.all()]


async def test_what_the_query_holds_stays_text() -> None:
    page, expected = [await shown(varied(), name=text, code=text) for text in (HOSTILE, "none-such")]
    assert _skeleton(page) == _skeleton(expected)
    assert page.one("input", name="name").attributes["value"] == HOSTILE[:127]
    assert page.one("input", name="code").attributes["value"] == HOSTILE


async def test_the_page_holds_nothing_that_leads_elsewhere_and_no_handler_or_style_of_an_element() -> None:
    for each in (await shown(varied(), limit="3", code="key")).all():
        assert not [name for name in each.attributes if name.startswith("on") or name in ("style", "src", "action")]
        assert each.attributes.get("href", "#").startswith(("#", "?", "data:image/svg+xml,"))


async def test_the_policy_lets_this_style_and_this_script_run_and_nothing_else() -> None:
    answer = await ask(varied())
    page = read(answer.text())
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": _hash(page.one("style").texts),
        "script-src": _hash(page.one("script").texts),
        "connect-src": "'self'",
        "img-src": "data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    rest = {name: text for name, text in answer.headers.items() if name != "Content-Security-Policy"}
    assert rest == {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _hash(texts: list[str]) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(''.join(texts).encode()).digest()).decode()}'"


async def test_no_value_is_read_and_none_is_shown() -> None:
    rig = varied()
    answer = await ask(rig)
    assert "value of" not in answer.text()
    paths = {exchange.request.path for exchange in rig.world.exchanges if "vault.azure.net" in exchange.request.host}
    assert {path.rstrip("/") for path in paths} == {"/secrets"}


async def test_the_first_rows_of_five_thousand_secrets_cost_five_calls() -> None:
    rig = many(5_000)
    rig.calls()
    page = await shown(rig)
    assert len(rows(page)) == 100
    assert rig.calls() == {"vault": 5, "host blob": 1}


async def test_links_lead_to_every_secret_once_and_back() -> None:
    rig, seen, query = many(120), list[str](), {"limit": "25"}
    while query:
        page = await shown(rig, **query)
        seen += sorted(rows(page))
        assert bool(page.all("a", href="?")) == ("cursor" in query)
        assert page.one(id="said").text == f"{len(rows(page))} shown" + (
            "; there are more." if page.all("a", rel="next") else "."
        )
        query = {**next_query(page), "limit": "25"} if page.all("a", rel="next") else {}
    assert seen == [f"app-{number:05}" for number in range(120)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"state": "parked"}, {"mail-relay", "warehouse-sql"}),
        ({"state": "PARKED"}, {"mail-relay", "warehouse-sql"}),
        ({"state": "attention"}, {"invoices-app", "mail-relay", "partner-api", "reports-storage", "warehouse-sql"}),
        ({"vault": "shared"}, {"legacy-ftp", "retired-job", "yearly-licence"}),
        ({"name": "sql"}, {"checkout-sql", "warehouse-sql"}),
        ({"name": " SQL "}, {"checkout-sql", "warehouse-sql"}),
        ({"name": "w*"}, {"warehouse-sql"}),
        ({"name": "none-such"}, set()),
        ({"name": "sql", "state": "ok", "vault": "prod"}, {"checkout-sql"}),
    ],
)
async def test_a_filter_leaves_what_was_asked_for_and_stays_in_the_form(query: dict[str, str], names: set[str]) -> None:
    page = await shown(varied(), **query)
    assert set(rows(page)) == names
    chosen = {each.attributes["value"] for each in page.all("option", selected="")}
    assert chosen == {query[name].lower() for name in ("state", "vault") if name in query}
    assert page.one("input", name="name").attributes["value"] == query.get("name", "")


async def test_links_and_form_keep_the_filter_and_the_key_and_nothing_else() -> None:
    query = {"name": "app", "vault": "prod", "code": "a+key==", "limit": "10"}
    page = await shown(many(100), **query)
    followed = next_query(page)
    assert followed.pop("cursor")
    assert followed == {"name": "app", "vault": "prod", "code": "a+key=="}
    assert page.one("input", name="code").attributes == {"type": "hidden", "name": "code", "value": "a+key=="}
    assert page.one("form").attributes == {"method": "get"}


async def test_a_caller_without_a_key_in_the_address_gets_no_field_for_one() -> None:
    assert not (await shown(varied())).all("input", name="code")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"state": "fine"}, 400),
        ({"cursor": "elsewhere"}, 400),
        ({"limit": "1001"}, 400),
        ({"limit": "-1"}, 400),
        ({"vault": "unknown"}, 404),
        ({"vault": "https://evil.example"}, 404),
    ],
)
async def test_a_wrong_query_is_a_problem_and_asks_no_vault(query: dict[str, str], status: int) -> None:
    rig = varied()
    rig.calls()
    answer = await ask(rig, **query)
    assert (answer.status, answer.content_type) == (status, "application/problem+json")
    assert rig.calls()["vault"] == 0


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(hours=1), "in 1 h"),
        (timedelta(hours=35), "in 35 h"),
        (timedelta(days=2), "in 2 days"),
        (-timedelta(hours=3), "3 h ago"),
        (-timedelta(days=30), "30 days ago"),
    ],
)
async def test_a_date_says_how_far_it_is(ahead: timedelta, words: str) -> None:
    rig = Inventory()
    rig.add("dated", left=ahead / timedelta(days=1))
    date = rows(await shown(rig))["dated"].all("p", **{"class": "date"})[-1]
    expires = rig.clock.now() + ahead
    assert date.one("time").attributes["datetime"] == f"{expires:%Y-%m-%dT%H:%MZ}"
    assert date.one("small").text == words


def test_every_link_is_relative_to_the_page_itself() -> None:
    """So neither scheme nor host nor path of a link can be anything but the page's own."""
    from api.dashboard import _address

    parts = urlsplit(_address({"name": "//evil.example", "code": "//evil.example"}, "//evil.example"))
    assert (parts.scheme, parts.netloc, parts.path) == ("", "", "")
