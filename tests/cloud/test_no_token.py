"""No token for Resource Manager: nothing counts as gone, and a lasting lack is told to people."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError
from azure.core.rest import HttpRequest

from composition import build
from engine.errors import TransientError
from engine.service import MAX_TRIES, Service
from simulator.reach.transport import SimulatedCredential, SimulatedTransport
from simulator.wire import Request, json_response
from tests.shared.rig import Rig, RigClock
from tests.shared.scene import NAME, scene

IDENTITY = "http://127.0.0.1:41741/msi/token"


class WithoutManagement(SimulatedCredential):
    """Gets no token for Resource Manager: the identity endpoint answers 404."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        await self._look(scopes)
        return await super().get_token(*scopes, **options)

    async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        await self._look(scopes)
        return await super().get_token_info(*scopes, options=options)

    async def _look(self, scopes: tuple[str, ...]) -> None:
        if "management" in scopes[0]:
            transport = SimulatedTransport(self._world, _missing)
            response = await transport.send(HttpRequest("GET", IDENTITY))
            raise ClientAuthenticationError(message="no identity", response=response)


async def _missing(request: Request, proceed: object) -> Any:
    del request, proceed
    return json_response(404, {"statusCode": 404, "message": "No managed identity"})


def without_token(rig: Rig) -> Service:
    return build(
        rig.settings,
        identity=WithoutManagement(rig.world, rig.identity),
        clock=RigClock(rig.clock),
        options={"transport": SimulatedTransport(rig.world)},
    )


async def test_what_cannot_be_asked_for_want_of_a_token_is_not_gone() -> None:
    rig = scene()
    await rig.handle(NAME, force=True)
    source = rig.tags(NAME)["ProviderAddress"].lower()
    rig.clock.advance(8 * 86_400)
    with pytest.raises(TransientError, match="no token"):
        await without_token(rig).engine.handle(rig.item(NAME, action="retire"))
    assert (await rig.known(source)).retirement


async def test_a_token_that_does_not_come_for_long_parks_the_secret_with_its_reason() -> None:
    rig = scene()
    service, text = without_token(rig), rig.item(NAME).to_json()
    with pytest.raises(TransientError, match="no token"):
        await service.rotate(text, 1)
    assert "no token" not in str(rig.tags(NAME))
    await service.rotate(text, MAX_TRIES)
    assert "no token" in str(rig.tags(NAME))
