"""What a release would leave unfinished."""

from __future__ import annotations

from typing import Any

import pytest

from engine.state.index import Owned
from engine.state.record import Record
from engine.state.record_parts import Announced
from engine.state.tags import Pending
from tests.shared.builders import NOW, SECOND, V1, V2, version
from tests.shared.records import knowing


@pytest.mark.parametrize(
    ("known", "tags", "expected"),
    [
        ({}, {}, ""),
        ({"compromised": (V1,)}, {}, "its incident has not ended"),
        (
            {},
            {"RekeyState": f"compromised 2026-11-02T09:00:00Z {V1}"},
            "its incident has not ended",
        ),
        ({"ahead": Announced("op", "key2", "digest", V1, NOW)}, {}, "a change of its source"),
        ({"changing": NOW}, {}, "a change of its source"),
        ({"waiting": NOW}, {}, "a change of its source"),
        ({"open_until": NOW + SECOND}, {}, "may still take effect"),
        ({"open_until": NOW}, {}, ""),
        ({"pending": Pending(NOW, V2, "key2")}, {}, "key2 is inside its overlap until 2026-11-02"),
    ],
)
def test_what_is_in_progress_keeps_a_secret_under_management(
    known: dict[str, Any], tags: dict[str, str | None], expected: str
) -> None:
    owned = Owned(version(changes=tags), [Record(), knowing(Record(), **known)])
    in_progress = owned.in_progress(NOW)
    assert expected in in_progress
    assert bool(in_progress) is bool(expected)
