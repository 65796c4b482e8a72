"""A chat that takes one message a second hears of every secret of an incident."""

from __future__ import annotations

import logging

import pytest

from engine.secret import SecretRef
from engine.state.request import FollowUp
from simulator.faults import Fault
from simulator.webhooks import TEAMS
from simulator.wire import Request, Response
from tests.cloud.follow_up.test_webhooks import received, told_about
from tests.shared.consuming import ended
from tests.shared.delivery import Delivery
from tests.shared.rig import Rig

SECRETS = 80


class Limited:
    """A chat that refuses a message less than a second after the one it took last."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.last = rig, 0.0

    def refuses(self, request: Request) -> bool:
        if request.host != TEAMS:
            return False
        # Each message takes some time of its own.
        self.rig.clock.advance(0.02)
        now = self.rig.clock.now().timestamp()
        if now < self.last + 1:
            return True
        self.last = now
        return False


async def test_many_messages_to_one_chat_all_arrive(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = told_about(days_left=80)
    chat = Limited(rig)
    busy = Response(429, {"Retry-After": "1"})
    rig.world.faults.append(Fault(chat.refuses, busy, times=10**6))
    for number in range(SECRETS):
        ref = SecretRef(rig.vault.url, f"app-{number}")
        rig.vault.put(ref.name, "x", tags={"Owner": "else"})
        await rig.service().engine.queue.post_rotation(FollowUp(ref, "tell", news="rotated"))
    await Delivery(rig, rig.service).run(most=SECRETS * 15)
    assert ended(caplog.records, "tell") == ["told"] * SECRETS
    assert len(received(rig)) == SECRETS
