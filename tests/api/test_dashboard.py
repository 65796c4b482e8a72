"""The inventory as the server writes it: complete without script, closed, without a value."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from api.answers import Answer
from api.page.states import MEANINGS
from cli.query import BEGINS
from engine.state.entry import NEEDS_A_PERSON, STATES
from engine.state.sweep_order import SweepOrder
from tests.api.inventory import DRIFTED, IN_NEED, Inventory, many, varied
from tests.api.page import HOSTILE, Element, read, shown
from tests.api.test_access import SIGNED_IN, principal
from tests.shared.rig import Rig
from tests.shared.scene import send

ROOT = Path(__file__).parents[2]


OWNERS = ["analytics", "data platform", "finance@contoso.example", "integration", "platform"]


async def ask(rig: Rig, **query: str) -> Answer:
    return await send(rig.api(), "http_dashboard", query=query)


def rows(page: Element, part: str = "") -> dict[str, Element]:
    """Return the rows, or those of one part of the page, by the secret's name."""
    inside = page.one("section", **{"data-group": part}) if part else page
    return {
        row.one("th").one("a").texts[0]: row
        for row in inside.all("tr")
        if "data-state" in row.attributes
    }


def count(page: Element, state: str) -> int:
    return int(page.one("b", **{"data-count": state}).text)


def next_query(page: Element) -> dict[str, str]:
    (link,) = page.all("a", rel="next")
    return dict(parse_qsl(link.attributes["href"].removeprefix("?")))


async def test_what_needs_a_person_stands_first_by_urgency_with_its_reason_and_the_fix() -> None:
    """What had expired stood third, since rows were sorted by name."""
    page = await shown(varied())
    first, others = rows(page, "first"), rows(page, "others")
    assert list(first) == IN_NEED
    assert {row.attributes["data-state"] for row in first.values()} == NEEDS_A_PERSON - {"dropped"}
    assert len(others) == 7
    assert list(others)[:2] == ["search-index", "orders-storage"]
    assert list(others)[-2:] == ["legacy-ftp", "retired-job"]
    assert not NEEDS_A_PERSON & {row.attributes["data-state"] for row in others.values()}
    for row in first.values():
        assert row.one("p", **{"class": "why"}).text
        assert row.one("p", **{"class": "fix"}).text.startswith("Fix:")
    assert first["reports-storage"].one("p", **{"class": "why"}).text == DRIFTED
    assert first["partner-api"].one("strong").text == "expired"


async def test_a_state_is_told_by_its_word_and_by_a_shape_of_its_own() -> None:
    page = await shown(varied())
    shapes = {symbol.attributes["id"] for symbol in page.all("symbol")}
    assert shapes == set(STATES)
    for row in rows(page).values():
        named = [(span.attributes.get("class", ""), span) for span in row.all("span")]
        badge = next(span for classes, span in named if classes.startswith("state "))
        assert badge.text == row.attributes["data-state"]
        assert badge.one("use").attributes["href"] == f"#{badge.text}"


async def test_a_table_stays_one_where_a_style_makes_grids_of_its_rows() -> None:
    """Some browsers know a row that is laid out as something else by its role alone."""
    roles = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
    headers = {"col": "columnheader", "row": "rowheader"}
    for element in (await shown(varied())).all():
        expected = (
            headers[element.attributes["scope"]] if element.tag == "th" else roles.get(element.tag)
        )
        assert expected is None or element.attributes["role"] == expected


async def test_the_states_are_counted_and_each_count_leads_to_those_secrets() -> None:
    page = await shown(varied())
    states = [row.attributes["data-state"] for row in rows(page).values()]
    for state in STATES:
        assert count(page, state) == states.count(state)
    (link,) = [link for link in page.all("a") if link.attributes["href"] == "?state=parked"]
    assert link.text.split() == ["parked", str(states.count("parked"))]
    assert (count(page, "all"), count(page, "attention")) == (12, 5)


@pytest.mark.parametrize("limit", ["1", "2", "100"])
async def test_counts_are_those_of_all_states_however_the_rows_are_cut(limit: str) -> None:
    """They said 0 for every state but the chosen one, and looked like all there is."""
    rig, query, counts = varied(), {"state": "parked"}, Counter[str]()
    while query:
        page = await shown(rig, **query, limit=limit)
        counts += Counter({state: count(page, state) for state in (*STATES, "all", "attention")})
        query = next_query(page) if page.all("a", rel="next") else {}
    everything = await shown(varied())
    assert counts == {
        state: n for state in (*STATES, "all", "attention") if (n := count(everything, state))
    }


