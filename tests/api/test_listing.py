"""Secrets are listed with their state, filtered and paged, at the price of one call to the vault for 25 of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.listing import PAGES_AT_ONCE, Cursor, compared, every
from tests.api.inventory import Inventory, varied
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, send


def many(count: int, **options: Any) -> Rig:
    """Return a rig with so many secrets of one account."""
    rig = Rig()
    account = rig.account("appdata")
    for number in range(count):
        rig.secret(f"key-{number:05}", account, **options)
    return rig


async def listed(rig: Rig, **query: str) -> list[dict[str, Any]]:
    """Return all secrets that a listing names, page after page."""
    api, rows, url = rig.api(), [], "?"
    while url:
        answer = await send(api, "http_list", query=query)
        assert answer.status == 200, answer.body
        body = json.loads(answer.text())
        rows += body["secrets"]
        url = body["next"]
        query = dict(
            part.split("=", 1) for part in (url or "?").partition("?")[2].split("&") if part
        )
    return rows


async def test_every_secret_is_listed_once_in_pages_of_any_size() -> None:
    rig = many(60, days_left=80)
    for limit in ("1", "7", "25", "26", "1000"):
        names = [row["secret"] for row in await listed(rig, limit=limit)]
        assert names == sorted(names)
        assert len(set(names)) == len(names) == 60


@pytest.mark.parametrize("name", ["http_list", "http_dashboard", "http_metrics"])
@pytest.mark.parametrize("query", [{"vault": "\ud800"}, {"\ud800": "x"}])
async def test_half_a_character_is_no_text_and_fails_nothing(
    name: str, query: dict[str, str]
) -> None:
    answer = await send(scene().api(), name, query=query)
    assert answer.status == 400
    assert "UTF-8" in json.loads(answer.text())["fix"]


async def test_listing_costs_one_call_for_twenty_five_secrets() -> None:
    """So 10,000 secrets cost 400."""
    rig = many(2_500, days_left=80)
    rig.calls()
    assert len(await listed(rig, limit="1000")) == 2_500
    calls = rig.calls()
    assert calls["vault"] == 100
    assert calls["host blob"] <= 3, "the records of all sources, once a page of 1,000"


async def test_one_request_costs_a_bounded_number_of_calls_even_where_nothing_matches() -> None:
    rig = many(25 * PAGES_AT_ONCE + 1, days_left=80)
    answer = await send(rig.api(), "http_list", query={"state": "parked"})
    body = json.loads(answer.text())
    assert body["secrets"] == []
    assert body["next"]
    assert rig.calls()["vault"] == PAGES_AT_ONCE
    assert await listed(rig, state="parked") == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"state": "unmanaged"}, ["plain"]),
        ({"state": "attention"}, ["late"]),
        ({"state": "Attention"}, ["late"]),
        ({"state": "OVERDUE"}, ["late"]),
        ({"rotator": "storage-key"}, ["fine", "late"]),
        ({"owner": "Team A"}, ["fine"]),
        ({"name": "f*"}, ["fine"]),
        ({"name": "F*"}, ["fine"]),
        ({"vault": "prod", "state": "ok"}, ["fine"]),
    ],
)
async def test_a_filter_lets_through_what_it_says(query: dict[str, str], names: list[str]) -> None:
    rig = Rig()
    account = rig.account("appdata")
    rig.secret("fine", account, days_left=80, tags={"Owner": "team a"})
    rig.secret("late", account, days_left=-1)
    rig.secret("plain", account, days_left=80, tags={"ProviderAddress": None})
    assert sorted(row["secret"] for row in await listed(rig, **query)) == names


@pytest.mark.parametrize(("days", "names"), [("0", ["late"]), ("5", ["late", "soon"])])
async def test_what_expires_within_some_days_is_shown_unless_it_is_disabled(
    days: str, names: list[str]
) -> None:
    rig = Rig()
    account = rig.account("appdata")
    for name, left in (("fine", 6), ("soon", 4), ("late", -1)):
        rig.secret(name, account, days_left=left)
        rig.secret(f"{name}-off", account, days_left=left, enabled=False)
    assert sorted(row["secret"] for row in await listed(rig, expires_within=days)) == names


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "many"},
        {"limit": "-1"},
        {"limit": "1001"},
        {"limit": "1" * 5000},
        {"state": "fine"},
        {
            "cursor": Cursor(
                "https://prod.vault.azure.net", "https://prod.vault.azure.net/secrets?x=\ud800"
            ).cursor()
        },
        {"limit": "0"},
        {"expires_within": "-1"},
        {"rotator": "magic"},
        {"cursor": "!!!"},
        {"cursor": "x" * 10_000},
        {"cursor": Cursor("https://foreign.vault.azure.net").cursor()},
        {"cursor": Cursor("https://prod.vault.azure.net", None, 26).cursor()},
        {"cursor": "W10"},
    ],
)
async def test_a_senseless_parameter_is_refused_without_a_call(query: dict[str, str]) -> None:
    rig = scene()
    answer = await send(rig.api(), "http_list", query=query)
    assert answer.status == (404 if {"cursor", "rotator"} & {*query} else 400)
    assert answer.body["fix"]
    assert not rig.calls()


@pytest.mark.parametrize(
    "token",
    [
        "https://evil.example/secrets?api-version=7",
        "https://prod.vault.azure.net@evil.example/secrets",
        "https://prod.vault.azure.net:8443/secrets",
        "http://prod.vault.azure.net/secrets",
        "https://prod.vault.azure.net/secrets/app-key",
        "https://prod.vault.azure.net:x/secrets",
        "https://[prod.vault.azure.net/secrets",
        "/secrets",
        "https://prod.vault.azure.net/secrets",
        "https://prod.vault.azure.net/secrets?api-version=7.4&$skiptoken=x&maxresults=25&x=y",
        "https://prod.vault.azure.net/secrets?$skiptoken=x&$skiptoken=y",
        "https://prod.vault.azure.net/secrets?$skiptoken=x#y",
    ],
)
async def test_a_forged_cursor_is_refused_before_anything_is_read(token: str) -> None:
    rig = scene()
    rig.world.exchanges.clear()
    cursor = Cursor(rig.vault.url, token).cursor()
    answer = await send(rig.api(), "http_list", query={"cursor": cursor})
    assert answer.status == 404
    assert rig.world.exchanges == []


async def test_a_secret_is_shown_with_its_versions_newest_first() -> None:
    rig = scene()
    first = rig.latest(NAME).version
    service = rig.service()
    item = rig.item(
        NAME, version=first, trigger="manual", requested_by="jane", reason="leaked in a ticket"
    )
    await service.rotate(item.to_json(), 1)
    second = rig.latest(NAME).version
    answer = await send(rig.api(), "http_show", {"vault": "prod", "name": NAME})
    body = json.loads(answer.text())
    assert (body["state"], body["version"]) == ("ok", second)
    newest, oldest = body["history"]
    assert (newest["version"], oldest["version"]) == (second, first)
    assert (newest["written_by"], oldest["written_by"]) == ("Rekey", "somebody else")
    assert newest["cause"] == "manual by jane: leaked in a ticket"
    assert newest["operation"] == item.operation
    assert (body["phase"], body["next_check"]) == ("overlap", body["overlap_until"])
    assert body["then"] == "the superseded credential is retired once its overlap has passed"


@pytest.mark.parametrize(
    ("begun", "phase"),
    [((), None), (("changing", "asked", "look_at"), "issuing"), (("changing",), "retiring")],
)
async def test_a_secret_is_shown_with_the_step_that_its_source_is_at(
    begun: tuple[str, ...], phase: str | None
) -> None:
    rig = scene()
    if begun:
        source = rig.tags(NAME)["ProviderAddress"].lower()
        await rig.note(source, NAME, **dict.fromkeys(begun, rig.clock.now()))
    body = json.loads((await send(rig.api(), "http_show", {"vault": "prod", "name": NAME})).text())
    assert body["phase"] == phase
    assert bool(body["then"]) == bool(phase)
    assert bool(body["next_check"]) == ("look_at" in begun)


@pytest.mark.parametrize(
    ("status", "names", "state", "reason"),
    [
        (None, True, "ok", "a replica, written when "),
        (None, False, "parked", "its tag ReplicaOf names no secret that names it"),
        (403, False, "parked", "its primary cannot be read: listing was answered 403"),
        (503, False, "ok", "a replica, written when "),
    ],
)
async def test_a_replica_is_shown_and_measured_as_the_sweep_reports_it(
    status: int | None, state: str, reason: str, *, names: bool
) -> None:
    rig = scene(days_left=80)
    urls = [f"{rig.vault.url}/secrets/{name}" for name in (NAME, "copy")]
    if names:
        rig.tag(NAME, Replicas=urls[1])
    rig.vault.put("copy", "x", tags={"ReplicaOf": urls[0]})
    api = rig.api()
    scrape = (await send(api, "http_metrics")).text()
    needs = 'rekey_secret_needs_person{vault="prod",secret="copy"}'
    assert f"{needs} {0 if names else 1}\n" in scrape
    if status:
        refuse(rig, status, "No", lambda sent: sent.path.endswith(f"{NAME}/versions"), times=9)
    body = json.loads((await send(api, "http_show", {"vault": "prod", "name": "copy"})).text())
    assert (body["state"], body["reason"].startswith(reason)) == (state, True)


@pytest.mark.parametrize("status", [None, 403, 503])
async def test_a_list_and_its_page_say_that_the_records_cannot_be_read(status: int | None) -> None:
    """Only tags are known then, and what they do not tell is not shown."""
    rig = scene(days_left=80)
    if status:
        refuse(rig, status, "No", lambda sent: sent.query.get("comp") == "list", times=99)
    body = json.loads((await send(rig.api(), "http_list")).text())
    page = (await send(rig.api(), "http_dashboard")).text()
    text = "the records of the sources cannot be read"
    assert ((body["obstacle"] or "").startswith(text), text in page) == (bool(status), bool(status))
    assert [row["secret"] for row in body["secrets"]] == [NAME]


@pytest.mark.parametrize("status", [403, 503])
@pytest.mark.parametrize("query", [{}, {"state": "attention"}])
async def test_a_vault_that_cannot_be_listed_is_named_and_hides_no_other(
    status: int, query: dict[str, str]
) -> None:
    rig = varied()
    refuse(
        rig, status, "No", lambda sent: sent.path == "/secrets" and "prod" in sent.host, times=99
    )
    answer = await send(rig.api(), "http_list", query=query)
    page = (await send(rig.api(), "http_dashboard", query=query)).text()
    body, text = json.loads(answer.text()), "the secrets of prod are missing here: listing"
    assert answer.status == 200
    assert (body["obstacle"].startswith(text), text in page) == (True, True)
    assert {row["vault"] for row in body["secrets"]} <= {"shared"}
    assert bool(body["secrets"]) == (not query)
    assert "holds no secret yet" not in page
    for named, expected in (("prod", status), ("shared", 200)):
        answer = await send(rig.api(), "http_list", query={**query, "vault": named})
        assert answer.status == expected


async def test_a_vault_whose_next_page_is_refused_is_named_on_the_page_that_lacks_it() -> None:
    """Also on a later page of the inventory, where one before was whole."""
    rig = varied()
    first = json.loads((await send(rig.api(), "http_list", query={"limit": "3"})).text())
    assert first["obstacle"] is None
    rest = {"cursor": first["next"].rpartition("cursor=")[2], "limit": "3"}
    refuse(rig, 403, "No", lambda sent: sent.path == "/secrets" and "prod" in sent.host, times=99)
    text = "some of the secrets of prod are missing here"
    assert text in (await send(rig.api(), "http_list", query=rest)).text()
    assert text in (await send(rig.api(), "http_dashboard", query=rest)).text()


def long() -> Inventory:
    """Return a rig with a vault of several pages, and one of a single secret behind it."""
    rig = Inventory()
    for number in range(60):
        rig.add(f"s{number:03}")
    rig.add("far", vault=rig.shared)
    return rig


async def test_what_a_vault_holds_behind_a_page_that_fails_for_now_is_left_to_the_same_cursor() -> (
    None
):
    rig = long()
    refuse(rig, 503, "No", lambda sent: "skiptoken" in str(sent.query).lower(), times=99)
    first = json.loads((await send(rig.api(), "http_list")).text())
    assert ({row["vault"] for row in first["secrets"]}, first["obstacle"]) == ({"prod"}, None)
    rest = {"cursor": first["next"].rpartition("cursor=")[2]}
    assert (await send(rig.api(), "http_list", query=rest)).status == 503
    rig.world.faults.clear()
    last = json.loads((await send(rig.api(), "http_list", query=rest)).text())
    rows = [*first["secrets"], *last["secrets"]]
    assert len({row["id"] for row in rows}) == len(rows) == 61


async def test_a_vault_that_cannot_be_listed_is_named_although_a_page_begins_there() -> None:
    rig = long()
    first = json.loads((await send(rig.api(), "http_list", query={"limit": "60"})).text())
    cursor = first["next"].rpartition("cursor=")[2]
    assert Cursor.read(cursor) == Cursor(rig.shared.url)
    refuse(rig, 403, "No", lambda sent: sent.path == "/secrets" and "shared" in sent.host, times=99)
    answer = await send(rig.api(), "http_list", query={"cursor": cursor})
    body = json.loads(answer.text())
    assert (answer.status, body["secrets"], body["next"]) == (200, [], None)
    assert body["obstacle"].startswith("the secrets of shared are missing here")


async def test_where_no_vault_can_be_listed_the_answer_is_the_problem() -> None:
    rig = varied()
    refuse(rig, 403, "No", lambda sent: sent.path == "/secrets", times=99)
    for name in ("http_list", "http_dashboard", "http_metrics"):
        assert (await send(rig.api(), name)).status == 403


async def test_of_a_replica_nothing_is_told_while_the_vault_of_its_primary_is_not_listed() -> None:
    rig = Inventory()
    other = rig.shared.url
    rig.vault.put("copy", "x", tags={"ReplicaOf": f"{other}/secrets/{NAME}"})
    entries = [entry async for entry in every(rig.service().engine, [rig.vault.url])]
    states = [
        {entry.secret.ref.name: entry.state for entry in compared(entries, vaults)}["copy"]
        for vaults in ([rig.vault.url], [rig.vault.url, other])
    ]
    assert states == ["ok", "parked"]
