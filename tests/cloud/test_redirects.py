"""Wherever an answer leads to, nothing is sent there: no token, no value and no change again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from cloud.azure import Azure
from cloud.storage.blobs import BlobMemory
from cloud.storage.queues import StorageQueues
from cloud.vaults import KeyVaults
from engine.errors import TransientError
from engine.secret import Draft, SecretRef, Sensitive
from rotators.sql_admin_password import SqlAdminPassword
from rotators.storage_key import StorageKey
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.rotators.sql_scenes import administrator
from tests.shared.rig import Rig, RigClock

ELSEWHERE = "elsewhere.example"


@dataclass
class LedAway:
    """The app's view of Azure, where every request for which a credential is sent is led away."""

    rig: Rig
    status: int
    host: str = ""
    """Where to; empty for the host that was asked."""
    followed: list[str] = field(default_factory=list)

    async def __call__(self, request: Request, call: Call) -> Response:
        if request.host == ELSEWHERE or "again" in request.query:
            self.followed.append(f"{request.method} {request.url}")
            return json_response(200, {})
        if not request.header("authorization"):
            return await call()  # Key Vault's client first asks without a token who gives them.
        place = f"https://{self.host or request.host}{request.path}?again"
        return Response(self.status, {"Location": place})

    @property
    def azure(self) -> Azure:
        return self.rig.azure(self)

    @property
    def vaults(self) -> KeyVaults:
        return KeyVaults(self.azure, frozenset([self.rig.vault.url]))

    @property
    def ref(self) -> SecretRef:
        return SecretRef(self.rig.vault.url, "app")

    async def read(self) -> None:
        await self.vaults.read(self.ref)

    async def publish(self) -> None:
        expires = self.rig.clock.now() + timedelta(days=9)
        await self.vaults.publish(self.ref, Draft(Sensitive("new"), expires, "text/plain", {}))

    async def list(self) -> None:
        await anext(aiter(self.vaults.list(self.rig.vault.url)))

    async def write_blob(self) -> None:
        await BlobMemory(self.rig.settings.storage, self.azure).remember("key", "text")

    async def post(self) -> None:
        await StorageQueues(self.rig.settings.storage, self.azure).post_rotation(self.rig.item("x"))

    async def prove(self) -> None:
        account = self.rig.account("appdata")
        key = Sensitive(account.keys["key1"].value)
        rotator = StorageKey(self.azure, RigClock(self.rig.clock))
        await rotator.accepts(account.resource_id.lower(), "key1", key)

    async def change(self) -> None:
        rotator = SqlAdminPassword(self.azure, RigClock(self.rig.clock))
        place = rotator.place_of(administrator().job().source)
        doubt = await rotator.change.begin(place, "admin", Sensitive("new"))
        raise doubt or AssertionError


ACTS: Mapping[str, Callable[[LedAway], Awaitable[None]]] = {
    "a read of a secret": LedAway.read,
    "a new version": LedAway.publish,
    "a list of secrets": LedAway.list,
    "a blob": LedAway.write_blob,
    "a message": LedAway.post,
    "the proof of a storage key": LedAway.prove,
    "a server's password": LedAway.change,
}


@pytest.mark.parametrize("host", ["", ELSEWHERE])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("name", ACTS)
async def test_no_answer_leads_a_call_to_another_address(name: str, status: int, host: str) -> None:
    led = LedAway(Rig(), status, host)
    with pytest.raises(TransientError, match=f"{status}"):
        await ACTS[name](led)
    assert led.followed == []
