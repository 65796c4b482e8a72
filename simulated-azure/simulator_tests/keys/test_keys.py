"""Resources with two keys: what Resource Manager answers, and what their own addresses refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.identity import Principal
from simulator.keys.accounts import KeyedAccount
from simulator.keys.contracts import BY_KIND, CONTRACTS, Contract
from simulator.wire import Request, Response

EVERY = pytest.mark.parametrize(
    "contract", CONTRACTS, ids=lambda contract: contract.kind.rpartition(".")[2]
)
PUBLISHED: dict[str, tuple[set[str], set[str]]] = {
    # The properties of a listing, and of the answer to a replacement; of rows, those of a row.
    "Microsoft.AppConfiguration/configurationStores": (
        row := {"id", "name", "value", "connectionString", "lastModified", "readOnly"},
        row,
    ),
    "Microsoft.ContainerRegistry/registries": ({"name", "value"}, {"name", "value"}),
    "Microsoft.Batch/batchAccounts": (batch := {"accountName", "primary", "secondary"}, batch),
    "Microsoft.Communication/communicationServices": (
        pair := {"primaryKey", "secondaryKey"},
        {"primaryKey"},
    ),
    "Microsoft.Maps/accounts": (
        maps := {"id", *pair, "primaryKeyLastUpdated", "secondaryKeyLastUpdated"},
        maps,
    ),
}
"""As the published examples have them, where that is more than the keys by their names;
simulator/keys/contracts.py names each."""
RULE = {"keyName", "primaryConnectionString", "secondaryConnectionString"}


def published(contract: Contract) -> tuple[set[str], set[str]]:
    """Return the properties of a listing, and of the answer to a replacement."""
    if contract.kind in PUBLISHED:
        return PUBLISHED[contract.kind]
    listed = {*contract.slots, *(RULE if contract.ruled else ())}
    return listed, listed if contract.replies == "all" else set()


class Caller:
    """Somebody with every right at the resource."""

    def __init__(self, contract: Contract) -> None:
        self.clock = VirtualClock()
        self.world: Azure = build_world(self.clock.now)
        path = f"{contract.children[-1].replace('/', '/x/')}/rule" if contract.children else ""
        self.account: KeyedAccount = self.world.add_keyed(contract.kind, "shop1", path)
        self.who: Principal = self.world.add_principal("operator")
        self.world.grant(self.who, ["*"], self.account.resource_id)
        self.contract, self.at = contract, f"{self.account.resource_id}{f'/{path}' if path else ''}"

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        version: str = "",
        who: Principal | None = None,
        media: str = "application/json",
    ) -> Response:
        token = self.world.identities.token_for(
            f"https://{self.world.domains.arm}/.default", who or self.who
        )
        url = f"https://{self.world.domains.arm}{path}?api-version={version or self.contract.versions[-1]}"
        content = b"" if body is None else json.dumps(body).encode()
        return self.world.handle(
            Request(
                method, url, {"authorization": f"Bearer {token}", "content-type": media}, content
            )
        )

    def list(self) -> Any:
        response = self.send("POST", f"{self.at}/{self.contract.lists}")
        assert response.status == 200
        return response.json()

    def replace(self, name: str) -> Response:
        if self.contract.replies == "empty":
            return self.send("POST", f"{self.at}/regenerate{name}Key")
        if not self.contract.asks:
            return self.send("POST", f"{self.at}/{self.contract.replaces}/{name}")
        return self.send("POST", f"{self.at}/{self.contract.replaces}", {self.contract.asks: name})

    def sent(self, slot: str) -> str:
        """Return what a request calls a key."""
        ring = next(iter(self.account.rings.values()))
        return ring.keys[slot].identity if self.contract.asks == "id" else self.contract.slots[slot]


def rows(body: Any) -> Any:
    """Return the one object that has the keys' properties."""
    listed = body.get("passwords", body.get("value")) if isinstance(body, dict) else None
    return listed[0] if isinstance(listed, list) else body


@EVERY
def test_a_listing_and_a_replacement_have_the_published_properties(contract: Contract) -> None:
    caller = Caller(contract)
    listed, answered = published(contract)
    assert set(rows(caller.list())) == listed
    response = caller.replace(caller.sent(next(iter(contract.slots))))
    assert response.status == {"nothing": 202, "empty": 204}.get(contract.replies, 200)
    assert set(rows(response.json() if response.body else {})) == answered


@EVERY
def test_only_the_key_that_is_named_is_replaced(contract: Contract) -> None:
    caller = Caller(contract)
    ring = next(iter(caller.account.rings.values()))
    first, *others = contract.slots
    before = dict(ring.keys)
    caller.replace(caller.sent(first))
    caller.clock.advance(60)
    caller.list()
    assert ring.keys[first] != before[first]
    assert all(ring.keys[slot] == before[slot] for slot in others)


@EVERY
@pytest.mark.parametrize("name", ["Salt", "key3", "PRIMARY", "", None, 7])
def test_a_key_of_another_name_is_refused(contract: Contract, name: Any) -> None:
    caller = Caller(contract)
    # A path is read in any case.
    cases = str(name).title() if contract.replies == "empty" else name
    if cases in contract.slots.values():
        pytest.skip("this service calls a key so")
    before = caller.list()
    # Where the operation names the key, there is none of another name.
    refusal = 404 if contract.replies == "empty" else 400
    assert caller.replace(name or "nothing").status == refusal
    assert caller.list() == before


