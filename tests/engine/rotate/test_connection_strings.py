"""A connection string that holds a key is a replica of the secret with the key, and follows it."""

from __future__ import annotations

import pytest

from tests.rotators.key_scenes import FAMILY, KeyScene, Member
from tests.shared.delivery import Delivery
from tests.shared.rig import CONNECTION_STRING, Rig

DAY = 86_400
SHAPES = {
    "service-bus-key": "Endpoint=sb://{host}/;SharedAccessKeyName={rule};SharedAccessKey={key};EntityPath={entity}",
    "event-hubs-key": "Endpoint=sb://{host}/;SharedAccessKeyName={rule};SharedAccessKey={key};EntityPath={entity}",
    "cosmos-db-key": "AccountEndpoint=https://{host}:443/;AccountKey={key};",
}
MEMBERS = tuple(next(member for member in FAMILY if member.kind.kind == kind) for kind in SHAPES)


async def follows(rig: Rig, shape: str, key: str) -> None:
    """Let the key `app-key` be rotated and retired; its connection string must do the same."""
    url = rig.vault.url
    consent = {"ReplicaOf": f"{url}/secrets/app-key", "ValueTemplate": shape}
    rig.vault.put("connection", f"before {key}", tags=consent)
    tags = {**rig.tags("app-key"), "Replicas": f"{url}/secrets/connection"}
    rig.vault.amend(rig.latest("app-key"), tags=tags)
    await rig.service().queue.post_rotation(rig.item("app-key", trigger="event"))
    await Delivery(rig, rig.service).run()
    primary, copy = rig.latest("app-key"), rig.latest("connection")
    head, _, tail = shape.partition("{key}")
    assert primary.value != key
    assert primary.value in copy.value
    assert copy.value.startswith(head.partition("{")[0])
    assert "{" not in copy.value
    assert copy.value.endswith(tail) or "{" in tail
    assert copy.expires == primary.expires
    rig.clock.advance(8 * DAY)
    await rig.service().queue.post_rotation(rig.item("app-key", action="retire", trigger="sweep"))
    await Delivery(rig, rig.service).run()
    assert [version.enabled for version in rig.vault.versions("connection")] == [False, True]


async def test_a_connection_string_of_a_storage_account_follows_its_key() -> None:
    rig = Rig()
    account = rig.account("appdata")
    rig.secret("app-key", account)
    await follows(rig, CONNECTION_STRING, account.keys["key1"].value)


@pytest.mark.parametrize("member", MEMBERS, ids=str)
async def test_a_connection_string_of_another_service_follows_its_key(member: Member) -> None:
    scene = KeyScene(member)
    scene.manage("app-key")
    await follows(scene.rig, SHAPES[member.kind.kind], scene.value(member.slot))
