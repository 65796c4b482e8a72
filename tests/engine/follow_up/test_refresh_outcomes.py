"""What a refresh says at its end, and which apps an incident or a retirement may ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import TransientError
from engine.state.request import FollowUp, TaskOutcome
from engine.state.tags import RETIRE
from tests.engine.follow_up.test_consumers import lagging, to_list
from tests.shared.consuming import DAY, SHOP, WORKER, Consuming
from tests.shared.scene import NAME, refuse, to_vault


async def done(rig: Consuming, since: str = "") -> TaskOutcome:
    """Refresh the apps of a version that was written a moment ago."""
    task = FollowUp(rig.item(NAME).ref, "refresh", since=since)
    return await (await rig.service().ready()).follow_up(task)


def lags(rig: Consuming) -> None:
    rig.site().held["KEY"] = "an older one"
    rig.world.web.sites[SHOP.lower()].stuck = True


def is_denied(rig: Consuming) -> None:
    rig.site(actions=())


def is_old(rig: Consuming) -> None:
    rig.clock.advance(14 * DAY + 1)


@pytest.mark.parametrize(
    ("meets", "result"),
    [
        (lags, "waiting"),
        (is_denied, "unrefreshed"),
        (Consuming.site, "refreshed"),
        (is_old, "skipped"),
    ],
)
async def test_every_outcome_of_a_refresh_names_the_version_that_it_is_about(
    meets: Callable[[Consuming], object], result: str
) -> None:
    rig = Consuming(SHOP)
    rig.write(NAME, rig.latest(NAME).value)
    meets(rig)
    outcome = await done(rig)
    assert (outcome.result, outcome.version) == (result, rig.latest(NAME).version)


async def test_of_a_version_that_is_disabled_no_app_is_asked() -> None:
    rig = Consuming(SHOP)
    rig.site()
    rig.write(NAME, rig.latest(NAME).value)
    rig.vault.amend(rig.latest(NAME), enabled=False)
    rig.world.exchanges.clear()
    assert (await done(rig)).result == "skipped"
    assert not [it for it in rig.world.exchanges if "/shop" in it.request.path]


async def test_a_deployment_without_apps_refreshes_none_and_waits_for_none() -> None:
    """The policy names an app all the same: one written for another deployment may."""
    rig = Consuming(SHOP)
    rig.site().stuck = True
    rig.write(NAME, rig.latest(NAME).value)
    engine = replace(await rig.service().ready(), apps=None)
    outcome = await engine.follow_up(FollowUp(rig.item(NAME).ref, "refresh"))
    assert outcome.result == "refreshed"
    rig = await lagging()
    service = rig.service()
    service = replace(service, engine=replace(service.engine, apps=None))
    retired = await (await service.ready()).handle(rig.item(NAME, action="retire"))
    assert retired.result == "retired"


async def test_the_longest_wait_that_azure_asks_for_puts_the_refresh_of_all_apps_off() -> None:
    rig = Consuming(SHOP, WORKER)
    rig.site()
    rig.container()
    rig.write(NAME, rig.latest(NAME).value)
    refuse(rig, 429, "", to_list, times=9, Retry_After="70")
    refuse(rig, 429, "", lambda it: it.path.endswith("/worker"), times=9, Retry_After="40")
    with pytest.raises(TransientError) as error:
        await done(rig)
    assert error.value.retry_after == 70


async def test_an_app_that_asks_for_no_wait_takes_none_from_another_that_does() -> None:
    rig = Consuming(SHOP, WORKER)
    rig.site()
    rig.container()
    rig.write(NAME, rig.latest(NAME).value)
    refuse(rig, 429, "", to_list, times=9, Retry_After="70")
    refuse(rig, 503, "Busy", lambda it: it.path.endswith("/worker"), times=99)
    with pytest.raises(TransientError) as error:
        await done(rig)
    assert error.value.retry_after == 70


@pytest.mark.parametrize(
    ("early", "result"), [(timedelta(seconds=1), "waiting"), (timedelta(0), "unrefreshed")]
)
async def test_an_app_is_looked_at_for_five_hours_to_the_second(
    early: timedelta, result: str
) -> None:
    rig = Consuming(SHOP)
    rig.site().stuck = True
    rig.write(NAME, rig.latest(NAME).value)
    since = rig.clock.now() - timedelta(hours=5) + early
    assert (await done(rig, since.isoformat())).result == result


async def test_a_retirement_reads_its_secret_no_second_time_for_its_apps() -> None:
    rig = await lagging()
    rig.world.exchanges.clear()
    await rig.try_to_retire()
    assert RETIRE in rig.tags(NAME)
    reads = [it for it in rig.world.exchanges if to_vault("GET", NAME)(it.request)]
    assert len(reads) == 1
