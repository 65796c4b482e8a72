"""What nothing looks after any more is told to somebody: a vault's rest, a replica."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from engine.errors import PermanentError
from engine.state.sweep_order import SweepOrder
from simulator.keyvault.state import Vault
from tests.shared.consuming import results
from tests.shared.heard import Log
from tests.shared.rig import VAULT_ACTIONS, Rig
from tests.shared.scene import NAME, refuse, scene

DAY = timedelta(days=1)


def replaced(rig: Rig, *names: str, listed: Collection[str] = ()) -> list[Vault]:
    """Serve other vaults in place of the scene's; those not `listed` refuse the app."""
    served = [rig.world.add_vault(name) for name in names]
    for vault in served:
        if vault.name in (listed or names):
            rig.world.grant(rig.identity, VAULT_ACTIONS, vault.resource_id)
    group = rig.host.resource_id.split("/providers/")[0]
    rig.environment = {
        "REKEY_VAULTS": ",".join(vault.url for vault in served),
        "REKEY_SCOPES": json.dumps({vault.url: [group] for vault in served}),
    }
    return served


async def told(caplog: Log, rig: Rig, served: list[Vault], since: datetime) -> list[str]:
    """Sweep each vault; return what is reported, and of which secret."""
    caplog.clear()
    for vault in served:
        order = SweepOrder(vault.url, since, rig.clock.now(), timedelta(hours=1))
        with suppress(PermanentError):
            await rig.service().sweep_vault(order.to_json())
    return [f"{entry['secret']}: {entry['reason']}" for entry in results(caplog.records)]


async def test_a_superseded_credential_of_a_vault_that_was_taken_out_is_reported_once_a_day(
    caplog: Log,
) -> None:
    """As that of a deleted secret is. The sweeps of several vaults do not repeat each other."""
    caplog.set_level(logging.INFO, "rekey.audit")
    rig: Rig = scene()
    await rig.work(NAME)
    served = replaced(rig, "other", "third", "fourth")
    rig.clock.advance(DAY.total_seconds())
    assert await told(caplog, rig, served, rig.clock.now() - DAY) == []
    rig.clock.advance(7 * DAY.total_seconds())
    for _ in served:
        rig.clock.advance(DAY.total_seconds())
        (text,) = await told(caplog, rig, served, rig.clock.now() - DAY)
        assert text.startswith(f"{NAME}: its vault is not served any more, and key1 of ")
        assert await told(caplog, rig, served, rig.clock.now()) == []


@pytest.mark.parametrize("listed", ["other", "third"])
async def test_a_vault_that_cannot_be_listed_hides_what_was_taken_out_for_a_day_at_most(
    caplog: Log, listed: str
) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")
    rig: Rig = scene()
    await rig.work(NAME)
    served = replaced(rig, "other", "third", listed=[listed])
    rig.clock.advance(9 * DAY.total_seconds())
    texts = await told(caplog, rig, served, rig.clock.now() - DAY)
    rig.clock.advance(DAY.total_seconds())
    texts += await told(caplog, rig, served, rig.clock.now() - DAY)
    assert [text.partition(":")[0] for text in texts] == [NAME]


@pytest.mark.parametrize(
    ("moves", "mark", "days", "texts"),
    [
        pytest.param(True, "", 15, 1, id="a week after its overlap"),
        pytest.param(True, "", 13, 0, id="while it may wait for an app"),
        pytest.param(True, "parked", 15, 0, id="whose secret is marked, so people know"),
        pytest.param(None, "", 15, 0, id="whose secret has tags that nobody can follow"),
        pytest.param(False, "", 15, 0, id="where its secret is: the sweep has it retired"),
    ],
)
async def test_a_superseded_credential_of_a_source_that_its_secret_has_left_is_reported_once_a_day(
    caplog: Log, mark: str, days: int, texts: int, *, moves: bool | None
) -> None:
    """Its source may answer for ever with errors that pass, which mark nothing."""
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = scene()
    await rig.work(NAME)
    source = rig.world.accounts["appdata"].resource_id.lower()
    if moves:
        rig.tag(NAME, ProviderAddress=rig.account("elsewhere").resource_id)
    if moves is None:
        rig.tag(NAME, OverlapHours="a week")
    if mark:
        rig.tag(NAME, RekeyState=mark)
    rig.clock.advance(days * DAY.total_seconds())

    async def reported(since: datetime) -> list[str]:
        caplog.clear()
        order = SweepOrder(rig.vault.url, since, rig.clock.now(), timedelta(hours=1))
        await rig.service().sweep_vault(order.to_json())
        return [f"{entry['secret']}: {entry['reason']}" for entry in results(caplog.records)]

    texts_now = await reported(rig.clock.now() - DAY)
    assert len(texts_now) == texts
    # By these the workbook's first tile tells them from a secret that is parked.
    left = [
        (entry["action"], entry["operation"], entry["source"]) for entry in results(caplog.records)
    ]
    assert left == [("retire", None, source)] * texts
    assert all(
        it.startswith(f"{NAME}: the secret has left its source, and key1 of") for it in texts_now
    )
    assert await reported(rig.clock.now()) == []


