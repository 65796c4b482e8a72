"""What apps are told before a leaked credential stops working: at once, or first, as the policy says.

A leaked credential lives on for its grace at most, counted from the report, whatever apps do. One
that was not reported with its time has none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from engine.errors import RekeyError
from engine.follow_up import consumers
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.secret import SecretRef, SecretVersion

log = logging.getLogger("rekey.follow_up")

PAUSE = 5.0
"""Seconds between two looks whether an app uses the new value."""
CALL_SECONDS = 15.0
"""How long one look may take: the lease on the source must outlast it."""


async def give(
    parts: Parts,
    item: WorkItem,
    refs: Sequence[SecretRef],
    keep: Callable[[], Awaitable[None]],
) -> None:
    """Refresh the apps of these secrets until they use the current versions, or the grace is over.

    `keep` renews the lease.
    """
    ends = _ends(parts, item, refs)
    if parts.clock.monotonic() >= ends:
        return
    with parts.reporter.step("refresh"):
        waiting, first = await _read(parts, refs), True
        while waiting:
            await keep()
            waiting, first = await _ask(parts, waiting, first=first), False
            if not waiting or parts.clock.monotonic() + PAUSE >= ends:
                break
            await parts.clock.sleep(PAUSE)


def _ends(parts: Parts, item: WorkItem, refs: Sequence[SecretRef]) -> float:
    """Return when the grace is over, on the monotonic clock."""
    since, now = item.seconds_since_report(parts.clock.now()), parts.clock.monotonic()
    grace = max((parts.policy.grace(ref).total_seconds() for ref in refs), default=0.0)
    return now if since is None else now + grace - since


async def _read(parts: Parts, refs: Sequence[SecretRef]) -> list[tuple[str, SecretVersion]]:
    """Return each app with the secret that it uses; what cannot be read is refreshed later."""
    pairs = list[tuple[str, SecretVersion]]()
    for ref in refs:
        if apps := consumers.named(parts.policy, ref):
            try:
                secret = await parts.vaults.read(ref)
            except RekeyError as error:
                log.warning("the apps of %s are not refreshed first: %s", ref, error)
                continue
            pairs += [(app, secret) for app in apps]
    return pairs


async def _ask(
    parts: Parts, pairs: Sequence[tuple[str, SecretVersion]], *, first: bool
) -> list[tuple[str, SecretVersion]]:
    """Ask every app, and return those that are to be waited for: an error is left to the task."""
    looks = (consumers.ask(parts, app, secret, first=first) for app, secret in pairs)
    try:
        async with asyncio.timeout(CALL_SECONDS):
            answers = await asyncio.gather(*looks)
    except TimeoutError:
        return []
    return [pair for pair, used in zip(pairs, answers, strict=True) if used is False]