async def test_counts_leave_out_what_the_other_filters_leave_out() -> None:
    page = await shown(varied(), vault="shared", state="ok")
    assert (count(page, "all"), count(page, "ok"), count(page, "disabled")) == (3, 1, 1)
    assert page.one(id="said").text == "1 of 3 shown."


async def test_the_time_line_tells_in_words_what_it_draws() -> None:
    line = rows(await shown(varied()))["checkout-sql"].one("svg", role="img")
    description = "created 2026-11-01, due 2026-12-31, expires 2027-01-30, overlap to 2026-11-08"
    assert line.attributes["aria-label"] == description
    assert [bar.attributes["class"] for bar in line.all("rect")] == ["gone", "left", "overlap"]
    marks = [mark.attributes["href"] for mark in line.all("use")]
    assert marks == ["#grid", "#due-mark", "#expires-mark"]


async def test_marks_stand_in_order_of_their_time_and_what_lies_beyond_the_ends_has_none() -> None:
    rig = Inventory()
    for number, days in enumerate((-91, -89, -1, 0.5, 7, 365, 399, 401)):
        rig.add(f"key-{number}", left=days)
    page = await shown(rig)
    lines = page.one("g", id="grid").all("line")
    grid = [float(line.attributes["x1"].removesuffix("%")) for line in lines]
    assert all(left < right for left, right in pairwise([0, *grid, 100]))
    by_name = rows(page)
    marks = [row.all("use", href="#expires-mark") for _, row in sorted(by_name.items())]
    assert [len(group) for group in marks] == [0, 1, 1, 1, 1, 1, 1, 0]
    places = [float(mark.attributes["x"].removesuffix("%")) for (mark,) in marks[1:-1]]
    assert all(left < right for left, right in pairwise([0, *places, 100]))


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
    isolated = ("bdi", "option")
    assert not [
        element
        for element in page.all()
        if element.tag not in isolated and "\u202e" in "".join(element.texts)
    ]


def _skeleton(page: Element) -> list[tuple[str, list[str]]]:
    return [(element.tag, sorted(element.attributes)) for element in page.all()]


async def test_what_the_query_holds_stays_text() -> None:
    page, expected = [
        await shown(varied(), search=text, owner=text, code=text) for text in (HOSTILE, "none-such")
    ]
    # The chosen owner stands among the others by its name.
    assert sorted(_skeleton(page)) == sorted(_skeleton(expected))
    assert page.one("input", name="search").attributes["value"] == HOSTILE[:127]
    (owner,) = page.one("select", name="owner").all("option", selected="")
    assert owner.attributes["value"] == HOSTILE[:127].strip()
    assert page.one("input", name="code").attributes["value"] == HOSTILE


async def test_the_page_leads_nowhere_else_and_has_no_handler_or_style_of_an_element() -> None:
    for element in (await shown(varied(), limit="3", code="key")).all():
        assert not [
            name
            for name in element.attributes
            if name.startswith("on") or name in ("style", "src", "action")
        ]
        assert element.attributes.get("href", "#").startswith(("#", "?", "data:image/svg+xml,"))


async def test_the_policy_lets_this_style_and_this_script_run_and_nothing_else() -> None:
    answer = await ask(varied())
    page = read(answer.text())
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
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
    assert {**answer.headers, "Content-Security-Policy": ""} == {
        "Content-Security-Policy": "",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _hash(texts: list[str]) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(''.join(texts).encode()).digest()).decode()}'"


async def test_the_first_rows_of_five_thousand_secrets_cost_five_calls() -> None:
    rig = many(5_000)
    await shown(rig)
    rig.calls()
    page = await shown(rig)
    assert len(rows(page)) == 100
    assert rig.calls() == {"vault": 5, "host blob": 4}, (
        "the records of the sources, the incidents, and one of each vault's sweeps"
    )


