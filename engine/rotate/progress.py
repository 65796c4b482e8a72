"""What has been done for one work item so far."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.outcome import Result
from engine.model.tags import Managed
from engine.model.workitem import WorkItem


@dataclass
class Progress:
    """One work item, and what came of it up to now."""

    item: WorkItem
    tries: int = 1
    """Which delivery of the message this is."""
    result: Result | None = None
    reason: str = ""
    managed: Managed | None = None
    """What the secret's tags asked for when the result was reached."""
    old_version: str | None = None
    """The current version when the work began."""
    new_version: str | None = None
    """The version that was published, also by an earlier try whose end was not reported."""
    proven: str | None = None
    """The version that its source accepted in this run, so that it need not be proven again."""
    drifted: bool = False
    """The source has refused the current version, and that is not mended yet."""
    retired: tuple[str, ...] = ()
    """The ids of the credentials that were revoked."""

    def done(self, result: Result, reason: str, managed: Managed) -> None:
        """Note what has been done."""
        self.result, self.reason, self.managed = result, reason, managed
