"""Role assignments, storage accounts, events and faults.

What tests of the product turn and read.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from simulator.azure import Azure
from simulator.clock import VirtualClock
from simulator.faults import Fault
from simulator.keyvault.events import Quirk, Schema
from simulator.keyvault.state import Vault
from simulator.rbac import Roles
from simulator.storage.accounts import StorageAccount
from simulator.wire import Request, Response, json_response
from simulator_tests import specs
from simulator_tests.caller import Caller, body_of
from simulator_tests.schemas import Translation

SCOPE = "/subscriptions/s/resourceGroups/g"


@pytest.mark.parametrize(
    ("action", "scope", "granted"),
    [
        ("Microsoft.A/b/read", SCOPE, True),
        ("microsoft.a/B/READ", SCOPE.upper(), True),
        ("Microsoft.A/b/read", f"{SCOPE}/providers/x", True),
        ("Microsoft.A/b/write", SCOPE, False),
        ("Microsoft.A/b/read", "/subscriptions/s", False),
        ("Microsoft.A/b/read", f"{SCOPE}2", False),
    ],
)
def test_a_role_reaches_down_from_its_scope_and_no_further(
    azure: Azure,
    action: str,
    scope: str,
    granted: bool,
) -> None:
    principal, roles = azure.add_principal("app"), Roles()
    roles.grant(principal, ["Microsoft.A/*/read"], SCOPE)

    assert (roles.find(principal, action, scope) is not None) == granted
    assert roles.find(azure.add_principal("other"), action, scope) is None


def test_a_revoked_role_permits_nothing(azure: Azure) -> None:
    principal, roles = azure.add_principal("app"), Roles()
    assignment = roles.grant(principal, ["*"], "/")
    assert roles.find(principal, "any", SCOPE) is assignment

    roles.revoke(assignment)

    assert roles.find(principal, "any", SCOPE) is None


@pytest.mark.parametrize(("seconds", "usable"), [(0, False), (29.9, False), (30, True), (31, True)])
def test_a_regenerated_key_works_once_it_has_spread_and_its_old_value_never_again(
    account: StorageAccount,
    clock: VirtualClock,
    seconds: float,
    usable: bool,
) -> None:
    old, other = account.keys["key1"], account.keys["key2"]
    account.propagation = timedelta(seconds=30)

    new = account.regenerate("key1")

    clock.advance(seconds)
    assert account.accepted_keys() == ((new, other) if usable else (other,))
    assert old not in account.accepted_keys()


def test_a_key_that_does_not_exist_cannot_be_regenerated(account: StorageAccount) -> None:
    with pytest.raises(KeyError):
        account.regenerate("key3")


def test_the_name_of_a_vault_can_be_taken_only_once(azure: Azure, vault: Vault) -> None:
    with pytest.raises(ValueError, match="a vault named northwind already"):
        azure.add_vault(vault.name)


def test_the_name_of_an_account_can_be_taken_only_once(
    azure: Azure, account: StorageAccount
) -> None:
    with pytest.raises(ValueError, match="a storage account named northwindstore already"):
        azure.add_account(account.name)


@pytest.mark.parametrize(
    ("schema", "kind"), [("eventgrid", "event-grid"), ("cloudevents", "cloud-events")]
)
def test_an_event_has_the_published_form(
    vault: Vault, clock: VirtualClock, schema: Schema, kind: str
) -> None:
    published = specs.load(f"eventgrid/secret_new_version_created.{kind}-schema.json")
    vault.put("newsecret", "v", expires=clock(), not_before=clock())

    event = vault.event("SecretNewVersionCreated", "newsecret", schema)

    assert forms(event) == forms(published)
    assert event.get("eventType", event.get("type")) == published.get(
        "eventType", published.get("type")
    )
    assert event["subject"] == published["subject"]


def forms(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with each text replaced by which characters it is made of."""
    return {
        name: forms(value) if isinstance(value, dict) else form(value)
        for name, value in event.items()
    }


def form(value: object) -> str:
    text = re.sub(r"[0-9a-f]{32}|[0-9a-f-]{36}", "<id>", str(value))
    named = re.sub(
        r"northwind|sample-kv",
        "<vault>",
        re.sub(r"production|sample-rg|\{subscription-id\}", "<id>", text),
    )
    return f"{type(value).__name__}:{re.sub(r'[0-9]', '0', named)}"


