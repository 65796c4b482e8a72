"""Key Vault's events in both envelopes, with what is odd about them in Microsoft's own samples."""

from __future__ import annotations

import json
import logging
from typing import Any

import azure.functions as func
import pytest
from azure.functions.eventgrid import EventGridEventInConverter
from azure.functions.meta import Datum
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NeedsHuman
from engine.secret import SecretRef
from engine.state.events import OtherEvent, VaultEvent, parse_event, to_json
from tests.shared.heard import Log
from tests.shared.rig import Rig

VERSION = "ee059b2bb5bc48398a53b168c6cdcb10"
URL = f"https://sample-kv.vault.azure.net/secrets/newsecret/{VERSION}"
REF = SecretRef("https://sample-kv.vault.azure.net", "newsecret")
NEAR_EXPIRY = "Microsoft.KeyVault.SecretNearExpiry"


def changed(usual: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return usual fields with some changed; None takes one away."""
    return {
        name: value
        for name, value in {**usual, **changes}.items()
        if name not in changes or value is not None
    }


def data(**changes: Any) -> dict[str, Any]:
    """Return an event's data as documented."""
    usual = {
        "Id": URL, "VaultName": "sample-kv", "ObjectType": "Secret", "ObjectName": "newsecret",
        "Version": VERSION, "NBF": None, "EXP": 1793610000,
    }  # fmt: skip
    return changed(usual, changes)


TIME = "2026-11-02T09:00:00.0000000Z"
TOPIC = "/subscriptions/x/resourceGroups/y/providers/Microsoft.KeyVault/vaults/sample-kv"


def grid(**changes: Any) -> dict[str, Any]:
    """Return an event in Event Grid's envelope."""
    usual: dict[str, Any] = {
        "id": "event-1", "topic": TOPIC, "subject": "newsecret", "eventType": NEAR_EXPIRY,
        "eventTime": TIME, "data": data(), "dataVersion": "1", "metadataVersion": "1",
    }  # fmt: skip
    return {**usual, **changes}


def cloud(**changes: Any) -> dict[str, Any]:
    """Return the same in the envelope of CloudEvents."""
    usual: dict[str, Any] = {
        "id": "event-1", "source": TOPIC, "subject": "newsecret", "type": NEAR_EXPIRY,
        "time": TIME, "data": data(), "specversion": "1.0",
    }  # fmt: skip
    return {**usual, **changes}


def parse(event: object) -> VaultEvent | None:
    """Read an event from its JSON; None if it asks for nothing."""
    parsed = parse_event(json.dumps(event))
    return None if isinstance(parsed, OtherEvent) else parsed


EXPECTED = VaultEvent("event-1", NEAR_EXPIRY, REF, VERSION)


@pytest.mark.parametrize(
    "odd",
    [
        data(),
        data(Id=None, id=URL),
        data(Id=None, ID=URL),
        data(Id=None, **{" Id ": URL}),
        {**data(ObjectName=None), "ObjectName ": "newsecret"},
        data(Version=f" {VERSION}"),
        data(Version=None),
        data(Version="something else"),
        data(Id=f"  {URL} "),
        data(Id=URL.replace("sample-kv", "SAMPLE-KV")),
        data(Id=URL.replace(VERSION, VERSION.upper())),
        data(Id=URL.rsplit("/", 1)[0], Version=f" {VERSION} "),
        data(Id=URL.rsplit("/", 1)[0] + "/"),
        data(EXP="1793610000"),
        data(EXP=1793610000.0),
        {**data(), "EXP": None},
        data(EXP=None, NBF=None),
        {"Id": URL},
    ],
)
def test_stray_blanks_wrong_case_and_odd_times_make_no_difference(odd: dict[str, Any]) -> None:
    """In both envelopes."""
    for event in (grid(data=odd), cloud(data=odd)):
        assert parse(event) == EXPECTED


def test_an_event_without_a_version_asks_for_whatever_is_current() -> None:
    parsed = parse(grid(data={"Id": URL.rsplit("/", 1)[0]}))
    assert parsed == VaultEvent("event-1", NEAR_EXPIRY, REF, None)


@pytest.mark.parametrize("version", ["", " ", "a/b", "ü", "\ud800", "x" * 65, 7, None, ["a"]])
def test_a_version_that_is_none_counts_for_nothing(version: object) -> None:
    parsed = parse(grid(data={"Id": URL.rsplit("/", 1)[0], "Version": version}))
    assert parsed is not None
    assert parsed.version is None


def test_the_documented_types_ask_for_a_rotation_whatever_their_case() -> None:
    expired = "Microsoft.KeyVault.SecretExpired"
    for kind in (NEAR_EXPIRY, NEAR_EXPIRY.upper(), expired, f" {NEAR_EXPIRY} "):
        assert parse(grid(eventType=kind)) is not None
        assert parse(cloud(type=kind)) is not None


@pytest.mark.parametrize(
    "kind",
    [
        "Microsoft.KeyVault.SecretNewVersionCreated",
        "Microsoft.KeyVault.KeyNearExpiry",
        "Microsoft.KeyVault.CertificateExpired",
        "Microsoft.KeyVault.SecretNearExpiry2",
        "Microsoft.EventGrid.SubscriptionValidationEvent",
        "",
        None,
        5,
        ["Microsoft.KeyVault.SecretNearExpiry"],
    ],
)
def test_every_other_type_is_acknowledged_whatever_it_carries(kind: object) -> None:
    assert parse(grid(eventType=kind)) is None
    assert parse(grid(eventType=kind, data=None)) is None
    assert parse({"type": kind}) is None


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        *((odd, "has no data") for odd in (None, "text", [data()])),
        *((odd, "names no secret") for odd in ({}, data(Id=7), {**data(), "Id": None})),
        (data(Id="newsecret"), "is not the URL of a secret"),
        (data(Id="https://[sample-kv/secrets/newsecret"), "is not the URL of a secret"),
    ],
)
def test_a_malformed_event_is_named_by_its_id(event: object, problem: str) -> None:
    """Which URLs are those of secrets is told in tests/engine/test_secret.py."""
    with pytest.raises(NeedsHuman, match=f"event event-1 .* {problem}"):
        parse(grid(data=event))


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "7", "null", '"text"', "{", b"\xff\xfe", "[" * 100_000, "[{}]"],
)
def test_what_is_not_one_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(NeedsHuman, match="vault-events"):
        parse_event(text)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=60)
    | st.sampled_from([URL, NEAR_EXPIRY]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "Id", "eventType", "type", "data", "Version", " Id", "ObjectName "]
            )
            | st.text(max_size=6),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)
