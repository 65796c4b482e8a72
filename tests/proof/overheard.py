"""A process of the app in this one, of which it is written down what it takes and what it says."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from cloud.telemetry.reports import record, record_of_task
from engine.errors import AccessDenied, TransientError
from engine.service import Service
from engine.state.request import Outcome, TaskOutcome
from simulator.reach.sabotage import Died
from tests.shared.edge import Edge


@dataclass
class Overheard:
    """A process of the app; what messages it takes, and what it says, is written down."""

    service: Service
    edge: Edge

    def __post_init__(self) -> None:
        engine = self.service.engine
        reporter: Any = Told(engine.reporter, self.edge)
        self.service = replace(self.service, engine=replace(engine, reporter=reporter))

    async def rotate(self, text: bytes, tries: int) -> None:
        """Work on one message."""
        waiting = (it for it in self.edge.queue() if base64.b64decode(it.body) == text)
        with self._taken(min(waiting, key=lambda it: it.visible).id):
            await self.service.rotate(text, tries)

    async def park(self, text: bytes, message_id: str) -> None:
        """Give up on one message."""
        with self._taken(message_id, "give up"):
            await self.service.park(text, message_id)

    async def sweep_vault(self, text: str) -> None:
        """Sweep."""
        order = f"sweep {self.edge.started}"
        self.edge.posted(order, "")
        with self._taken(order):
            await self.service.sweep_vault(text)

    @contextmanager
    def _taken(self, message: str, what: str = "") -> Iterator[None]:
        process = self.edge.takes(message, what)
        try:
            yield
        except Died:
            self.edge.ends(process, "crash")
            raise
        except BaseException as error:
            known = isinstance(error, TransientError | AccessDenied)
            self.edge.ends(process, "failed", unforeseen=not known)
            raise
        self.edge.ends(process, "done")


@dataclass
class Told:
    """A reporter whose reports are written down, too."""

    reporter: Any
    edge: Edge

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reporter, name)

    async def concluded(self, outcome: Outcome) -> None:
        """Report how a work item ended."""
        self.edge.reports(record(outcome))
        await self.reporter.concluded(outcome)

    async def followed(self, outcome: TaskOutcome) -> None:
        """Report how a task ended that follows an outcome."""
        self.edge.reports(record_of_task(outcome))
        await self.reporter.followed(outcome)
