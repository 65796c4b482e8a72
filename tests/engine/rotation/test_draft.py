"""What a new version looks like."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.secret import Draft, Sensitive
from engine.state.request import operation_id
from engine.state.tags import BY, CAUSE, OPERATION, REASON, RETIRE, STATE, Pending
from tests.shared.builders import ISSUED, NOW, REF, SECOND, USUAL, V1, V2, drafted, version

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TICK = timedelta(microseconds=1)


def test_a_new_version_keeps_the_owners_tags_and_renews_rekeys_own() -> None:
    ours = {OPERATION: "old", STATE: "parked", REASON: "why", CAUSE: "old", BY: "old"}
    draft = drafted(version(changes={"Owner": "shop", **ours}), cause="sweep", deployment="west")
    assert draft == Draft(
        Sensitive("fresh"),
        NOW + 90 * DAY,
        "text/plain",
        {
            **USUAL,
            "Owner": "shop",
            "CredentialId": "key2",
            OPERATION: operation_id(REF, V1),
            RETIRE: str(Pending(NOW + HOUR + SECOND, V1, "key1")),
            BY: "west",
            CAUSE: "sweep",
        },
    )


@pytest.mark.parametrize(
    ("now", "overlap", "until"),
    [
        (NOW, HOUR, NOW + HOUR + SECOND),
        (NOW + TICK, HOUR, NOW + HOUR + SECOND),
        (NOW - TICK, HOUR, NOW + HOUR),
        (NOW, timedelta(), NOW),
        (NOW + SECOND - TICK, timedelta(), NOW),
    ],
)
def test_no_overlap_is_cut_short_and_none_at_all_has_passed(
    now: datetime, overlap: timedelta, until: datetime
) -> None:
    """A tag tells whole seconds."""
    assert drafted(version(), now=now, overlap=overlap).tags[RETIRE] == str(
        Pending(until, V1, "key1")
    )


@pytest.mark.parametrize(
    ("credential_id", "is_kept"),
    [(None, True), ("key1", True), ("a key2", True), ("key2", False), ("a key", False)],
)
def test_what_a_healed_credential_has_overwritten_is_not_retired_any_more(
    credential_id: str | None, *, is_kept: bool
) -> None:
    pending = credential_id and str(Pending(NOW, V2, credential_id))
    issued = replace(ISSUED, supersedes=None)
    if credential_id == "a key":
        issued = replace(issued, credential_id=credential_id)
    draft = drafted(version(changes={RETIRE: pending}), issued)
    assert draft.tags.get(RETIRE) == (pending if is_kept else None)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [(None, 90 * DAY), (4 * DAY, 4 * DAY), (91 * DAY, 90 * DAY)],
)
def test_a_version_expires_when_its_credential_ends_if_that_is_earlier(
    ends: timedelta | None, expected: timedelta
) -> None:
    issued = replace(ISSUED, expires=None if ends is None else NOW + ends)
    assert drafted(version(), issued).expires == NOW + expected


@pytest.mark.parametrize(("others", "kept"), [(8, {BY, CAUSE}), (9, {BY}), (10, set())])
def test_history_takes_only_the_room_that_fifteen_tags_leave(others: int, kept: set[str]) -> None:
    secret = version(changes={f"other{number}": "x" for number in range(others)})
    assert {BY, CAUSE} & drafted(secret, cause="sweep", deployment="west").tags.keys() == kept


def test_a_long_cause_is_cut_and_an_empty_one_is_left_out() -> None:
    tags = drafted(version(), cause="x" * 300).tags
    assert tags[CAUSE] == "x" * 255 + "…"
    assert BY not in tags


def test_a_version_without_a_content_type_is_followed_by_plain_text() -> None:
    assert drafted(replace(version(), content_type=None)).content_type == "text/plain"
    assert drafted(replace(version(), content_type="x/y")).content_type == "x/y"