@pytest.mark.parametrize(("ago", "texts"), [(1, 0), (2, 1), (3, 1)])
async def test_a_sweep_is_silent_while_the_rechecks_of_a_source_tell_people_of_it(
    caplog: Log, ago: int, texts: int
) -> None:
    """They do so every day, unless their source answers no more."""
    rig = scene()
    await rig.work(NAME)
    source = rig.tags(NAME)["ProviderAddress"].lower()
    rig.tag(NAME, ProviderAddress=rig.account("elsewhere").resource_id)
    rig.clock.advance(15 * DAY.total_seconds())
    await rig.note(source, NAME, told=rig.clock.now() - ago * DAY)
    assert len(await reported(rig, caplog, rig.clock.now() - DAY)) == texts


async def test_a_sweep_reads_no_secret_that_it_has_listed_to_see_whether_it_is_deleted(
    rig: Rig, caplog: Log
) -> None:
    await rig.work(NAME)
    rig.clock.advance(9 * DAY.total_seconds())
    rig.calls()
    assert await reported(rig, caplog, rig.clock.now() - DAY) == []
    assert rig.calls()["vault"] == 1


async def test_each_deleted_secret_is_reported_at_its_own_time_of_the_day(caplog: Log) -> None:
    """One whose time has not come keeps no other one from being reported."""
    rig, names = scene(), [NAME, "second", "third"]
    for name in names[1:]:
        rig.secret(name, rig.account(name))
    for name in names:
        await rig.work(name)
        rig.vault.delete(name)
    rig.clock.advance(9 * DAY.total_seconds())
    texts = list[str]()
    for _ in range(24):
        texts += await reported(rig, caplog, rig.clock.now() - DAY / 24)
        rig.clock.advance(DAY.total_seconds() / 24)
    assert sorted(text.partition(":")[0] for text in texts) == sorted(names)


@pytest.mark.parametrize("mark", ["", "parked"])
@pytest.mark.parametrize("moves", [False, True])
async def test_a_superseded_credential_of_a_disabled_secret_is_reported_once_a_day(
    caplog: Log, mark: str, *, moves: bool
) -> None:
    """Nothing is revoked while a secret is disabled, and no other report is about it."""
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = scene()
    await rig.work(NAME)
    if moves:
        rig.tag(NAME, ProviderAddress=rig.account("elsewhere").resource_id)
    if mark:
        rig.tag(NAME, RekeyState=mark)
    rig.vault.amend(rig.latest(NAME), enabled=False)
    rig.clock.advance(15 * DAY.total_seconds())

    async def reported(since: datetime) -> list[str]:
        caplog.clear()
        order = SweepOrder(rig.vault.url, since, rig.clock.now(), timedelta(hours=1))
        await rig.service().sweep_vault(order.to_json())
        return [f"{entry['reason']}. Fix: {entry['fix']}" for entry in results(caplog.records)]

    (text,) = await reported(rig.clock.now() - DAY)
    assert text.startswith("the current version is disabled, and key1 of ")
    assert "Fix: enable the current version, or revoke that at its source" in text
    assert await reported(rig.clock.now()) == []


