"""What a job says of the tries before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.contract import CLOCKS, LATE, Job

ASKED = datetime(2026, 11, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
JOB = Job("source", "operation", "key1", None, proven=False, in_place=False, expires=ASKED)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (ASKED - 3 * MINUTE, False),
        (ASKED - CLOCKS, False),
        (ASKED - MINUTE, True),  # Clocks differ.
        (ASKED + 60 * MINUTE, True),
        (ASKED + 119 * MINUTE, True),  # The last try may have taken effect late.
        (ASKED + 90 * MINUTE + LATE + CLOCKS, False),
        (ASKED + 123 * MINUTE, False),
    ],
)
def test_a_credential_is_ours_only_if_it_was_made_while_we_asked(
    made: datetime, *, expected: bool
) -> None:
    job = replace(JOB, asked=ASKED, sent=ASKED + 90 * MINUTE)
    assert job.may_have_made(made) is expected


def test_what_was_sent_without_asking_for_a_credential_may_have_made_one() -> None:
    """A retirement replaces a key, too."""
    assert replace(JOB, sent=ASKED).may_have_made(ASKED + MINUTE)
    assert not replace(JOB, sent=ASKED).may_have_made(ASKED + 33 * MINUTE)


def test_who_sent_nothing_has_made_nothing() -> None:
    assert not JOB.may_have_made(ASKED)
    assert not replace(JOB, asked=ASKED).may_have_made(ASKED)
