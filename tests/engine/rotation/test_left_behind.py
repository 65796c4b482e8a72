"""Who is told to look at a key's successor before the key goes, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.errors import TransientError
from tests.engine.rotation.descent_scene import (
    DAY,
    HOUR,
    INCIDENT,
    LONGEST_LAG,
    MINUTE,
    SECOND,
    ZERO,
    Scene,
)
from tests.rotators.sas_scenes import KEY, SAS, SasScene, managed
from tests.shared.builders import Wait
from tests.shared.scene import refuse, to_vault

LEFT_BEHIND_SECONDS = 60.0
"""When what a key made looks at it that went first."""


@pytest.mark.parametrize(
    ("item", "parked"),
    [
        ({}, False),
        ({"trigger": "event"}, False),
        ({"action": "audit"}, False),
        ({"action": "audit", "trigger": "event", "requested_by": "rekey"}, None),
        ({"trigger": "event", "requested_by": "rekey"}, None),
    ],
)
async def test_what_lags_is_told_to_look_unless_it_has_asked_itself(
    item: dict[str, Any], *, parked: bool | None
) -> None:
    scene = Scene()
    scene.until(DAY)
    wait, posted = await scene.asked(**item)
    assert isinstance(wait, Wait)
    assert wait.until == scene.replaced + 2 * DAY
    looks = [(seconds, look["secret"], look["action"], look["follows"]) for seconds, look in posted]
    assert looks == ([] if parked is None else [(0, SAS, "audit", parked)])


async def test_a_key_that_goes_at_once_comes_back_within_seconds_and_the_parked_look_too() -> None:
    scene = Scene()
    scene.until(MINUTE)
    with pytest.raises(TransientError, match="key1 is kept until") as caught:
        await scene.asked(**INCIDENT)
    assert (caught.value.code, caught.value.retry_after) == ("Followed", 20)
    ((message, look),) = zip(
        scene.rig.queue("rotations"), scene.rig.messages("rotations"), strict=True
    )
    assert message.visible <= scene.rig.clock.now()
    assert (look["secret"], look["follows"]) == (SAS, True)


async def test_an_audit_does_not_wait_for_what_follows_within_minutes() -> None:
    scene = Scene()
    scene.until(MINUTE)
    wait, posted = await scene.asked(force=True, action="audit")
    assert isinstance(wait, Wait)
    assert [look["follows"] for _, look in posted] == [True]


@pytest.mark.parametrize(
    ("age", "item", "lives"),
    [
        (2 * DAY, {}, 80 * DAY),
        (LONGEST_LAG, INCIDENT, 80 * DAY),
        (MINUTE, {"compromised": True, "version": "current"}, 80 * DAY),
    ],
)
async def test_whoever_may_hold_what_a_key_made_looks_a_minute_after_it_goes(
    age: timedelta, item: dict[str, Any], lives: timedelta
) -> None:
    """That costs no read of a vault, and nobody's patience."""
    scene = Scene(key_lives=lives)
    scene.follows(ZERO)
    scene.until(age)
    if item.get("version") == "current":
        item = {**item, "version": scene.rig.latest(KEY).version}
    answer, posted = await scene.asked(**item)
    assert answer is None
    looks = [(seconds, look["secret"], look["follows"]) for seconds, look in posted]
    assert looks == [(LEFT_BEHIND_SECONDS, SAS, True)]
    assert await scene.asked(dry=True, **item) == (None, posted)


@pytest.mark.parametrize("moved", [False, True])
async def test_what_a_due_key_leaves_behind_looks_a_minute_later(*, moved: bool) -> None:
    scene = Scene(key_lives=20 * HOUR)
    if moved:
        scene.follows(SECOND)
    scene.until(LONGEST_LAG)
    answer, posted = await scene.asked()
    assert answer is None
    looks = [(seconds, look["secret"], look["follows"]) for seconds, look in posted]
    assert looks == ([] if moved else [(LEFT_BEHIND_SECONDS, SAS, True)])


@pytest.mark.parametrize("status", [403, 503])
async def test_a_key_goes_although_nobody_can_be_told_to_look(status: int) -> None:
    """A message is a hint: what leaked does not live on for one that cannot be posted."""
    scene = Scene()
    scene.until(LONGEST_LAG)
    refuse(scene.rig, status, "Refused", lambda sent: ".queue." in sent.host, times=99)
    assert await scene.asked(**INCIDENT) == (None, [])


# What a compromised key made waits for another one.


async def compromised() -> SasScene:
    """Return a scene in which the key has leaked, and nobody has replaced it yet."""
    scene = managed(days_left=50, key_days_left=80)
    await scene.rig.handle(KEY, action="audit")
    leaked = scene.rig.latest(KEY).version
    await scene.rig.note(scene.source_name, KEY, compromised=(leaked,))
    return scene


async def test_a_signature_waits_for_a_compromised_key_and_has_nobody_look_at_it() -> None:
    """The record of the key says that it is due, and the timer has it replaced."""
    scene = await compromised()
    item = scene.rig.item(SAS, trigger="event", action="audit", deferred=1)
    with pytest.raises(TransientError) as caught:
        await scene.rig.service().engine.handle(item)
    assert (caught.value.code, caught.value.retry_after) == ("KeyCompromised", 60)
    assert not scene.rig.messages("rotations")


async def test_a_key_that_cannot_be_read_for_now_is_asked_of_nobody() -> None:
    scene = managed(days_left=50, key_days_left=80)
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
