"""In which step a source is, and what the page for developers says of each."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from engine.errors import TransientError
from engine.state.phase import PHASES, Phase, phase_rule
from engine.state.record import Record
from engine.state.record_parts import Announced, Change, Compromised
from engine.state.tags import Pending
from tests.shared.builders import NOW, V1, V2
from tests.shared.scene import NAME, refuse, scene, source_of, to_arm

WRITE = Announced("operation", "key2", "digest", V1, NOW)
SENT: dict[str, Any] = {"open_since": NOW, "started_at": NOW, "version": V1}
OWED: dict[Phase, dict[str, Any]] = {
    "revoking": {"compromised": Compromised(versions=(V1,))},
    "publishing": {"unpublished": (WRITE,)},
    "in progress": {"change": Change(in_progress_since=NOW)},
    "issuing": {"change": Change(**SENT, requested_at=NOW)},
    "retiring": {"change": Change(**SENT)},
    "disabling": {"stale": (V1,)},
    "reporting": {"unreported": True},
    "overlap": {"to_retire": (Pending(NOW + timedelta(days=7), V2, "key1"),)},
    "idle": {},
}


@pytest.mark.parametrize(("phase", "owed"), OWED.items())
def test_a_source_is_in_the_step_whose_end_its_record_does_not_know(
    phase: Phase, owed: dict[str, Any]
) -> None:
    assert phase_rule(Record("/s", **owed)).phase == phase


async def test_what_a_retried_rotation_has_superseded_is_not_said_to_be_revoked() -> None:
    """The first request may still take effect, long after what a later one made is published."""
    rig = scene(days_left=10)
    refuse(rig, 500, "InternalServerError", to_arm("regenerateKey"))
    with suppress(TransientError):
        await rig.work(NAME)
    rig.clock.advance(60)
    await rig.work(NAME, tries=2)
    record = await rig.known(source_of(rig))
    assert record.published
    assert record.is_uncertain
    assert phase_rule(record).phase == "issuing"


def test_what_is_more_dangerous_to_leave_is_named_first() -> None:
    record = Record("/s")
    for phase, owed in reversed(OWED.items()):
        if phase not in ("issuing", "retiring"):
            record = replace(record, **owed)
            assert phase_rule(record).phase == phase


def test_something_is_open_in_every_step_but_where_the_source_or_time_is_waited_for() -> None:
    at_rest = {phase for phase, owed in OWED.items() if not Record("/s", **owed).is_open}
    assert at_rest == {"in progress", "overlap", "idle"}


def test_the_page_for_developers_says_what_happens_next_in_every_step() -> None:
    page = (Path(__file__).parents[3] / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| \*\*([a-z ]+)\*\* \| .+ \| (.+) \|$", page, re.MULTILINE)
    told = [(phase, then) for phase, then in rows if phase in get_args(Phase)]
    assert told == [(step.phase, step.then) for step in PHASES]
    assert {step.phase for step in PHASES} == set(get_args(Phase))
