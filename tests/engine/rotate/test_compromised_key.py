"""What a compromised key made waits for another one, and sees to it that somebody makes that."""

from __future__ import annotations

import pytest

from engine.errors import TransientError
from tests.rotators.sas_scenes import KEY, SAS, SasScene
from tests.shared.scene import refuse, to_vault


async def compromised() -> SasScene:
    """Return a scene in which the key has leaked, and nobody has replaced it yet."""
    scene = SasScene()
    scene.manage(days_left=50, key_days_left=80)
    await scene.rig.handle(KEY, action="audit")
    leaked = scene.rig.latest(KEY).version
    await scene.rig.note(scene.source_name, KEY, compromised=(leaked,))
    return scene


@pytest.mark.parametrize(("deferred", "asked"), [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)])
async def test_a_signature_asks_twice_that_its_compromised_key_is_replaced(
    deferred: int, asked: int
) -> None:
    """Whoever replaces it may have died, and so may whoever was asked to look.

    Where that failed, the key's secret is parked: it is replaced all the same.
    """
    scene = await compromised()
    item = scene.rig.item(SAS, trigger="event", action="audit", deferred=deferred)
    with pytest.raises(TransientError) as caught:
        await scene.rig.service().engine.handle(item)
    assert (caught.value.code, caught.value.retry_after) == ("KeyCompromised", 60)
    posted = scene.rig.messages("rotations")
    assert [(it["secret"], it["action"], it["follows"]) for it in posted] == [
        (KEY, "audit", True)
    ] * asked


async def test_a_key_that_cannot_be_read_for_now_is_asked_of_nobody() -> None:
    scene = SasScene()
    scene.manage(days_left=50, key_days_left=80)
    refuse(
        scene.rig,
        503,
        "ServiceUnavailable",
        lambda request: to_vault()(request) and f"/{KEY}" in request.path,
        times=99,
    )
    item = scene.rig.item(SAS, trigger="event", action="audit", deferred=1)
    with pytest.raises(TransientError):
        await scene.rig.service().engine.handle(item)
    assert not scene.rig.queue("rotations")