events = st.builds(
    lambda envelope, inner: {**envelope, "data": inner},
    st.sampled_from([grid(), cloud()]),
    json_values,
)


@given(json_values | events)
def test_whatever_comes_is_an_event_nothing_or_a_refusal(value: object) -> None:
    try:
        parsed = parse(value)
    except NeedsHuman:
        return
    assert parsed is None or (parsed.ref.vault.startswith("https://") and parsed.ref.name)


def decoded(event: dict[str, Any]) -> func.EventGridEvent | func.CloudEvent:
    """Decode an event as Microsoft's worker does before it calls the function."""
    return EventGridEventInConverter.decode(Datum(json.dumps(event), "json"), trigger_metadata={})


@pytest.mark.parametrize("event", [grid(), cloud()], ids=["Event Grid", "CloudEvents"])
def test_an_event_that_the_worker_has_decoded_is_read_whatever_its_envelope(
    event: dict[str, Any],
) -> None:
    assert parse_event(to_json(decoded(event))) == EXPECTED


async def test_what_is_no_event_of_key_vaults_is_logged_before_it_is_acknowledged(
    caplog: Log,
) -> None:
    rig = Rig()
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().on_event(json.dumps(grid(eventType="Microsoft.Storage.BlobCreated")))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "event event-1" in record.message
    assert "Microsoft.Storage.BlobCreated" in record.message
    assert not rig.messages("rotations")


async def test_an_event_of_key_vaults_that_asks_for_nothing_is_no_warning(caplog: Log) -> None:
    with caplog.at_level(logging.INFO, "rekey"):
        created = cloud(type="Microsoft.KeyVault.SecretNewVersionCreated")
        await Rig().service().on_event(json.dumps(created))
    assert [record.levelno for record in caplog.records] == [logging.INFO]


@pytest.mark.parametrize("text", ["nonsense", json.dumps(grid(data=None))])
async def test_an_event_that_cannot_be_read_is_logged_under_rekey_before_it_is_raised(
    text: str, caplog: Log
) -> None:
    with caplog.at_level(logging.INFO, "rekey"), pytest.raises(NeedsHuman):
        await Rig().service().on_event(text)
    assert [(record.name, record.levelno) for record in caplog.records] == [
        ("rekey", logging.ERROR)
    ]


def test_an_events_own_text_is_shown_without_line_breaks_and_not_at_length() -> None:
    long = {"id": "a\nb" + "x" * 5000, "eventType": "\u001b[31m" + "y" * 5000}
    parsed = parse_event(json.dumps(grid(**long)))
    assert isinstance(parsed, OtherEvent)
    assert (parsed.event_id + parsed.kind).isprintable()
    assert len(parsed.event_id) == len(parsed.kind) == 100