@EVERY
def test_nobody_lists_or_replaces_without_a_right(contract: Contract) -> None:
    caller = Caller(contract)
    nobody = caller.world.add_principal("nobody")
    in_path = "" if contract.asks or contract.replies == "empty" else "/primary"
    for operation in (contract.lists, f"{contract.replaces}{in_path}"):
        response = caller.send("POST", f"{caller.at}/{operation}", {}, who=nobody)
        assert response.status == 403
        assert b"AuthorizationFailed" in response.body


@EVERY
def test_an_unknown_version_or_resource_is_refused(contract: Contract) -> None:
    caller = Caller(contract)
    assert caller.send("GET", caller.account.resource_id, version="2001-01-01").status == 400
    assert caller.send("GET", caller.account.resource_id.replace("shop1", "missing")).status in (
        403,
        404,
    )
    assert caller.send("POST", f"{caller.at}/sing").status == 404


@EVERY
def test_a_resource_shows_its_switch_and_its_address_and_no_key(contract: Contract) -> None:
    caller = Caller(contract)
    body: Any = caller.send("GET", caller.account.resource_id).json()
    below: Any = caller.send("GET", caller.at).json() if contract.switched_below else body
    if contract.switch:
        assert below["properties"][contract.switch] == contract.on
    assert caller.account.host in json.dumps(body) or not contract.address
    keys = [key.value for ring in caller.account.rings.values() for key in ring.keys.values()]
    assert not [key for key in keys if key in json.dumps(body)]


@EVERY
def test_a_request_without_a_key_is_refused_at_the_address(contract: Contract) -> None:
    caller = Caller(contract)
    path = "rekey-proof" if contract.replies == "empty" else "v2/"
    path = "$namespaceinfo" if contract.ruled else path
    request = Request("GET", f"https://{caller.account.endpoint}/{path}", {}, b'{"password": ""}')
    response = caller.world.handle(request)
    assert response.status in (401, 403) or response.body.startswith(b"-WRONGPASS")


@pytest.mark.parametrize(
    "contract", [row for row in CONTRACTS if row.ruled], ids=lambda row: row.kind
)
def test_a_name_that_no_entity_has_lists_what_is_there_to_everybody(contract: Contract) -> None:
    caller = Caller(contract)
    response = caller.world.handle(Request("GET", f"https://{caller.account.endpoint}/none", {}))
    assert response.status == 200
    assert response.body.startswith(b"<feed")


@pytest.mark.parametrize(
    ("method", "path", "media", "status"),
    [
        ("POST", "/api/events?api-version=2018-01-01", "application/json; charset=utf-8", 200),
        ("DELETE", "/api/events?api-version=2018-01-01", "application/json", 404),
        ("POST", "/nonsense?api-version=2018-01-01", "application/json", 404),
        ("POST", "/api/events", "application/json", 400),
        ("POST", "/api/events?api-version=1900-01-01", "application/json", 400),
        ("POST", "/api/events?api-version=2018-01-01", "", 415),
        ("POST", "/api/events?api-version=2018-01-01", "application/jsonish", 415),
    ],
)
def test_a_good_key_opens_no_more_than_the_service_has(
    method: str, path: str, media: str, status: int
) -> None:
    caller = Caller(BY_KIND["microsoft.eventgrid/domains"])
    key = next(iter(caller.account.rings.values())).keys["key1"].value
    url, headers = f"https://{caller.account.host}{path}", {"aeg-sas-key": key}
    request = Request(method, url, headers | {"content-type": media}, b"[]")
    assert caller.world.handle(request).status == status
    wrong = Request(method, url, {"aeg-sas-key": "no", "content-type": media}, b"[]")
    assert caller.world.handle(wrong).status == 401


@pytest.mark.parametrize("media", ["", "text/plain"])
def test_a_body_that_is_not_called_json_is_refused(media: str) -> None:
    caller = Caller(BY_KIND["microsoft.maps/accounts"])
    before = caller.list()
    refused = caller.send("POST", f"{caller.at}/regenerateKey", {"keyType": "primary"}, media=media)
    named: Any = refused.json()
    assert (refused.status, named["error"]["code"]) == (415, "UnsupportedMediaType")
    assert caller.list() == before


@pytest.mark.parametrize(
    "contract", [row for row in CONTRACTS if row.replies == "nothing"], ids=lambda row: row.kind
)
def test_a_change_that_goes_on_says_where_to_ask_for_it(contract: Contract) -> None:
    caller = Caller(contract)
    accepted = caller.replace(next(iter(contract.slots.values())))
    assert int(accepted.headers["Retry-After"]) > 0
    at, states = accepted.headers["Azure-AsyncOperation"].partition("?")[0], []
    for _ in range(2):
        answer = caller.send("GET", at.removeprefix(f"https://{caller.world.domains.arm}"))
        assert answer.status == 200
        state: Any = answer.json()
        states.append(state["status"])
        caller.clock.advance(60)
    assert states == ["InProgress", "Succeeded"]


def test_a_second_change_while_one_goes_on_is_a_conflict() -> None:
    caller = Caller(BY_KIND["microsoft.signalrservice/signalr"])
    assert caller.replace("Primary").status == 202
    assert caller.replace("Secondary").status == 409
    cosmos = Caller(BY_KIND["microsoft.documentdb/databaseaccounts"])
    assert [cosmos.replace(name).status for name in ("primary", "primaryReadonly")] == [202, 412]
