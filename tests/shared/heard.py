"""What an engine reports, as the log, the metrics and the topic get it, and one that does else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.model.outcome import Outcome
from engine.model.workitem import WorkItem
from engine.ports import Reporter
from engine.service import Service

type Log = pytest.LogCaptureFixture
type Handle = Callable[[WorkItem, int], Awaitable[Outcome]]

LOST = "the source may hold a password that nobody knows"
"""What people are told of a single slot whose password could not be set back."""


def heard(reporter: Reporter) -> list[Outcome]:
    """Listen to a reporter; returns the list to which every outcome is added that it is told."""
    outcomes, concluded = list[Outcome](), reporter.concluded

    async def listening(outcome: Outcome) -> None:
        outcomes.append(outcome)
        await concluded(outcome)

    object.__setattr__(reporter, "concluded", listening)
    return outcomes


def handled_by(service: Service, handle: Handle) -> Service:
    """Return the app with an engine that does this with an item, and which try of it that is."""
    engine = service.engine
    doing: Any = type("Doing", (type(engine),), {"handle": staticmethod(handle)})
    return replace(service, engine=doing(**vars(engine)))
