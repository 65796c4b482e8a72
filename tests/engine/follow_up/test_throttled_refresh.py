"""An app that Azure had no time for is still asked to refresh: to be told to wait is no refresh."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from simulator.wire import Request
from tests.engine.follow_up.test_consumers import to_list, to_refresh
from tests.shared.consuming import SHOP, Consuming, ended
from tests.shared.heard import Log
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


async def test_an_app_is_looked_at_for_as_long_although_azure_put_looks_off(caplog: Log) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = Consuming(SHOP)
    rig.site().stuck = True
    began, lists = rig.clock.now(), itertools.count()
    refuse(rig, 429, "", lambda it: to_list(it) and next(lists) > 2, times=9, Retry_After="30")
    await rig.rotate()
    assert next(lists) > 11
    assert ended(caplog.records, "refresh")[-1] == "unrefreshed"
    assert rig.clock.now() - began >= timedelta(hours=5)
