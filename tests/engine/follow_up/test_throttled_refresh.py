"""An app that Azure had no time for is still asked to refresh: to be told to wait is no refresh."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from simulator.wire import Request
from tests.engine.follow_up.test_consumers import to_list, to_refresh
from tests.shared.consuming import SHOP, WORKER, Consuming, ended
from tests.shared.heard import Log
from tests.shared.items import task_of
from tests.shared.scene import NAME, refuse


@pytest.mark.parametrize("tells", [True, False], ids=["version told", "version not told"])
@pytest.mark.parametrize("where", [to_list, to_refresh], ids=["list", "refresh"])
async def test_an_app_is_refreshed_although_azure_asked_to_wait_with_the_first_call(
    where: Callable[[Request], bool], caplog: Log, *, tells: bool
) -> None:
    """Where Azure does not tell the version, the app is even reported as refreshed."""
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = Consuming(SHOP)
    site = rig.site()
    site.tells = tells
    refuse(rig, 429, "TooManyRequests", where, Retry_After="40")
    await rig.rotate()
    assert (site.refreshed, ended(caplog.records, "refresh")[-1]) == (1, "refreshed")
    assert site.held == {"KEY": rig.latest(NAME).version}


async def test_an_app_is_looked_at_as_often_although_azure_put_the_refresh_off(caplog: Log) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = Consuming(SHOP)
    rig.site().stuck = True
    refuse(rig, 429, "TooManyRequests", to_list, times=10, Retry_After="30")
    await rig.rotate()
    ends = ended(caplog.records, "refresh")
    assert ends == ["waiting"] * 10 + ["unrefreshed"]


@pytest.mark.parametrize(
    "throttled",
    [range(3, 12), (*range(10), *range(11, 17))],
    ids=["looks", "the refresh as often as it may be, and a look"],
)
async def test_an_app_is_looked_at_for_as_long_although_azure_put_looks_off(
    caplog: Log, throttled: Sequence[int]
) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = Consuming(SHOP)
    rig.site().stuck = True
    began, lists = rig.clock.now(), itertools.count()
    refuse(rig, 429, "", lambda it: to_list(it) and next(lists) in throttled, 99, Retry_After="30")
    await rig.rotate()
    assert next(lists) > throttled[-1]
    assert ended(caplog.records, "refresh")[-1] == "unrefreshed"
    assert rig.clock.now() - began >= timedelta(hours=5)


async def test_an_app_is_looked_at_no_sooner_because_azure_is_busy_with_another() -> None:
    rig = Consuming(SHOP, WORKER)
    rig.site().stuck = True
    rig.container()
    rig.write(NAME, rig.latest(NAME).value)
    refuse(rig, 429, "", lambda it: it.path.endswith("/worker"), times=9, Retry_After="30")
    await rig.service().rotate(task_of(rig.item(NAME).ref, "refresh").to_json(), 1)
    apps = [message["to"] for message in rig.messages("rotations")]
    waits = [it.visible - rig.clock.now() for it in rig.queue("rotations")]
    due = {app: wait.total_seconds() for app, wait in zip(apps, waits, strict=True)}
    assert due == {WORKER.lower(): 30, SHOP.lower(): 60}
