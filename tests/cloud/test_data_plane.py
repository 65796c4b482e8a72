"""What a service says of a key is passed on, and of an overload how long it lasts."""

from __future__ import annotations

import pytest

from cloud.rest.data_plane import DataPlane, Signed
from engine.errors import Throttled
from simulator.faults import Fault
from simulator.wire import json_response
from tests.shared.sql_rig import SqlRig


async def test_an_overloaded_service_is_asked_again_when_it_says() -> None:
    rig = SqlRig()
    body = {"error": {"code": "TooManyRequests"}}
    rig.world.faults.append(Fault(lambda _: True, json_response(429, body, {"Retry-After": "30"})))
    with pytest.raises(Throttled) as caught:
        await DataPlane(rig.azure()).send(Signed("https://hub.example/api", {}), "there")
    assert (caught.value.retry_after, caught.value.code) == (30, "TooManyRequests")
