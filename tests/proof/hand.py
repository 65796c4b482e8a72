"""One worker's hand on the world.

Every call of the engine goes through it, and a schedule decides how it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import AccessDenied, Throttled, TransientError
from tests.proof.kernel import CLIENT_TIMEOUT, Died, Mode, Worker

if TYPE_CHECKING:
    from tests.proof.world import World

SOON, LONG = 7.0, 400.0
"""What a throttled caller is told to wait, in seconds."""
VAULT_CALLS = frozenset({"read", "read version", "list", "publish", "retag", "disable"})
STORAGE_CALLS = frozenset(
    {"acquire", "record", "renew", "note", "release", "index", "post", "peek"}
    | {"keep", "close", "read request", "list requests"}
)
APP_CALLS = frozenset({"refresh an app", "see an app", "tell a person"})


def service_of(label: str) -> str:
    """Return which service a call goes to."""
    if label in VAULT_CALLS:
        return "vault"
    if label in STORAGE_CALLS:
        return "storage"
    return "apps" if label in APP_CALLS else "source"


@dataclass(frozen=True)
class Hand:
    """One worker's hand on the world."""

    world: World
    worker: Worker

    async def reach[T](
        self,
        label: str,
        effect: Callable[[], T],
        *,
        changes: bool = False,
        sandboxed: bool = False,
        about: object = None,
        of: tuple[str, str] = ("", ""),
        stale: Callable[[], T] | None = None,
    ) -> T:
        """Make one call: wait for its turn, then let it end as the schedule says.

        `changes`: it is not made again blindly when no answer comes. `sandboxed`: it changes a source
        or a vault, under the lease only. `about`: the secret, of the vault's calls. `of`: source
        and credential of a proof, for a witness. `stale`: what a vault that lags shows.
        """
        del of
        world, worker = self.world, self.worker
        if worker.dead:
            raise Died
        lease = worker.lease if sandboxed else None
        world.watch.sent(label, worker, about, sandboxed=sandboxed)
        began = world.kernel.time()
        try:
            mode = self._spoilt(await world.kernel.turn(worker, label), label, sandboxed=sandboxed)
        except asyncio.CancelledError:
            if changes:
                world.in_flight.append((label, effect, lease))
            raise
        if label not in ("renew", "release", "post", "keep", "close"):
            worker.last = (label, about)
        self._throttle(mode, label, about, changes=changes)
        if mode == "read stale":
            return (stale or effect)() if not changes else self._land(label, effect, lease)
        if mode == "go" and not (changes and world.kernel.time() - began > CLIENT_TIMEOUT):
            return self._land(label, effect, lease) if changes else self._seen(effect, stale)
        return self._fail(mode, label, effect, lease)

    def _throttle(self, mode: Mode, label: str, about: object, *, changes: bool) -> None:
        """Raise what a call meets whose service is away, or asks to wait."""
        world, wait = self.world, {"throttle": SOON, "throttle for long": LONG}.get(mode, 0.0)
        if world.down and mode != "die before":
            wait = world.refuse_while_away(label, about, changes=changes) or wait
        if wait:
            until = world.kernel.time() + wait
            self.worker.resting[label, getattr(about, "vault", "")] = until
            what, where = f"{label} was throttled", str(about or "")
            # What is away names a time, too, but says nothing of too many requests.
            error = Throttled if mode.startswith("throttle") else TransientError
            raise error(what, where=where, code="TooManyRequests", retry_after=wait)

    def _spoilt(self, mode: Mode, label: str, *, sandboxed: bool) -> Mode:
        """Return how a call ends where its source applies a change, and its answer is not seen."""
        if mode != "go" or not sandboxed:
            return mode
        if self.world.kills_after_applying(label):
            return "die after"
        return "fail after the effect" if self.world.fails_after_applying(label) else mode

    def _seen[T](self, effect: Callable[[], T], stale: Callable[[], T] | None) -> T:
        return stale() if stale and self.world.serves_a_copy() else effect()

    def _fail[T](self, mode: str, label: str, effect: Callable[[], T], lease: object) -> T:
        if mode == "die before":
            self._die()
        if mode == "forbid":
            raise AccessDenied(f"{label} was refused", fix="grant it")
        if mode == "lose the request":
            raise TransientError(f"{label} got no answer", code="NoAnswer")
        if mode == "arrive late":
            self.world.in_flight.append((label, effect, lease))
            raise TransientError(f"{label} got no answer", code="NoAnswer")
        self._land(label, effect, lease)
        if mode == "die after":
            self._die()
        raise TransientError(f"{label} ended without its answer", code="NoAnswer")

    def _land[T](self, label: str, effect: Callable[[], T], lease: object) -> T:
        self.world.watch.actor = self.worker.number
        landed = self.world.land(label, effect, lease)
        self.world.cut_off(label)
        return landed

    def _die(self) -> None:
        self.worker.dead = True
        raise Died