async def test_links_lead_to_every_secret_once_and_back() -> None:
    rig, seen, query = many(120), list[str](), {"limit": "25"}
    while query:
        page = await shown(rig, **query)
        seen += sorted(rows(page))
        assert bool(page.one("nav", id="pages").all("a", href="?")) == ("cursor" in query)
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
        ({"state": "attention"}, {*IN_NEED}),
        ({"vault": "shared"}, {"legacy-ftp", "retired-job", "yearly-licence"}),
        ({"search": "sql"}, {"checkout-sql", "warehouse-sql"}),
        ({"search": " SQL "}, {"checkout-sql", "warehouse-sql"}),
        ({"search": "w*"}, {"warehouse-sql"}),
        ({"search": "contoso"}, {"invoices-app"}),
        ({"search": "regenerateKey"}, {"warehouse-sql"}),
        ({"search": "none-such"}, set()),
        ({"search": "sql", "state": "ok", "vault": "prod"}, {"checkout-sql"}),
        ({"owner": "Data Platform"}, {"warehouse-sql"}),
        ({"owner": "data"}, set()),
        ({"rotator": "storage-key", "state": "drifted"}, {"reports-storage"}),
        ({"rotator": "sql-login-password"}, set()),
        ({"expires_within": "0"}, {"partner-api"}),
        ({"expires_within": "5"}, {"partner-api", "reports-storage"}),
        ({"expires_within": "7", "state": "overdue"}, {"partner-api", "invoices-app"}),
    ],
)
async def test_a_filter_leaves_what_was_asked_for_and_stays_in_the_form(
    query: dict[str, str], names: set[str]
) -> None:
    page = await shown(varied(), **query)
    assert set(rows(page)) == names
    chosen = {option.attributes["value"].lower() for option in page.all("option", selected="")}
    assert chosen == {
        query[name].lower() for name in ("state", "vault", "rotator", "owner") if name in query
    }
    for name in ("search", "expires_within"):
        assert page.one("input", name=name).attributes["value"] == query.get(name, "").strip()


async def test_links_and_form_keep_the_filter_and_the_key_and_nothing_else() -> None:
    query = {"search": "app", "vault": "prod", "code": "a+key==", "limit": "10"}
    page = await shown(many(100), **query)
    followed = next_query(page)
    assert followed.pop("cursor")
    assert followed == {"search": "app", "vault": "prod", "code": "a+key=="}
    code = {"type": "hidden", "name": "code", "value": "a+key=="}
    assert page.one("input", name="code").attributes == code
    assert page.one("search").one("form").attributes == {"method": "get"}
    assert not (await shown(varied())).all("input", name="code")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"state": "fine"}, 400),
        ({"group": "colour"}, 400),
        ({"sort": "colour"}, 400),
        ({"expires_within": "3651"}, 400),
        ({"cursor": "elsewhere"}, 404),
        ({"vault": "https://evil.example"}, 404),
    ],
)
async def test_a_wrong_query_fails_and_asks_no_vault(query: dict[str, str], status: int) -> None:
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
    from api.page.inventory import _address
    from api.page.rows import to_secret

    evil = "//evil.example"
    for link in (
        _address({"search": evil, "code": evil}, evil),
        to_secret(evil, evil, {"code": evil}),
    ):
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc, parts.path) == ("", "", "")


async def test_a_leaked_credential_that_may_still_be_accepted_stands_before_all() -> None:
    rig = varied()
    rig.add("zz-leaked", marked=("compromised", "the account is locked"))
    page = await shown(rig)
    first = next(iter(rows(page, "first").values()))
    assert first.one("th").one("a").text == "zz-leaked"
    assert first.one("strong").text == "incident"


async def test_an_owner_who_edits_its_tags_hides_no_leak() -> None:
    rig = varied()
    rig.add("zz-leaked")
    source = rig.tags("zz-leaked")["ProviderAddress"].lower()
    await rig.note(source, "zz-leaked", compromised=("1" * 32,))
    first = next(iter(rows(await shown(rig), "first").values()))
    assert first.one("th").one("a").text == "zz-leaked"
    assert first.one("strong").text == "incident"


@pytest.mark.parametrize(
    ("by", "titles"),
    [
        ("owner", [*OWNERS, "Without an owner"]),
        ("rotator", ["storage-key", "Not managed"]),
        ("vault", ["prod", "shared"]),
        (" ", ["Needs a person", "All others"]),
    ],
)
async def test_rows_are_grouped_as_chosen_the_most_urgent_first(by: str, titles: list[str]) -> None:
    page = await shown(varied(), group=by)
    assert [heading.one("bdi").text for heading in page.all("h2") if heading.all("bdi")] == titles
    assert len(rows(page)) == 12
    for section in page.all("section"):
        keys = [
            row.attributes["data-urgency"]
            for row in section.all("tr")
            if "data-urgency" in row.attributes
        ]
        assert keys == sorted(keys)


