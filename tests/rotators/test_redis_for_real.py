"""A rotation of a cache's key, judged by a real Redis: Resource Manager alone is simulated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.azure import Azure
from engine.errors import VerificationFailed
from engine.secret import Sensitive
from rotators.redis_key import RedisKey
from simulator.reach.transport import Call, SimulatedCredential, SimulatedTransport
from simulator.wire import Request, Response
from tests.redis import Redis
from tests.rotators.key_scenes import FAMILY, KeyScene
from tests.shared.rig import RigClock

pytestmark = pytest.mark.usefixtures("drained")


class RealScene(KeyScene):
    """A managed cache whose database is a real server, which takes on each new key."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(next(member for member in FAMILY if "of a database" in str(member)))
        self.redis = redis
        self.account.host = "localhost"
        self.account.contract = replace(self.account.contract, port=redis.port)
        self.redis.accept(*self.live())

    async def _taken_on(self, request: Request, call: Call) -> Response:
        response = await call()
        if "regeneratekey" in request.path.lower() or "listkeys" in request.path.lower():
            self.redis.accept(*self.live())
        return response

    def real(self) -> RedisKey:
        """Return the rotator with its own client."""
        transport = SimulatedTransport(self.rig.world, self._taken_on)
        identity = SimulatedCredential(self.rig.world, self.rig.identity)
        return RedisKey(Azure(identity, options={"transport": transport}), RigClock(self.rig.clock))


async def test_a_key_is_replaced_proven_and_retired(redis: Redis) -> None:
    scene = RealScene(redis)
    rotator, job = scene.real(), replace(scene.job(), proven=False)
    issued = await rotator.issue(job)
    await rotator.verify(scene.source, issued.credential_id, issued.fields["key"])
    assert job.held
    assert issued.supersedes
    assert await rotator.accepts(scene.source, issued.supersedes, job.held)
    await rotator.retire(scene.source, issued.supersedes, issued.fields["key"])
    scene.rig.clock.advance(60)
    redis.accept(*scene.live())
    assert not await rotator.accepts(scene.source, issued.supersedes, job.held)
    assert await rotator.accepts(scene.source, issued.credential_id, issued.fields["key"])


async def test_a_value_that_the_server_does_not_know_is_never_proven(redis: Redis) -> None:
    scene = RealScene(redis)
    with pytest.raises(VerificationFailed):
        await scene.real().verify(scene.source, "primaryKey", Sensitive(scene.member.wrong))