def test_a_numeric_event_has_the_shape_of_the_published_schema(
    vault: Vault, clock: VirtualClock
) -> None:
    path = specs.require() / "eventgrid/KeyVault.json"
    translation = Translation(path, {})
    schema = translation.schema({"$ref": "#/definitions/KeyVaultSecretNearExpiryEventData"})
    vault.put("password", "v", expires=clock(), not_before=clock())

    event = vault.near_expiry_event("password", quirk="numeric-times")

    Draft202012Validator(schema | {"$defs": translation.definitions}).validate(event["data"])


@pytest.mark.parametrize(
    ("quirk", "expected"),
    [
        (None, {"EXP": "1793610000", "NBF": None}),
        ("numeric-times", {"EXP": 1793610000, "NBF": None}),
        ("null-times", {"EXP": None, "NBF": None}),
        ("stray-blanks", {"ObjectName ": "password"}),
        ("lower-case-id", {"id": "https://northwind.vault.azure.net/secrets/password/VERSION"}),
        (
            "lower-case-keys",
            {"objectname": "password", "exp": "1793610000", "vaultname": "northwind"},
        ),
    ],
)
def test_an_event_can_have_the_quirks_that_were_seen(
    vault: Vault, clock: VirtualClock, quirk: Quirk | None, expected: dict[str, Any]
) -> None:
    made = vault.put("password", "v", expires=clock())

    event = vault.near_expiry_event("password", quirk=quirk)

    data = event["data"]
    assert isinstance(data, dict)
    assert event["eventType"] == "Microsoft.KeyVault.SecretNearExpiry"
    assert (
        expected.items() <= {key: plain(value, made.version) for key, value in data.items()}.items()
    )


def plain(value: Any, version: str) -> Any:
    return value.replace(version, "VERSION") if isinstance(value, str) else value


def test_there_is_no_event_about_a_secret_that_does_not_exist(vault: Vault) -> None:
    with pytest.raises(KeyError):
        vault.near_expiry_event("missing")


def is_set(request: Request) -> bool:
    return request.method == "PUT" and bool(request.header("authorization"))


def test_a_fault_strikes_once_instead_of_the_service(
    azure: Azure, caller: Caller, vault: Vault
) -> None:
    azure.faults.append(Fault(is_set))

    statuses = [
        caller.secrets(vault, "PUT", "secrets/password", {"value": value}).status
        for value in ("a", "b")
    ]

    assert statuses == [500, 200]
    assert [version.value for version in vault.versions("password")] == ["b"]


def test_a_fault_can_strike_after_the_service_has_done_its_part(
    azure: Azure, caller: Caller, vault: Vault
) -> None:
    azure.faults.append(Fault(is_set, json_response(504, {}), times=2, after=True))

    statuses = [
        caller.secrets(vault, "PUT", "secrets/password", {"value": value}).status for value in "abc"
    ]

    assert statuses == [504, 504, 200]
    assert [version.value for version in vault.versions("password")] == ["a", "b", "c"]


def test_every_exchange_is_remembered(azure: Azure, caller: Caller, vault: Vault) -> None:
    answer = caller.secrets(vault, "PUT", "secrets/password", {"value": "v"})

    assert [exchange.response for exchange in azure.exchanges] == [answer]
    assert body_of(azure.exchanges[0].response)["value"] == "v"


def test_nobody_answers_at_an_unknown_host(caller: Caller) -> None:
    assert caller.send("GET", "https://nowhere.example/").status == 502


class Hearing:
    """Hears what a world is asked, and how many versions a vault has meanwhile."""

    def __init__(self, vault: Vault) -> None:
        self.vault, self.heard = vault, list[tuple[str, int]]()

    def sent(self, request: Request) -> None:
        self._hear("sent", request)

    def served(self, request: Request) -> None:
        self._hear("served", request)

    def answered(self, request: Request, response: Response) -> None:
        self._hear(f"answered {response.status}", request)

    def _hear(self, what: str, request: Request) -> None:
        if is_set(request):
            self.heard.append((what, len(self.vault.versions("password"))))


def test_listeners_hear_a_request_its_effect_and_its_answer_whatever_strikes(
    azure: Azure, caller: Caller, vault: Vault
) -> None:
    hearing = Hearing(vault)
    azure.listeners.append(hearing)
    azure.faults += [Fault(is_set), Fault(is_set, json_response(504, {}), after=True)]
    for value in ("a", "b"):
        caller.secrets(vault, "PUT", "secrets/password", {"value": value})
    assert hearing.heard == [
        *[("sent", 0), ("answered 500", 0)],
        *[("sent", 0), ("served", 1), ("answered 504", 1)],
    ]
