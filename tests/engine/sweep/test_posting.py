"""A queue that refuses an item fails the sweep, and blames no secret."""

from __future__ import annotations

from typing import cast

import pytest

from engine.errors import AccessDenied, TransientError
from engine.model.workitem import WorkItem
from engine.ports import WorkQueue
from engine.secret import SecretRef
from engine.sweep.posting import post

ITEM = WorkItem(SecretRef("https://prod.vault.azure.net", "app"), trigger="sweep")


class Queue:
    """Takes items, or refuses them."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.taken: list[tuple[WorkItem, float]] = []

    async def post_rotation(self, item: WorkItem, delay: float = 0.0) -> None:
        if self.refuses:
            raise AccessDenied("the queue refuses it", where="rotations", fix="grant the role")
        self.taken.append((item, delay))


async def test_an_item_is_posted_with_its_delay() -> None:
    queue = Queue()
    await post(cast("WorkQueue", queue), ITEM, 30.0)
    assert queue.taken == [(ITEM, 30.0)]


async def test_a_refusal_brings_the_sweep_back() -> None:
    with pytest.raises(TransientError, match="the queue refuses it") as caught:
        await post(cast("WorkQueue", Queue(refuses=True)), ITEM)
    assert caught.value.fix == "grant the role"
