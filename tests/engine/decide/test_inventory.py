"""How secrets stand, as listings, metrics and the API show it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.decide.inventory import days_to_expiry, entry
from engine.model.record import Listed
from engine.model.tags import REPLICA_OF
from tests.shared.builders import ACCOUNT, KINDS, NOW, POLICY, REF, SECOND, version

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
    shown = entry(version(left=left, changes=COPY), POLICY, KINDS, NOW)
    assert (shown.state, shown.fix) == (state, fix)


@pytest.mark.parametrize(("source", "known"), [(ACCOUNT, True), (f"{ACCOUNT}2", False)])
def test_what_is_due_shows_since_when_its_own_source_is_at_a_change(
    source: str, *, known: bool
) -> None:
    began = NOW - DAY
    records = [Listed(source, str(REF), waiting=began)]
    shown = entry(version(left=30 * DAY), POLICY, KINDS, NOW, records)
    assert shown.state == "due"
    assert shown.under_way_since == (began if known else None)
    assert ("; under way since" in shown.reason) is known


def test_what_is_not_due_yet_is_under_way_where_somebody_has_asked_for_it() -> None:
    records = [Listed(ACCOUNT, str(REF), waiting=NOW - DAY)]
    shown = entry(version(left=80 * DAY), POLICY, KINDS, NOW, records)
    assert (shown.state, shown.under_way_since) == ("ok", NOW - DAY)
    assert shown.reason == f"under way since {NOW - DAY:%Y-%m-%d %H:%M}Z"


@pytest.mark.parametrize("left", [10, 0.5, 0, -3, None])
def test_days_to_an_expiry_are_days(left: float | None) -> None:
    secret = version(left=None if left is None else left * DAY)
    assert days_to_expiry(secret, NOW) == left
