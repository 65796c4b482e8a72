"""The decision as a table.

At, just before and just after every threshold, for every kind of trigger.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from engine.model.policy import Policy
from engine.model.tags import OPERATION, parked
from engine.model.workitem import Action, Trigger, operation_id
from engine.secret import SecretVersion
from tests.shared.builders import (
    ACCOUNT,
    GROUP,
    NOW,
    POLICY,
    REF,
    SECOND,
    V1,
    V2,
    V3,
    VAULT,
    Confirm,
    Decision,
    Park,
    Restore,
    Retire,
    Rotate,
    Skip,
    Wait,
    item,
    judge,
    pending,
    version,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FAR = timedelta(days=80)
TRIGGERS = get_args(Trigger)


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize(
    ("left", "expected", "reason"),
    [
        (30 * DAY + SECOND, Skip, "not due before 2026-11-02 09:00Z"),
        (30 * DAY, Rotate, "expires 2026-12-02 09:00Z"),
        (30 * DAY - SECOND, Rotate, "expires 2026-12-02 08:59Z"),
        (SECOND, Rotate, "expires 2026-11-02 09:00Z"),
        (timedelta(0), Rotate, "expired 2026-11-02 09:00Z"),
        (-SECOND, Rotate, "expired 2026-11-02 08:59Z"),
        (-400 * DAY, Rotate, "expired"),
        (None, Rotate, "no expiry"),
    ],
)
def test_expiry_decides_at_its_thresholds_whoever_asks(
    left: timedelta | None, expected: type[Decision], reason: str, trigger: str
) -> None:
    decision = judge(version(left=left), item(version=V1, trigger=trigger))
    assert isinstance(decision, expected)
    assert decision.reason.startswith(reason)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(90 * DAY - SECOND, Skip), (90 * DAY, Rotate), (90 * DAY + SECOND, Rotate)],
)
def test_a_version_older_than_its_validity_is_due_although_it_expires_far_away(
    age: timedelta, expected: type[Decision]
) -> None:
    assert isinstance(judge(version(left=300 * DAY, age=age)), expected)


@pytest.mark.parametrize(
    ("days", "left", "expected"),
    [
        ("7", 7 * DAY, Rotate),
        ("7", 7 * DAY + SECOND, Skip),
        (" 60 ", 60 * DAY, Rotate),
        ("60", 61 * DAY, Skip),
    ],
)
def test_the_tag_rotate_before_days_moves_the_threshold(
    days: str, left: timedelta, expected: type[Decision]
) -> None:
    assert isinstance(judge(version(left=left, changes={"RotateBeforeDays": days})), expected)


@pytest.mark.parametrize(("left", "expected"), [(5 * DAY, Rotate), (5 * DAY + SECOND, Skip)])
def test_the_default_lead_is_at_most_half_of_a_short_validity(
    left: timedelta, expected: type[Decision]
) -> None:
    assert isinstance(judge(version(left=left, changes={"ValidityPeriodDays": "10"})), expected)


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize(
    ("until", "expected"), [(SECOND, Wait), (timedelta(0), Retire), (-SECOND, Retire)]
)
def test_an_overlap_ends_at_its_second_and_is_ended_before_the_next_rotation(
    until: timedelta, expected: type[Decision], trigger: str
) -> None:
    decision = judge(version(changes=pending(until)), item(version=V1, trigger=trigger))
    assert isinstance(decision, expected)
    if isinstance(decision, Wait):
        assert decision.until == NOW + until
        assert "compromised" in decision.fix
    if isinstance(decision, Retire):
        assert decision.pending.credential_id == "key2"


@pytest.mark.parametrize(("until", "expected"), [(SECOND, Skip), (timedelta(0), Retire)])
@pytest.mark.parametrize("action", ["rotate", "retire", "audit"])
def test_what_is_not_due_is_retired_all_the_same_once_its_overlap_has_passed(
    until: timedelta, expected: type[Decision], action: str
) -> None:
    decision = judge(version(left=FAR, changes=pending(until)), item(version=V1, action=action))
    assert isinstance(decision, Confirm if action == "audit" and expected is Skip else expected)


def test_a_forced_rotation_is_done_when_nothing_is_inside_its_overlap() -> None:
    decision = judge(version(left=FAR), item(version=V1, trigger="manual", force=True))
    assert isinstance(decision, Rotate)
    assert (decision.reason, decision.at_once) == ("forced", False)


def test_a_forced_rotation_waits_inside_the_overlap() -> None:
    decision = judge(
        version(left=FAR, changes=pending(HOUR)), item(version=V1, trigger="manual", force=True)
    )
    assert isinstance(decision, Wait)
    assert decision.until == NOW + HOUR


def test_a_compromised_credential_is_rotated_at_once_and_gets_no_overlap() -> None:
    decision = judge(version(left=FAR), item(version=V1, trigger="manual", compromised=True))
    assert isinstance(decision, Rotate)
    assert decision.at_once


def test_inside_an_overlap_a_compromise_first_cuts_off_the_older_credential() -> None:
    decision = judge(
        version(left=FAR, changes=pending(HOUR)),
        item(version=V1, trigger="manual", compromised=True),
    )
    assert isinstance(decision, Retire)
    assert decision.pending.credential_id == "key2"


def test_nothing_is_retired_early_without_a_compromise() -> None:
    request = item(version=V1, trigger="manual", action="retire")
    assert isinstance(judge(version(left=FAR, changes=pending(SECOND)), request), Skip)
    assert isinstance(judge(version(left=FAR), request), Skip)


@pytest.mark.parametrize("until", [SECOND, timedelta(0), -SECOND])
def test_the_superseded_credential_can_be_restored_until_it_is_revoked_and_is_never_revoked_on_the_way(
    until: timedelta,
) -> None:
    request = item(version=V1, trigger="manual", action="restore")
    assert isinstance(judge(version(changes=pending(until)), request), Restore)


def test_a_credential_that_is_cut_off_without_an_overlap_is_not_restored() -> None:
    request = item(version=V1, trigger="manual", action="restore")
    compromised = version(age=timedelta(minutes=1), changes=pending(-timedelta(minutes=1)))
    assert isinstance(judge(compromised, request), Skip)


def test_what_is_to_be_cut_off_without_an_overlap_does_not_rest_while_it_is_parked() -> None:
    """Its role may only be a minute late.

    A day of rest would leave a compromised credential alive.
    """
    for until, kind in ((-timedelta(days=1), Retire), (timedelta(days=1), Skip)):
        held = version(age=timedelta(days=1), changes=pending(until))
        marked = replace(held, tags=parked(held, "refused", NOW))
        assert isinstance(judge(marked, item(trigger="sweep")), kind)


def test_where_nothing_was_superseded_there_is_nothing_to_restore() -> None:
    assert isinstance(judge(version(), item(version=V1, trigger="manual", action="restore")), Skip)


@pytest.mark.parametrize("action", get_args(Action))
@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("compromised", [False, True])
def test_a_disabled_or_unmanaged_secret_is_left_alone_whatever_is_asked(
    action: str, trigger: str, compromised: bool
) -> None:
    request = item(version=V1, action=action, trigger=trigger, force=True, compromised=compromised)
    assert isinstance(judge(version(enabled=False), request), Skip)
    assert isinstance(judge(version(changes={"ProviderAddress": None}), request), Skip)


def test_a_replica_is_not_rotated_by_itself() -> None:
    decision = judge(
        version(changes={"ProviderAddress": None, "ReplicaOf": f"{VAULT}/secrets/primary"})
    )
    assert isinstance(decision, Skip)
    assert "primary" in decision.reason


@pytest.mark.parametrize("force", [False, True])
def test_a_request_for_a_version_that_rekey_replaced_proves_what_is_current(force: bool) -> None:
    current = version(version=V2, changes={OPERATION: operation_id(REF, V1)})
    assert isinstance(judge(current, item(version=V1, force=force)), Confirm)


def test_a_request_for_a_version_that_somebody_else_replaced_is_skipped_even_if_what_is_current_is_due() -> (
    None
):
    assert isinstance(judge(version(version=V2), item(version=V1)), Skip)
    twice = version(version=V3, changes={OPERATION: operation_id(REF, V2)})
    assert isinstance(judge(twice, item(version=V1, force=True)), Skip)


def test_a_compromise_of_a_version_that_was_replaced_meanwhile_still_cuts_its_credential_off() -> (
    None
):
    """The operator was told that it is queued.

    That an event was faster must not leave the credential alive.
    """
    overtaken = version(
        version=V2,
        left=FAR,
        changes={
            "CredentialId": "key2",
            OPERATION: operation_id(REF, V1),
            **pending(HOUR, "key1", V1),
        },
    )
    decision = judge(overtaken, item(version=V1, trigger="manual", compromised=True))
    assert isinstance(decision, Retire)
    assert decision.pending.credential_id == "key1"


@pytest.mark.parametrize(("held", "expected"), [(V1, Retire), (V2, Confirm)])
def test_a_compromise_of_a_version_replaced_twice_cuts_off_only_what_that_version_held(
    held: str, expected: type[Decision]
) -> None:
    changes = {OPERATION: operation_id(REF, V2), **pending(HOUR, "key2", held)}
    decision = judge(
        version(version=V3, left=FAR, changes=changes), item(version=V1, compromised=True)
    )
    assert isinstance(decision, expected)


def test_a_listing_tells_no_version_and_the_decision_does_without() -> None:
    assert isinstance(judge(version(version=None), item(version=None, trigger="sweep")), Rotate)
    assert isinstance(
        judge(version(version=None, left=FAR), item(version=None, trigger="sweep")), Skip
    )


@pytest.mark.parametrize(
    ("ago", "expected"), [(DAY - SECOND, Skip), (DAY, Rotate), (DAY + SECOND, Rotate)]
)
@pytest.mark.parametrize("trigger", ["event", "sweep"])
def test_a_parked_secret_rests_for_a_day(
    ago: timedelta, expected: type[Decision], trigger: str
) -> None:
    assert isinstance(judge(rested(ago), item(version=V1, trigger=trigger)), expected)


def test_an_operator_need_not_wait_until_a_parked_secret_has_rested() -> None:
    assert isinstance(judge(rested(SECOND), item(version=V1, trigger="manual")), Rotate)


@pytest.mark.parametrize("trigger", ["event", "sweep", "manual"])
def test_a_follow_up_does_not_wait_since_its_source_may_have_changed_already(trigger: str) -> None:
    assert isinstance(judge(rested(SECOND), item(version=V1, trigger=trigger, follow_up=1)), Rotate)


def test_a_parked_secret_whose_owner_changed_a_tag_rests_no_longer() -> None:
    resting = rested(SECOND)
    changed = version(changes={**resting.tags, "Owner": "somebody@example.com"})
    assert isinstance(judge(resting), Skip)
    assert isinstance(judge(changed), Rotate)


def rested(ago: timedelta) -> SecretVersion:
    """Return a version that was parked so long ago."""
    return version(changes=parked(version(), "some reason", NOW - ago))


@pytest.mark.parametrize("ago", [DAY - SECOND, DAY])
def test_a_mark_that_says_compromised_cuts_nothing_off_by_itself(ago: timedelta) -> None:
    """Whoever may tag a secret can write it: an incident stands in the record of the source."""
    marked = parked(version(left=FAR), "no role", NOW - ago, compromised=True)
    assert isinstance(
        judge(version(left=FAR, changes=marked), item(version=V1, trigger="sweep")), Skip
    )


def test_an_incident_does_not_rest() -> None:
    marked = parked(version(left=FAR), "no role", NOW - SECOND, compromised=True)
    decision = judge(
        version(left=FAR, changes=marked), item(version=V1, trigger="sweep", compromised=True)
    )
    assert isinstance(decision, Rotate)
    assert decision.at_once


def test_an_incident_that_fails_again_stays_one() -> None:
    marked = version(changes=parked(version(), "no role", NOW, compromised=True))
    assert parked(marked, "still no role", NOW)["RekeyState"].startswith("compromised ")


@pytest.mark.parametrize(("others", "expected"), [(10, Rotate), (11, Park)])
def test_rekeys_own_tags_must_fit_into_fifteen(others: int, expected: type[Decision]) -> None:
    """Three tags are usual; Rekey adds two, so ten others just fit."""
    secret = version(changes={f"other{number}": "x" for number in range(others)})
    assert isinstance(judge(secret), expected)


def test_tags_of_rekey_that_are_there_already_take_no_further_room() -> None:
    changes = {f"other{number}": "x" for number in range(8)} | {
        OPERATION: operation_id(REF, V3),
        "RekeyState": "parked long ago",
        "RekeyReason": "x",
    }
    secret = version(age=80 * DAY, changes=changes)
    assert len(secret.tags) == 14
    assert isinstance(judge(secret), Rotate)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (GROUP, True),
        (GROUP.rsplit("/", 2)[0], True),
        (ACCOUNT, True),
        (GROUP[:-1], False),
        (GROUP + "2", False),
        (ACCOUNT[:-1], False),
        (ACCOUNT + "/blobservices/default", False),
        ("/subscriptions/99999999-2222-4333-8444-555555555555", False),
        ("00000000-0000-0000-0000-000000000001", False),
    ],
)
def test_a_scope_covers_what_lies_inside_it_and_no_neighbour_whose_name_begins_alike(
    scope: str, allowed: bool
) -> None:
    decision = judge(version(), policy=Policy({VAULT: (scope,)}))
    assert isinstance(decision, Rotate if allowed else Park)
    if isinstance(decision, Park):
        assert VAULT in decision.reason
        assert ACCOUNT in decision.reason
        assert "REKEY_SCOPES" in decision.fix


def test_a_scope_of_another_vault_gives_no_right() -> None:
    policy = Policy(
        {VAULT: ("/subscriptions/somewhere-else",), "https://test.vault.azure.net": (GROUP,)}
    )
    assert isinstance(judge(version(), policy=policy), Park)


def test_a_source_outside_the_scopes_is_not_even_retired_at() -> None:
    policy = Policy({VAULT: ("/subscriptions/somewhere-else",)})
    assert isinstance(judge(version(changes=pending(-SECOND)), policy=policy), Park)


def test_whether_the_credential_to_retire_is_in_use_is_found_out_at_the_source() -> None:
    """A tag alone does not say it: whoever may write the secret may write `CredentialId`."""
    assert isinstance(judge(version(changes=pending(-SECOND, "key1"))), Retire)


def test_a_compromised_credential_that_is_in_use_again_is_replaced_before_it_is_revoked() -> None:
    secret = version(changes=pending(-SECOND, "key1"))
    decision = judge(secret, item(compromised=True))
    assert isinstance(decision, Rotate)
    assert decision.at_once


def test_a_credential_in_the_slot_of_an_older_one_keeps_its_overlap_in_anothers_incident() -> None:
    """A record that went back lists a retirement from before the slot was filled anew."""
    secret = version(changes=pending(-SECOND, "key1"))
    retired = str(secret.tags["RekeyRetire"]).split(" ")[1]
    assert isinstance(judge(secret, item(version=retired, compromised=True)), Rotate)
    assert isinstance(judge(secret, item(version="another", compromised=True)), Retire)


@pytest.mark.parametrize(
    ("window", "force", "expected"),
    [
        ("Mon 09:00-10:00 UTC", False, Rotate),
        ("Mon 08:00-09:00 UTC", False, Wait),
        ("Mon 09:01-10:00 UTC", False, Wait),
        ("Mon 09:01-10:00 UTC", True, Rotate),
    ],
)
def test_a_rotation_waits_for_its_window_unless_forced(
    window: str, force: bool, expected: type[Decision]
) -> None:
    secret = version(changes={"RotationWindow": window})
    assert isinstance(judge(secret, item(version=V1, trigger="manual", force=force)), expected)


def test_a_follow_up_is_not_bound_by_the_window() -> None:
    """Its source may have changed already, inside the window that has closed since."""
    closed = version(changes={"RotationWindow": "Mon 09:01-10:00 UTC"})
    assert isinstance(judge(closed, item(version=V1, trigger="event")), Wait)
    assert isinstance(judge(closed, item(version=V1, trigger="event", follow_up=1)), Rotate)


def test_an_audit_that_follows_up_is_bound_by_the_window_since_it_begins_nothing() -> None:
    """It heals what is refused, and rotates nothing that is merely due."""
    closed = version(changes={"RotationWindow": "Mon 09:01-10:00 UTC"})
    look = item(action="audit", version=V1, trigger="sweep", follow_up=1)
    assert isinstance(judge(closed, look), Confirm)


@pytest.mark.parametrize(
    ("left", "expected"),
    [(HOUR, Rotate), (16 * HOUR, Rotate), (16 * HOUR + SECOND, Wait)],
)
def test_an_expiry_before_the_window_opens_wins_over_the_window(
    left: timedelta, expected: type[Decision]
) -> None:
    secret = version(left=left, changes={"RotationWindow": "Tue 01:00-02:00 UTC"})
    assert isinstance(judge(secret), expected)


@pytest.mark.parametrize("window", [None, "Mon 08:00-10:00 UTC"])
def test_what_has_expired_says_nothing_of_a_window_that_is_open_or_not_asked_for(
    window: str | None,
) -> None:
    decision = judge(version(left=-HOUR, changes={"RotationWindow": window}))
    assert isinstance(decision, Rotate)
    assert decision.reason == f"expired {NOW - HOUR:%Y-%m-%d %H:%M}Z"


def test_a_default_policy_allows_nothing() -> None:
    assert not Policy().allows(VAULT, ACCOUNT)
    assert not Policy().manages(VAULT)
    assert POLICY.manages(VAULT)


@pytest.mark.parametrize(
    "decided", [version(left=FAR), version(enabled=False), version(changes=pending(HOUR))]
)
def test_what_is_not_done_says_what_would_help(decided: SecretVersion) -> None:
    decision = judge(decided)
    assert isinstance(decision, Skip | Wait)
    assert decision.fix


@pytest.mark.parametrize(("left", "expected"), [(2 * DAY, Rotate), (2 * DAY + SECOND, Skip)])
def test_a_life_that_the_source_cut_short_is_used_up_by_half(
    left: timedelta, expected: type[Decision]
) -> None:
    """Rekey asked for 90 days and got four.

    With the usual lead of 30 the version would be due at its birth.
    """
    secret = version(left=left, age=4 * DAY - left, changes={OPERATION: operation_id(REF, V3)})
    assert isinstance(judge(secret), expected)


@pytest.mark.parametrize(("short", "expected"), [(HOUR, Rotate), (HOUR + SECOND, Skip)])
def test_a_life_that_is_an_hour_short_is_not_called_cut_short(
    short: timedelta, expected: type[Decision]
) -> None:
    """What the source rounds down is no reason to rotate later than the owner asks for."""
    left = 50 * DAY
    asked = {OPERATION: operation_id(REF, V3), "RotateBeforeDays": "60"}
    secret = version(left=left, age=90 * DAY - short - left, changes=asked)
    assert isinstance(judge(secret), expected)


def test_an_audit_proves_a_secret_that_is_not_due_and_rotates_one_that_is() -> None:
    assert isinstance(
        judge(version(left=FAR), item(version=V1, action="audit", trigger="sweep")), Confirm
    )
    assert isinstance(judge(version(), item(version=V1, action="audit", trigger="sweep")), Rotate)
    assert isinstance(
        judge(version(version=V2), item(version=V1, action="audit", trigger="sweep")), Skip
    )
