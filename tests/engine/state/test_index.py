"""What the records say is due."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from engine.planning.decision import Tagged
from engine.secret import SecretRef
from engine.state.entry import Entry
from engine.state.incident import leaked_at
from engine.state.index import Listed, StateIndex
from engine.state.record import SELDOM, Record
from engine.state.record_parts import Change, Compromised, History, Published, Verified
from engine.state.request import Action, recheck_of
from engine.state.sweep_order import SweepOrder, audit_is_due
from engine.state.tags import RETIRE, Pending
from tests.shared.builders import (
    ACCOUNT,
    KINDS,
    NOW,
    POLICY,
    REF,
    SECOND,
    V2,
    V3,
    VAULT,
    version,
)

DAY = timedelta(days=1)
OWNER = str(REF).lower()
CLAIMED = str(Pending(NOW, V2, "key2"))
RECORDED = Pending(NOW + DAY, V3, "key2")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"pending": Pending(NOW, V2, "key2")}, ["retire"]),
        ({"pending": Pending(NOW + SECOND, V2, "key2")}, []),
        ({"pending": Pending(NOW, V2, "key2"), "is_open": True}, ["audit"]),
        ({"pending": Pending(NOW, V2, "key2"), "next_check": NOW}, ["retire"]),
        ({"pending": Pending(NOW, V2, "key2"), "next_check": NOW + SECOND}, []),
        ({"is_open": True}, ["audit"]),
        ({"is_open": True, "next_check": NOW + SECOND}, []),
        ({"is_open": True, "next_check": NOW + 2 * SELDOM}, []),
        ({"is_open": True, "next_check": NOW + 2 * SELDOM + SECOND}, ["audit"]),
        ({"is_open": True, "waiting": NOW, "next_check": NOW + DAY}, []),
        ({"pending": Pending(NOW, V2, "key2"), "next_check": NOW + DAY}, []),
        ({"waiting": NOW, "next_check": NOW}, ["audit"]),
        ({"next_check": NOW}, []),
        ({}, []),
    ],
)
def test_a_recheck_is_due_of_what_is_owed_and_not_before_the_record_says(
    fields: dict[str, Any], expected: list[str]
) -> None:
    index = StateIndex({OWNER: (Listed(ACCOUNT, OWNER, **fields),)})
    work = [replace(recheck_of(REF, ACCOUNT), action=cast("Action", it)) for it in expected]
    assert index.due(REF, NOW) == work


@pytest.mark.parametrize(
    ("pending", "is_open", "says"),
    [
        (NOW, False, "key2 of /s lives"),
        (NOW, True, "key2 of /s lives"),
        (NOW + SECOND, True, "what was begun at /s is not finished: "),
        (NOW + SECOND, False, ""),
        (None, True, "what was begun at /s is not finished: "),
    ],
)
def test_what_is_left_at_a_source_is_said_what_lives_first(
    pending: datetime | None, says: str, *, is_open: bool
) -> None:
    going = Pending(pending, V2, "key2") if pending else None
    left = Listed("/s", OWNER, going, is_open=is_open).left(NOW)
    assert left.startswith(says)
    assert bool(left) is bool(says)


def test_a_listing_shows_of_a_record_what_sweeps_and_incidents_ask_for() -> None:
    at = [NOW + number * SECOND for number in range(8)]
    write = Published("op", "key2", "digest", V2, NOW, NOW - DAY, version=V3, created=at[1])
    record = Record(
        "/s",
        OWNER,
        published=write,
        change=Change(open_since=at[2], in_progress_since=at[3], recheck_at=at[4]),
        compromised=Compromised((V2,)),
        verified=Verified(V3, at[5], at[6], repaired_at=NOW, notified_at=at[7]),
        history=History(prints={V3: "a.b", V2: "c"}),
    )
    assert Listed.of(record) == Listed(
        source="/s",
        owner=OWNER,
        is_open=True,
        is_leaked=True,
        notified=at[7],
        audited=at[5],
        created=at[6],
        published=at[1],
        made=NOW - DAY,
        waiting=at[3],
        next_check=at[4],
        prints=("a", "b", "c"),
        is_printed=True,
    )


@pytest.mark.parametrize(
    ("changes", "records", "expected"),
    [
        # A secret without a record keeps what its tag says.
        ({}, [], CLAIMED),
        ({}, [Listed(ACCOUNT, OWNER, RECORDED)], str(RECORDED)),
        ({}, [Listed(ACCOUNT, OWNER)], None),
        ({}, [Listed(f"{ACCOUNT}2", OWNER, RECORDED)], None),
        ({}, [Listed(f"{ACCOUNT}2", OWNER), Listed(ACCOUNT, OWNER, RECORDED)], str(RECORDED)),
        # Where the source is not known, no record is its source's.
        ({"ProviderAddress": None}, [Listed(ACCOUNT, OWNER, RECORDED)], None),
        ({"ValidityPeriodDays": "x"}, [Listed(ACCOUNT, OWNER, RECORDED)], None),
    ],
)
def test_the_retirement_in_the_record_of_its_source_is_believed_and_not_a_tags(
    changes: dict[str, str | None], records: list[Listed], expected: str | None
) -> None:
    secret = version(changes={RETIRE: CLAIMED, **changes})
    believed = Tagged.believed(secret, records, POLICY, KINDS)
    for shown in (believed.held, believed.applied):
        assert shown.tags.get(RETIRE) == expected
        assert {**shown.tags, RETIRE: CLAIMED} == secret.tags


async def test_a_secret_that_owns_two_records_gets_the_work_of_both() -> None:
    other = SecretRef(VAULT, "other")
    records = [
        Listed("/one", OWNER, is_open=True),
        Listed("/stranger", str(other), is_open=True),
        Listed("/two", OWNER, is_open=True),
    ]

    async def listing() -> AsyncIterator[Listed]:
        for listed in records:
            yield listed

    index = await StateIndex.read(listing())
    upper = SecretRef(VAULT, REF.name.upper())
    assert [item.source for item in index.due(upper, NOW)] == ["/one", "/two"]
    assert index.due(SecretRef(VAULT, "unknown"), NOW) == []
    assert not index.unread


MARK = NOW.replace(hour=1, minute=23, second=48)
"""The second of the usual secret."""


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (MARK - SECOND, MARK, True),
        (MARK, MARK + SECOND, False),
        # A sweep that covers no time audits nothing.
        (MARK, MARK, False),
        (MARK - 2 * SECOND, MARK - SECOND, False),
        (MARK - DAY - SECOND, MARK - DAY, True),
        # A sweep of the morning also covers what has passed since the evening before.
        (MARK - DAY / 2, MARK - SECOND, False),
        (MARK - DAY - SECOND, MARK - SECOND, True),
        (MARK - SECOND, MARK + DAY / 2, True),
    ],
)
def test_a_secret_that_was_never_proven_is_audited_in_its_own_second_of_the_day(
    since: datetime, until: datetime, *, expected: bool
) -> None:
    for ref in (REF, SecretRef(VAULT, REF.name.upper())):
        assert audit_is_due(ref, SweepOrder(VAULT, since, until, DAY), None) is expected


@pytest.mark.parametrize(
    ("audited", "until", "expected"),
    [
        (MARK - SECOND, MARK, True),
        (MARK, MARK, False),
        (MARK - SECOND, MARK - SECOND, False),
        (MARK - DAY - SECOND, MARK - SECOND, True),
        (MARK - DAY, MARK - SECOND, False),
    ],
)
def test_a_secret_that_was_proven_is_audited_once_its_second_has_come_again(
    audited: datetime, until: datetime, *, expected: bool
) -> None:
    """However late the sweep is."""
    assert audit_is_due(REF, SweepOrder(VAULT, until, until, DAY), audited) is expected


@pytest.mark.parametrize("hours", [1, 6, 24])
def test_every_secret_is_audited_exactly_once_a_day_however_often_the_sweep_runs(
    hours: int,
) -> None:
    step = timedelta(hours=hours)
    orders = [
        SweepOrder(VAULT, NOW + n * step, NOW + (n + 1) * step, step) for n in range(24 // hours)
    ]
    for number in range(200):
        ref = SecretRef(VAULT, f"secret-{number}")
        assert sum(audit_is_due(ref, order, None) for order in orders) == 1


def test_what_is_decided_from_holds_no_value() -> None:
    read = version()
    assert read.value
    bare = read.bare
    for tagged in (
        Tagged.of(read, POLICY, KINDS),
        Tagged.believed(read, (Listed(ACCOUNT, str(REF)),), POLICY, KINDS),
    ):
        assert (tagged.held, tagged.applied) == (bare, POLICY.applied(bare))


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        ("/server/a+b", "/server/a+b"),
        ("/server/a", "/server/a"),
        ("/server/a+c", "/server/a+b"),
        ("/server/c", "/server/a+b"),
        ("/elsewhere/a", "/server/a+b"),
        (None, "/server/a+b"),
    ],
)
def test_tags_may_name_fewer_logins_of_what_has_accepted_a_version_and_no_other(
    tagged: str | None, expected: str
) -> None:
    """Whoever adds a login to the tags does not lead an incident past what has leaked."""
    secret = version()
    known = (
        Listed("/server/a+b", OWNER, created=secret.created),
        Listed("/server/c", OWNER, created=secret.created - SECOND),
        Listed("/server/d", OWNER, created=secret.created),
    )
    managed = Tagged.of(secret, POLICY, KINDS).managed
    assert managed
    asks = replace(managed, source=tagged) if tagged else None
    entry = Entry(secret, "ok", "", managed=asks)
    assert leaked_at(entry, known) == expected
    assert leaked_at(entry, ()) == tagged
