"""A secret that its owner leaves to people is not rotated, though something is still to be retired."""

from __future__ import annotations

from tests.adversary.stage import Stage


async def test_a_secret_that_is_left_to_people_inside_an_overlap_is_not_healed(
    stage: Stage,
) -> None:
    secret = await stage.rotated("entra")
    await stage.run_for(hours=5)
    stage.tag(secret, Manual="true")
    application = stage.application()
    held = next(
        it for it in application.passwords(stage.clock.now()) if it.secret == secret.current.value
    )
    stage.world.directory.remove_password(application, held)
    before = secret.current.version
    await stage.run_for(days=2)
    assert secret.current.version == before
