"""What one work item has done so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import NeedsHuman
from engine.state.request import PUBLISHED, Result, WorkItem
from engine.state.tags import Managed

EARLIER = "published by an earlier try"


@dataclass
class Progress:
    """One work item, and what has come of it so far."""

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
    """The source refused the current version, and that is not healed yet."""
    retired: tuple[str, ...] = ()
    """The ids of the revoked credentials."""
    left_to_a_person: dict[str, NeedsHuman] = field(default_factory=dict)
    """Compromised versions that this run could not settle, and why."""

    @property
    def has_published(self) -> bool:
        """Return whether a version was published that is still to be told of."""
        return self.result in PUBLISHED

    @property
    def published_now(self) -> bool:
        """Return whether this run itself has published a version."""
        return self.has_published and self.new_version == self.proven

    def publishes_earlier(self, version: str) -> None:
        """Note that an earlier try has published a version whose outcome nobody has reported."""
        if not self.has_published:
            self.result, self.reason = "rotated", EARLIER
            self.new_version = version

    def begin_anew(self) -> None:
        """Forget what was done, once it has been reported by itself."""
        self.result, self.reason, self.new_version = None, "", None

    def done(self, result: Result, reason: str, managed: Managed) -> None:
        """Note what was done."""
        self.result, self.reason, self.managed = result, reason, managed
