"""How a key is named, signs a request, and is known again."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from engine.errors import NeedsHuman, VerificationFailed
from engine.secret import Sensitive
from rotators.shared.key_facts import Facts
from rotators.shared.key_replacement import Mark
from rotators.shared.key_signing import (
    batch_request,
    bearer_token,
    cosmos_request,
    decoded,
    hmac_request,
    sas_token,
)
from tests.rotators.key_scenes import BY_NAME

# How the id of a resource with two keys is read, and what is none.


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


# Requests are signed as Microsoft's own clients sign them: azure-communication-identity 1.5,
# azure-batch 14.2, azure-appconfiguration 1.10, azure-cosmos, azure-servicebus (generate_sas_token),
# and PyJWT as azure-messaging-webpubsubservice 1.3 calls it wrote these for the same key and time.


LONG = base64.b64encode(bytes(range(64))).decode()
SHORT = base64.b64encode(bytes(range(32))).decode()
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
HMAC = "SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="


def test_a_request_to_communication_services_is_signed_as_its_client_signs_it() -> None:
    url = "https://shop1.europe.communication.azure.com/phoneNumbers?api-version=2022-12-01"
    assert hmac_request(url, LONG, NOW).headers == {
        "x-ms-date": "Mon, 02 Nov 2026 09:00:00 GMT",
        "x-ms-content-sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "Authorization": f"HMAC-SHA256 {HMAC}mB0maGOYNxof0ahSZHpvRUen1w+U6F9x0mYf/dip4FU=",
    }


def test_a_request_to_app_configuration_is_signed_as_its_client_signs_it() -> None:
    signed = hmac_request("https://shop1.azconfig.io/kv?api-version=1.0", SHORT, NOW, "0-l0-s0:abc")
    expected = (
        f"HMAC-SHA256 Credential=0-l0-s0:abc&{HMAC}ax0+Aw77o9fsEen69kFA5DnowAXNQywGH+IbvvL5yJ8="
    )
    assert signed.headers["Authorization"] == expected


def test_a_request_to_batch_is_signed_as_its_client_signs_it() -> None:
    url = "https://shop1.westeurope.batch.azure.com/applications?api-version=2024-07-01.20.0"
    signed = batch_request(url, "shop1", LONG, NOW)
    assert (
        signed.headers["Authorization"]
        == "SharedKey shop1:TUPmTr0Hs1/FdSTQ6bBfH2jiPRZJ++Jvoo18+tX5y9g="
    )


def test_a_request_to_cosmos_db_is_signed_as_its_client_signs_it() -> None:
    signed = cosmos_request("https://shop1.documents.azure.com/dbs", LONG, NOW)
    expected = "type%3Dmaster%26ver%3D1.0%26sig%3D3h6M1vwLKwqenLtMqm1ewzDWOXRxuLp4eCrm3jxooQU%3D"
    assert signed.headers["Authorization"] == expected


def test_a_token_for_service_bus_and_event_hubs_is_the_one_that_their_client_makes() -> None:
    token = sas_token("https://Shop1.servicebus.windows.net/Orders", "Send", SHORT, NOW)
    assert token == (
        "SharedAccessSignature sr=https%3A%2F%2Fshop1.servicebus.windows.net%2Forders"
        "&sig=gsiwnm8o4RtlOYkNuZJg6VDx%2BSsVWcWbLyOsB5axIo8%3D&se=1793610300&skn=Send"
    )


def test_a_token_for_signalr_and_web_pubsub_is_the_one_that_their_client_makes() -> None:
    url = "https://shop1.webpubsub.azure.com/api/hubs/rekey/connections/none?api-version=2024-12-01"
    head, claims, signature = bearer_token(url, SHORT, NOW).split(".")
    assert head == "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    assert base64.urlsafe_b64decode(claims + "==") == (
        f'{{"aud":"{url}","iat":1793610000,"exp":1793610300}}'.encode()
    )
    assert signature == "OGeg-VdQZ-biyQOEbYj8VymBGhWcU7pSi9rYzvftmBU"


@pytest.mark.parametrize("key", ["not base64!", "abc", "ü", "A" * 43 + "\n="])
def test_what_is_no_base64_is_no_key_and_is_not_shown(key: str) -> None:
    with pytest.raises(VerificationFailed) as caught:
        decoded(key)
    assert key not in str(caught.value)
    assert caught.value.__context__ is None


# A key that is being replaced is known again, and nobody learns it from what is noted.


VALUE = "AccountKeyThatNobodyMayLearn"


def test_a_key_is_known_again_by_its_slot_and_value() -> None:
    mark = Mark.read(str(Mark.of("key2", Sensitive(VALUE), 12.5)))
    assert mark
    assert mark.since == 12.5
    assert mark.is_of("key2", Sensitive(VALUE))
    assert not mark.is_of("key1", Sensitive(VALUE))
    assert not mark.is_of("key2", Sensitive("another"))


def test_what_is_noted_shows_no_value_and_is_another_text_each_time() -> None:
    first, second = (str(Mark.of("key2", Sensitive(VALUE))) for _ in range(2))
    assert VALUE not in first
    assert first != second


@pytest.mark.parametrize("text", ["", "x", "1 2", "soon 00 00", "1 nothex 00", "1 00 00 00"])
def test_what_is_no_mark_is_none(text: str) -> None:
    assert Mark.read(text) is None