@pytest.mark.parametrize("managed", [False, True], ids=["never managed", "managed before"])
@pytest.mark.parametrize(("named", "texts"), [(True, 0), (False, 1)])
async def test_a_replica_that_its_primary_names_no_more_is_reported_once_a_day(
    caplog: Log, texts: int, *, named: bool, managed: bool
) -> None:
    """Its reader goes on with what it holds, which is revoked a rotation later."""
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = scene(days_left=80)
    url = f"{rig.vault.url}/secrets"
    rig.tag(NAME, Replicas=f"{url}/{'copy' if named else 'other'}")
    if managed:
        rig.secret("copy", rig.account("itsown"), days_left=80)
        await rig.service().rotate(rig.item("copy", action="audit").to_json(), 1)
        rig.clock.advance(60)
    rig.vault.put("copy", rig.latest(NAME).value, tags={"ReplicaOf": f"{url}/{NAME}"})

    async def told(since: datetime) -> list[str]:
        caplog.clear()
        order = SweepOrder(rig.vault.url, since, rig.clock.now(), timedelta(hours=1))
        await rig.service().sweep_vault(order.to_json())
        return [f"{entry['secret']}: {entry['reason']}" for entry in results(caplog.records)]

    text = "copy: its tag ReplicaOf names no secret that names it in its tag Replicas"
    assert await told(rig.clock.now() - DAY) == [text] * texts
    assert await told(rig.clock.now()) == []


@pytest.mark.parametrize("primary", ["https://elsewhere.vault.azure.net/secrets/app", "nonsense"])
async def test_a_replica_of_what_is_not_served_is_reported_once_a_day(
    caplog: Log, primary: str
) -> None:
    """Nobody can tell here that anything writes it, so its tag vouches for nothing."""
    rig = scene(days_left=80)
    rig.vault.put("copy", rig.latest(NAME).value, tags={"ReplicaOf": primary})
    text = "copy: its tag ReplicaOf names no secret that names it in its tag Replicas"
    assert await reported(rig, caplog, rig.clock.now() - DAY) == [text]
    assert await reported(rig, caplog, rig.clock.now()) == []


@pytest.mark.parametrize("tags", [{}, {"ReplicaOf": ""}])
async def test_a_secret_that_is_no_replica_is_not_reported(
    rig: Rig, caplog: Log, tags: dict[str, str]
) -> None:
    rig.vault.put("plain", "x", tags=tags)
    assert await reported(rig, caplog, rig.clock.now() - DAY) == []


async def test_a_secret_with_a_source_of_its_own_is_not_reported_as_a_replica(caplog: Log) -> None:
    """It is rotated, whatever is left in its tag ReplicaOf."""
    rig = scene(days_left=80, tags={"ReplicaOf": "nonsense"})
    assert await reported(rig, caplog, rig.clock.now() - DAY) == []


async def test_a_disabled_replica_is_not_reported(caplog: Log) -> None:
    """Nobody can read it, so nobody goes on with what it holds."""
    rig = scene(days_left=80)
    rig.vault.put("copy", rig.latest(NAME).value, tags={"ReplicaOf": "nonsense"})
    rig.vault.amend(rig.latest("copy"), enabled=False)
    assert await reported(rig, caplog, rig.clock.now() - DAY) == []


async def test_a_replica_whose_primary_may_not_be_read_is_reported_once_a_day(caplog: Log) -> None:
    rig = scene(days_left=80)
    primary = f"{rig.vault.url}/secrets/{NAME}"
    rig.vault.put("copy", rig.latest(NAME).value, tags={"ReplicaOf": primary})
    refuse(rig, 403, "Forbidden", lambda sent: sent.path.endswith(f"{NAME}/versions"), times=9)
    (text,) = await reported(rig, caplog, rig.clock.now() - DAY)
    assert text.startswith("copy: its primary cannot be read: listing was answered 403")
    assert await reported(rig, caplog, rig.clock.now()) == []


async def test_a_replica_is_not_reported_while_its_vault_does_not_answer(caplog: Log) -> None:
    rig = scene(days_left=80)
    primary = f"{rig.vault.url}/secrets/{NAME}"
    rig.vault.put("copy", rig.latest(NAME).value, tags={"ReplicaOf": primary})
    refuse(rig, 503, "Busy", lambda sent: sent.path.endswith(f"{NAME}/versions"), times=9)
    assert await reported(rig, caplog, rig.clock.now() - DAY) == []


async def reported(rig: Rig, caplog: Log, since: datetime) -> list[str]:
    """Return what a sweep of a day reports."""
    caplog.set_level(logging.INFO, "rekey.audit")
    caplog.clear()
    order = SweepOrder(rig.vault.url, since, rig.clock.now(), timedelta(hours=1))
    await rig.service().sweep_vault(order.to_json())
    assert "cannot be judged" not in caplog.text
    return [f"{entry['secret']}: {entry['reason']}" for entry in results(caplog.records)]
