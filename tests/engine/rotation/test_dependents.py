"""How long a superseded key is kept for what it has made, and for what not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import TransientError
from simulator.wire import Request
from tests.engine.rotation.descent_scene import (
    DAY,
    HOUR,
    INCIDENT,
    LONGEST_LAG,
    MINUTE,
    NOW_COMPROMISED,
    SECOND,
    V1,
    ZERO,
    Scene,
)
from tests.engine.rotation.held import Held, held
from tests.rotators.sas_scenes import EXTENT, KEY, SAS
from tests.shared.builders import Confirm, Decision
from tests.shared.scene import refuse, to_vault


@pytest.mark.parametrize(
    ("age", "lives", "options", "until", "is_short"),
    [
        (DAY, 80 * DAY, {}, 2 * DAY, False),
        (DAY, 80 * DAY, {"ends": 12 * HOUR}, None, None),
        (DAY, 80 * DAY, {"ends": 12 * HOUR + SECOND}, DAY + 2 * SECOND, False),
        (DAY, 80 * DAY, {"since": -DAY}, 3 * DAY, False),
        (DAY, 80 * DAY, {"since": HOUR}, 2 * DAY, False),
        (10 * DAY, 80 * DAY, {"ends": 9 * DAY}, 16 * DAY, False),
        (MINUTE, 80 * DAY, INCIDENT, LONGEST_LAG, True),
        (MINUTE, 80 * DAY, {"force": True}, LONGEST_LAG, True),
        (MINUTE, 80 * DAY, {"state": NOW_COMPROMISED}, LONGEST_LAG, True),
        (MINUTE, 80 * DAY, {"ends": ZERO}, LONGEST_LAG, True),
        (MINUTE, 80 * DAY, {"ends": SECOND}, LONGEST_LAG, True),
        (MINUTE, 80 * DAY, {"ends": 2 * MINUTE}, 4 * MINUTE, False),
        (MINUTE, 80 * DAY, {"ends": SECOND, "since": -DAY}, DAY + 2 * SECOND, False),
        (MINUTE, 80 * DAY, {"version": V1}, 2 * DAY, False),
        (LONGEST_LAG, 80 * DAY, INCIDENT, None, None),
        (MINUTE, 20 * HOUR, {}, LONGEST_LAG, True),
        (MINUTE, None, {}, LONGEST_LAG, True),
        (LONGEST_LAG, 20 * HOUR, {}, None, None),
    ],
)
async def test_a_key_is_kept_for_what_lives_on_it_as_long_as_for_an_app_or_for_minutes(
    age: timedelta,
    lives: timedelta | None,
    options: dict[str, Any],
    until: timedelta | None,
    *,
    is_short: bool | None,
) -> None:
    scene = Scene(key_lives=lives)
    scene.until(age)
    delay, posted = await scene.asked(dry=True, **options)
    assert posted == []
    if until is None:
        assert delay is None
        return
    assert delay
    ends = scene.replaced + until
    assert (delay.until, await scene.comes_back(**options)) == (ends, is_short)
    assert not await scene.comes_back(**options, action="audit"), "it is looked at later anyway"
    assert delay.reason == (
        f"key1 is kept until {ends:%Y-%m-%d %H:%M}Z: "
        f"it made what {scene.rig.vault.url}/secrets/{SAS} holds"
    )


@pytest.mark.parametrize(
    ("moved", "age", "lives", "options", "until"),
    [
        (HOUR, DAY, 80 * DAY, {}, None),
        (HOUR + SECOND, DAY, 80 * DAY, {}, 2 * DAY),
        (HOUR + SECOND, DAY + HOUR, 80 * DAY, {}, 2 * DAY),
        (HOUR + SECOND, DAY + HOUR + SECOND, 80 * DAY, {}, None),
        (2 * HOUR, DAY, 80 * DAY, {"since": -DAY}, 3 * DAY),
        (HOUR, DAY, 80 * DAY, {"since": -SECOND}, 2 * DAY + SECOND),
        (2 * HOUR, 3 * HOUR, 20 * HOUR, {}, 19 * HOUR),
        (2 * HOUR, 3 * HOUR, 60 * HOUR, {}, 2 * DAY),
        (2 * HOUR, 3 * HOUR, None, {}, 2 * DAY),
        (2 * HOUR, 19 * HOUR, 20 * HOUR, {}, None),
        (2 * HOUR, 3 * HOUR, 80 * DAY, INCIDENT, None),
    ],
)
async def test_what_moved_late_has_an_overlap_of_its_own_for_which_its_keys_next_rotation_is_not_put_off(
    moved: timedelta,
    age: timedelta,
    lives: timedelta | None,
    options: dict[str, Any],
    until: timedelta | None,
) -> None:
    scene = Scene(key_lives=lives)
    scene.follows(moved)
    scene.until(age)
    delay, _ = await scene.asked(dry=True, **options)
    if until is None:
        assert delay is None
    else:
        assert delay
        assert (delay.until, delay.reason[-11:]) == (scene.replaced + until, "held before")
        assert await scene.asked(**options) == (delay, []), "it has followed"


async def test_what_moved_late_counts_since_then_where_nobody_may_read_what_it_held_before() -> (
    None
):
    scene = Scene()
    before = scene.rig.latest(SAS).version
    refuse(scene.rig, 403, "ForbiddenByRbac", lambda it: it.path.endswith(f"/{before}"), times=20)
    scene.follows(2 * HOUR)
    async with held(scene.rig, SAS) as at:
        source = at.managed.source
    await scene.rig.note(source, SAS, earlier=(before,))
    scene.until(DAY)
    assert await scene.waits() == 2 * DAY


async def test_the_one_that_needs_it_longest_counts_and_all_are_named() -> None:
    """The first lives on it, the second has moved late: since the key was written again by hand."""
    scene = Scene(consent=f"{SAS}={EXTENT},second={EXTENT}", key_lives=20 * HOUR)
    moved = scene.sas.signed("key2", scene.replaced + 40 * DAY)
    scene.rig.vault.put("second", moved, tags=scene.rig.tags(SAS))
    scene.until(MINUTE)
    delay, posted = await scene.asked(since=-2 * HOUR)
    assert delay
    assert delay.until - scene.replaced == 19 * HOUR
    assert f"/{SAS}, https" in delay.reason
    assert "/second holds" in delay.reason
    assert [text["secret"] for _, text in posted] == [SAS]


@pytest.mark.parametrize("what", ["retire", "confirm"])
@pytest.mark.parametrize("dry", [False, True])
async def test_nothing_waits_for_a_key_that_makes_nothing_or_is_not_retired(
    what: str, *, dry: bool
) -> None:
    scene = Scene()
    if what == "retire":
        scene.rig.tag(KEY, MayDerive=None)
    decisions: Mapping[str, Callable[[Held], Decision]] = {
        "retire": scene.retire,
        "confirm": lambda at: Confirm(at.managed),
    }
    assert await scene.asked(dry=dry, what=decisions[what]) == (None, [])


@pytest.mark.parametrize(
    ("trigger", "asks", "follows"),
    [
        ("event", "rekey", []),
        ("sweep", "rekey", [SAS]),
        ("event", "", [SAS]),
        ("manual", "a person", [SAS]),
    ],
)
async def test_what_lives_on_a_key_is_asked_to_follow_it_unless_that_asks_itself(
    trigger: str, asks: str, follows: list[str]
) -> None:
    scene = Scene()
    scene.until(DAY)
    delay, posted = await scene.asked(trigger=trigger, requested_by=asks)
    assert delay
    assert [text["secret"] for _, text in posted] == follows


FOREIGN = "sv=2022-11-02&sr=c&sp=rl&se=2099-01-01T00%3A00%3A00Z&sig=x"
OTHERS: Mapping[str, Callable[[Scene], object]] = {
    "unmanaged": lambda scene: scene.put(ProviderAddress=None),
    "malformed": lambda scene: scene.put(ValidityPeriodDays="soon"),
    "of another kind": lambda scene: scene.put(
        ProviderAddress=scene.sas.account.resource_id, DerivedFrom=None
    ),
    "of another key": lambda scene: scene.put(DerivedFrom=f"{scene.rig.vault.url}/secrets/other"),
    "of another extent": lambda scene: scene.put(
        ProviderAddress=scene.sas.address.replace("/rl", "/r")
    ),
    "in another form": lambda scene: scene.put(ValueTemplate="https://x?{sas}"),
    "of no key": lambda scene: scene.put(FOREIGN),
    "gone": lambda scene: scene.rig.vault.secrets.pop(SAS),
    "disabled": lambda scene: scene.rig.vault.amend(scene.rig.latest(SAS), enabled=False),
    "of a key in another form": lambda scene: scene.rig.tag(KEY, ValueTemplate="AccountKey={key}"),
}


@pytest.mark.parametrize("change", OTHERS)
async def test_what_is_not_made_from_the_key_keeps_it_from_nothing(change: str) -> None:
    scene = Scene()
    scene.until(DAY)
    assert await scene.waits() == 2 * DAY
    OTHERS[change](scene)
    assert await scene.waits() is None


def to_account(request: Request) -> bool:
    return request.host.startswith("appdata.")


def of_signature(request: Request) -> bool:
    return to_vault()(request) and f"/secrets/{SAS}" in request.url


@pytest.mark.parametrize(
    ("status", "code", "where"),
    [
        (403, "Forbidden", of_signature),
        (403, "AuthorizationFailure", to_account),
        (503, "ServerBusy", to_account),
        (429, "TooManyRequests", to_account),
    ],
)
async def test_what_cannot_be_looked_at_may_still_need_the_key(
    status: int, code: str, where: Callable[[Request], bool]
) -> None:
    scene = Scene()
    scene.until(DAY)
    refuse(scene.rig, status, code, where, times=20)
    assert await scene.waits() == 2 * DAY


async def test_an_account_that_asks_to_wait_is_asked_again_before_a_key_is_kept_or_goes() -> None:
    scene = Scene()
    scene.until(DAY)
    refuse(scene.rig, 429, "TooManyRequests", to_account, times=20, Retry_After="7")
    with pytest.raises(TransientError) as caught:
        await scene.waits()
    assert caught.value.retry_after == 7


async def test_a_consent_to_what_cannot_be_signed_keeps_no_key() -> None:
    scene = Scene(consent=f"{SAS}=sas/container/uploads/rq")
    scene.put(ProviderAddress=scene.sas.address.replace("/rl", "/rq"))
    scene.until(DAY)
    assert await scene.waits() is None


async def test_a_consent_to_a_vault_that_is_not_served_keeps_no_key_and_asks_nobody() -> None:
    scene = Scene(consent=f"https://other.vault.azure.net/secrets/{SAS}={EXTENT}")
    scene.until(DAY)
    assert await scene.waits() is None
    scene.until(2 * DAY)
    assert await scene.asked() == (None, [])
