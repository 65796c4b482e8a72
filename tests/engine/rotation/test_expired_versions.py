"""Earlier versions of a derived secret are disabled once what they hold has ended, and not before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from simulator.keyvault.state import SecretVersion
from tests.rotators.sas_scenes import KEY, SAS, SasScene, managed
from tests.shared.delivery import Delivery

DAY = 86_400
WITHIN, PAST = 1, 9
"""Days: in the overlap of the key that was replaced, and after it."""


async def rotated() -> SasScene:
    """Return a scene in which a signature has followed its key to a second version."""
    scene = managed(days_left=50, key_days_left=10)
    await scene.rig.service().engine.queue.post_rotation(scene.rig.item(KEY, trigger="event"))
    await Delivery(scene.rig, scene.rig.service).run()
    assert len(scene.rig.vault.versions(SAS)) == 2
    return scene


async def audit(scene: SasScene, days: float) -> None:
    """Let days pass; then the key is retired, where it is due, and the signature audited."""
    scene.rig.clock.advance(days * DAY)
    service = scene.rig.service()
    for name, fields in ((KEY, {"action": "retire"}), (SAS, {"action": "audit"})):
        asked: dict[str, Any] = {"trigger": "sweep", **fields}
        await service.engine.handle(scene.rig.item(name, **asked))


def enabled(scene: SasScene) -> list[bool]:
    """Return which versions of the signature are enabled, the oldest first."""
    return [version.enabled for version in scene.rig.vault.versions(SAS)]


async def gone(scene: SasScene) -> tuple[str, ...]:
    """Return the versions of which the record says that their credential is refused."""
    return (*(await scene.rig.known(scene.source)).compromised.revoked,)


@pytest.mark.parametrize(("days", "is_enabled"), [(WITHIN, True), (PAST, False)])
async def test_a_version_is_disabled_once_its_key_is_gone(days: float, *, is_enabled: bool) -> None:
    scene = await rotated()
    first = scene.rig.vault.versions(SAS)[0]
    await audit(scene, days)
    assert enabled(scene) == [is_enabled, True]
    assert (first.version in await gone(scene)) is not is_enabled


async def test_a_version_that_a_person_enabled_again_after_its_end_stays_enabled() -> None:
    scene = await rotated()
    await audit(scene, PAST)
    scene.rig.vault.amend(scene.rig.vault.versions(SAS)[0], enabled=True)
    await audit(scene, WITHIN)
    assert enabled(scene) == [True, True]


@pytest.mark.parametrize(("days", "is_enabled"), [(WITHIN, True), (PAST, False)])
async def test_a_version_in_another_form_is_read_by_its_own(
    days: float, *, is_enabled: bool
) -> None:
    scene = await rotated()
    first, second = scene.rig.vault.versions(SAS)
    _write_anew(scene, second, "BlobEndpoint=https://{account}.blob.{suffix}/;{sas}")
    await audit(scene, days)
    assert enabled(scene) == [is_enabled, True, True]
    assert (first.version in await gone(scene)) is not is_enabled


async def test_a_version_is_not_disabled_while_one_of_its_readings_works() -> None:
    """The present template fits any text, and the whole of an earlier value is no signature."""
    scene = managed(days_left=50)
    _write_anew(scene, scene.rig.latest(SAS), "Token={sas}")
    await audit(scene, 0)
    for template in ("Token={sas}", "{sas}"):
        scene.rig.tag(SAS, ValueTemplate=template)
        scene.rig.clock.advance(60)
        assert (await scene.rig.handle(SAS, force=True)).result == "rotated"
    for version in scene.rig.vault.versions(SAS):
        # Only the record knows by which templates the earlier versions were written.
        if version.version != scene.rig.latest(SAS).version:
            scene.rig.vault.amend(version, tags={})
    await audit(scene, 0)
    assert enabled(scene) == [True] * 4
    assert await gone(scene) == ()


def _write_anew(scene: SasScene, version: SecretVersion, shape: str) -> None:
    """Let the owner write the same signature in another form."""
    assert version.expires
    value = shape.format(account="appdata", suffix="core.windows.net", sas=version.value)
    tags = {**(version.tags or {}), "ValueTemplate": shape}
    scene.rig.clock.advance(60)
    expires = datetime.fromtimestamp(version.expires, UTC)
    scene.rig.vault.put(SAS, value, expires=expires, tags=tags)
