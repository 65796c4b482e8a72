"""How far an incident has come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.decide.inventory import entry
from engine.model.incident import Incident, Progress
from tests.shared.builders import KINDS, NOW, POLICY, version


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
    progress, shown = Progress(), entry(version(), POLICY, KINDS, NOW)
    incident = Incident(NOW - timedelta(hours=1))
    progress.add(incident, shown, is_open=is_open, by_hand=by_hand)
    counts = ("waiting", "needs_a_person", "rotated")
    assert {name for name in counts if getattr(progress, name)} == expected
    assert progress.secrets == 1
