"""What an incident covers, and how far it has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.errors import PermanentError, TransientError
from engine.secret import SecretRef
from engine.state.due import BY_HAND_FIX
from engine.state.entry import Entry
from engine.state.incident import (
    A_COPY,
    BY_PEOPLE,
    COPY_FIX,
    ENABLE,
    MOST_NAMED,
    MOST_WAITING,
    STILL_ACCEPTED,
    UNWRITTEN,
    Incident,
    IncidentProgress,
    is_replica,
)
from engine.state.index import Listed
from engine.state.request import Cause, Leak, WorkItem
from engine.state.tags import MANUAL, REPLICA_OF, Pending, parked
from rotators.sql_admin_password import SqlAdminPassword
from tests.shared.builders import (
    ACCOUNT,
    GROUP,
    NOW,
    REF,
    SECOND,
    V1,
    VAULT,
    kinds_of,
    stands,
    version,
)

SINCE = NOW - timedelta(hours=1)
BARE: dict[str, str | None] = {"ProviderAddress": None}
PRIMARY = SecretRef(VAULT, "primary")
COPY = {**BARE, REPLICA_OF: str(PRIMARY)}
BROKEN = {"ValidityPeriodDays": "soon"}
CREATED = version().created
OVERLAP = Pending(NOW, V1, "key1")
KNOWN = (Listed(ACCOUNT, str(REF)),)
LEFT = f"{GROUP}/providers/microsoft.storage/storageaccounts/left"


def shown(changes: Mapping[str, str | None] | None = None) -> Entry:
    """Return how the usual secret stands, with some tags changed."""
    return stands(version(changes=changes))


@pytest.mark.parametrize(
    ("scope", "changes", "expected"),
    [
        ({}, {}, True),
        ({}, COPY, True),
        ({}, {**BARE, MANUAL: "true"}, True),
        ({}, BARE, False),
        ({"name": "app-*"}, {}, True),
        ({"name": "APP-KEY"}, {}, True),
        ({"name": "app"}, {}, False),
        ({"name": "app-*"}, BARE, False),
        ({"source": ACCOUNT}, {}, True),
        ({"source": GROUP}, {}, True),
        ({"source": ACCOUNT[:-1]}, {}, False),
        ({"source": f"{ACCOUNT}/x"}, {}, False),
        ({"source": ACCOUNT}, COPY, False),
        # What its tags say counts even where they cannot be followed.
        ({"source": ACCOUNT}, {**BROKEN, "ProviderAddress": f" {ACCOUNT.upper()}/ "}, True),
        ({"source": GROUP}, {**BROKEN, "ProviderAddress": f"{GROUP}2"}, False),
        ({"name": "app-*", "source": ACCOUNT}, {}, True),
        ({"name": "other-*", "source": ACCOUNT}, {}, False),
        ({"name": "app-*", "source": f"{GROUP}2"}, {}, False),
    ],
)
def test_an_incident_covers_what_its_name_and_source_cover(
    scope: dict[str, Any], changes: dict[str, str | None], *, expected: bool
) -> None:
    assert Incident(SINCE, **scope).covers(shown(changes)) is expected


@pytest.mark.parametrize(
    ("scope", "changes", "expected"),
    [
        ({}, BARE, True),
        ({"name": "other"}, BARE, False),
        ({"source": ACCOUNT}, BARE, True),
        ({"source": GROUP}, BARE, True),
        ({"source": f"{GROUP}2"}, BARE, False),
        ({"source": ACCOUNT}, {"ProviderAddress": f"{GROUP}2", **BROKEN}, True),
        ({"source": f"{ACCOUNT}2"}, {"ProviderAddress": f"{ACCOUNT}3"}, False),
    ],
)
def test_an_incident_covers_a_secret_with_a_record_whatever_its_tags_say(
    scope: dict[str, Any], changes: dict[str, str | None], *, expected: bool
) -> None:
    assert Incident(SINCE, **scope).covers(shown(changes), KNOWN) is expected


def test_the_work_on_the_only_version_that_leaked_touches_no_other_one_for_its_age() -> None:
    incident = Incident(SINCE, name="app-key", vaults=(VAULT,), version=V1)
    item = incident.exact()
    assert (item.ref, item.version, item.leak) == (SecretRef(VAULT, "app-key"), V1, Leak())
    assert item.began is None


@pytest.mark.parametrize(
    ("published", "expected"),
    [(CREATED, True), (CREATED - SECOND, True), (SINCE, False), (None, False)],
)
def test_an_incident_at_a_source_covers_a_secret_that_left_it_with_what_is_older_than_that(
    published: datetime | None, *, expected: bool
) -> None:
    """Its tag may have been edited to name another source; it may also have left long ago."""
    known = (Listed(LEFT, str(REF), published=published, made=published),)
    assert Incident(SINCE, source=LEFT).covers(shown(), known) is expected
    assert Incident(SINCE, source=LEFT, version=V1).covers(shown(), known)
    assert Incident(SINCE, source=ACCOUNT).covers(shown(), known)
    assert not Incident(SINCE, name="other", source=LEFT).covers_deleted(REF, known)


@pytest.mark.parametrize(
    ("held", "reported", "expected"),
    [
        ("app_a+app_b", "app_a", True),
        ("app_a+app_b", "app_b", True),
        ("app_a+app_b", "app_a+app_b", True),
        ("app_a+app_b", "app_b+app_c", True),
        ("app_b", "app_a+app_b", True),
        ("app_a+app_b", "app", False),
        ("app_a+app_b", "app_c", False),
    ],
)
def test_an_incident_at_a_login_covers_the_secret_that_alternates_between_it_and_another(
    held: str, reported: str, *, expected: bool
) -> None:
    logins = f"{GROUP}/providers/microsoft.sql/servers/db/logins"
    known = (Listed(f"{logins}/{held}", str(REF), published=CREATED),)
    incident = Incident(SINCE, source=f"{logins}/{reported}")
    assert incident.covers(shown(), known) is expected
    assert bool(incident.covers_deleted(REF, known)) is expected


@pytest.mark.parametrize("known", [(), KNOWN])
def test_a_secret_with_a_record_is_no_replica_whatever_its_tags_say(
    known: tuple[Listed, ...],
) -> None:
    assert is_replica(shown(COPY), known) is not bool(known)
    assert not is_replica(shown({**BARE, REPLICA_OF: "ask Bob"}), known)


def test_a_secret_with_a_source_of_its_own_is_no_replica_whatever_else_its_tags_name() -> None:
    """What leaked there is cut off by its own rotation, or by whoever mends its tags."""
    both = {REPLICA_OF: str(PRIMARY)}
    assert not is_replica(shown(both))
    (row,) = counted(shown({**both, **BROKEN})).named
    assert row["reason"].startswith("tag ValidityPeriodDays is 'soon'")


def test_the_version_of_what_is_a_replica_by_now_is_reported_of_its_primary_instead() -> None:
    progress, leaked = IncidentProgress(), Incident(SINCE, version=V1)
    progress.add(leaked, shown(COPY), is_open=True, by_hand=False, primary=PRIMARY)
    (row,) = progress.named
    assert (row["reason"], row["fix"]) == (A_COPY, COPY_FIX.format(primary=PRIMARY))


def test_what_may_work_on_is_told_once_for_each_kind() -> None:
    server = f"{GROUP}/providers/microsoft.sql/servers/s"
    login = version(changes={"ProviderAddress": server, "CredentialId": "sqladmin"})
    entry = stands(login, kinds=kinds_of(SqlAdminPassword))
    progress = counted(entry, entry)
    assert [row["kind"] for row in progress.lingers] == [SqlAdminPassword.kind]
    assert [row.lingers for row in progress.each] == [progress.lingers[0]["what"]] * 2


@pytest.mark.parametrize("primary", [None, PRIMARY])
def test_a_replica_that_nothing_writes_needs_a_person(primary: SecretRef | None) -> None:
    progress = counted(shown(COPY), primary=primary)
    assert (progress.waiting, progress.needs_a_person) == (bool(primary), not primary)
    assert [row["reason"] for row in progress.named] == [f"{UNWRITTEN}: {STILL_ACCEPTED}"] * (
        not primary
    )
    assert progress.each[0].primary == str(primary or "")


@pytest.mark.parametrize(
    ("changes", "noted", "expected"),
    [
        ({}, None, True),
        ({"made": SINCE - SECOND}, SINCE, False),
        ({"is_open": True}, SINCE, False),
        ({"pending": OVERLAP}, None, False),
        ({"pending": OVERLAP}, SINCE - SECOND, False),
        ({"pending": OVERLAP}, SINCE, True),
        ({"pending": OVERLAP}, SINCE + SECOND, True),
    ],
)
def test_what_was_superseded_once_a_record_had_noted_an_incident_is_younger_than_that(
    changes: dict[str, Any], noted: datetime | None, *, expected: bool
) -> None:
    record = Listed(ACCOUNT, str(REF), made=SINCE)
    assert Incident(SINCE).is_over_at(replace(record, **changes), noted) is expected


@pytest.mark.parametrize("changes", [{}, BROKEN, {**BARE, MANUAL: "true"}])
def test_what_the_records_prove_to_be_refused_needs_nobody_whatever_becomes_of_its_secret(
    changes: dict[str, str | None],
) -> None:
    disabled = stands(replace(version(changes=changes), enabled=False))
    for entry in (shown(changes), disabled):
        progress = counted(entry, is_open=False)
        assert (progress.rotated, progress.needs_a_person) == (1, 0)


def test_an_incidents_item_replaces_one_version_and_says_since_when_who_and_why() -> None:
    work = Incident(SINCE, requested_by="me", reason="a leak").work(REF, V1, ACCOUNT)
    assert work == WorkItem(
        REF,
        version=V1,
        cause=Cause("manual", "me", "a leak", "2026-11-02T07:59:50+00:00"),
        leak=Leak("2026-11-02T08:00:00+00:00"),
        source=ACCOUNT,
    )


def test_a_message_about_an_incident_leaves_the_vaults_to_the_message() -> None:
    whole = Incident(SINCE, "app-*", "/s", "me", "a leak", "an id", ("https://a", "https://b"))
    written = json.loads(json.dumps(whole.to_dict()))
    assert Incident.from_dict(written) == replace(whole, vaults=())
    assert Incident.from_dict({**written, "vaults": ["https://a", "https://b"]}) == whole


def test_an_incident_of_which_only_the_time_is_known_covers_everything() -> None:
    assert Incident.from_dict({"since": "2026-11-02T08:00:00"}) == Incident(SINCE)
    assert Incident.from_dict({"since": "2026-11-02T10:00:00+02:00"}) == Incident(SINCE)


def counted(
    *entries: Entry,
    is_open: bool = True,
    by_hand: bool = False,
    primary: SecretRef | None = None,
) -> IncidentProgress:
    """Return the progress of an incident that covers these secrets."""
    progress = IncidentProgress()
    for entry in entries:
        progress.add(Incident(SINCE), entry, is_open=is_open, by_hand=by_hand, primary=primary)
    return progress


@pytest.mark.parametrize(
    ("is_open", "by_hand", "expected"),
    [
        (True, False, {"waiting"}),
        (True, True, {"waiting"}),
        (False, True, {"needs_a_person"}),
        (False, False, {"rotated"}),
    ],
)
def test_a_version_by_hand_needs_a_person_only_once_the_compromise_is_over(
    *, is_open: bool, by_hand: bool, expected: set[str]
) -> None:
    progress = counted(shown(), is_open=is_open, by_hand=by_hand)
    counts = ("waiting", "needs_a_person", "rotated")
    assert {name: getattr(progress, name) for name in counts} == {
        name: int(name in expected) for name in counts
    }
    assert progress.secrets == 1
    assert all("by hand" in row["reason"] and row["fix"] for row in progress.named)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (BROKEN, "tag ValidityPeriodDays is 'soon'"),
        (BARE, "no tag ProviderAddress"),
        ({**BARE, MANUAL: "true"}, "only a person rotates it"),
    ],
)
def test_what_rekey_cannot_rotate_is_named_with_its_reason_and_fix(
    changes: dict[str, str | None], reason: str
) -> None:
    shown_entry = shown(changes)
    (row,) = counted(shown_entry).named
    assert (row["vault"], row["secret"]) == ("prod", "app-key")
    assert row["fix"]
    assert row["fix"] == (shown_entry.fix or BY_HAND_FIX)
    assert row["reason"].startswith(reason)


def test_what_is_disabled_is_named_with_what_would_have_it_replaced() -> None:
    """Nothing rotates it, but its credential works on."""
    for changes in ({}, BROKEN):
        entry = stands(replace(version(changes=changes), enabled=False))
        (row,) = counted(entry).named
        assert row["reason"].endswith(f": {STILL_ACCEPTED}")
        assert row["fix"] == ENABLE


def test_what_cannot_be_rotated_for_no_reason_that_is_known_says_so() -> None:
    (row,) = counted(replace(shown(BARE), reason="")).named
    assert row["reason"] == "it cannot be rotated"


@pytest.mark.parametrize(
    ("changes", "source", "owner"), [({"Owner": "shop"}, ACCOUNT, "shop"), (COPY, None, None)]
)
def test_what_waits_is_named_with_its_source_and_owner_by_its_vaults_short_name(
    changes: dict[str, str | None], source: str | None, owner: str | None
) -> None:
    """A replica waits for its primary."""
    entry = shown(changes)
    west = replace(entry.secret, ref=SecretRef("https://west.vault.azure.net", "db"))
    (row,) = counted(replace(entry, secret=west), primary=PRIMARY).waiting_for
    assert row == {"vault": "west", "secret": "db", "source": source, "owner": owner}


@pytest.mark.parametrize(
    ("incident", "known"),
    [
        (Incident(SINCE, source=LEFT, version=V1), KNOWN),
        (Incident(SINCE), (Listed(LEFT, str(REF), published=CREATED),)),
    ],
    ids=["as the report of a single version says", "as the record says"],
)
def test_what_waits_is_named_with_the_source_of_what_leaked_whatever_its_tags_name(
    incident: Incident, known: tuple[Listed, ...]
) -> None:
    progress = IncidentProgress()
    progress.add(incident, shown(), is_open=True, by_hand=False, known=known)
    assert [row["source"] for row in progress.waiting_for] == [LEFT]


@pytest.mark.parametrize(
    ("is_refused", "parked", "standing"),
    [
        (True, shown(BROKEN), "refused"),
        (False, shown(BROKEN), "needs a person"),
        (False, None, "waiting"),
    ],
)
def test_what_is_refused_at_a_source_needs_nobody_whatever_its_next_owner_needs(
    *, is_refused: bool, parked: Entry | None, standing: str
) -> None:
    progress = IncidentProgress()
    progress.add_passed_on(REF, is_refused=is_refused, parked=parked)
    assert [row.standing for row in progress.each] == [standing]


def test_an_incident_goes_on_while_one_of_its_vaults_may_still_be_listed() -> None:
    progress = IncidentProgress()
    for error in (TransientError("busy"), PermanentError("no role", fix="grant it")):
        progress.add_unlisted(VAULT, error)
    assert (progress.is_ordered, progress.needs_a_person) == (True, 2)
    progress.add_unread(shown(), PermanentError("no role", fix="grant it"))
    for row, name in zip(progress.named[1:], ("*", "app-key"), strict=True):
        assert row == {
            "vault": "prod",
            "secret": name,
            "reason": f"no role: {STILL_ACCEPTED}",
            "fix": "grant it",
        }


@pytest.mark.parametrize(
    ("seconds", "stuck"), [(-1, False), (0, True), (1, True)], ids=["before", "at", "after"]
)
def test_a_secret_is_stuck_if_it_was_parked_since_the_incident_began(
    seconds: int, *, stuck: bool
) -> None:
    marked = parked(version(), "no role", SINCE + timedelta(seconds=seconds))
    progress = counted(shown(dict(marked)))
    assert (progress.needs_a_person, progress.waiting) == (int(stuck), int(not stuck))
    assert [row["reason"] for row in progress.named] == ["no role"] * stuck
    (row,) = counted(shown(dict(marked)), is_open=False, by_hand=True).named
    assert row["reason"] == ("no role" if stuck else BY_PEOPLE)


@pytest.mark.parametrize(
    ("seconds", "stuck"), [(-1, False), (0, True), (1, True)], ids=["before", "at", "after"]
)
def test_the_work_on_a_single_version_begins_at_its_report_and_so_do_its_marks(
    seconds: int, *, stuck: bool
) -> None:
    """The lead is for what is told by its age. A mark of the first seconds is of this incident."""
    incident = Incident(SINCE, vaults=(VAULT,), name="app-key", version=V1)
    marked = parked(version(), "no role", incident.reported + timedelta(seconds=seconds))
    progress = IncidentProgress()
    progress.add(incident, shown(dict(marked)), is_open=True, by_hand=False)
    assert (progress.needs_a_person, progress.waiting) == (int(stuck), int(not stuck))


def test_a_secret_without_room_for_a_mark_is_stuck_all_the_same() -> None:
    full = {f"other{number}": "x" for number in range(12)}
    progress = counted(shown(full))
    assert (progress.needs_a_person, progress.waiting) == (1, 0)
    assert "leave no room" in progress.named[0]["reason"]


def test_so_many_secrets_are_named_and_all_are_counted() -> None:
    stuck = counted(*[shown(BARE)] * (MOST_NAMED + 1))
    assert (stuck.needs_a_person, len(stuck.named)) == (MOST_NAMED + 1, MOST_NAMED)
    waiting = counted(*[shown()] * (MOST_WAITING + 1))
    assert (waiting.waiting, len(waiting.waiting_for)) == (MOST_WAITING + 1, MOST_WAITING)
    rotated = counted(shown(), shown(), is_open=False)
    assert (rotated.rotated, rotated.secrets) == (2, 2)
