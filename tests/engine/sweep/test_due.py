"""What a sweep posts for one secret, and when: windows, records, audits, and the sweep's pace."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloud.vaults import KeyVaults
from engine.kinds import Kinds
from engine.secret import SecretRef, SecretVersion
from engine.service import Service
from engine.state.incident import Incident
from engine.state.sweep_order import SoFar, SweepOrder
from leaks.incidents import counted
from rotators.storage_key import StorageKey
from tests.shared.consuming import DAY, SHOP, Consuming
from tests.shared.delivery import Delivery
from tests.shared.heard import Log
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene, source_of

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FAR = 80.0


@pytest.fixture(autouse=True)
def listening(caplog: Log) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")


async def sweep(rig: Rig, covers: timedelta = timedelta(0), period: timedelta = HOUR) -> None:
    """Sweep the vault; the audits of the time that it `covers` are part of it."""
    now = rig.clock.now()
    await rig.service().sweep_vault(SweepOrder(rig.vault.url, now - covers, now, period).to_json())


def posted(rig: Rig) -> list[tuple[str, str]]:
    """Return the actions that wait on the queue, each with the name of its source."""
    return sorted(
        (message["action"], message["source"].rpartition("/")[2])
        for message in rig.messages("rotations")
    )


def rechecks(rig: Rig) -> list[str]:
    """Return the actions of the rechecks that wait on the queue."""
    return [it["action"] for it in rig.messages("rotations") if it["follow_up"]]


def summary(caplog: Log) -> Mapping[str, Any]:
    """Return what the last sweep reported."""
    texts = [record.message for record in caplog.records if '"swept"' in record.message]
    shown: dict[str, Any] = json.loads(texts[-1])
    return {name: shown[name] for name in ("seen", "posted", "broken")}


@pytest.mark.parametrize(
    ("window", "seconds"),
    [
        ("Mon 08:00-10:00 UTC", 0),
        ("Mon 09:30-09:45 UTC", 30 * 60),
        ("Mon 09:59-11:00 UTC", 59 * 60),
        ("Mon 10:00-11:00 UTC", None),
        ("Tue 09:30-09:45 UTC", None),
    ],
)
async def test_a_window_that_opens_before_the_next_sweep_is_met_and_a_later_one_left_to_that(
    window: str, seconds: float | None, caplog: Log
) -> None:
    rig = scene(tags={"RotationWindow": window})
    await sweep(rig)
    now = rig.clock.now()
    delays = [(message.visible - now).total_seconds() for message in rig.queue("rotations")]
    assert delays == ([] if seconds is None else [seconds])
    assert all(message["source"] == source_of(rig) for message in rig.messages("rotations"))
    assert summary(caplog) == {"seen": 1, "posted": len(delays), "broken": 0}


async def test_a_retirement_that_record_and_tag_show_is_posted_once(rig: Rig, caplog: Log) -> None:
    await rig.work(NAME)
    rig.clock.advance(7 * DAY + 60)
    await sweep(rig)
    assert posted(rig) == [("retire", "appdata")]
    assert rechecks(rig) == [], "it parks the secret if it fails for good"
    assert summary(caplog) == {"seen": 1, "posted": 1, "broken": 0}


async def test_a_retirement_is_left_to_the_look_that_its_source_is_owed(rig: Rig) -> None:
    await rig.work(NAME)
    rig.clock.advance(7 * DAY + 60)
    source, now = rig.tags(NAME)["ProviderAddress"].lower(), rig.clock.now()
    await rig.note(source, NAME, changing=now, look_at=now - MINUTE)
    await sweep(rig)
    assert posted(rig) == [("audit", "appdata")]


@pytest.mark.parametrize("why", ["disabled", "unbound"])
async def test_what_is_superseded_is_asked_for_though_its_secret_may_not_be_changed(
    rig: Rig, why: str
) -> None:
    """Whoever looks at its source tells people what is in the way."""
    await rig.work(NAME)
    rig.clock.advance(7 * DAY + 60)
    if why == "disabled":
        rig.vault.amend(rig.latest(NAME), enabled=False)
    else:
        elsewhere = rig.account("elsewhere").resource_id
        rig.environment = {"REKEY_SCOPES": json.dumps({rig.vault.url: [elsewhere]})}
    await sweep(rig)
    assert posted(rig) == [("retire", "appdata")]


async def test_what_its_former_source_has_still_to_retire_does_not_keep_a_secret_from_its_new_one(
    rig: Rig, caplog: Log
) -> None:
    await rig.work(NAME)
    rig.clock.advance(7 * DAY + 60)
    rig.secret(NAME, rig.account("moved"))
    await sweep(rig)
    assert posted(rig) == [("retire", "appdata"), ("rotate", "moved")]
    assert rechecks(rig) == ["retire"]
    assert summary(caplog)["broken"] == 0


async def test_what_is_due_at_a_former_source_is_retired_beside_what_is_due_at_the_present_one(
    rig: Rig,
) -> None:
    await rig.work(NAME)
    rig.clock.advance(7 * DAY + 60)
    rig.secret(NAME, rig.account("moved"))
    await rig.work(NAME)
    rig.clock.advance(7 * DAY + 60)
    await sweep(rig)
    assert posted(rig) == [("retire", "appdata"), ("retire", "moved")]


@pytest.mark.parametrize(
    ("later", "expected"), [(-HOUR, ["audit"]), (MINUTE, []), (HOUR, ["audit"])]
)
async def test_a_sweep_asks_for_what_was_begun_no_earlier_than_its_record_says(
    rig: Rig, later: timedelta, expected: list[str]
) -> None:
    """What is open is not put off for an hour: a clock that was ahead has noted that."""
    source, now = rig.tags(NAME)["ProviderAddress"].lower(), rig.clock.now()
    await rig.note(source, NAME, changing=now - HOUR, look_at=now + later)
    rig.tag(NAME, Manual="true")
    await sweep(rig)
    assert rechecks(rig) == expected


@pytest.mark.parametrize("is_owed", [False, True])
async def test_a_secret_is_parked_by_the_look_that_its_source_is_owed(
    rig: Rig, *, is_owed: bool
) -> None:
    source, now = rig.tags(NAME)["ProviderAddress"].lower(), rig.clock.now()
    owed = {"changing": now, "look_at": now + MINUTE} if is_owed else {}
    await rig.note(source, NAME, **owed)
    elsewhere = rig.account("elsewhere").resource_id
    rig.environment = {"REKEY_SCOPES": json.dumps({rig.vault.url: [elsewhere]})}
    await sweep(rig)
    assert [message["action"] for message in rig.messages("rotations")] == ["rotate"] * (
        not is_owed
    )


@pytest.mark.parametrize(
    ("apps", "covers", "actions"),
    [
        ([SHOP], DAY, ["audit", "retire"]),
        ([SHOP], 0, ["retire"]),
        ([], DAY, ["retire"]),
        ([], 0, ["retire"]),
    ],
)
async def test_the_daily_audit_comes_beside_a_retirement_that_an_app_may_hold_up(
    apps: list[str], covers: float, actions: list[str]
) -> None:
    rig = Consuming(*apps, days_left=FAR)
    until = rig.clock.now() - HOUR
    tag = {"RekeyRetire": f"{until:%Y-%m-%dT%H:%M:%SZ} {'a' * 32} key2"}
    rig.secret(NAME, rig.world.accounts["appdata"], days_left=FAR, tags=tag)
    await sweep(rig, timedelta(seconds=covers))
    assert [action for action, _ in posted(rig)] == actions


async def test_what_was_proven_today_is_not_audited_again_by_a_sweep_that_comes_twice(
    caplog: Log,
) -> None:
    rig = scene(days_left=FAR)
    for expected in ([("audit", "appdata")], []):
        await sweep(rig, timedelta(days=1))
        assert posted(rig) == expected
        assert summary(caplog) == {"seen": 1, "posted": len(expected), "broken": 0}
        await Delivery(rig, rig.service).run()


async def test_what_was_proven_today_where_a_secret_was_before_does_not_put_off_its_audit() -> None:
    rig = scene(days_left=FAR)
    await rig.handle(NAME, action="audit")
    rig.secret(NAME, rig.account("moved"), days_left=FAR)
    await sweep(rig, timedelta(days=1))
    assert posted(rig) == [("audit", "moved")]


async def test_what_is_parked_for_a_day_is_not_audited_meanwhile(caplog: Log) -> None:
    rig = scene(days_left=FAR)
    rig.world.remove_account("appdata")
    assert (await rig.handle(NAME, force=True)).result == "parked"
    await sweep(rig, timedelta(days=1))
    assert summary(caplog) == {"seen": 1, "posted": 0, "broken": 0}


@pytest.mark.parametrize(("passed", "wait"), [(0, 10), (4, 6), (60, 0), (-60, 10)])
async def test_what_an_earlier_part_has_started_is_waited_for_as_far_as_its_time_has_not_passed(
    rig: Rig, passed: int, wait: int
) -> None:
    """The clock of the instance that began may be ahead."""
    now, budget = rig.clock.now(), "/".join(source_of(rig).split("/")[:3])
    so_far = SoFar("", now - timedelta(seconds=passed), started={budget: 100})
    order = SweepOrder(rig.vault.url, now, now, HOUR, so_far=so_far)
    await rig.service().sweep_vault(order.to_json())
    (message,) = rig.queue("rotations")
    assert (message.visible - now).total_seconds() == pytest.approx(wait, abs=1)


async def test_what_exceeds_the_pace_is_left_to_the_next_sweep(caplog: Log) -> None:
    rig = Rig()
    account = rig.account("appdata")
    for number in range(25):
        rig.secret(f"due-{number}", account)
    await sweep(rig, period=timedelta(minutes=1))
    assert len(posted(rig)) == 20
    assert summary(caplog) == {"seen": 25, "posted": 20, "broken": 0}


class Faulty(StorageKey):
    """A kind that cannot read one secret's tags."""

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        if "Trap" in tags:
            raise OSError(address)
        return StorageKey.canonical(address, tags)


