"""What an engine reports, as the log, the metrics and the topic get it."""

from __future__ import annotations

from engine.model.outcome import Outcome
from engine.rotate.engine import Engine


def heard(engine: Engine) -> list[Outcome]:
    """Listen to an engine; returns the list to which every outcome is added that it reports."""
    outcomes, concluded = list[Outcome](), engine.reporter.concluded

    async def listening(outcome: Outcome) -> None:
        outcomes.append(outcome)
        await concluded(outcome)

    object.__setattr__(engine.reporter, "concluded", listening)
    return outcomes
