"""The decision as a table.

At, just before and just after every threshold, for every kind of trigger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from engine.secret import SecretVersion
from engine.state.policy import Policy
from engine.state.request import Action, Trigger, operation_id
from engine.state.tags import OPERATION, RETIRE, parked
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
    crowded,
    decides,
    item,
    judge,
    pending,
    version,
)
from tests.shared.policies import policy as document_policy

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
FAR = timedelta(days=80)
TRIGGERS = get_args(Trigger)


def shown(
    left: timedelta | None = 10 * DAY,
    age: timedelta = DAY,
    /,
    name: str | None = V1,
    **tags: str | None,
) -> SecretVersion:
    """Return a version that expires in `left` and is `age` old, with these tags."""
    return version(left=left, age=age, version=name, changes=tags)


def rested(
    ago: timedelta, at_first: Mapping[str, str] | None = None, /, **tags: str | None
) -> SecretVersion:
    """Return a version that was parked so long ago, with its tags at first and now."""
    return version(changes={**parked(version(changes=at_first), "why", NOW - ago), **tags})


def marked(ago: timedelta) -> SecretVersion:
    """Return a version that says so long ago, by a mark alone, that it is compromised."""
    mark = parked(version(left=FAR), "no role", NOW - ago, compromised=True)
    return version(left=FAR, changes=mark)


def others(count: int) -> dict[str, str]:
    """Return so many tags of others."""
    return {f"other{number}": "x" for number in range(count)}


def replaced(name: str) -> dict[str, str | None]:
    """Return the tag that names the operation which replaces this version."""
    return {OPERATION: operation_id(REF, name)}


LATER, MANUAL = {"RotationWindow": "Mon 09:01-10:00 UTC"}, {"trigger": "manual"}
TUESDAY, AUDIT = {"RotationWindow": "Tue 01:00-02:00 UTC"}, {"action": "audit", "trigger": "sweep"}
RESTORE, LEAKED = {"action": "restore", **MANUAL}, {"compromised": True}
MALFORMED = {"ValidityPeriodDays": "sixty"}
BY_HAND = {"Manual": "true", "DerivedFrom": str(REF)}
FOLLOWS = {"follows": True, "requested_by": "rekey", **AUDIT}
DECIDED: list[tuple[str, SecretVersion, dict[str, Any], type[Decision]]] = [
    ("without an expiry, before its window opens", shown(None, **TUESDAY), {}, Wait),
    ("a second younger than its validity", shown(300 * DAY, 90 * DAY - SECOND), {}, Skip),
    ("as old as its validity, though it expires far away", shown(300 * DAY, 90 * DAY), {}, Rotate),
    ("a second older", shown(300 * DAY, 90 * DAY + SECOND), {}, Rotate),
    ("at the lead of its tag", shown(7 * DAY, RotateBeforeDays="7"), {}, Rotate),
    ("a second before it", shown(7 * DAY + SECOND, RotateBeforeDays="7"), {}, Skip),
    ("at a longer lead, in blanks", shown(60 * DAY, RotateBeforeDays=" 60 "), {}, Rotate),
    ("a day before that", shown(61 * DAY, RotateBeforeDays="60"), {}, Skip),
    ("at half of a short validity", shown(5 * DAY, ValidityPeriodDays="10"), {}, Rotate),
    ("before half of it", shown(5 * DAY + SECOND, ValidityPeriodDays="10"), {}, Skip),
    ("forced inside an overlap", shown(FAR, **pending(HOUR)), {"force": True, **MANUAL}, Wait),
    ("an incident inside an overlap: the older first", shown(FAR, **pending(HOUR)), LEAKED, Retire),
    ("retired early", shown(FAR, **pending(SECOND)), {"action": "retire", **MANUAL}, Skip),
    ("retired where nothing was superseded", shown(FAR), {"action": "retire", **MANUAL}, Skip),
    ("restored inside the overlap", shown(**pending(SECOND)), RESTORE, Restore),
    ("restored at its end, and not revoked on the way", shown(**pending(0 * DAY)), RESTORE, Restore),
    ("restored after it", shown(**pending(-SECOND)), RESTORE, Restore),
    ("restored though it has no overlap: only a record knows why",
     shown(10 * DAY, MINUTE, **pending(-MINUTE)), RESTORE, Restore),
    ("restored by who has written a version after its end", shown(10 * DAY, MINUTE, **pending(-HOUR)),
     RESTORE, Restore),
    ("restored where nothing was superseded", shown(), RESTORE, Skip),
    ("restored where Rekey has replaced the version meanwhile",
     shown(FAR, name=V2, **replaced(V1), **pending(HOUR)), RESTORE, Skip),
    ("a version that Rekey replaced: what is current is proven", shown(name=V2, **replaced(V1)), {},
     Confirm),
    ("the same, forced", shown(name=V2, **replaced(V1)), {"force": True}, Confirm),
    ("a version that somebody else replaced", shown(name=V2), {}, Skip),
    ("one that was replaced twice", shown(name=V3, **replaced(V2)), {"force": True}, Skip),
    ("a leak of a version that was replaced meanwhile",
     shown(FAR, name=V2, CredentialId="key2", **replaced(V1), **pending(HOUR, "key1", V1)), LEAKED,
     Retire),
    ("a leak of one replaced twice, which is still to be retired",
     shown(FAR, name=V3, **replaced(V2), **pending(HOUR, "key2", V1)), LEAKED, Retire),
    ("a leak of one replaced twice, which is not",
     shown(FAR, name=V3, **replaced(V2), **pending(HOUR, "key2", V2)), LEAKED, Confirm),
    ("a leak of one replaced inside the overlap of an older one",
     shown(FAR, name=V3, **replaced(V2), **pending(HOUR, "key2", V1)), {"version": V2, **LEAKED},
     Retire),
    ("listed without a version, and due", shown(name=None), {"version": None}, Rotate),
    ("listed without a version", shown(FAR, name=None), {"version": None}, Skip),
    ("parked a second less than a day ago", rested(DAY - SECOND), {"trigger": "sweep"}, Skip),
    ("the same, by an event", rested(DAY - SECOND), {}, Skip),
    ("parked a day ago", rested(DAY), {"trigger": "sweep"}, Rotate),
    ("the same, by an event later", rested(DAY + SECOND), {}, Rotate),
    ("parked, and asked for by a person", rested(SECOND), MANUAL, Rotate),
    ("parked, but its source may have changed", rested(SECOND), {"recheck": 1}, Rotate),
    # Its role may only be a minute late. A day of rest would leave a compromised credential alive.
    ("parked, and to be cut off by now", rested(0 * DAY, **pending(-DAY)), {"trigger": "sweep"},
     Retire),
    ("parked, and its owner wants no overlap",
     rested(SECOND, {"OverlapHours": "0"}, OverlapHours="0", **pending(-DAY)), {"trigger": "sweep"},
     Skip),
    ("parked, and to be cut off by now, though a tag is malformed",
     rested(SECOND, MALFORMED, **MALFORMED, **pending(-DAY)), {"trigger": "sweep"}, Park),
    ("parked, and to be cut off later", rested(0 * DAY, **pending(DAY)), {"trigger": "sweep"}, Skip),
    ("parked, and its owner changed a tag", rested(SECOND, Owner="me@example.com"), {}, Rotate),
    ("a mark of an incident, which anybody can write", marked(DAY), {"trigger": "sweep"}, Skip),
    ("the same, while it rests", marked(DAY - SECOND), {"trigger": "sweep"}, Skip),
    # Three tags are usual and Rekey adds two.
    ("ten tags of others", shown(**others(10)), {}, Rotate),
    ("eleven, which leave no room", shown(**others(11)), {}, Park),
    ("the same, which are not in the way yet", shown(FAR, **others(11)), {}, Skip),
    ("fifteen tags, of which three are Rekey's already",
     shown(10 * DAY, 80 * DAY, **others(9), **replaced(V3), RekeyState="parked long ago",
           RekeyReason="x"), {}, Rotate),
    ("to retire what a tag calls current: the source tells", shown(**pending(-SECOND, "key1")), {},
     Retire),
    ("another's leak while an older one has the slot", shown(**pending(-SECOND, "key1")),
     {"version": "another", **LEAKED}, Retire),
    ("an open window", shown(RotationWindow="Mon 09:00-10:00 UTC"), MANUAL, Rotate),
    ("a window that has closed", shown(RotationWindow="Mon 08:00-09:00 UTC"), MANUAL, Wait),
    ("one that opens later", shown(**LATER), MANUAL, Wait),
    ("the same, forced", shown(**LATER), {"force": True, **MANUAL}, Rotate),
    ("an audit that follows up, which begins nothing", shown(**LATER), {**AUDIT, "recheck": 1},
     Confirm),
    ("an expiry before its window", shown(HOUR, **TUESDAY), {}, Rotate),
    ("an expiry as it opens", shown(16 * HOUR, **TUESDAY), {}, Rotate),
    ("an expiry after that", shown(16 * HOUR + SECOND, **TUESDAY), {}, Wait),
    # Rekey asked for 90 days and got four: with the usual lead it would be due at its birth.
    ("half of a life cut short", shown(2 * DAY, 2 * DAY, **replaced(V3)), {}, Rotate),
    ("less than half", shown(2 * DAY + SECOND, 2 * DAY - SECOND, **replaced(V3)), {}, Skip),
    ("a life an hour short", shown(50 * DAY, 40 * DAY - HOUR, **replaced(V3), RotateBeforeDays="60"),
     {}, Rotate),
    ("shorter than that",
     shown(50 * DAY, 40 * DAY - HOUR - SECOND, **replaced(V3), RotateBeforeDays="60"), {}, Skip),
    ("an audit of what is not due", shown(FAR), AUDIT, Confirm),
    ("an audit of what is due", shown(), AUDIT, Rotate),
    ("an audit of a version replaced by hand", shown(name=V2), AUDIT, Skip),
    # Where two rules hold, the first decides.
    ("parked for a malformed tag", rested(SECOND, MALFORMED, **MALFORMED), {}, Skip),
    ("a person's, though it names a primary, too", shown(Manual="true", ReplicaOf=str(REF)), {}, Skip),
    ("a person's that is parked, though its key has changed", rested(SECOND, BY_HAND, **BY_HAND),
     FOLLOWS, Skip),
    ("the same, once it has rested", rested(DAY, BY_HAND, **BY_HAND), FOLLOWS, Confirm),
    ("nobody's, in whatever spelling", shown(Manual=" False "), {}, Rotate),
    ("a person's that follows no key any more", shown(FAR, Manual="true"), FOLLOWS, Skip),
    ("restored where that leaked and is in use again", shown(**pending(HOUR, "key1")),
     {**RESTORE, **LEAKED, "version": None}, Rotate),
    ("a version that Rekey replaced, after its overlap",
     shown(name=V2, **replaced(V1), **pending(-SECOND, "key1", V1)), {}, Retire),
    ("retired where Rekey replaced the version", shown(FAR, name=V2, **replaced(V1)),
     {"action": "retire"}, Confirm),
    ("retired as leaked where nothing was superseded", shown(FAR), {"action": "retire", **LEAKED},
     Skip),
]  # fmt: skip


@pytest.mark.parametrize(
    ("secret", "asked", "expected"), [row[1:] for row in DECIDED], ids=[row[0] for row in DECIDED]
)
def test_each_case_is_decided(
    secret: SecretVersion, asked: dict[str, Any], expected: type[Decision]
) -> None:
    assert isinstance(judge(secret, item(**{"version": V1, **asked})), expected)


@pytest.mark.parametrize(
    ("secret", "asked"),
    [
        pytest.param(shown(FAR), {}, id="what leaked"),
        pytest.param(marked(SECOND), {"trigger": "sweep"}, id="although it is parked"),
        pytest.param(shown(**pending(-SECOND, "key1")), {"version": None}, id="in use again"),
        pytest.param(shown(**pending(-SECOND, "key1")), {"version": V2}, id="in use, and named"),
    ],
)
def test_an_incident_replaces_what_is_current_at_once_and_gives_it_no_overlap(
    secret: SecretVersion, asked: dict[str, Any]
) -> None:
    decision = decides(Rotate, secret, item(**{"version": V1, **LEAKED, **asked}))
    assert decision.at_once


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
    decision = decides(Rotate, version(left=FAR), item(version=V1, trigger="manual", force=True))
    assert (decision.reason, decision.at_once) == ("forced", False)
    due = decides(Rotate, version(left=DAY), item(version=V1, trigger="manual", force=True))
    assert due.reason.startswith("expires "), "it tells more than that it was forced"


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
    decision = decides(
        Skip, version(changes={"ProviderAddress": None, "ReplicaOf": f"{VAULT}/secrets/primary"})
    )
    assert "primary" in decision.reason


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
        assert "in REKEY_SCOPES," in decision.fix, "there is no policy document"


def test_a_scope_of_another_vault_gives_no_right() -> None:
    """Not even to retire."""
    elsewhere = ("/subscriptions/somewhere-else",)
    policy = Policy({VAULT: elsewhere, "https://test.vault.azure.net": (GROUP,)})
    for secret in (version(), version(changes=pending(-SECOND))):
        assert isinstance(judge(secret, policy=policy), Park)
    in_use_again = version(changes=pending(HOUR, "key1"))
    assert isinstance(judge(in_use_again, item(**LEAKED), policy), Park)
    assert not Policy().manages(VAULT)
    assert POLICY.manages(VAULT)


def test_a_replica_may_be_in_any_vault_only_where_the_secrets_own_tag_names_it() -> None:
    copy, near = "https://other.vault.azure.net/secrets/copy", f"{VAULT}/secrets/copy"
    rule = f"{{match: {{vault: '{VAULT}', secret: app-key}}, replicas: ['{copy}']}}"
    ruled = document_policy(f"rules: [{rule}]\n")
    assert isinstance(judge(version(changes={"Replicas": copy}), policy=ruled), Rotate)
    both = document_policy(f"rules: [{rule.replace('[', f"['{near}', ")}]\n")
    for tag, policy in ((None, ruled), (near, ruled), (None, both)):
        decision = decides(Park, version(changes={"Replicas": tag}), policy=policy)
        assert (
            decision.reason
            == f"the policy document's replica {copy} is in a vault not bound to {ACCOUNT}"
        )


def test_a_recheck_is_not_bound_by_the_window() -> None:
    """Its source may have changed already, inside the window that has closed since."""
    closed = version(changes={"RotationWindow": "Mon 09:01-10:00 UTC"})
    assert isinstance(judge(closed, item(version=V1, trigger="event")), Wait)
    look = item(version=V1, action="audit", trigger="sweep", recheck=1)
    assert isinstance(judge(closed, look), Confirm)


@pytest.mark.parametrize("window", [None, "Mon 08:00-10:00 UTC"])
def test_what_has_expired_says_nothing_of_a_window_that_is_open_or_not_asked_for(
    window: str | None,
) -> None:
    decision = decides(Rotate, version(left=-HOUR, changes={"RotationWindow": window}))
    assert decision.reason == f"expired {NOW - HOUR:%Y-%m-%d %H:%M}Z"


@pytest.mark.parametrize(
    "decided",
    [
        version(left=FAR),
        version(changes=pending(HOUR)),
        version(enabled=False),
        replace(rested(SECOND), enabled=False),
    ],
)
def test_what_is_not_done_says_what_would_help(decided: SecretVersion) -> None:
    decision = judge(decided)
    assert isinstance(decision, Skip | Wait)
    assert decision.fix


@pytest.mark.parametrize(
    ("own", "retires", "in_place", "has_room"),
    [
        (12, False, False, True),
        (13, False, False, False),
        (13, False, True, True),
        (14, False, True, False),
        (12, True, True, True),
        (13, True, True, False),
    ],
)
def test_a_version_needs_room_for_its_id_its_operation_and_what_it_passes_on(
    own: int, *, retires: bool, in_place: bool, has_room: bool
) -> None:
    tags = {f"team-{number}": "x" for number in range(own)}
    passed_on = {RETIRE: "anything"} if retires else {}
    full = replace(version(), tags={**tags, **passed_on})
    assert (crowded(full, in_place=in_place) is None) == has_room
