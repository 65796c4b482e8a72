"""Virtual time for concurrent work.

Each task is a generator. It yields how many seconds it takes, or the tasks that it waits for.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from itertools import count

type Work = Generator[float | Iterable[Task]]


@dataclass
class Task:
    """A task that was started; `error` is the reason if it failed."""

    work: Work
    ended: bool = False
    error: Exception | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def end(self, error: Exception | None = None) -> None:
        """Mark the task as ended, and wake the tasks that wait for it."""
        self.ended, self.error = True, error
        for wake in self.waiting:
            wake()


class Timeline:
    """Runs tasks until none is left. `advance` moves the clock, in seconds."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self._advance = advance
        self._now = 0.0
        self._due: list[tuple[float, int, Task]] = []
        self._order = count()

    def start(self, work: Work) -> Task:
        """Start a task."""
        task = Task(work)
        self._later(task, 0.0)
        return task

    def run(self) -> None:
        """Run all started tasks in the order of time."""
        while self._due:
            moment, _, task = heapq.heappop(self._due)
            self._advance(moment - self._now)
            self._now = moment
            self._step(task)

    def _later(self, task: Task, seconds: float) -> None:
        heapq.heappush(self._due, (self._now + seconds, next(self._order), task))

    def _step(self, task: Task) -> None:
        try:
            awaited = next(task.work)
        except StopIteration:
            task.end()
        except Exception as error:  # noqa: BLE001 - whoever waits for the task judges its error
            task.end(error)
        else:
            if isinstance(awaited, (int, float)):
                self._later(task, awaited)
            else:
                self._wait(task, [other for other in awaited if not other.ended])

    def _wait(self, task: Task, others: list[Task]) -> None:
        left = len(others)
        if not left:
            self._later(task, 0.0)

        def wake() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._later(task, 0.0)

        for other in others:
            other.waiting.append(wake)