async def test_the_next_seven_days_say_what_happens_on_each_and_what_nobody_prevents() -> None:
    page = await shown(varied())
    days = {
        day.attributes["data-day"]: day
        for day in page.all("details")
        if "data-day" in day.attributes
    }
    assert list(days) == [f"2026-11-{day:02}" for day in range(2, 10)]
    steps = {
        day: [(step.one("a").text, step.attributes["data-what"]) for step in part.all("li")]
        for day, part in days.items()
    }
    assert ("reports-storage", "expire") in steps["2026-11-07"]
    assert ("checkout-sql", "retire") in steps["2026-11-08"]
    assert ("search-index", "rotate") in steps["2026-11-02"]
    assert days["2026-11-04"].one("summary").text == "Wed 4 Nov –"


async def test_the_page_says_when_each_vault_was_swept_last_and_which_sweep_is_late() -> None:
    rig, hour = varied(), timedelta(hours=1)
    first = (await shown(rig)).one(id="sweeps")
    assert "shared: no sweep seen yet, next due" in first.text
    for vault in (rig.vault, rig.shared):
        order = SweepOrder(vault.url, rig.clock.now() - hour, rig.clock.now(), hour)
        await rig.service().sweep_vault(order.to_json())
        rig.clock.advance(600)
    sweeps = (await shown(rig)).one(id="sweeps")
    assert sweeps.one("summary").text.startswith("Last sweep:")
    assert sweeps.one("summary").one("span").text == "20 min ago"
    assert not sweeps.all("strong")
    rig.clock.advance(2 * 3600)
    late = (await shown(rig)).one(id="sweeps")
    assert len(late.all("strong")) == 3


async def test_every_state_is_explained_and_leads_to_the_runbook_where_its_address_is_set() -> None:
    rig = varied()
    page = await shown(rig)
    meanings = page.one(id="meanings")
    assert [term.text for term in meanings.all("dt")] == list(MEANINGS)
    assert set(MEANINGS) == {*STATES, "incident"}
    assert not meanings.all("a")
    assert "https://wiki.example/runbook.html#drift" in await links(
        rig, "https://wiki.example/runbook.html"
    )


async def links(rig: Inventory, runbook: str) -> list[str | None]:
    """Return where the meanings lead to if this is the runbook's address."""
    answer = await send(rig.api(env={"REKEY_RUNBOOK": runbook}), "http_dashboard")
    return [link.attributes["href"] for link in read(answer.text()).one(id="meanings").all("a")]


async def test_an_address_with_a_part_of_a_page_is_the_runbooks_as_it_is() -> None:
    address = "https://wiki.example/#/our 'runbook'"
    assert set(await links(varied(), address)) == {address}


@pytest.mark.parametrize("address", ["docs/runbook.md", "javascript:alert(1)", "//[", "http"])
async def test_nothing_leads_to_a_runbook_that_is_not_on_the_web(address: str) -> None:
    assert await links(varied(), address) == []


def test_every_section_that_the_page_names_is_in_the_runbook() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    headings = set(re.findall(r"^## (.+)$", text, re.MULTILINE))
    named = {meaning.section for meaning in MEANINGS.values() if meaning.section}
    assert named | {"No sweep"} <= headings


def test_the_app_starts_without_what_draws_pages() -> None:
    """Jinja2 costs a start tens of milliseconds, and most instances never draw a page."""
    code = "import sys, api.app, api.routes, composition; sys.exit('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)  # noqa: S603
    assert done.returncode == 0


async def test_there_is_one_fix_the_marks_own_where_it_has_one() -> None:
    """The page said "Fix" twice, and earlier "Fix" and "Way out" beside each other."""
    rig = Inventory()
    rig.add("odd", marked=("parked", "the app may not read it. Fix: grant Reader"))
    row = rows(await shown(rig))["odd"]
    assert row.one("p", **{"class": "why"}).text == "the app may not read it"
    fix = "Fix: grant Reader, then rekey unpark prod/odd --wait"
    assert row.one("p", **{"class": "fix"}).text == fix


