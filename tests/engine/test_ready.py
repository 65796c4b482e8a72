"""What every trigger waits for before it works: a vault that hangs must not hold up all others."""

from __future__ import annotations

import asyncio

import pytest

from cloud.policy_store import PATIENCE_SECONDS
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.api.test_leaks import leaky


@pytest.mark.parametrize("hanging", ["rekey-policy", "leak-key"])
async def test_a_vault_that_does_not_answer_delays_no_work_for_longer_than_its_patience(
    hanging: str,
) -> None:
    """The policy in memory is used at once; the keys of prints, which nothing but reports need, not."""
    rig, hangs = leaky(), list[str]()

    async def slow(request: Request, call: Call) -> Response:
        if any(f"/secrets/{name}" in request.path for name in hangs):
            await asyncio.sleep(60)
        return await call()

    service = rig.service(slow)
    await service.ready()
    rig.clock.advance(400)
    hangs.append(hanging)
    await asyncio.wait_for(service.ready(), PATIENCE_SECONDS + 2)
