"""What a sweep counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.state.entry import Expiry, SweepSummary
from tests.shared.builders import NOW, stands, version


@pytest.mark.parametrize(
    ("changes", "enabled", "days", "state", "expiries"),
    [
        ({}, True, 10.00049, "overdue", [Expiry("app-key", "storage-key", 10.0)]),
        ({}, True, -0.25, "overdue", [Expiry("app-key", "storage-key", -0.25)]),
        ({}, True, 0.0, "overdue", [Expiry("app-key", "storage-key", 0.0)]),
        ({}, True, None, "overdue", []),
        ({"ValidityPeriodDays": "x"}, True, 10.0, "parked", [Expiry("app-key", "unknown", 10.0)]),
        ({}, False, 10.0, "disabled", []),
        ({"ProviderAddress": None}, True, 10.0, "unmanaged", []),
    ],
)
def test_each_state_is_counted_and_the_expiry_of_what_is_managed(
    changes: dict[str, str | None],
    *,
    enabled: bool,
    days: float | None,
    state: str,
    expiries: list[Expiry],
) -> None:
    summary = SweepSummary("https://prod.vault.azure.net")
    left = None if days is None else timedelta(days=days)
    summary.add(stands(version(left=left, enabled=enabled, changes=changes)), NOW)
    assert {name: count for name, count in summary.states.items() if count} == {state: 1}
    assert summary.expiries == expiries
    summary.add(stands(version(left=None, enabled=enabled, changes=changes)), NOW)
    assert {name: count for name, count in summary.states.items() if count} == {state: 2}
    assert summary.expiries == expiries
