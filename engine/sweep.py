"""Find what is due in one vault, from the listing alone: no call per secret that is not due."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from engine.decide import Park, Retire, Rotate
from engine.errors import RekeyError, TransientError
from engine.ports import WorkQueue
from engine.rotation import Engine
from engine.secret import SecretVersion
from engine.workitem import WorkItem

log = logging.getLogger("rekey.sweep")


@dataclass(frozen=True)
class Sweeper:
    """Sweeps vaults: what it finds due goes on the queue as the pages come in."""

    engine: Engine
    queue: WorkQueue

    async def sweep(self, vault: str) -> tuple[int, int]:
        """Sweep one vault; returns how many secrets were seen and how many sent on.

        A secret that cannot be judged never stops the others: it is counted, logged and reported.
        """
        seen = posted = broken = 0
        async for secret in self.engine.vaults.list(vault):
            seen += 1
            try:
                posted += await self._consider(secret)
            except TransientError:
                raise
            except (RekeyError, ValueError, TypeError, LookupError) as error:
                broken += 1
                log.error("secret %s cannot be judged: %s", secret.ref, error)
        self.engine.reporter.swept(vault, seen, posted, broken)
        return seen, posted

    async def _consider(self, secret: SecretVersion) -> bool:
        item = WorkItem(secret.ref, trigger="sweep", requested_by="sweep")
        match self.engine.decide(secret, item):
            case Retire(managed, _, reason):
                item = WorkItem(
                    secret.ref, "retire", trigger="sweep", requested_by="sweep", reason=reason, source=managed.source
                )
            case Rotate(managed, reason):
                item = WorkItem(secret.ref, trigger="sweep", requested_by="sweep", reason=reason, source=managed.source)
            case Park(reason):
                item = WorkItem(secret.ref, trigger="sweep", requested_by="sweep", reason=reason)
            case _:
                return False
        await self.queue.post_rotation(item)
        return True
