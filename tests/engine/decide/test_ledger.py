"""What the records say is due."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.decide.ledger import Ledger
from engine.model.record import Listed
from engine.model.tags import Pending
from tests.shared.builders import ACCOUNT, NOW, REF, SECOND, V2


@pytest.mark.parametrize(
    ("until", "is_open", "expected"),
    [
        (timedelta(), False, ["retire"]),
        (-SECOND, True, ["retire"]),
        (SECOND, True, ["audit"]),
        (SECOND, False, []),
        (None, False, []),
    ],
)
def test_a_retirement_is_due_at_its_second_and_comes_before_a_look(
    until: timedelta | None, *, is_open: bool, expected: list[str]
) -> None:
    pending = None if until is None else Pending(NOW + until, V2, "key2")
    ledger = Ledger({str(REF).lower(): (Listed(ACCOUNT, str(REF), pending, is_open),)})
    assert [item.action for item in ledger.work(REF, NOW)] == expected