async def test_a_secret_takes_one_line_and_its_details_are_folded_away() -> None:
    row = rows(await shown(varied()))["warehouse-sql"]
    details = row.one("details")
    assert "open" not in details.attributes
    assert details.one("summary").text == "Details of warehouse-sql"
    assert details.one("p", **{"class": "fix"}).text.startswith("Fix:")
    assert {
        cell.attributes["data-column"]: cell.text
        for cell in row.children
        if "data-column" in cell.attributes
    } == {
        "secret": "warehouse-sql",
        "owner": "data platform",
        "vault": "prod",
        "kind": "storage-key",
        "due": "2026-10-23 10 d ago",
        "expires": "2026-11-22 20 d",
    }


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("secret", sorted(IN_NEED)),
        ("-secret", sorted(IN_NEED, reverse=True)),
        (
            "-expires",
            ["mail-relay", "warehouse-sql", "invoices-app", "reports-storage", "partner-api"],
        ),
        (
            "owner",
            ["reports-storage", "warehouse-sql", "invoices-app", "partner-api", "mail-relay"],
        ),
        ("due", ["partner-api", "reports-storage", "invoices-app", "warehouse-sql", "mail-relay"]),
        ("-due", ["warehouse-sql", "invoices-app", "reports-storage", "partner-api", "mail-relay"]),
    ],
)
async def test_rows_are_sorted_by_the_column_and_what_has_no_text_there_stands_last(
    sort: str, names: list[str]
) -> None:
    page = await shown(varied(), sort=sort)
    assert list(rows(page, "first")) == names
    heads = [head for head in page.all("th") if "aria-sort" in head.attributes]
    order = "descending" if sort[0] == "-" else "ascending"
    sorted_by = (sort.removeprefix("-").capitalize(), order)
    assert {(head.text, head.attributes["aria-sort"]) for head in heads} == {sorted_by}


async def test_the_head_of_a_column_sorts_by_it_and_the_second_time_the_other_way_round() -> None:
    page = await shown(varied(), state="attention", code="a+key")
    (head,) = page.one("section", **{"data-group": "first"}).all("th", **{"data-column": "expires"})
    assert head.one("a").attributes["href"] == "?state=attention&code=a%2Bkey&sort=expires"
    page = await shown(varied(), sort="expires")
    (head,) = page.one("section", **{"data-group": "first"}).all("th", **{"data-column": "expires"})
    assert head.one("a").attributes["href"] == "?sort=-expires"
    assert page.one("input", name="sort").attributes["value"] == "expires"


async def test_every_owner_can_be_chosen_whoever_is_and_wherever_the_rows_are_cut() -> None:
    page = await shown(varied(), owner="analytics", state="parked")
    owners = [option.text for option in page.one("select", name="owner").all("option")]
    assert owners == ["all", *OWNERS]


@pytest.mark.parametrize(
    ("rig", "query", "words"),
    [
        (Inventory, {}, "The vaults hold no secret yet."),
        (varied, {"search": "none-such"}, "No secret fits these filters."),
        (varied, {"expires_within": "0", "vault": "shared"}, "No secret fits these filters."),
    ],
)
async def test_an_empty_result_says_so_in_one_sentence(
    rig: Callable[[], Inventory], query: dict[str, str], words: str
) -> None:
    page = await shown(rig(), **query)
    assert page.one(id="secrets").text == words
    assert page.one(id="said").text == ""


async def test_what_does_no_harm_can_be_selected_by_who_may_do_it_and_by_nobody_else() -> None:
    page = await shown(varied())
    paths = {
        name: box.attributes["data-path"]
        for name, row in rows(page).items()
        for box in row.all("input", type="checkbox")
    }
    assert paths == {
        "mail-relay": "secrets/prod/mail-relay/unpark",
        "warehouse-sql": "secrets/prod/warehouse-sql/unpark",
        "reports-storage": "secrets/prod/reports-storage/unpark",
        "search-index": "secrets/prod/search-index/rotate",
        "invoices-app": "secrets/prod/invoices-app/rotate",
        "partner-api": "secrets/prod/partner-api/rotate",
    }
    api = varied().api(env=SIGNED_IN)
    reader = await send(api, "http_dashboard", headers=principal("Rekey.Reader"))
    page = read(reader.text())
    assert not [box for row in rows(page).values() for box in row.all("input")]
    assert not page.all(id="several")
    assert not page.all(id="leak")


def test_the_pages_export_guards_what_the_command_lines_does() -> None:
    script = (ROOT / "api/page/script/inventory.js").read_text()
    (pattern,) = re.findall(r"replace\(/(\(\^.+)/g", script)
    assert re.sub(r"\\(?=[+|])", "", BEGINS.pattern) == pattern
