"""Queues and dead letters in the app's storage accounts."""

from __future__ import annotations

import base64

from cloud.storage.backlog import DEAD_LETTERS, EVERY
from cloud.storage.watch import AppWatch
from simulator.storage.queue_store import NEVER, Message
from tests.shared.rig import Rig


def watch_of(rig: Rig) -> AppWatch:
    """Return what watches the app, in a fresh process."""
    watch = rig.service().watch
    assert isinstance(watch, AppWatch)
    return watch


def queues(rig: Rig, *without: str) -> None:
    """Make the queues that the template makes."""
    for name in EVERY:
        if name not in without:
            rig.queue(name)


def left_over(rig: Rig, queue: str, account: str = "rekeyhost") -> None:
    now = rig.clock.now()
    body = base64.b64encode(b"{}").decode()
    waiting = rig.queue(queue, account)
    waiting.append(Message(str(len(waiting)), body, now, NEVER, now, "receipt"))


async def dead_letter(rig: Rig, *names: str) -> None:
    """Leave blobs as Event Grid does."""
    watch = watch_of(rig)
    container = watch._events.blobs(watch._azure).get_container_client(DEAD_LETTERS)
    await container.create_container()
    for name in names:
        await container.upload_blob(name, b"[]")
