"""What the timer asks for: by the records alone, whatever became of messages."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest

from tests.shared.heard import Log
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene

MINUTE = timedelta(minutes=1)


def posted(rig: Rig) -> list[tuple[str, str]]:
    """Return what was posted: the action, and the secret that it is about."""
    return [(message["action"], message["secret"]) for message in rig.messages("rotations")]


async def begun(rig: Rig, ago: timedelta, name: str = NAME) -> None:
    """Leave a change at a secret's source that a worker began and never ended."""
    source = rig.tags(name)["ProviderAddress"].lower()
    since = rig.clock.now() - ago
    await rig.note(source, name, changing=since, look_at=since + MINUTE)


@pytest.mark.parametrize(("ago", "due"), [(0.0, False), (0.9, False), (1.0, True), (500.0, True)])
async def test_a_source_is_asked_for_once_what_was_begun_there_is_due_to_be_looked_at(
    ago: float, *, due: bool
) -> None:
    rig = scene()
    await begun(rig, ago * MINUTE)
    await rig.service().recheck()
    assert posted(rig) == [("audit", NAME)] * due


async def test_a_source_at_which_nothing_is_open_is_left_alone() -> None:
    rig = scene()
    await rig.handle(NAME)
    rig.clock.advance(3600)
    await rig.service().recheck()
    assert posted(rig) == []


async def test_the_audit_that_the_timer_asks_for_ends_what_was_begun() -> None:
    rig = scene()
    await begun(rig, 5 * MINUTE)
    await rig.service().recheck()
    (message,) = rig.messages("rotations")
    rig.queue("rotations").clear()
    await rig.service().rotate(json.dumps(message), 1)
    assert rig.tags(NAME)["RekeyOperation"]


async def test_no_lease_is_taken_and_one_listing_is_all_that_is_asked_of_azure() -> None:
    rig = scene()
    await begun(rig, 5 * MINUTE)
    rig.queue("rotations")
    rig.calls()
    await rig.service().recheck()
    assert rig.calls() == {"host blob": 1, "host queue": 1}


async def test_the_source_of_a_vault_that_is_not_served_any_more_is_left_alone() -> None:
    rig = scene()
    source = rig.tags(NAME)["ProviderAddress"].lower()
    await begun(rig, 5 * MINUTE)
    owner = f"https://other.vault.azure.net/secrets/{NAME}"
    await rig.note(source, NAME, owner=owner)
    await rig.service().recheck()
    assert posted(rig) == []


async def test_a_listing_that_fails_is_logged_and_tried_the_next_time(caplog: Log) -> None:
    rig = scene()
    await begun(rig, 5 * MINUTE)
    caplog.set_level(logging.WARNING, "rekey")
    refuse(rig, 503, "ServerBusy", lambda sent: sent.query.get("comp") == "list")
    await rig.service().recheck()
    assert "rechecked later" in caplog.text
    await rig.service().recheck()
    assert posted(rig) == [("audit", NAME)]


async def test_hundreds_that_are_due_at_once_are_asked_for_at_the_pace_of_a_sweep() -> None:
    rig = scene()
    for number in range(70):
        rig.secret(f"key-{number}", rig.account(f"account{number}"))
        await begun(rig, (5 + number) * MINUTE, f"key-{number}")
    await rig.service().recheck()
    names = [name for _, name in posted(rig)]
    assert names == [f"key-{number}" for number in range(69, 9, -1)]
    now = rig.clock.now()
    delays = [(message.visible - now).total_seconds() for message in rig.queue("rotations")]
    assert max(delays) == pytest.approx(6, abs=1)
