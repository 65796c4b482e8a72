"""When each vault was swept last, and when it is swept next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from api.page.timeline import Moment, distance
from engine.ports import Watch
from engine.secret import SecretRef

OVERDUE_AFTER = timedelta(minutes=30)
"""How long after its time a sweep is worth a word: timers and queues have their own pace."""


@dataclass(frozen=True, slots=True)
class Swept:
    """The sweeps of one vault."""

    vault: str
    ended: Moment | None
    due: Moment
    late: bool


async def seen(watch: Watch, now: datetime) -> list[Swept]:
    """Return the sweeps of all vaults, the longest ago first; none where that cannot be known."""
    vaults = sorted(await watch.sweeps(), key=lambda sweep: (sweep.ended or sweep.due, sweep.vault))
    return [
        Swept(
            SecretRef(sweep.vault, "").vault_name,
            Moment("ended", sweep.ended, distance(sweep.ended - now)) if sweep.ended else None,
            Moment("due", sweep.due, distance(sweep.due - now)),
            sweep.due + OVERDUE_AFTER < now,
        )
        for sweep in vaults
    ]
