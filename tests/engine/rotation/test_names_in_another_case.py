"""Names of secrets are the same in any case: Key Vault makes no difference, and tags are typed."""

from __future__ import annotations

from datetime import timedelta

from tests.engine.rotation.descent_scene import DAY, OVERLAP, Scene
from tests.engine.rotation.held import Dependents, held
from tests.rotators.sas_scenes import KEY, SAS, managed
from tests.shared.delivery import Delivery


async def test_a_retirement_waits_for_what_names_its_key_in_another_case() -> None:
    scene = Scene()
    scene.put(DerivedFrom=f"{scene.rig.vault.url}/secrets/{KEY.upper()}")
    scene.until(DAY)
    assert await scene.waits() == 2 * OVERLAP


async def test_what_a_key_made_for_who_names_it_in_another_case_works_until_it_has_moved() -> None:
    """It does not follow for a week, as it bears a tag that keeps it from being rotated."""
    scene = managed(days_left=50, key_days_left=80)
    rig = scene.rig
    rig.tag(SAS, DerivedFrom=f"{rig.vault.url}/secrets/{KEY.upper()}")
    rig.tag(KEY, OverlapHours="24")
    rig.clock.advance(60)
    assert (await rig.handle(SAS, action="audit")).result == "confirmed"
    assert (await rig.handle(KEY, force=True)).result == "rotated"
    # Its messages are lost, and the daily audit has not come yet.
    rig.queue("rotations").clear()
    rig.clock.advance(timedelta(hours=24, minutes=5).total_seconds())
    await rig.handle(KEY, action="retire", trigger="sweep")
    assert scene.works(rig.latest(SAS))
    await Delivery(rig, rig.service).run(within=timedelta(hours=1))


async def test_a_retirement_waits_for_what_its_key_made_whoever_types_the_name_of_the_key() -> None:
    """An operator types `rekey rotate prod/App-Key`."""
    scene = Scene()
    scene.until(DAY)
    async with held(scene.rig, KEY.title()) as at:
        item = scene.rig.item(KEY.title(), action="retire", trigger="manual")
        waits = await Dependents(at.parts, at.managed).delay(at.secret, item, scene.retire(at))
    assert waits
