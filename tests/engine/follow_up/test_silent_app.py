"""Of an app that does not answer nothing is known; what the others have said still counts."""

from __future__ import annotations

import asyncio

import pytest

from engine.follow_up import refresh
from engine.state.tags import RETIRE
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.engine.follow_up.test_consumers import to_list
from tests.shared.consuming import DAY, GROUP, SHOP, Consuming
from tests.shared.scene import NAME

OTHER = f"{GROUP}/providers/Microsoft.Web/sites/other"


class Silence:
    """An app that answers nothing."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[Response] = asyncio.Future()

    async def __call__(self, request: Request, call: Call) -> Response:
        """Let every other request through."""
        is_silent = to_list(request) and "/sites/other/" in request.path.lower()
        return await (self._answer if is_silent else call())


def consuming(grace: int = 0) -> Consuming:
    """Return a rig with an app that lags and another that is to be silent."""
    rig = Consuming(SHOP, OTHER, grace=grace)
    rig.site().stuck = True
    rig.site(OTHER)
    return rig


async def test_a_retirement_waits_for_the_app_that_lags_although_another_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = consuming()
    await rig.rotate()
    rig.clock.advance(7 * DAY)
    monkeypatch.setattr(refresh, "LAGGING_SECONDS", 0.2)
    item = rig.item(NAME, action="retire", trigger="sweep")
    await rig.service(Silence()).rotate(item.to_json(), 1)
    assert RETIRE in rig.tags(NAME)


async def test_an_app_has_its_grace_although_another_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = consuming(grace=60)
    monkeypatch.setattr(refresh, "APPS_SECONDS", 0.2)
    began, account = rig.clock.now(), rig.world.accounts["appdata"]
    leaked, seconds, silence = rig.latest(NAME).value, list[float](), Silence()

    async def watch(request: Request, call: Call) -> Response:
        response = await silence(request, call)
        if leaked not in {key.value for key in account.accepted_keys()}:
            seconds.append((rig.clock.now() - began).total_seconds())
        return response

    item = rig.item(NAME, compromised=True, reported=began.isoformat())
    await rig.service(watch).rotate(item.to_json(), 1)
    assert 50 < seconds[0] <= 60
