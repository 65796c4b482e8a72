"""A secret that many apps use: what is said of them fits into one line of a log."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

from tests.shared.consuming import DAY, GROUP, REFERENCE, Consuming, results
from tests.shared.heard import Log
from tests.shared.scene import NAME

APPS = [f"{GROUP}/providers/Microsoft.Web/sites/shop-front-end-{place:03}" for place in range(120)]
LONGEST_MESSAGE = 32_768
"""What Application Insights keeps of a message."""


def none_may_be_refreshed(rig: Consuming) -> None:
    for app in APPS:
        rig.world.web.add(app, KEY=REFERENCE)


def none_moves(rig: Consuming) -> None:
    for app in APPS:
        rig.site(app).stuck = True


@pytest.mark.parametrize("make", [none_may_be_refreshed, none_moves])
async def test_of_a_hundred_apps_the_first_are_named_and_the_others_counted(
    make: Callable[[Consuming], None], caplog: Log
) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")
    entries = "".join(
        f"  - match: {{secret: {NAME}}}\n    resources: {APPS[start : start + 40]}\n"
        for start in (0, 40, 80)
    )
    rig = Consuming(further=f"consumers:\n{entries}")
    make(rig)
    await rig.rotate()
    rig.clock.advance(7 * DAY)
    await rig.try_to_retire()
    ended = [it for it in results(caplog.records) if "shop-front-end-000" in it["reason"]]
    assert ended
    for outcome in ended:
        assert "shop-front-end-119" not in outcome["reason"]
        assert "and 110 more" in outcome["reason"]
        assert len(json.dumps(outcome)) < LONGEST_MESSAGE / 4
