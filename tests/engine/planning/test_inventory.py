"""How secrets stand, as listings, metrics and the API show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.secret import SecretRef
from engine.state.entry import SweepSummary
from engine.state.incident import STILL_ACCEPTED, UNWRITTEN
from engine.state.index import Listed
from engine.state.record import Record
from engine.state.record_parts import Compromised
from engine.state.tags import REPLICA_OF, Pending, fingerprint, parked
from tests.shared.builders import (
    ACCOUNT,
    NOW,
    POLICY,
    REF,
    SECOND,
    V1,
    VAULT,
    pending,
    stands,
    version,
)
from tests.shared.policies import document

DAY = timedelta(days=1)
COPY = {"ProviderAddress": None, REPLICA_OF: "https://prod.vault.azure.net/secrets/primary"}


@pytest.mark.parametrize(
    ("left", "state", "fix"),
    [
        (SECOND, "ok", ""),
        (timedelta(), "overdue", "rotate the primary"),
        (None, "ok", ""),
    ],
)
def test_a_replica_is_overdue_once_it_has_expired(
    left: timedelta | None, state: str, fix: str
) -> None:
    shown = stands(version(left=left, changes=COPY))
    assert (shown.state, shown.fix) == (state, fix)


@pytest.mark.parametrize("primary", ["https://other.vault.azure.net/secrets/app", "ask Bob"])
def test_a_replica_of_no_secret_that_is_served_is_parked(primary: str) -> None:
    shown = stands(version(left=80 * DAY, changes={**COPY, REPLICA_OF: primary}))
    assert (shown.state, shown.reason) == ("parked", UNWRITTEN)
    assert shown.fix.startswith("make the two tags agree")


def test_a_replica_that_is_left_to_a_person_is_written_with_its_primary_all_the_same() -> None:
    shown = stands(version(left=DAY, changes={**COPY, "Manual": "true"}))
    assert (shown.state, shown.reason) == (
        "ok",
        f"a replica, written when {COPY[REPLICA_OF]} is rotated",
    )


def test_what_only_a_person_rotates_and_never_expires_says_since_when_it_is_due() -> None:
    shown = stands(version(left=None, age=100 * DAY, changes={"Manual": "true"}))
    since = f"{NOW - 10 * DAY:%Y-%m-%d %H:%M}Z"
    assert (shown.state, shown.reason) == (
        "overdue",
        f"only a person rotates it, due since {since}",
    )


@pytest.mark.parametrize(("source", "known"), [(ACCOUNT, True), (f"{ACCOUNT}2", False)])
def test_what_is_due_shows_since_when_its_own_source_is_at_a_change(
    source: str, *, known: bool
) -> None:
    began = NOW - DAY
    records = [Listed(source, str(REF), waiting=began)]
    shown = stands(version(left=30 * DAY), records)
    assert shown.state == "due"
    assert shown.under_way_since == (began if known else None)
    assert ("; under way since" in shown.reason) is known


def test_what_is_not_due_yet_is_under_way_where_somebody_has_asked_for_it() -> None:
    records = [Listed(ACCOUNT, str(REF), waiting=NOW - DAY)]
    shown = stands(version(left=80 * DAY), records)
    assert (shown.state, shown.under_way_since) == ("ok", NOW - DAY)
    assert shown.to_json()["under_way_since"] == "2026-11-01T09:00:00+00:00"
    assert shown.reason == f"under way since {NOW - DAY:%Y-%m-%d %H:%M}Z"


@pytest.mark.parametrize(
    ("source", "enabled", "over", "state"),
    [
        pytest.param(f"{ACCOUNT}2", True, 7 * DAY, "parked", id="left"),
        pytest.param(f"{ACCOUNT}2", True, 7 * DAY - SECOND, "ok", id="may wait for an app"),
        pytest.param(ACCOUNT, True, 7 * DAY, "overdue", id="retired by the sweep"),
        pytest.param(f"{ACCOUNT}+b", True, 7 * DAY, "overdue", id="beside a login of before"),
        pytest.param(ACCOUNT, False, 7 * DAY, "parked", id="disabled"),
        pytest.param(ACCOUNT, False, 7 * DAY - SECOND, "disabled", id="disabled just now"),
    ],
)
def test_a_secret_is_parked_whose_superseded_credential_nothing_revokes(
    source: str, over: timedelta, state: str, *, enabled: bool
) -> None:
    records = [Listed(source, str(REF), Pending(NOW - over, V1, "key1"))]
    shown = stands(replace(version(left=80 * DAY), enabled=enabled), records)
    assert shown.state == state
    assert (f"key1 of {source} lives" in shown.reason) is (state == "parked")
    assert ("revoke that at its source" in shown.fix) is (state == "parked")


@pytest.mark.parametrize(("notified", "state"), [(NOW - DAY, "parked"), (None, "ok")])
def test_what_people_were_told_of_at_a_source_that_was_left_is_shown_at_once(
    notified: datetime | None, state: str
) -> None:
    left = Listed(f"{ACCOUNT}2", str(REF), Pending(NOW - SECOND, V1, "key1"), notified=notified)
    assert stands(version(left=80 * DAY), [left]).state == state


def test_of_tags_that_cannot_be_followed_it_is_not_said_that_the_secret_has_left() -> None:
    records = [Listed(ACCOUNT, str(REF), Pending(NOW - 8 * DAY, V1, "key1"))]
    shown = stands(version(left=80 * DAY, changes={"ValidityPeriodDays": "ninety"}), records)
    assert "its tags cannot be followed, and key1" in shown.reason
    assert "has left" not in shown.reason


def test_a_disabled_secret_has_no_expiry_to_watch_whatever_it_has_left_behind() -> None:
    records = [Listed(ACCOUNT, str(REF), Pending(NOW - 8 * DAY, V1, "key1"))]
    shown = stands(replace(version(left=DAY), enabled=False), records)
    summary = SweepSummary("v")
    summary.add(shown, NOW)
    assert (shown.state, summary.expiries) == ("parked", [])


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(("leaked", "state"), [(V1, "overdue"), (None, "")])
def test_a_secret_is_overdue_until_what_leaked_is_refused(
    leaked: str | None, state: str, *, enabled: bool
) -> None:
    versions = (leaked,) if leaked else ()
    record = Record(source=ACCOUNT, owner=str(REF), compromised=Compromised(versions))
    shown = stands(replace(version(left=80 * DAY), enabled=enabled), [Listed.of(record)])
    assert shown.state == (state or ("ok" if enabled else "disabled"))
    assert (shown.is_leaked, shown.reason == STILL_ACCEPTED) == (bool(leaked), bool(leaked))
    assert bool(leaked and not enabled) is shown.fix.startswith("enable it: the incident")


def test_a_marked_secret_says_too_what_lives_on_at_a_source_that_it_has_left() -> None:
    marked = version(left=80 * DAY)
    marked = replace(marked, tags=parked(marked, "its own reason", NOW))
    records = [Listed(f"{ACCOUNT}2", str(REF), Pending(NOW - 7 * DAY, V1, "key1"))]
    shown = stands(marked, records)
    why = f"the secret has left its source, and key1 of {ACCOUNT}2 lives"
    assert (shown.state, shown.reason) == ("parked", f"its own reason; {why}")


def test_an_entry_shows_people_and_programs_what_its_tags_and_dates_say() -> None:
    tags = {**pending(DAY), "Owner": "shop", "RekeyOperation": "an operation"}
    shown = stands(version(left=80 * DAY, changes=tags))
    assert shown.to_json() == {
        "vault": REF.vault, "secret": "app-key", "state": "ok", "reason": "", "fix": "",
        "rotator": "storage-key", "source": ACCOUNT, "credential": "key1", "owner": "shop",
        "replica_of": None, "derived_from": None, "enabled": True,
        "created": "2026-11-01T09:00:00+00:00",
        "expires": "2027-01-21T09:00:00+00:00",
        "due": "2026-12-22T09:00:00+00:00",
        "parked_since": None,
        "under_way_since": None,
        "overlap_until": "2026-11-03T09:00:00+00:00",
        "operation": "an operation",
    }  # fmt: skip


def test_an_entry_without_a_source_shows_none() -> None:
    copy = version(left=None, changes={**COPY, "DerivedFrom": "its key"}, enabled=False)
    shown = stands(copy).to_json()
    empty = ("rotator", "source", "expires", "due", "overlap_until", "operation")
    assert [shown[name] for name in empty] == [None] * len(empty)
    assert (shown["replica_of"], shown["derived_from"]) == (COPY[REPLICA_OF], "its key")
    assert (shown["credential"], shown["enabled"]) == ("key1", False)
    assert stands(version(changes={"ValidityPeriodDays": "x"})).to_json()["source"] is None


def test_what_is_due_a_part_of_a_day_before_its_expiry_says_how_much() -> None:
    """Half of a short life is whole in no unit: times are shown in seconds."""
    short: dict[str, str | None] = {"ValidityPeriodDays": "3"}
    shown = stands(version(left=DAY, age=2 * DAY, changes=short))
    assert (shown.state, shown.reason) == (
        "due",
        "due since 2026-11-01 21:00Z, 1.5 days before it expires (RotateBeforeDays)",
    )
    later = replace(shown, due=NOW + timedelta(microseconds=1))
    assert later.to_json()["due"] == "2026-11-02T09:00:00+00:00"


@pytest.mark.parametrize(
    ("left", "age", "due"),
    [(80 * DAY, DAY, 50 * DAY), (80 * DAY, 85 * DAY, 5 * DAY), (None, 3 * DAY, -3 * DAY)],
)
def test_a_secret_is_due_before_its_expiry_or_at_its_age_and_without_an_expiry_at_once(
    left: timedelta | None, age: timedelta, due: timedelta
) -> None:
    assert stands(version(left=left, age=age)).due == NOW + due


LATE = "see that sweeps run"


@pytest.mark.parametrize(
    ("left", "age", "changes", "state", "fix"),
    [
        # Nothing holds it up, so it is overdue a day after it was due, or once it has expired.
        (29 * DAY + SECOND, DAY, {}, "due", ""),
        (29 * DAY, DAY, {}, "overdue", LATE),
        (SECOND, DAY, {"RotateBeforeDays": "1"}, "due", ""),
        (timedelta(), DAY, {"RotateBeforeDays": "1"}, "overdue", LATE),
        (None, DAY - SECOND, {}, "due", ""),
        (None, DAY, {}, "overdue", LATE),
        (80 * DAY, DAY, pending(SECOND - DAY), "due", ""),
        (80 * DAY, DAY, pending(-DAY), "overdue", LATE),
        # What is held up is overdue only once it has expired.
        (SECOND, DAY, pending(DAY), "due", "wait; only if it has leaked"),
        (timedelta(), DAY, pending(DAY), "overdue", "wait; only if it has leaked"),
    ],
)
def test_what_is_due_is_overdue_when_it_should_have_been_done(
    left: timedelta | None, age: timedelta, changes: dict[str, str | None], state: str, fix: str
) -> None:
    shown = stands(version(left=left, age=age, changes=changes))
    assert (shown.state, shown.fix[: len(LATE)]) == (state, fix[: len(LATE)])
    assert shown.reason


@pytest.mark.parametrize(
    ("left", "age", "changes", "reason"),
    [
        (29 * DAY, DAY, {}, f"{NOW - DAY:%Y-%m-%d %H:%M}Z, 30 days before it expires (RotateB"),
        (
            80 * DAY,
            40 * DAY,
            {"ValidityPeriodDays": "30", "RotateBeforeDays": "5"},
            f"{NOW - 10 * DAY:%Y-%m-%d %H:%M}Z, 30 days after it was written (ValidityP",
        ),
        (None, 3 * DAY, {}, f"{NOW - 3 * DAY:%Y-%m-%d %H:%M}Z: it has no expiry"),
    ],
)
def test_what_is_overdue_says_since_when_and_by_which_setting_not_when_it_expires(
    left: timedelta | None, age: timedelta, changes: dict[str, str | None], reason: str
) -> None:
    shown = stands(version(left=left, age=age, changes=changes))
    assert shown.state == "overdue"
    assert shown.reason.startswith(f"due since {reason}")


@pytest.mark.parametrize(
    ("left", "tense"), [(30 * DAY, "expires"), (2 * DAY, "expires"), (timedelta(), "expired")]
)
def test_a_manual_secret_says_since_when_it_is_due_and_when_it_expires(
    left: timedelta, tense: str
) -> None:
    tags = {"Manual": "true", "ValidityPeriodDays": None}
    shown = stands(version(left=left, age=90 * DAY, changes=tags))
    assert shown.reason == (
        f"only a person rotates it, due since {NOW + left - 30 * DAY:%Y-%m-%d %H:%M}Z, "
        f"it {tense} {NOW + left:%Y-%m-%d %H:%M}Z"
    )


def test_what_is_to_be_retired_says_since_when_its_overlap_is_over() -> None:
    shown = stands(version(left=80 * DAY, changes=pending(-DAY)))
    assert shown.reason == f"its overlap passed at {NOW - DAY:%Y-%m-%d %H:%M}Z"


def test_the_key_pairs_that_a_vault_makes_are_nobodys_secrets() -> None:
    pair = SecretRef(REF.vault, "rekey-a1e3f245-f2b1-5293-98eb-ff97e1a2a813")
    shown = stands(replace(version(changes={"ProviderAddress": None}), ref=pair))
    assert (shown.state, "key pairs" in shown.reason) == ("unmanaged", True)


@pytest.mark.parametrize(("drifted", "state"), [(False, "parked"), (True, "drifted")])
@pytest.mark.parametrize(
    ("mark", "fix"),
    [
        ("no role", "unpark"),
        ("no role. Fix: grant Reader", "grant Reader, then rekey unpark prod/app-key --wait"),
    ],
)
def test_a_marked_secret_shows_since_when_and_why_once_and_its_fix_is_a_command(
    mark: str, fix: str, state: str, *, drifted: bool
) -> None:
    marked = parked(version(), mark, NOW - DAY, drifted=drifted)
    shown = stands(version(changes={**marked}))
    assert (shown.state, shown.parked_since, shown.reason) == (state, NOW - DAY, "no role")
    assert shown.to_json()["parked_since"] == "2026-11-01T09:00:00+00:00"
    assert fix in shown.fix


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize(
    ("wrong", "settings"),
    [
        ({"ValidityPeriodDays": "ninety"}, "ValidityPeriodDays=90"),
        ({"ValidityPeriodDays": None}, "ValidityPeriodDays=90"),
        (
            {"OverlapHours": "a week", "RotationWindow": "never"},
            "OverlapHours= RotationWindow=VALUE",
        ),
        ({"ValueTemplate": "{nothing}"}, "ValueTemplate=VALUE"),
        ({"Rotator": "acme"}, "Rotator=VALUE"),
    ],
)
def test_tags_that_cannot_be_read_have_the_command_that_mends_them(
    wrong: dict[str, str | None], settings: str, *, marked: bool
) -> None:
    tags: dict[str, str | None] = dict(wrong)
    if marked:
        tags |= parked(version(changes=tags), "tag X is wrong. Fix: mend it", NOW - DAY)
    shown = stands(version(changes=tags))
    assert (shown.state, shown.fix) == ("parked", f"rekey tags set prod/app-key {settings}")


def test_a_mark_counts_only_for_what_the_policy_document_narrows_the_vaults_to_by_now() -> None:
    narrow = POLICY.under(document(f"vaults: {{'{VAULT}': {{scopes: ['{ACCOUNT}']}}}}\n"))
    for made in (POLICY, narrow):
        mark = parked(
            version(), "no role", NOW, seen=fingerprint(version(), narrowed=made.narrowed)
        )
        for policy in (POLICY, narrow):
            shown = stands(version(changes=dict(mark)), policy=policy)
            assert (shown.state == "parked") is (policy is made)


@pytest.mark.parametrize("beside", [{}, {"RotateBeforeDays": "soon"}])
def test_what_the_policy_document_says_wrongly_is_mended_there_whatever_else_is_wrong(
    beside: dict[str, str | None],
) -> None:
    text = "rules: [{match: {secret: '*'}, overlapHours: 720}]\n"
    short: dict[str, str | None] = {"ValidityPeriodDays": "7"}
    shown = stands(version(changes=short | beside), policy=POLICY.under(document(text)))
    wrong = ", ".join((*beside, "OverlapHours"))
    assert (shown.state, shown.fix) == ("parked", f"correct {wrong} in the policy document")


@pytest.mark.parametrize(
    ("created", "state"),
    [(None, "unmanaged"), (-SECOND, "dropped"), (timedelta(), "unmanaged")],
)
def test_a_version_without_tags_that_came_after_rekeys_took_its_secret_out_of_management(
    created: timedelta | None, state: str
) -> None:
    """The tags of the version that Rekey knows were removed from it on purpose."""
    secret = version(changes={"ProviderAddress": None})
    known = None if created is None else secret.created + created
    shown = stands(secret, [Listed(ACCOUNT, str(REF), created=known)])
    assert shown.state == state
    assert ("rekey adopt prod/app-key" in shown.fix) is (state == "dropped")
