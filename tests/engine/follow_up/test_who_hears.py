"""Whom a notice is sent to: what the secret, the records and the policy say at that moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.engine import Engine
from engine.state.request import REPORTED_LEAK, FollowUp
from tests.shared.consuming import HOOKS, TEAMS_URL, Consuming
from tests.shared.scene import NAME, refuse

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
URGENT = "notifications:\n  - {kind: teams, webhookSecret: chat-all, withinDays: 7}\n"
OF_SHOP = "notifications:\n  - {owner: shop, kind: teams, webhookSecret: chat-all}\n"
BY_HAND = {"Manual": "true", "RotateBeforeDays": "60"}
NOBODY = "no webhook is to be notified"


def heard_by(further: str = URGENT, **options: Any) -> Consuming:
    """Return a rig whose chat hears what the document lets it hear."""
    rig = Consuming(further=further, **options)
    rig.vault.put("chat-all", TEAMS_URL)
    return rig


async def sent(rig: Consuming, listed: datetime, expires: datetime, **tags: str) -> str:
    """Send a digest of one secret, as a sweep has listed it; return what came of it.

    The secret was written a year ago, and says by now when it expires.
    """
    written = rig.clock.now() - 365 * DAY
    rig.vault.put("licence", "x", expires=expires, tags=tags or BY_HAND, created=written)
    line = f"licence expires within 7 days ({listed:%Y-%m-%d %H:%M}Z): only a person rotates it"
    task = FollowUp(rig.item("licence").ref, "tell", news="expiring")
    engine = await rig.service().ready()
    task = task.because(f"A secret needs a person: licence\n{line}")
    return (await engine.follow_up(task)).result


@pytest.mark.parametrize(("late", "result"), [(timedelta(0), "told"), (SECOND, "skipped")])
async def test_who_hears_of_a_week_hears_of_what_expires_in_exactly_a_week(
    late: timedelta, result: str
) -> None:
    rig = heard_by()
    expires = rig.clock.now() + 7 * DAY + late
    assert await sent(rig, expires, expires) == result


@pytest.mark.parametrize(("listed", "holds", "result"), [(7, 20, "skipped"), (20, 7, "told")])
async def test_how_urgent_a_digest_is_follows_from_what_its_first_secret_says_now(
    listed: int, holds: int, result: str
) -> None:
    """Its date was moved after the sweep, and it is due all the same."""
    rig = heard_by()
    now = rig.clock.now()
    assert await sent(rig, now + listed * DAY, now + holds * DAY) == result


@pytest.mark.parametrize(("days", "result"), [(365, "skipped"), (5, "told")])
async def test_of_what_lost_its_tags_nobody_hears_once_it_expires_much_later(
    days: int, result: str
) -> None:
    rig = heard_by(HOOKS)
    now = rig.clock.now()
    assert await sent(rig, now + 7 * DAY, now + days * DAY, Owner="else") == result


def without_webhooks(engine: Engine) -> Engine:
    return replace(engine, webhooks=None)


def without_document(engine: Engine) -> Engine:
    return replace(engine, policy=replace(engine.policy, own=None))


@pytest.mark.parametrize("without", [without_webhooks, without_document])
@pytest.mark.parametrize(("news", "result"), [("rotated", "skipped"), (REPORTED_LEAK, "untold")])
async def test_a_deployment_that_sends_no_notices_says_that_nobody_hears(
    without: Callable[[Engine], Engine], news: str, result: str
) -> None:
    """A leak that nobody hears of is no notice that was skipped: it works on."""
    rig = heard_by(HOOKS)
    engine = without(await rig.service().ready())
    outcome = await engine.follow_up(FollowUp(rig.item(NAME).ref, "tell", news=news))
    assert outcome.result == result
    assert outcome.reason.startswith(NOBODY)


@pytest.mark.parametrize(("is_there", "result"), [(True, "told"), (False, "skipped")])
async def test_who_owned_a_secret_that_is_gone_is_read_from_its_record_if_that_is_still_there(
    *, is_there: bool, result: str
) -> None:
    """A record may be deleted after it was listed."""
    rig = heard_by(OF_SHOP, tags={"Owner": "shop"})
    await rig.rotate()
    rig.vault.delete(NAME)
    engine = await rig.service().ready()
    if not is_there:
        refuse(rig, 404, "BlobNotFound", lambda it: "/sources/" in it.path, times=9)
    task = FollowUp(rig.item(NAME).ref, "tell", news="parked")
    assert (await engine.follow_up(task)).result == result
