"""The state in tags, and the limits that Key Vault sets to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.state.tags import (
    MAX_TAGS,
    OPERATION,
    RETIRE,
    Managed,
    Pending,
    fingerprint,
    has_no_overlap,
    marked_since,
    parked,
    parse,
    rests_until,
    shortened,
    unfinished_incident,
    unparked,
)
from tests.shared.builders import ACCOUNT, GROUP, NOW, POLICY, REF, SECOND, V1, V2, version
from tests.shared.policies import ALL

DAY = timedelta(days=1)


def test_a_pending_retirement_is_read_as_it_was_written() -> None:
    pending = Pending(NOW, V2, "a login with blanks")
    assert str(pending) == f"2026-11-02T09:00:00Z {V2} a login with blanks"
    assert Pending.parse(str(pending)) == pending


@pytest.mark.parametrize(("kind", "place"), [("sql-login-password", "/databases/x"), ("", "")])
def test_the_source_of_one_of_two_logins_is_its_own(kind: str, place: str) -> None:
    tags = {
        "ProviderAddress": f"{GROUP}/providers/Microsoft.Sql/servers/shop{place}",
        "Rotator": kind,
        "Logins": "a,b",
        "CredentialId": "a",
        "ValidityPeriodDays": "90",
        "ValueTemplate": "{user}:{password}",
    }
    managed = parse(tags, POLICY, ALL)
    assert isinstance(managed, Managed)
    whole, _, names = managed.source.rpartition("/")
    assert names == "a+b"
    assert [managed.source_of(name) for name in "ab"] == [f"{whole}/a", f"{whole}/b"]
    elsewhere = replace(managed, source=f"{whole}/c+d")
    assert elsewhere.source_of("d") == elsewhere.source, "the tags say nothing of that one"


@pytest.mark.parametrize("length", [255, 256, 257, 5000])
def test_a_reason_is_cut_at_256_characters(length: int) -> None:
    text = parked(version(), "x" * length, NOW)["RekeyReason"]
    assert len(text) == min(length, 256)
    assert text.endswith("…") is (length > 256)


def test_the_ids_of_who_was_refused_give_way_to_what_to_do() -> None:
    said = f"403 for the app's identity (application {'1' * 200}); nobody knows the password"
    text = parked(version(), f"{said}. Fix: grant it a role", NOW)["RekeyReason"]
    assert text == ("403 for the app's identity; nobody knows the password. Fix: grant it a role")


def test_the_place_of_a_problem_gives_way_to_what_to_do() -> None:
    place = f"/subscriptions/{'1' * 36}/resourcegroups/shop/providers/x/accounts/{'a' * 40}"
    what, fix = "reading the account was answered 403", f"Fix: grant it the role Reader at {place}"
    text = shortened(f"{what} ({place}). {fix}", (place.upper(),))
    assert text == f"{what}. {fix}"
    assert shortened(f"{what} (/short). {fix}", ("/short",)) == f"{what} (/short). {fix}"
    assert f"({place[:90]}" in shortened(f"{what} ({place}). {fix}"), "it is another place"
    for own in (str(REF), ACCOUNT):
        text = parked(version(), f"{'x' * 240} ({own}). Fix: wait", NOW)["RekeyReason"]
        assert text == f"{'x' * 240}. Fix: wait"


@pytest.mark.parametrize("length", [127, 128, 129, 256])
def test_a_letter_of_two_units_counts_twice(length: int) -> None:
    """Which of the two Azure counts is not documented."""
    text = shortened("\U0001f600" * length)
    assert len(text.encode("utf-16-le")) <= 512
    assert text.endswith("…") is (length > 128)
    assert set(text) <= {"\U0001f600", "…"}


@pytest.mark.parametrize(
    ("others", "state", "reason"),
    [(9, True, True), (10, True, True), (11, True, False), (12, False, False)],
)
def test_a_mark_takes_only_the_room_that_fifteen_tags_leave(
    others: int, state: bool, reason: bool
) -> None:
    marked = parked(
        version(changes={f"other{number}": "x" for number in range(others)}), "why", NOW
    )
    assert len(marked) <= MAX_TAGS
    assert ("RekeyState" in marked, "RekeyReason" in marked) == (state, reason)


@pytest.mark.parametrize(("others", "kept"), [(8, 2), (9, 1), (10, 0)])
def test_a_mark_takes_the_place_of_history_only_where_there_is_no_other(
    others: int, kept: int
) -> None:
    history = {"RekeyCause": "forced", "RekeyBy": "west"}
    room = {f"other{number}": "x" for number in range(others)}
    marked = parked(version(changes={**room, **history}), "why", NOW)
    assert {"RekeyState", "RekeyReason"} <= set(marked)
    assert len(set(history) & set(marked)) == kept
    again = parked(version(changes={**marked}), "why", NOW)
    assert len(set(history) & set(again)) == kept


@pytest.mark.parametrize(
    ("others", "operation", "reason"), [(9, True, True), (10, True, False), (11, False, False)]
)
def test_the_operation_of_a_version_gives_way_to_its_state_and_to_no_reason(
    others: int, *, operation: bool, reason: bool
) -> None:
    room = {f"other{number}": "x" for number in range(others)}
    marked = parked(version(changes={**room, OPERATION: "an operation"}), "why", NOW)
    assert "RekeyState" in marked
    assert (OPERATION in marked, "RekeyReason" in marked) == (operation, reason)


@pytest.mark.parametrize(
    ("seconds", "at_once"),
    [(-1801, False), (-1800, True), (-1, True), (0, True), (1, True), (2, False)],
)
def test_an_overlap_of_a_second_is_none(seconds: int, *, at_once: bool) -> None:
    """A vault tells whole seconds, so a version may seem older than the end of no overlap.

    A version may come half an hour after it was sent. One that is written later does not make an
    overlap none that had passed.
    """
    secret = version(age=timedelta())
    ends = Pending(NOW + timedelta(seconds=seconds), V2, "key2")
    assert has_no_overlap(replace(secret, tags={RETIRE: str(ends)})) is at_once


def test_an_older_mark_is_replaced_where_there_is_no_room_for_another() -> None:
    full = {f"other{number}": "x" for number in range(10)} | {
        "RekeyState": "parked long ago",
        "RekeyReason": "old",
    }
    marked = parked(version(changes=full), "new", NOW)
    assert marked["RekeyReason"] == "new"
    assert len(marked) == MAX_TAGS


@pytest.mark.parametrize(
    "state",
    [
        "", "parked", "parked x y", "parked 2026-11-02T09:00:00Z", "waiting a b",
        "parked 2026-11-02T09:00:00Z 000000000000", f"parked yesterday {fingerprint(version())}",
    ],
)  # fmt: skip
def test_a_mark_that_is_none_gives_no_rest(state: str) -> None:
    assert rests_until(version(changes={"RekeyState": state}), NOW) is None


@pytest.mark.parametrize(
    ("since", "rests"),
    [
        ("2026-11-02T09:02:00Z", True),
        ("2026-11-02T09:02:01Z", False),
        ("9999-12-31T23:59:59Z", False),
    ],
)
def test_a_mark_from_a_time_to_come_gives_no_rest(since: str, rests: bool) -> None:
    """Two clocks may differ by two minutes."""
    secret = version(changes={"RekeyState": f"parked {since} {fingerprint(version())}"})
    assert (rests_until(secret, NOW) is not None) is rests


def test_a_fingerprint_notices_the_owners_changes_and_not_rekeys() -> None:
    usual = fingerprint(version())
    assert usual == fingerprint(
        version(changes={"RekeyState": "x", "RekeyReason": "y", "RekeyRetire": "z"})
    )
    assert usual == fingerprint(version(version=V1))
    assert usual == fingerprint(version(version=None)), "a listing must see the same as a read"
    assert usual != fingerprint(version(changes={"Owner": "x"}))
    assert usual != fingerprint(version(changes={"CredentialId": None}))
    assert usual != fingerprint(version(age=DAY + SECOND)), "a new version is a new state"


def test_a_fingerprint_stays_the_same_in_every_version_of_rekey() -> None:
    """Otherwise whatever is parked would be tried again, and would fail again, after an update."""
    assert fingerprint(version()) == "c145aaaaa96a"


@pytest.mark.parametrize(
    ("word", "options"),
    [("parked", {}), ("drifted", {"drifted": True}), ("compromised", {"compromised": True})],
)
def test_every_mark_says_since_when_until_the_version_or_its_tags_change(
    word: str, options: dict[str, Any]
) -> None:
    marked = parked(version(), "why", NOW, **options)
    assert marked["RekeyState"].startswith(f"{word} 2026-11-02T09:00:00Z ")
    assert marked["RekeyReason"] == "why"
    assert rests_until(version(changes={**marked}), NOW) == NOW + DAY
    assert marked_since(version(changes={**marked}), NOW) == NOW
    assert marked_since(version(changes={**marked, "Owner": "somebody else"}), NOW) is None


@pytest.mark.parametrize(("seconds", "unfinished"), [(-1, False), (0, True), (1, True)])
def test_an_incident_is_unfinished_on_the_version_that_it_was_noted_on(
    seconds: int, *, unfinished: bool
) -> None:
    """A mark older than the version was copied onto it, and is about another credential."""
    moment = version().created + timedelta(seconds=seconds)
    marked = parked(version(), "no role", moment, compromised=True)
    assert unfinished_incident(version(changes={**marked})) is unfinished
    again = parked(version(changes={**marked}), "still no role", NOW)["RekeyState"]
    assert again.startswith("compromised ") is unfinished, "one that fails again stays one"
    assert not unfinished_incident(version(changes={**parked(version(), "why", moment)}))


def test_what_is_no_longer_parked_keeps_every_other_tag() -> None:
    assert unparked(parked(version(), "why", NOW)) == version().tags
