"""What a key makes, and when what it made before is made anew: a derived secret follows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.contract import Issued
from engine.model.tags import MAX_TAGS
from engine.secret import Sensitive
from tests.engine.rotate.lineage_stage import Stage, staged
from tests.rotators.sas_scenes import KEY
from tests.shared.builders import Confirm, Park, Rotate, Wait

SECOND, DAY, VALIDITY = timedelta(seconds=1), timedelta(days=1), timedelta(days=60)
GAIN = timedelta(hours=1)
"""How much longer a new version must last."""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as ready:
        yield ready


@pytest.mark.parametrize(
    ("key_ends", "expected"), [(10 * DAY, 10 * DAY), (90 * DAY, VALIDITY), (None, VALIDITY)]
)
async def test_what_a_key_makes_never_outlasts_it(
    stage: Stage, key_ends: timedelta | None, expected: timedelta
) -> None:
    stage.ends(None if key_ends is None else stage.at.now + key_ends)
    job = stage.at.parts.job(stage.at.secret, stage.at.managed)
    keyed = await stage.at.lineage.keyed(stage.at.secret.ref, job)
    assert keyed.expires == stage.at.now + expected
    assert keyed.parent
    assert keyed.parent.key == stage.key


@pytest.mark.parametrize(("key", "expected"), [("key1", True), ("key2", False)])
async def test_whether_a_key_made_a_value_is_computed(
    stage: Stage, key: str, *, expected: bool
) -> None:
    value = stage.scene.signed(key, stage.at.now + DAY)
    job = stage.at.parts.job(stage.at.secret, stage.at.managed)
    keyed = await stage.at.lineage.keyed(stage.at.secret.ref, job)
    issued = Issued("sas", {"sas": Sensitive(value)}, None)
    assert stage.at.lineage.made(keyed, issued) is expected
    holding = replace(stage.at.secret, value=Sensitive(value))
    assert stage.at.lineage.is_made_from(holding, stage.key) is expected


async def test_no_key_made_a_value_that_does_not_follow_its_form(stage: Stage) -> None:
    managed = replace(stage.at.managed, template="https://x?{sas}")
    lineage = replace(stage.at.lineage, managed=managed)
    assert lineage.is_made_from(stage.at.secret, stage.key) is False


async def test_a_key_that_is_refused_is_looked_at_first(stage: Stage) -> None:
    error = await stage.at.lineage.refused(stage.at.secret.ref, "the account refuses it")
    assert error.what.startswith("the account refuses it: the key in https://")
    assert (error.code, error.retry_after) == ("KeyRefused", 300)
    assert error.where == stage.at.managed.source
    ((seconds, look),) = stage.at.posted()
    assert (seconds, look["action"], look["secret"], look["trigger"]) == (0, "audit", KEY, "event")
    assert look["reason"] == f"the source refuses what {stage.at.secret.ref} made from it"


# What an audit and a due secret do with it.


async def test_an_audit_replaces_what_its_key_made_before_and_nothing_else(stage: Stage) -> None:
    confirm = Confirm(stage.at.managed)
    assert await stage.judged(confirm, action="audit") is confirm
    stage.moves()
    follow = await stage.judged(confirm, action="audit")
    assert isinstance(follow, Rotate)
    assert "its key has a new version" in follow.reason
    assert await stage.judged(confirm, action="rotate") is confirm


async def test_a_secret_without_room_for_tags_does_not_follow_and_says_so(stage: Stage) -> None:
    stage.moves()
    crowd = {f"other{number}": "x" for number in range(MAX_TAGS)}
    stage.at.secret = replace(stage.at.secret, tags={**stage.at.secret.tags, **crowd})
    assert isinstance(await stage.judged(Confirm(stage.at.managed), action="audit"), Park)


@pytest.mark.parametrize(
    ("key_ends", "ends", "waits"),
    [
        (10 * DAY, 10 * DAY, True),
        (10 * DAY + GAIN, 10 * DAY, True),
        (10 * DAY + GAIN + SECOND, 10 * DAY, False),
        (GAIN, None, True),
        (GAIN + SECOND, None, False),
        (GAIN, -DAY, True),
        (GAIN + SECOND, -DAY, False),
        (90 * DAY, VALIDITY - GAIN, True),
        (90 * DAY, VALIDITY - GAIN - SECOND, False),
        (None, VALIDITY, True),
        (None, 10 * DAY, False),
    ],
)
@pytest.mark.parametrize("action", ["rotate", "audit"])
async def test_a_due_secret_waits_for_a_key_of_which_it_would_last_no_longer(
    stage: Stage, key_ends: timedelta | None, ends: timedelta | None, action: str, *, waits: bool
) -> None:
    stage.ends(None if key_ends is None else stage.at.now + key_ends)
    expires = None if ends is None else stage.at.now + ends
    stage.at.secret = replace(stage.at.secret, expires=expires)
    rotate = Rotate(stage.at.managed, "expires soon")
    judged = await stage.judged(rotate, action=action)
    if waits:
        assert isinstance(judged, Wait)
        assert judged.until == stage.at.now + (key_ends or timedelta())
        assert judged.reason == f"expires soon, as does its key in {stage.at.managed.derived_from}"
    else:
        assert judged is rotate


@pytest.mark.parametrize(
    ("at_once", "force", "is_moved"),
    [(True, False, False), (False, True, False), (False, False, True)],
)
async def test_a_secret_that_leaked_or_is_forced_or_is_of_another_key_does_not_wait(
    stage: Stage, *, at_once: bool, force: bool, is_moved: bool
) -> None:
    stage.ends(stage.at.now + 10 * DAY)
    if is_moved:
        stage.moves()
        stage.ends(stage.at.now + 10 * DAY)
    rotate = Rotate(stage.at.managed, "expires soon", at_once=at_once)
    assert await stage.judged(rotate, force=force) is rotate
