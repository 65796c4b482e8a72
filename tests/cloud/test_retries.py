"""What an SDK waits for by itself, and what it leaves to the queue."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from azure.core import AsyncPipelineClient
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import HttpRequest

from cloud.retries import ShortRetries
from simulator.reach.transport import SimulatedTransport
from simulator.wire import Request, Response
from simulator.world import World


class Busy:
    """A service that is busy, and says for how long."""

    def __init__(self, seconds: str | None) -> None:
        self.headers = {"Retry-After": seconds} if seconds else {}
        self.calls: Counter[str] = Counter()

    def answers(self, host: str) -> bool:
        """Answer for every host."""
        return bool(host)

    def handle(self, request: Request) -> Response:
        """Be busy."""
        self.calls[request.method] += 1
        return Response(429, self.headers)


@pytest.mark.parametrize(
    ("seconds", "calls"), [("6", 1), ("900", 1), ("0", 3), (None, 3), ("soon", 3)]
)
async def test_a_long_pause_is_left_to_the_queue_and_a_short_one_is_waited_for(
    seconds: str | None, calls: int
) -> None:
    busy, world = Busy(seconds), World()
    world.services.insert(0, busy)
    policies: list[AsyncHTTPPolicy[Any, Any]] = [ShortRetries()]
    async with AsyncPipelineClient[Any, Any](
        "https://busy.example", policies=policies, transport=SimulatedTransport(world)
    ) as client:
        options: dict[str, Any] = {"retry_total": 2, "retry_backoff_factor": 0}
        answer = await client.send_request(HttpRequest("GET", "https://busy.example/"), **options)
    assert answer.status_code == 429
    assert busy.calls["GET"] == calls
