"""What is foreseen comes to pass, and nothing is promised that will not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.inventory import Inventory
from engine.secret import SecretRef, SecretVersion
from engine.state.due import due_by_hand
from engine.state.entry import Scheduled
from engine.state.index import StateIndex
from engine.state.policy import Policy
from engine.state.tags import Pending, parked
from rotators.sql_admin_password import SqlAdminPassword
from tests.engine.sweep.test_sweep import order
from tests.shared.builders import (
    GROUP,
    KINDS,
    NOW,
    POLICY,
    V1,
    VAULT,
    Park,
    Retire,
    Rotate,
    item,
    judge,
    kinds_of,
    pending,
    version,
)
from tests.shared.delivery import Delivery
from tests.shared.policies import policy
from tests.shared.rig import Rig

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
THEIRS = f"{GROUP}x/providers/microsoft.storage/storageaccounts/theirs"
SHORT = {"ValidityPeriodDays": "45", "RotateBeforeDays": "20"}
NAMES = ("early", "late", "short")
FORESEEN = 120
"""For so many days the sweeps are played."""


def ahead(
    secret: SecretVersion, days: float = 59, under: Policy = POLICY
) -> list[tuple[str, float]]:
    events = Inventory(under, KINDS, NOW).forecast(secret, NOW + days * DAY)
    return [(event.what, (event.at - NOW) / DAY) for event in events]


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        (version(left=10 * DAY), [("rotate", 0), ("retire", 7)]),
        (version(left=80 * DAY), [("rotate", 50), ("retire", 57)]),
        (version(left=89 * DAY), [("rotate", 59)]),
        (version(left=89 * DAY + HOUR), []),
        (version(left=-1 * DAY), [("rotate", 0), ("retire", 7)]),
        (version(left=None), [("rotate", 0), ("retire", 7)]),
        (version(left=80 * DAY, age=85 * DAY), [("rotate", 5), ("retire", 12)]),
        (
            version(left=80 * DAY, changes=pending(3 * DAY)),
            [("retire", 3), ("rotate", 50), ("retire", 57)],
        ),
        (
            version(left=10 * DAY, changes=pending(3 * DAY)),
            [("retire", 3), ("rotate", 3), ("retire", 10)],
        ),
        (
            version(left=2 * DAY, changes=pending(3 * DAY)),
            [("expire", 2), ("retire", 3), ("rotate", 3), ("retire", 10)],
        ),
        (
            version(left=timedelta(), changes=pending(3 * DAY)),
            [("retire", 3), ("rotate", 3), ("retire", 10)],
        ),
        (version(left=80 * DAY, changes={"OverlapHours": "0"}), [("rotate", 50), ("retire", 50)]),
        # A mark of a later date is none yet, and one once its date has come.
        (version(left=80 * DAY, changes=parked(version(left=80 * DAY), "why", NOW + 50 * DAY)), []),
    ],
)
def test_rotations_retirements_and_expiries_are_foreseen(
    secret: SecretVersion, expected: list[tuple[str, float]]
) -> None:
    assert ahead(secret) == expected


def test_an_expiry_inside_an_overlap_is_foreseen_only_as_far_as_is_asked() -> None:
    secret = version(left=2 * DAY, changes=pending(3 * DAY))
    assert ahead(secret, days=1.9) == []
    assert ahead(secret, days=2) == [("expire", 2)]


@pytest.mark.parametrize(
    ("overlap", "says"),
    [
        (-HOUR, "its overlap passed at 2026-11-02 08:00Z"),
        (HOUR, "its overlap passes at 2026-11-02 10:00Z"),
    ],
)
def test_an_overlap_passes_while_it_is_to_come(overlap: timedelta, says: str) -> None:
    secret = version(left=80 * DAY, changes=pending(overlap))
    first, *_ = Inventory(POLICY, KINDS, NOW).forecast(secret, NOW + DAY)
    assert (first.what, first.reason) == ("retire", says)


@pytest.mark.parametrize(
    ("left", "waits"),
    [(20 * DAY, (5 * DAY - 8 * HOUR) / DAY), (2 * DAY, 0), (None, (5 * DAY - 8 * HOUR) / DAY)],
)
def test_a_rotation_waits_for_its_window_unless_that_opens_after_the_expiry(
    left: timedelta | None, waits: float
) -> None:
    # NOW is a Monday at nine.
    secret = version(left=left, changes={"RotationWindow": "Sat 01:00-05:00 UTC"})
    assert ahead(secret, days=6)[0] == ("rotate", waits)


def test_rotations_follow_each_other_as_far_as_is_asked() -> None:
    secret = version(left=80 * DAY, changes={"OverlapHours": "24"})
    rotations = [days for what, days in ahead(secret, days=366) if what == "rotate"]
    assert rotations == [50, 110, 170, 230, 290, 350]


@pytest.mark.parametrize(
    ("changes", "enabled", "reason"),
    [
        ({"ValidityPeriodDays": "sixty"}, True, "tag ValidityPeriodDays is 'sixty'"),
        ({"ProviderAddress": None}, True, "no tag ProviderAddress"),
        ({"ProviderAddress": THEIRS}, True, "is not bound to"),
        ({}, False, "the current version is disabled"),
        (dict(parked(version(), "no role", NOW)), True, "no role"),
        (dict(parked(version(), "", NOW)), True, "nothing rotates it"),
    ],
)
def test_an_expiry_that_nothing_prevents_is_foreseen_with_its_reason(
    changes: dict[str, str | None], reason: str, *, enabled: bool
) -> None:
    secret = version(left=10 * DAY, enabled=enabled, changes=changes)
    (event,) = Inventory(POLICY, KINDS, NOW).forecast(secret, NOW + 60 * DAY)
    assert (event.what, event.at) == ("expire", NOW + 10 * DAY)
    assert reason in event.reason
    assert ahead(secret, days=10) == [("expire", 10)]
    assert ahead(secret, days=9.9) == []


def test_a_person_is_reminded_too_of_what_is_inside_its_last_overlap() -> None:
    secret = version(left=40 * DAY, changes={"Manual": "true", **pending(3 * DAY)})
    assert ahead(secret) == [("retire", 3), ("remind", 10), ("expire", 40)]


def test_a_person_is_reminded_of_what_only_a_person_rotates() -> None:
    secret = version(left=40 * DAY, changes={"Manual": "true"})
    assert ahead(secret) == [("remind", 10), ("expire", 40)]
    assert ahead(secret, days=39) == [("remind", 10)]
    assert ahead(secret, days=10) == [("remind", 10)]
    assert ahead(secret, days=9.9) == []
    assert ahead(version(left=None, changes={"Manual": "true", "ValidityPeriodDays": None})) == []


@pytest.mark.parametrize(
    ("text", "days"), [("3650", 3649), ("9999", 9998), ("10000", None), ("²", None)]
)
def test_a_validity_that_is_none_reminds_nobody(text: str, days: int | None) -> None:
    secret = version(left=None, changes={"Manual": "true", "ValidityPeriodDays": text})
    assert due_by_hand(secret, POLICY) == (None if days is None else NOW + days * DAY)


def test_the_policy_document_is_left_out_and_its_settings_count() -> None:
    under = policy("rules: [{match: {secret: 'app-*'}, rotateBeforeDays: 5}]\n")
    assert ahead(version(left=30 * DAY), under=under)[0] == ("rotate", 25)
    own = replace(version(left=10 * DAY), ref=SecretRef(VAULT, "rekey-policy"))
    assert ahead(own, under=under) == []


def test_a_single_slot_has_nothing_to_retire_not_even_after_an_incident() -> None:
    address = f"{GROUP}/providers/microsoft.sql/servers/orders"
    changes = {"ProviderAddress": address, "CredentialId": "sqladmin"}
    secret = version(left=10 * DAY, changes=changes)
    kinds = kinds_of(SqlAdminPassword)
    events = list(Inventory(POLICY, kinds, NOW).forecast(secret, NOW + 70 * DAY))
    assert [(event.what, (event.at - NOW) // DAY) for event in events] == [
        ("rotate", 0),
        ("rotate", 60),
    ]
    assert stepped(secret, POLICY, kinds, compromised=True) == [Rotate]


def foreseen(*secrets: SecretVersion) -> list[tuple[str, str]]:
    scheduled: list[Scheduled] = Inventory(POLICY, KINDS, NOW).plan(
        secrets, NOW + 60 * DAY, StateIndex({})
    )
    return [(event.what, event.secret.ref.name) for event in scheduled]


def test_a_replica_expires_only_where_its_primary_is_not_rotated_in_time() -> None:
    tags = {"ProviderAddress": None, "ReplicaOf": f"{VAULT}/secrets/APP-KEY/"}
    replica = replace(version(left=10 * DAY, changes=tags), ref=SecretRef(VAULT, "copy"))
    assert foreseen(replica) == [("expire", "copy")]
    for in_time in (35, 40):
        assert foreseen(replica, version(left=in_time * DAY)) == [
            ("rotate", "app-key"),
            ("retire", "app-key"),
        ]
    spelt = replace(version(left=35 * DAY), ref=SecretRef(VAULT, "App-Key"))
    assert ("expire", "copy") not in foreseen(replica, spelt)
    assert ("expire", "copy") in foreseen(replica, version(left=45 * DAY))
    # The first rotation is in time, and there are later ones.
    rotated = foreseen(replica, version(left=25 * DAY, changes=SHORT))
    assert rotated.count(("rotate", "app-key")) > 1
    assert ("expire", "copy") not in rotated


def test_what_names_a_primary_and_a_source_of_its_own_is_rotated_all_the_same() -> None:
    both = version(left=20 * DAY, changes={"ReplicaOf": f"{VAULT}/secrets/app-key"})
    copy = replace(both, ref=SecretRef(VAULT, "copy"))
    assert ("rotate", "copy") in foreseen(copy, version(left=10 * DAY))


def test_a_plan_is_in_order_of_time() -> None:
    later = replace(version(left=45 * DAY), ref=SecretRef(VAULT, "later"))
    assert foreseen(later, version(left=10 * DAY))[0] == ("rotate", "app-key")


@given(
    left=st.integers(-3, 400),
    age=st.integers(0, 400),
    validity=st.integers(1, 100),
    before=st.none() | st.integers(1, 99),
    overlap=st.none() | st.integers(0, 200),
    window=st.none() | st.sampled_from(["Sat 01:00-05:00 UTC", "* 23:00-01:00 Europe/Berlin"]),
)
def test_whatever_the_tags_it_comes_to_an_end_in_order_and_retires_before_it_rotates_again(
    left: int, age: int, validity: int, before: int | None, overlap: int | None, window: str | None
) -> None:
    spans = {
        "ValidityPeriodDays": validity,
        "RotateBeforeDays": before,
        "OverlapHours": overlap,
        "RotationWindow": window,
    }
    changes = {tag: None if value is None else str(value) for tag, value in spans.items()}
    days_ahead = ahead(version(left=left * DAY, age=age * DAY, changes=changes), days=120)
    assert [days for _, days in days_ahead] == sorted(days for _, days in days_ahead)
    acted = [what for what, _ in days_ahead if what in ("rotate", "retire")]
    assert acted == [("rotate", "retire")[place % 2] for place in range(len(acted))]


async def test_what_is_foreseen_comes_to_pass() -> None:
    """Four months of daily sweeps do on each day what was foreseen for it at the beginning.

    In these, each secret is rotated and retired twice.
    """
    rig = Rig()
    for name, left, tags in zip(
        NAMES, (40, 85, 20), ({}, {"OverlapHours": "48"}, SHORT), strict=True
    ):
        rig.secret(name, rig.account(f"{name}data"), days_left=left, tags=tags)
    now, service = rig.clock.now(), rig.service()
    listed = [secret async for secret in service.engine.vaults.list(rig.vault.url)]
    expected = service.engine.inventory.plan(listed, now + FORESEEN * DAY, StateIndex({}))
    # A superseded credential goes with the first sweep after its overlap, which is rounded up to
    # the next second.
    late = {"rotate": 0, "retire": 1}
    expected_days = [
        ((event.at - now) // DAY + late[event.what], event.what, event.secret.ref.name)
        for event in expected
    ]
    assert await days(rig, FORESEEN) == sorted(
        entry for entry in expected_days if entry[0] <= FORESEEN
    )
    assert len(expected_days) > 15


async def days(rig: Rig, count: int) -> list[tuple[int, str, str]]:
    """Sweep once a day, and return what each day changed."""
    start, seen = rig.clock.now(), []
    before = {name: rig.latest(name) for name in NAMES}
    for day in range(count + 1):
        rig.clock.advance((start + day * DAY - rig.clock.now()).total_seconds())
        await rig.service().sweep_vault(order(rig))
        await Delivery(rig, rig.service).run()
        for name, old in before.items():
            before[name] = new = rig.latest(name)
            if new.version != old.version:
                seen.append((day, "rotate", name))
            elif "RekeyRetire" in (old.tags or {}) and "RekeyRetire" not in (new.tags or {}):
                seen.append((day, "retire", name))
    return sorted(seen)


def stepped(held: Any, policy: Policy = POLICY, kinds: Any = KINDS, **request: Any) -> list[type]:
    """Return what one request comes to, step by step: derived from the one decision."""
    wish = item(trigger="manual", **request).about(held.version)
    first = judge(held, wish, policy, kinds)
    return [type(step) for step in Inventory(policy, kinds, NOW).steps(held, wish, first)]


@pytest.mark.parametrize(
    ("until", "request_", "expected"),
    [
        (HOUR, {"compromised": True}, [Retire, Rotate, Retire]),
        (-HOUR, {"compromised": True}, [Retire, Rotate, Retire]),
        (-HOUR, {}, [Retire, Rotate]),
        (-HOUR, {"action": "retire"}, [Retire]),
    ],
)
def test_a_retirement_is_followed_by_what_it_made_room_for(
    until: timedelta, request_: dict[str, Any], expected: list[type]
) -> None:
    assert stepped(version(changes=pending(until)), **request_) == expected


def test_what_cannot_be_followed_has_no_second_step() -> None:
    assert stepped(version(changes={"ValidityPeriodDays": "sixty"}), compromised=True) == [Park]


@pytest.mark.parametrize(("tag", "named"), [("key1", "key1"), (None, "the credential held now")])
def test_what_a_compromise_cuts_off_is_the_credential_of_the_version_that_it_replaces(
    tag: str | None, named: str
) -> None:
    held = version(changes={"CredentialId": tag})
    first = judge(held, item(compromised=True))
    last = Inventory(POLICY, KINDS, NOW).steps(held, item(compromised=True), first)[-1]
    assert isinstance(last, Retire)
    assert last.pending == Pending(NOW, V1, named)
    assert "no overlap" in last.reason
