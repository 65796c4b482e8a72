"""How the id of a resource with two keys is read, and what is none."""

from __future__ import annotations

import pytest

from engine.errors import NeedsHuman
from rotators.shared.key_facts import Facts
from tests.rotators.key_scenes import BY_NAME

ACCOUNT = "/subscriptions/s1/resourcegroups/g1/providers/microsoft.servicebus/namespaces/shop1"
RULE = f"{ACCOUNT}/queues/orders/authorizationrules/send"
RULES = BY_NAME["service-bus-key of a queue"].kind.facts
STORES = BY_NAME["app-configuration-key"].kind.facts
STORE = (
    "/subscriptions/s1/resourcegroups/g1/providers/microsoft.appconfiguration"
    "/configurationstores/shop1"
)


def test_a_place_says_what_lists_the_keys_and_what_stands_at_the_top() -> None:
    place = RULES.place(RULE)
    assert (place.source, place.resource) == (RULE, RULE)
    assert (place.account, place.name) == (ACCOUNT, "shop1")
    assert place.top == "microsoft.servicebus/namespaces"
    assert place.kind == "microsoft.servicebus/namespaces/queues/authorizationrules"
    assert place.names == ("shop1", "orders", "send")


@pytest.mark.parametrize(
    ("source", "first"), [(STORE, "Primary"), (f"{STORE}/keys/read-only", "Primary Read Only")]
)
def test_the_segment_of_a_pair_belongs_to_the_source_and_not_to_the_resource(
    source: str, first: str
) -> None:
    place = STORES.place(source)
    assert (place.source, place.resource, place.pair.first.name) == (source, STORE, first)


@pytest.mark.parametrize(
    "source",
    [
        RULE.replace("orders", "Orders"),
        RULE.replace("g1", "G1"),
        *(RULE.replace("orders", text) for text in ("..", ".", "a b", "a%2fb", "a?b", "a#b", "")),
        RULE.replace("shop1", "shop.1"),
        f"x{RULE}",
        RULE.removeprefix("/"),
        RULE.replace("/subscriptions/", "/tenants/"),
        RULE.replace("/resourcegroups/", "/groups/"),
        RULE.replace("/providers/", "/of/"),
        RULE.removesuffix("/send"),
        f"{RULE}/more",
        f"{RULE}/keys/read-only",
        "",
    ],
)
def test_what_is_no_id_of_such_a_resource_is_refused(source: str) -> None:
    with pytest.raises(NeedsHuman, match="not a resource id of the expected type") as caught:
        RULES.place(source)
    assert "ProviderAddress" in caught.value.fix


@pytest.mark.parametrize(
    ("noun", "short"), [("Cosmos DB account", "account"), ("store", "store"), ("", "")]
)
def test_a_message_calls_a_resource_by_its_last_word(noun: str, short: str) -> None:
    assert Facts(noun=noun, types=("A.B/c",), version="").short == short
