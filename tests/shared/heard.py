"""What an engine reports, as the log, the metrics and the topic get it; what loggers hear."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from engine.ports import Reporter
from engine.service import Service
from engine.state.request import Outcome, WorkItem

type Log = pytest.LogCaptureFixture
type Handle = Callable[[WorkItem, int], Awaitable[Outcome]]

LOST = "the source may hold a password that nobody knows"
"""What people are told of a single slot whose password could not be set back."""


def heard(reporter: Reporter, outcomes: list[Outcome] | None = None) -> list[Outcome]:
    """Listen to a reporter; returns the list to which every outcome is added that it is told."""
    told, concluded = [] if outcomes is None else outcomes, reporter.concluded

    async def listening(outcome: Outcome) -> None:
        told.append(outcome)
        await concluded(outcome)

    object.__setattr__(reporter, "concluded", listening)
    return told


def handled_by(service: Service, handle: Handle) -> Service:
    """Return the app with an engine that does this with an item, and which try of it that is."""
    engine = service.engine
    methods = dict.fromkeys(("handle", "follow_up"), staticmethod(handle))
    doing: Any = type("Doing", (type(engine),), methods)
    return replace(service, engine=doing(**vars(engine)))


@contextmanager
def all_ears(handler: logging.Handler, levels: Mapping[str, int]) -> Iterator[None]:
    """Let a handler hear every logger, and these from their levels on."""
    loggers = {logging.getLogger(name): level for name, level in levels.items()}
    before = {logger: logger.level for logger in loggers}
    logging.getLogger().addHandler(handler)
    for logger, level in loggers.items():
        logger.setLevel(level)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)