def faulty(rig: Rig) -> Service:
    """Return the app with that kind."""
    service = rig.service()
    kinds = Kinds({**service.engine.rotators, StorageKey.kind: Faulty.__new__(Faulty)})
    return replace(service, engine=replace(service.engine, kinds=kinds))


async def test_a_secret_that_its_kind_fails_on_is_counted_and_named_and_stops_no_other(
    rig: Rig, caplog: Log
) -> None:
    rig.secret("trapped", rig.world.accounts["appdata"], tags={"Trap": "yes"})
    now = rig.clock.now()
    await faulty(rig).sweep_vault(SweepOrder(rig.vault.url, now, now, HOUR).to_json())
    assert [message["secret"] for message in rig.messages("rotations")] == [NAME]
    assert summary(caplog) == {"seen": 2, "posted": 1, "broken": 1}
    assert "secrets/trapped cannot be judged" in caplog.text


async def test_a_secret_that_its_kind_fails_on_is_sent_on_by_an_incident_and_needs_a_person() -> (
    None
):
    rig = scene(tags={"Trap": "yes"})
    rig.secret("other", rig.account("other"))
    rig.clock.advance(60)
    service, incident = faulty(rig), Incident(rig.clock.now(), vaults=(rig.vault.url,))
    await service.sweep_vault(SweepOrder.for_incident(rig.vault.url, incident).to_json())
    assert {message["secret"] for message in rig.messages("rotations")} == {NAME, "other"}
    (progress,) = await counted(service.engine, [incident])
    assert [row["secret"] for row in progress.waiting_for] == ["other"]
    ((secret, reason),) = [(row["secret"], row["reason"]) for row in progress.named]
    assert (secret, reason) == (NAME, "it cannot be judged: OSError")


class Trapped(KeyVaults):
    """Vaults of which one secret is read in a way that nobody foresaw."""

    async def read(self, ref: SecretRef) -> SecretVersion:
        if ref.name == NAME:
            raise OSError(ref)
        return await super().read(ref)


async def test_a_secret_that_an_incident_fails_on_stops_no_other_and_is_sent_on_again(
    rig: Rig, caplog: Log
) -> None:
    rig.secret("other", rig.account("other"))
    rig.clock.advance(60)
    service, incident = rig.service(), Incident(rig.clock.now(), vaults=(rig.vault.url,))
    vaults = Trapped.__new__(Trapped)
    vars(vaults).update(vars(service.engine.vaults))
    service = replace(service, engine=replace(service.engine, vaults=vaults))
    order = SweepOrder.for_incident(rig.vault.url, incident)
    await service.sweep_vault(replace(order, again=True).to_json())
    assert [message["secret"] for message in rig.messages("rotations")] == ["other"]
    assert [body["again"] for _, body in rig.open_requests if body.get("incident")] == [True]
    assert f"secrets/{NAME} is sent on again" in caplog.text
