"""The product on the in-process simulator, whose telemetry the real exporter sends."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cloud.telemetry import setup as telemetry
from engine.errors import RekeyError
from engine.state.sweep_order import SweepOrder
from simulator.clock import VirtualClock
from simulator.reach.transport import Call
from simulator.storage.accounts import StorageAccount
from simulator.telemetry.tables import Row
from simulator.wire import Request, Response, json_response
from tests.api.test_access import principal
from tests.shared.rig import Rig
from tests.shared.scene import NAME as SECRET
from tests.shared.scene import ask

ADA = "ada@contoso.example"
MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass
class Stage:
    """A rig with an account, and what of the telemetry cannot be the app's own."""

    clock: VirtualClock
    rig: Rig = field(init=False)
    account: StorageAccount = field(init=False)
    imitated: list[tuple[str, Row]] = field(default_factory=list)
    """Rows that the Functions host or Azure itself writes, made from their documented columns: no
    app sends them."""
    slowness: float = 0.0
    """Seconds that the source takes to make a key."""
    refusal: int | None = None
    """The status with which the source answers every request."""
    values: set[str] = field(default_factory=set)
    """Every value that ever existed here."""

    def __post_init__(self) -> None:
        self.rig = Rig(self.clock)
        self.account = self.rig.account("appdata")

    def secret(self, name: str = SECRET, **options: Any) -> None:
        """Put a due secret under management; options are the rig's."""
        self.rig.secret(name, self.account, **options)
        self.look()

    async def rotate(self, name: str = SECRET, *, tries: int = 1, **fields: Any) -> None:
        """Work on an item as the queue would; a try that fails is over."""
        with contextlib.suppress(RekeyError):
            await self.rig.service(self._answer).rotate(
                self.rig.item(name, **fields).to_json(), tries
            )
        self.look()

    async def sweep(self) -> None:
        """Sweep the vault, as the timer's message asks."""
        order = SweepOrder(
            self.rig.vault.url, self.clock.now(), self.clock.now(), timedelta(hours=1)
        )
        with contextlib.suppress(RekeyError):
            await self.rig.service(self._answer).sweep_vault(order.to_json())

    async def by_hand(self, *roles: str) -> None:
        """Have ADA, who holds these app roles, ask for a rotation, and the queue deliver it."""
        headers = principal(*roles, preferred_username=ADA, oid="ada")
        api = self.rig.api(self._answer, {"WEBSITE_AUTH_ENABLED": "true"})
        await ask(api, {"reason": "it is time"}, name=SECRET, headers=headers)
        await self.deliver()

    async def deliver(self) -> None:
        """Work on what waits in the queue `rotations`."""
        for message in self.rig.messages("rotations"):
            await self.rig.service(self._answer).rotate(json.dumps(message), 1)
        self.look()

    async def wait(self, seconds: float) -> None:
        """Let time pass; what was measured until now is sent with the time of now."""
        await telemetry.flush()
        self.clock.advance(seconds)

    def imitate(self, table: str, **columns: Any) -> None:
        """Add a row of telemetry that is not the app's."""
        self.imitated.append((table, columns | {"timestamp": self.clock.now()}))

    def look(self) -> None:
        """Take down the values of this moment."""
        self.values |= {
            key.value
            for account in self.rig.world.accounts.values()
            for key in account.keys.values()
        }
        self.values |= {
            version.value
            for name in self.rig.vault.secrets
            for version in self.rig.vault.versions(name)
        }

    async def _answer(self, request: Request, call: Call) -> Response:
        if request.host != "management.azure.com":
            return await call()
        if self.refusal:
            return json_response(self.refusal, {"error": {"code": "Refused"}}, {"Retry-After": "1"})
        if request.path.endswith("/regenerateKey"):
            self.clock.advance(self.slowness)
        return await call()
