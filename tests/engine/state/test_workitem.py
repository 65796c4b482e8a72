"""What travels on the queue `rotations`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NeedsHuman
from engine.secret import SecretRef
from engine.state.request import (
    _TYPES,
    TRIED_ON,
    Cause,
    FollowUp,
    Leak,
    Message,
    Tries,
    WorkItem,
    operation_id,
    recheck_of,
)
from tests.shared.builders import NOW, REF, SECOND, V1, V2, VAULT, item

WHOLE = {
    "action": "rotate", "vault": VAULT, "secret": "app-key", "version": V1, "trigger": "event",
    "requested_by": "event grid", "reason": "near expiry", "force": False, "compromised": False,
}  # fmt: skip


def message(**changes: Any) -> str:
    """Return a message with some fields changed."""
    return json.dumps({**WHOLE, **changes})


def test_an_item_survives_the_queue_unchanged() -> None:
    sent = item(
        version=V1, trigger="manual", requested_by="me", reason="why", force=True,
        compromised=True, source="/s", recheck=True, deferred=1, waited=3, tried=2,
    )  # fmt: skip
    assert WorkItem.from_json(sent.to_json()) == sent
    assert WorkItem.from_json(sent.to_json().encode()) == sent
    spelt = f"https://{VAULT.removeprefix('https://').upper()}/"
    assert WorkItem.from_json(message(vault=spelt)).ref == REF


@pytest.mark.parametrize(("counted", "looks"), [(0, False), (1, True), (2000, True)])
def test_a_look_that_an_earlier_version_has_posted_and_counted_is_read(
    counted: int, *, looks: bool
) -> None:
    sent = message(follow_up=counted, deferred=2, returned=3, follows=True)
    read = WorkItem.from_json(sent)
    assert read.recheck is looks
    assert read.tries.deferred == 2
    assert read.hint == ("recheck" if looks else "follow")


def test_an_earlier_version_reads_a_look_as_the_first_of_a_row() -> None:
    """It takes a truth value for a number, and adds to it."""
    written = json.loads(item(recheck=True).to_json())["follow_up"]
    assert isinstance(written, int)
    assert written + 1 == 2


def test_a_message_has_the_documented_fields_and_its_operation() -> None:
    written = json.loads(item(version=V1, requested_by="me").to_json())
    assert written.keys() >= {*WHOLE, "operation"}
    assert (written["vault"], written["secret"]) == (VAULT, "app-key")
    assert written["operation"] == operation_id(REF, V1)
    assert json.loads(item().to_json())["operation"] is None


def test_every_field_of_an_item_is_in_its_message() -> None:
    """A new field that is written but not read, or neither, would be lost on the queue."""
    parts = {"cause": Cause, "tries": Tries, "leak": Leak}
    names = {it.name for shape in (WorkItem, *parts.values()) for it in fields(shape)}
    names = names - {*parts, "ref", "hint"} | {"compromised", "follow_up", "follows"}
    assert set(json.loads(item().to_json())) == names | {"vault", "secret", "operation"}
    assert {name for name in names if name not in _TYPES} == {"trace"}


def test_no_field_of_a_message_replaces_what_the_host_tells_of_it() -> None:
    """A JSON message's own properties join the trigger's metadata.

    DequeueCount must stay the host's.
    """
    metadata = {
        "id", "dequeuecount", "expirationtime", "insertiontime", "nextvisibletime", "popreceipt",
        "queuetrigger",
    }  # fmt: skip
    assert metadata.isdisjoint(key.lower() for key in json.loads(item(version=V1).to_json()))


def test_an_operation_is_named_after_vault_name_and_replaced_version_alone() -> None:
    assert operation_id(REF, V1) == operation_id(SecretRef(VAULT.upper(), "APP-Key"), V1)
    others = [
        operation_id(REF, V2),
        operation_id(SecretRef(VAULT, "other"), V1),
        operation_id(SecretRef("https://test.vault.azure.net", "app-key"), V1),
    ]
    assert len({operation_id(REF, V1), *others}) == 4
    assert uuid.UUID(operation_id(REF, V1)).version == 5


def test_a_request_is_known_by_what_is_asked_for_and_not_by_how_often_it_was_tried() -> None:
    terms: dict[str, Any] = {
        "version": V1,
        "trigger": "manual",
        "requested_by": "me",
        "reason": "why",
        "reported": "2026-11-01T10:00:00+00:00",
    }
    asked = item(**terms)
    tried: dict[str, Any] = {
        "deferred": 3,
        "waited": 2,
        "tried": 1,
        "follows": True,
        "source": "/s",
        "trace": "t",
    }
    assert item(**terms, **tried).request == asked.request
    assert WorkItem.from_json(asked.to_json()).request == asked.request
    others: list[dict[str, Any]] = [
        {"version": V2}, {"action": "retire"}, {"force": True}, {"compromised": True},
        {"reason": "another"}, {"requested_by": "you"},
        {"compromised": True, "since": "2026-11-01T10:00:00+00:00"},
        {"reported": "2026-11-01T10:00:01+00:00"},
    ]  # fmt: skip
    different = {item(**(terms | other)).request for other in others}
    different.add(replace(asked, ref=SecretRef(VAULT, "other")).request)
    assert len({asked.request, *different}) == 10
    assert replace(asked, ref=SecretRef(VAULT.upper(), "APP-Key")).request == asked.request


@pytest.mark.parametrize(
    "other",
    [
        {"trigger": "event"},
        {"trigger": "sweep"},
        {"recheck": True},
    ],
)
def test_what_nobody_asked_for_is_no_request(other: dict[str, Any]) -> None:
    assert item(**{"trigger": "manual", **other}).request == ""
    assert item(trigger="sweep", compromised=True).request


@pytest.mark.parametrize(
    ("other", "is_stored"),
    [
        ({}, True),
        ({"deferred": 0}, False),
        ({"requested_by": "sweep"}, False),
        ({"action": "rotate"}, False),
        ({"follows": False}, False),
    ],
)
def test_what_has_a_secret_follow_its_key_is_stored_as_a_request_once_it_was_put_off(
    other: dict[str, Any], *, is_stored: bool
) -> None:
    follows = {"action": "audit", "requested_by": "rekey", "follows": True, "deferred": 1}
    assert bool(item(**(follows | other)).request) is is_stored


@pytest.mark.parametrize(("known", "version"), [("", None), (None, None), (V1, V1)])
def test_a_recheck_names_the_version_that_a_record_knows(
    known: str | None, version: str | None
) -> None:
    assert recheck_of(REF, "/s", known).version == version


def test_what_is_missing_has_its_default() -> None:
    read = WorkItem.from_json(json.dumps({"vault": VAULT + "/", "secret": "app-key"}))
    assert read == WorkItem(REF)
    assert WorkItem.from_json(message(version=None, force=None, action=None)) == WorkItem(
        REF, cause=Cause("event", "event grid", "near expiry")
    )


def test_what_is_unknown_is_left_aside() -> None:
    known = WorkItem.from_json(message())
    assert WorkItem.from_json(message(colour="blue", operation="x", trace=7)) == known


def test_an_incident_is_tried_for_a_month_after_its_report() -> None:
    reported = item(compromised=True, reported=NOW.isoformat())
    assert reported.is_tried_on(NOW + TRIED_ON - SECOND)
    assert not reported.is_tried_on(NOW + TRIED_ON)
    assert item(compromised=True).is_tried_on(NOW), "an earlier version did not say when"


def test_a_report_by_a_clock_that_is_ahead_was_made_just_now() -> None:
    """A time below zero would make the others look shorter."""
    reported = item(compromised=True, reported=(NOW + SECOND).isoformat())
    assert reported.seconds_since_report(NOW) == 0.0
    assert reported.seconds_since_report(NOW + 2 * SECOND) == 1.0


@pytest.mark.parametrize("compromised", [False, True])
def test_people_hear_every_two_hours_and_then_every_day_that_a_request_waits(
    *, compromised: bool
) -> None:
    waits, heard = item(compromised=compromised, reported=NOW.isoformat()), list[float]()
    for number in range(30 * 96 + 1):
        now = NOW + number * timedelta(minutes=15)
        if waits.notifies(now):
            heard.append((now - NOW) / timedelta(hours=1))
            waits = replace(waits, tries=Tries(told=now.isoformat()))
    assert heard == [*range(0, 25, 2), *range(48, 721, 24)]
    assert waits.notifies(NOW + TRIED_ON), "it is not tried again"


def test_what_is_put_off_is_counted_so_beside_its_other_tries() -> None:
    waits = item(deferred=1, waited=2, tried=3, told="2026-11-02T09:00:00+00:00")
    assert waits.put_off() == replace(waits, tries=replace(waits.tries, deferred=2))


def test_an_item_is_pinned_once() -> None:
    assert item().about(V1).version == V1
    assert item(version=V2).about(V1).version == V2
    assert item().about(None).version is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        *(
            ({"vault": vault}, "vault is not the URL of a vault")
            for vault in (None, "prod", "http://prod.vault.azure.net", 7)
        ),
        *(
            ({"secret": name}, "secret is not a secret's name")
            for name in (None, "a/b", "x" * 128, ["app-key"])
        ),
        ({"action": "destroy"}, "action is none of rotate, retire"),
        ({"action": []}, "action is not a str"),
        ({"trigger": "luck"}, "trigger is none of event, sweep, manual"),
        ({"force": "yes"}, "force is not a bool"),
        ({"compromised": 1}, "compromised is not a bool"),
        ({"version": 7}, "version is not a str"),
        *(({"version": it}, "version is not a version's id") for it in ("", "../x", "\ud800")),
        ({"follow_up": "1"}, "follow_up is not a int"),
        ({"source": {}}, "source is not a str"),
        ({"source": "/subscriptions/\ud800"}, "source is not the id of a source"),
        ({"vault": "https://x\ud800.vault.azure.net"}, "vault is not the URL of a vault"),
    ],
)
def test_a_malformed_message_is_refused_with_its_problem(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(NeedsHuman, match=problem):
        WorkItem.from_json(message(**changes))


@pytest.mark.parametrize("read", [WorkItem.from_json, FollowUp.from_json])
@pytest.mark.parametrize(
    ("written", "tries"), [(-1, 0), (0, 0), (10_000, 10_000), (10_001, 10_000), (10**400, 10_000)]
)
def test_a_message_counts_no_fewer_tries_than_none_and_no_more_than_any_limit(
    read: Callable[[str], Message], written: int, tries: int
) -> None:
    action = "tell" if read == FollowUp.from_json else "rotate"
    assert read(message(action=action, deferred=written)).tries.deferred == tries


def test_every_problem_of_a_message_is_named() -> None:
    with pytest.raises(NeedsHuman) as caught:
        WorkItem.from_json(message(vault=1, secret=2, action=3, force=4))
    assert all(name in str(caught.value) for name in ("vault", "secret", "action", "force"))


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "null", "7", '"text"', b"\xff", "[" * 100_000]
)
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(NeedsHuman, match="the work item is malformed"):
        WorkItem.from_json(text)


values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=40)
    | st.sampled_from([[], VAULT, V1])
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from([*WHOLE, "source", "follow_up", "deferred", "waited", "tried"])
        | st.text(max_size=5),
        values,
    )
)
def test_whatever_comes_is_an_item_that_can_be_written_again_or_a_refusal(
    changes: dict[str, Any],
) -> None:
    try:
        read = WorkItem.from_json(json.dumps({**WHOLE, **changes}))
    except NeedsHuman:
        return
    assert WorkItem.from_json(read.to_json()) == read


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"trigger": "manual", "requested_by": "me", "reason": "why"}, "manual by me: why"),
        ({"trigger": "manual", "requested_by": "me"}, "manual by me"),
        ({"trigger": "sweep", "requested_by": "sweep", "reason": "old"}, "sweep: old"),
        ({"trigger": "event", "requested_by": "event grid"}, "event"),
        ({"trigger": "event", "reason": "two\nlines\x00"}, "event: twolines"),
    ],
)
def test_the_cause_of_a_version_says_on_one_line_who_asked_and_why(
    fields: dict[str, str], cause: str
) -> None:
    assert str(item(**fields).cause) == cause


@pytest.mark.parametrize(
    ("since", "began"),
    [
        ("2026-11-02T09:00:00+00:00", datetime(2026, 11, 2, 9, tzinfo=UTC)),
        ("2026-11-02T10:00:00+01:00", datetime(2026, 11, 2, 9, tzinfo=UTC)),
        ("2026-11-02T09:00:00", datetime(2026, 11, 2, 9, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("9999-12-31T23:59:59+00:00", None),
    ],
)
def test_an_incident_began_at_its_time_if_that_can_be_read(
    since: str, began: datetime | None
) -> None:
    assert item(since=since, compromised=True).began == began
    assert item(since=since).began is None
