"""What one request comes to, step by step, is derived from the one decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.decide.decision import Park, Retire, Rotate, decide
from engine.decide.steps import steps
from engine.model.policy import Policy
from engine.model.tags import Pending
from rotators.sql_admin_password import SqlAdminPassword
from tests.shared.builders import (
    GROUP,
    KINDS,
    NOW,
    POLICY,
    V1,
    VAULT,
    item,
    judge,
    pending,
    version,
)

HOUR = timedelta(hours=1)
SERVER = f"{GROUP}/providers/microsoft.sql/servers/shop"


def forecast(held: Any, policy: Policy = POLICY, kinds: Any = KINDS, **request: Any) -> list[type]:
    wish = item(trigger="manual", **request).about(held.version)
    first = decide(held, wish, policy, kinds, NOW)
    return [type(step) for step in steps(held, wish, first, policy, kinds, NOW)]


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
    assert forecast(version(changes=pending(until)), **request_) == expected


def test_a_source_with_one_slot_has_nothing_to_retire_after_an_incident() -> None:
    held = version(changes={"ProviderAddress": SERVER, "CredentialId": None})
    kinds = {SqlAdminPassword.kind: SqlAdminPassword}
    assert forecast(held, Policy({VAULT: (GROUP,)}), kinds, compromised=True) == [Rotate]


def test_what_cannot_be_followed_has_no_second_step() -> None:
    assert forecast(version(changes={"ValidityPeriodDays": "sixty"}), compromised=True) == [Park]


@pytest.mark.parametrize(("tag", "named"), [("key1", "key1"), (None, "the credential held now")])
def test_what_a_compromise_cuts_off_is_the_credential_of_the_version_that_it_replaces(
    tag: str | None, named: str
) -> None:
    held = version(changes={"CredentialId": tag})
    first = judge(held, item(compromised=True))
    last = steps(held, item(compromised=True), first, POLICY, KINDS, NOW)[-1]
    assert isinstance(last, Retire)
    assert last.pending == Pending(NOW, V1, named)
    assert "no overlap" in last.reason
