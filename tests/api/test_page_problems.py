"""What goes wrong is a page for people and JSON for programs; a missing key is asked for."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from api.answers import Answer
from api.routes import route
from tests.api.inventory import varied
from tests.api.page import Element, read
from tests.api.test_access import principal
from tests.shared.rig import Rig
from tests.shared.scene import refuse, scene, send, to_vault

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
EVIL = "</p><script>alert(1)</script>"


async def ask(rig: Rig, name: str = "http_dashboard", **query: str) -> Answer:
    return await send(rig.api(), name, query=query, headers=BROWSER)


def page_of(answer: Answer) -> Element:
    assert answer.content_type == "text/html"
    assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    return read(answer.text())


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"state": "fine"}, 400),
        ({"state": EVIL}, 400),
        ({"cursor": "elsewhere"}, 404),
        ({"secret": "app-key"}, 404),
        ({"vault": "unknown"}, 404),
        ({"vault": EVIL}, 404),
        ({"vault": "prod", "secret": "no-such"}, 404),
        ({"vault": "prod", "secret": "../evil"}, 404),
    ],
)
async def test_a_wrong_address_is_a_page_to_a_browser(query: dict[str, str], status: int) -> None:
    """It answered with raw JSON."""
    answer = await ask(varied(), **query, code="a+key")
    page = page_of(answer)
    assert answer.status == status
    assert page.one("p", **{"class": "why"}).text
    assert page.one("p", **{"class": "fix"}).text.startswith("Fix:")
    assert len(page.all("script")) == 1
    assert page.one("a").attributes["href"] == "?code=a%2Bkey"


@pytest.mark.parametrize(
    ("status", "words"),
    [(503, ("Azure does not answer", "Come back in ")), (403, ("Fix: grant it the role",))],
)
async def test_a_vault_in_trouble_is_a_page_with_a_fix(status: int, words: tuple[str, ...]) -> None:
    rig = scene()
    refuse(rig, status, "Refused", to_vault(), times=100)
    answer = await ask(rig)
    text = page_of(answer).text
    assert (answer.status, [word for word in words if word not in text]) == (status, [])
    assert answer.headers.get("Retry-After", "") in text


async def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back() -> None:
    api = varied().api(env={"WEBSITE_AUTH_ENABLED": "true"})
    answer = await send(
        api, "http_dashboard", query={"state": "parked", "code": "old"}, headers=BROWSER
    )
    assert answer.status == 401
    (link,) = [link for link in page_of(answer).all("a") if "login" in link.attributes["href"]]
    parts = urlsplit(link.attributes["href"])
    assert (parts.netloc, parts.path) == ("", "/.auth/login/aad")
    assert parse_qsl(parts.query) == [("post_login_redirect_uri", "/api/inventory?state=parked")]


async def test_who_lacks_the_role_reads_which_is_needed() -> None:
    api = varied().api(env={"WEBSITE_AUTH_ENABLED": "true"})
    answer = await send(api, "http_dashboard", headers={**BROWSER, **principal()})
    assert answer.status == 403
    assert "Rekey.Reader" in page_of(answer).text


@pytest.mark.parametrize(
    ("name", "accept"),
    [
        *(("http_dashboard", accept) for accept in ("", "*/*", "application/json")),
        ("http_list", BROWSER["accept"]),
        ("http_door", ""),
    ],
)
async def test_a_program_gets_the_problem_as_json_and_every_other_call_answers_so(
    name: str, accept: str
) -> None:
    query, status = ({}, 401) if name == "http_door" else ({"state": "x"}, 400)
    answer = await send(varied().api(), name, query=query, headers={"accept": accept})
    assert (answer.status, answer.content_type) == (status, "application/problem+json")
    assert answer.body["fix"]


async def test_a_missing_key_is_asked_for_on_a_page() -> None:
    """The platform answered with an empty page."""
    rig = varied()
    rig.calls()
    assert route("http_door").role is None
    answer = await ask(rig, "http_door")
    page = page_of(answer)
    assert answer.status == 401
    form = page.one("form")
    assert form.attributes == {"method": "get", "action": "inventory"}
    assert form.one("input").attributes["name"] == "code"
    assert sum(rig.calls().values()) == 0, "anybody may ask"


async def test_the_door_believes_no_header_and_leads_to_the_sign_in() -> None:
    """On an open path the platform may neither remove a forged principal nor add a true one."""
    answer = await send(
        varied().api(), "http_door", headers={**BROWSER, **principal("Rekey.Admin")}
    )
    links = [link.attributes["href"] for link in page_of(answer).all("a")]
    assert links == ["/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Finventory", "inventory"]


@pytest.mark.parametrize(
    ("query", "headers", "location"),
    [
        ({"code": "k"}, {}, "/api/inventory?code=k"),
        ({"code": "a+b==", "state": "parked"}, {}, "/api/inventory?code=a%2Bb%3D%3D&state=parked"),
        ({"state": "parked"}, {"x-functions-key": "k"}, "/api/inventory?state=parked"),
    ],
)
async def test_a_key_or_a_sign_in_leads_on_with_the_same_filter(
    query: dict[str, str], headers: dict[str, str], location: str
) -> None:
    answer = await send(varied().api(), "http_door", query=query, headers={**BROWSER, **headers})
    assert (answer.status, answer.headers["Location"]) == (303, location)


async def test_the_door_counts_no_refusal_since_anybody_may_knock() -> None:
    """Otherwise anybody could raise the alert about refused access."""
    rig = varied()
    api = rig.api()
    refusals: list[str] = []
    object.__setattr__(
        api.service.engine.reporter, "denied", lambda *what: refusals.append(str(what))
    )
    await send(api, "http_door", headers=BROWSER)
    assert refusals == []
