"""A key that is being replaced is known again, and nobody learns it from what is noted."""

from __future__ import annotations

import pytest

from engine.secret import Sensitive
from rotators.shared.key_mark import Mark

VALUE = "AccountKeyThatNobodyMayLearn"


def test_a_key_is_known_again_by_its_slot_and_value() -> None:
    mark = Mark.read(str(Mark.of("key2", Sensitive(VALUE), 12.5)))
    assert mark
    assert mark.since == 12.5
    assert mark.is_of("key2", Sensitive(VALUE))
    assert not mark.is_of("key1", Sensitive(VALUE))
    assert not mark.is_of("key2", Sensitive("another"))


def test_what_is_noted_shows_no_value_and_is_another_text_each_time() -> None:
    first, second = (str(Mark.of("key2", Sensitive(VALUE))) for _ in range(2))
    assert VALUE not in first
    assert first != second


@pytest.mark.parametrize("text", ["", "x", "1 2", "soon 00 00", "1 nothex 00", "1 00 00 00"])
def test_what_is_no_mark_is_none(text: str) -> None:
    assert Mark.read(text) is None
