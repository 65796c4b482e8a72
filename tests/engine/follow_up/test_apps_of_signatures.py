"""Apps that use what a key has made are asked, and given their grace, before the key is revoked."""

from __future__ import annotations

import logging

import pytest

from engine.state.decision import Wait
from engine.state.tags import RETIRE
from simulator.arm.web import Site
from simulator.clock import VirtualClock
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.rotators.sas_scenes import KEY, SAS, SasScene
from tests.shared.consuming import DAY, SHOP, SITE_ACTIONS, ended
from tests.shared.delivery import Delivery
from tests.shared.heard import Log
from tests.shared.policies import PolicyRig

HOUR = 3600


class Signed:
    """A key, a signature that it has made, and an app that goes on with the signature it holds."""

    def __init__(self, grace: int = 0) -> None:
        self.rig = PolicyRig(VirtualClock())
        self.scene = SasScene(rig=self.rig)
        self.scene.manage(days_left=50, key_days_left=10)
        self.rig.push(
            f"version: 1\nconsumers:\n  - match: {{secret: {SAS}}}\n    resources: ['{SHOP}']\n"
            f"    graceSeconds: {grace}\n"
        )
        self.old = self.rig.latest(SAS)
        self.site = self._site()

    def _site(self) -> Site:
        self.rig.world.grant(self.rig.identity, SITE_ACTIONS, SHOP)
        reference = f"@Microsoft.KeyVault(SecretUri={self.rig.vault.url}/secrets/{SAS})"
        site = self.rig.world.web.add(SHOP, KEY=reference)
        site.held["KEY"], site.stuck = self.old.version, True
        return site

    async def rotate(self) -> None:
        """Rotate the key, let the signature follow it, and wait until the overlap is over."""
        await self.rig.service().engine.queue.post_rotation(self.rig.item(KEY, trigger="event"))
        await Delivery(self.rig, self.rig.service).run()
        self.rig.clock.advance(7 * DAY + HOUR)

    async def cut_off(self) -> float:
        """Report the key, and return after how many seconds the old signature was refused."""
        began, seconds = self.rig.clock.now(), list[float]()

        async def watch(request: Request, call: Call) -> Response:
            del request
            response = await call()
            if not self.scene.works(self.old):
                seconds.append((self.rig.clock.now() - began).total_seconds())
            return response

        reported, version = began.isoformat(), self.rig.latest(KEY).version
        item = self.rig.item(KEY, version=version, compromised=True, reported=reported)
        await self.rig.service().engine.queue.post_rotation(item)
        await Delivery(self.rig, lambda: self.rig.service(watch)).run()
        return seconds[0]


async def test_a_key_is_kept_while_an_app_is_known_to_use_what_it_has_made(caplog: Log) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")
    signed = Signed()
    await signed.rotate()
    item = signed.rig.item(KEY, action="retire", trigger="sweep")
    _, decision = await (await signed.rig.service().ready()).preview(item)
    assert isinstance(decision, Wait)
    assert SHOP.lower() in decision.reason
    await signed.rig.service().rotate(item.to_json(), 1)
    assert (ended(caplog.records, "retire"), signed.scene.works(signed.old)) == (["waiting"], True)
    signed.site.held["KEY"] = signed.rig.latest(SAS).version
    await signed.rig.service().rotate(item.to_json(), 1)
    assert RETIRE not in signed.rig.tags(KEY)


@pytest.mark.parametrize(("grace", "least", "most"), [(0, 0, 30), (60, 50, 60), (90, 80, 90)])
async def test_an_app_that_uses_what_a_leaked_key_has_made_has_its_grace(
    grace: int, least: int, most: int
) -> None:
    assert least < await Signed(grace).cut_off() <= most
