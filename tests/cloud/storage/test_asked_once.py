"""A busy storage account is asked once: its SDK would wait for up to a minute, as long as a lease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from cloud.storage.backlog import undelivered
from engine.engine import Engine
from engine.errors import RekeyError
from engine.ports import Incidents
from engine.state.incident import Incident
from simulator.wire import Request
from tests.shared.builders import NOW, item
from tests.shared.rig import Rig
from tests.shared.scene import refuse

SOURCE = "/subscriptions/x/resourcegroups/y"
REQUEST = "1" * 40
INCIDENT = Incident(NOW, "app-*", id=f"{NOW:%Y%m%dT%H%M%SZ}-0123abcd")


async def hold(engine: Engine) -> None:
    async with engine.leases.hold(SOURCE, "https://prod.vault.azure.net/secrets/app"):
        pass


async def read_index(engine: Engine) -> None:
    _ = [listed async for listed in engine.leases.index()]


def incidents(engine: Engine) -> Incidents:
    assert engine.incidents
    return engine.incidents


type Use = Callable[[Engine], Awaitable[object]]
USES: dict[str, tuple[str, Use]] = {
    "the first record of a source": ("PUT", hold),
    "all records": ("GET", read_index),
    "a request": ("PUT", lambda engine: engine.requests.keep(REQUEST, "a", NOW)),
    "what is due": ("GET", lambda engine: engine.requests.due(NOW)),
    "the end of a request": ("DELETE", lambda engine: engine.requests.close(REQUEST)),
    "an incident": ("PUT", lambda engine: incidents(engine).keep(INCIDENT)),
    "the incidents": ("GET", lambda engine: incidents(engine).newest(1)),
    "a new queue": ("PUT", lambda engine: engine.queue.post_rotation(item())),
    "a queue": ("GET", lambda engine: engine.queue.reach()),
}


def busy(rig: Rig, method: str) -> list[Request]:
    """Let storage be busy, but for leases; return the requests that it refuses."""
    refused: list[Request] = []

    def matches(request: Request) -> bool:
        if request.method != method or request.header("x-ms-lease-action"):
            return False
        refused.append(request)
        return True

    refuse(rig, 503, "ServerBusy", matches, times=9)
    return refused


@pytest.mark.parametrize("name", USES)
async def test_a_busy_account_is_asked_once(name: str) -> None:
    (method, use), rig = USES[name], Rig()
    refused = busy(rig, method)
    with pytest.raises(RekeyError, match="503"):
        await use(rig.service().engine)
    assert len(refused) == 1


async def test_a_busy_account_is_asked_once_about_dead_letters() -> None:
    rig = Rig()
    refused = busy(rig, "GET")
    with pytest.raises(RekeyError, match="503"):
        await undelivered(rig.settings.storage, rig.azure())
    assert len(refused) == 1
