"""The setting that names HTTPS endpoints as kinds, and every problem with its fix."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.endpoints import Endpoint, read
from cloud.settings import Settings
from engine.errors import ConfigError
from engine.secret import SecretRef
from tests.shared.rig import Rig

VAULT = "https://prod.vault.azure.net"
ENTRY: dict[str, Any] = {
    "url": "https://rotate.acme.example/rekey/",
    "key": f"{VAULT}/secrets/acme-signing",
    "strategy": "two-slots",
    "slots": ["first", "second"],
    "fields": ["token", "user"],
}


def test_an_entry_becomes_a_kind() -> None:
    problems: list[str] = []
    key = SecretRef(VAULT, "acme-signing")
    made = read(json.dumps({"acme-token": ENTRY}), [VAULT], problems)
    expected = Endpoint(
        "acme-token",
        "https://rotate.acme.example/rekey",
        key,
        "two-slots",
        ("first", "second"),
        ("token", "user"),
    )
    assert (made, problems) == ((expected,), [])


@pytest.mark.parametrize(("strategy", "slots"), [("single-slot", ("credential",)), ("many", ())])
@pytest.mark.parametrize("left_out", [{}, {"slots": None, "fields": None}])
def test_what_is_left_out_or_null_has_a_default(
    strategy: str, slots: tuple[str, ...], left_out: dict[str, Any]
) -> None:
    problems: list[str] = []
    entry = {"url": ENTRY["url"], "key": ENTRY["key"], "strategy": strategy, **left_out}
    [made] = read(json.dumps({"acme-token": entry}), [VAULT], problems)
    assert (made.slots, made.fields, problems) == (slots, ("credential",), [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": "http://rotate.acme.example"}, "url must be https"),
        ({"url": f"https://{'user:pw'}@rotate.acme.example"}, "url must be https"),
        ({"url": "https://rotate.acme.example/x?y=1"}, "url must be https"),
        ({"url": "https://rotate.acme.example/../x y"}, "url must be https"),
        ({"url": "https://rotate.acme.example:65536/x"}, "url must be https"),
        ({"url": "https://rotate.acme.example:0/x"}, "url must be https"),
        ({"url": f"https://{'a' * 64}.example/x"}, "url must be https"),
        ({"url": "https://-a.example/x"}, "url must be https"),
        ({"url": f"https://{'a.' * 124}example/x"}, "url must be https"),
        ({"url": 7}, "url must be https"),
        ({"url": None}, "url must be https"),
        ({"key": "a key"}, "key must be a secret's id"),
        ({"key": f"{VAULT}/secrets/acme-signing/0123"}, "key must be a secret's id"),
        ({"key": "https://other.vault.azure.net/secrets/x"}, "add that vault to REKEY_VAULTS"),
        ({"strategy": "three-slots"}, "strategy must be one of"),
        ({"slots": ["first"]}, "slots must list 2"),
        ({"slots": ["first", "first"]}, "slots must list 2"),
        ({"slots": ["first", "se cond"]}, "slots must list 2"),
        ({"strategy": "many"}, "slots must list 0"),
        ({"strategy": "single-slot"}, "slots must list 1"),
        ({"fields": []}, "fields must list"),
        ({"fields": ["Token"]}, "fields must list"),
        ({"fields": "token"}, "fields must list"),
        ({"secret": "x"}, "has no use for 'secret'"),
    ],
)
def test_a_problem_says_what_to_write(change: dict[str, Any], reason: str) -> None:
    problems: list[str] = []
    assert read(json.dumps({"acme-token": {**ENTRY, **change}}), [VAULT], problems) == ()
    assert reason in problems[0]
    assert problems[0].startswith("REKEY_ENDPOINTS, 'acme-token': ")


@pytest.mark.parametrize("host", ["localhost", "a.example:1", "a.example:65535", "a" * 63])
def test_a_host_and_its_port_may_be_any_that_there_can_be(host: str) -> None:
    problems: list[str] = []
    entry = {**ENTRY, "url": f"https://{host}/rekey"}
    assert read(json.dumps({"acme-token": entry}), [VAULT], problems)
    assert not problems


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "7", "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    problems: list[str] = []
    assert read(text, [VAULT], problems) == ()
    assert "is not a JSON object" in problems[0]
    assert read('{"acme-token": []}', [VAULT], problems) == ()


def test_all_problems_come_with_those_of_the_other_settings() -> None:
    env = {"REKEY_ENDPOINTS": json.dumps({"acme-token": {**ENTRY, "url": "x", "slots": 7}})}
    with pytest.raises(ConfigError) as caught:
        Settings.read(env)
    assert len([problem for problem in caught.value.problems if "REKEY_ENDPOINTS" in problem]) == 3
    assert len(caught.value.problems) > 3


def test_an_endpoint_with_a_registered_name_is_refused_and_the_registered_kind_stays() -> None:
    rig = Rig()
    rig.environment = {"REKEY_ENDPOINTS": json.dumps({"storage-key": ENTRY, "acme-token": ENTRY})}
    rotators: Any = rig.service().engine.rotators
    assert type(rotators["storage-key"]).__name__ == "StorageKey"
    assert "REKEY_ENDPOINTS claims the kind storage-key" in rotators.refusals[0]
    assert rotators["acme-token"].kind == "acme-token"
    assert rotators.own() == {"acme-token": "the setting REKEY_ENDPOINTS"}
