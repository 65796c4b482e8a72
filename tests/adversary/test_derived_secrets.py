"""Whoever may write a derived secret, or writes a wrong consent, holds up nobody's key."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import RekeyError
from engine.state.request import WorkItem
from simulator.reach.sabotage import Died
from simulator.wire import Request
from tests.rotators.sas_scenes import KEY, RULES, SAS, RuleScene, SasScene
from tests.shared.delivery import Delivery
from tests.shared.rig import Rig
from tests.shared.scene import refuse, struck, to_arm

DAY = 86_400
NO_ADDRESSES = ("https%3A%2F%2F%5B", "https%3A%2F%2Fa%E2%84%80b")
"""Targets that no parser of URLs takes: an open bracket, and a letter that stands for several."""
INCIDENT = pytest.mark.parametrize("compromised", [False, True], ids=["overlap", "incident"])


async def replace_key(rig: Rig, *, compromised: bool) -> Delivery:
    """Rotate the key, as an incident or with its whole overlap; return what was delivered."""
    item = rig.item(
        KEY,
        trigger="manual",
        version=rig.latest(KEY).version,
        compromised=compromised,
        force=True,
    )
    await rig.service().engine.queue.post_rotation(item)
    delivery = Delivery(rig, rig.service)
    await delivery.run()
    if not compromised:
        rig.clock.advance(8 * DAY)
        later = rig.item(KEY, action="retire", trigger="sweep")
        await rig.service().engine.queue.post_rotation(later)
        await delivery.run()
    return delivery


@pytest.mark.parametrize("signed", RULES, ids=lambda signed: signed.kind.kind)
@pytest.mark.parametrize("target", NO_ADDRESSES)
@INCIDENT
async def test_no_value_of_a_derived_secret_holds_its_key_up(
    signed: object, target: str, compromised: bool
) -> None:
    scene = RuleScene(signed)  # type: ignore[arg-type]
    rig = scene.rig
    scene.manage()
    value = f"SharedAccessSignature sr={target}&sig=x&se=99&skn=r"
    tags = {**rig.tags(SAS), "Manual": "true"}
    rig.vault.put(SAS, value, expires=rig.clock.now() + timedelta(days=50), tags=tags)
    old = rig.latest(KEY).value
    delivery = await replace_key(rig, compromised=compromised)
    assert old not in scene.live()
    assert all(isinstance(error, RekeyError) for error in delivery.errors)
    rig.vault.amend(rig.latest(SAS), tags={tag: tags[tag] for tag in tags if tag != "Manual"})
    outcome = await rig.service().engine.handle(rig.item(SAS, force=True, trigger="manual"))
    assert outcome.result == "rotated"


def _writes_the_derived(request: Request) -> bool:
    return request.method == "PUT" and f"/secrets/{SAS}" in request.url


async def once_its_replica_was_written() -> tuple[SasScene, WorkItem]:
    """Return a signature and the item of its rotation, whose worker has died in between."""
    scene = SasScene()
    rig = scene.rig
    url = rig.vault.url
    scene.manage(tags={"Replicas": f"{url}/secrets/copy"})
    consenting = {"ReplicaOf": f"{url}/secrets/{SAS}", "ValueTemplate": "{sas}"}
    rig.vault.put("copy", rig.latest(SAS).value, expires=rig.clock.now(), tags=consenting)
    item = rig.item(SAS, trigger="manual", force=True, version=rig.latest(SAS).version)
    with pytest.raises(Died):
        await rig.service(struck(rig, _writes_the_derived, after=False)).engine.handle(item)
    rig.clock.advance(90)
    return scene, item


@pytest.mark.parametrize("consent", [None, f"{SAS}=sas/container/uploads/r"])
async def test_consent_that_is_withdrawn_once_a_replica_is_written_keeps_the_secret_from_it(
    consent: str | None,
) -> None:
    """What a replica holds is carried on by the next try, which asks the key's owner as well."""
    scene, item = await once_its_replica_was_written()
    rig = scene.rig
    assert rig.latest("copy").value != rig.latest(SAS).value
    rig.tag(KEY, MayDerive=consent)
    outcome = await rig.service().engine.handle(item, 2)
    assert "does not consent" in outcome.reason
    assert len(rig.vault.versions(SAS)) == 1


async def test_what_a_replica_got_of_a_key_that_was_replaced_since_is_not_carried_on() -> None:
    scene, item = await once_its_replica_was_written()
    rig = scene.rig
    await rig.service().engine.handle(rig.item(KEY, trigger="manual", force=True))
    await rig.service().engine.handle(item, 2)
    assert scene.made_by(rig.latest(SAS).value, "key2")
    assert rig.latest("copy").value == rig.latest(SAS).value
    assert len(rig.vault.versions(SAS)) == 2


async def left_behind(overlap: int = 24) -> SasScene:
    """Return a key that was rotated, whose signature has not moved, after the key's overlap."""
    scene = SasScene()
    key_tags = {"OverlapHours": str(overlap), "ValidityPeriodDays": "60"}
    scene.manage(days_left=50, key_days_left=10, tags={"Manual": "true"}, key_tags=key_tags)
    item = scene.rig.item(KEY, trigger="event")
    await scene.rig.service().engine.handle(item)
    scene.rig.queue("rotations").clear()
    scene.rig.clock.advance(overlap * 3600 + 60)
    scene.rig.tag(SAS, Manual=None)
    return scene


async def moved_late() -> SasScene:
    """Return a key whose signature has moved after the key's overlap, and has one of its own."""
    scene = await left_behind()
    await scene.rig.service().engine.handle(scene.rig.item(SAS, action="audit", trigger="sweep"))
    assert scene.made_by(scene.rig.latest(SAS).value, "key2")
    return scene


async def retire(scene: SasScene) -> str:
    item = scene.rig.item(KEY, action="retire", trigger="sweep", source=scene.source_name)
    return (await scene.rig.service().engine.handle(item)).result


async def test_a_signature_looks_at_its_key_a_minute_after_that_went_in_an_incident() -> None:
    """Whoever replaces the key may die as soon as it is gone, and come back ten minutes later."""
    scene = await left_behind()
    rig = scene.rig
    item = rig.item(
        KEY, trigger="manual", version=rig.latest(KEY).version, compromised=True, force=True
    )
    with pytest.raises(Died):
        await rig.service(struck(rig, to_arm("regenerateKey"))).engine.handle(item)
    now = rig.clock.now()
    soon = [message.visible - now for message in rig.queue("rotations")]
    assert soon
    assert max(soon) <= timedelta(seconds=60)


@pytest.mark.parametrize("change", ["left management", "left for another", "written again"])
async def test_a_key_that_a_person_has_changed_keeps_the_overlap_of_what_it_made(
    change: str,
) -> None:
    scene = await moved_late()
    rig, old = scene.rig, scene.account.keys["key1"].value
    has_left = change != "written again"
    if not has_left:
        rig.write(KEY, rig.latest(KEY).value, 60)
    elif change == "left for another":
        rig.tag(KEY, ProviderAddress=rig.account("elsewhere").resource_id)
    else:
        rig.vault.amend(rig.latest(KEY), tags={})
    result = await retire(scene)
    assert has_left or result == "waiting"
    assert scene.account.keys["key1"].value == old
    rig.clock.advance(2 * DAY)
    await retire(scene)
    assert not has_left or scene.account.keys["key1"].value != old


async def test_a_key_that_leaves_management_keeps_the_overlap_it_lately_consented_to() -> None:
    """No audit has seen the consent beside its former source."""
    scene = await moved_late()
    rig, old = scene.rig, scene.account.keys["key1"].value
    tags = dict((await rig.known(scene.source_name)).verified.tags)
    consent = tags.pop("MayDerive")
    await rig.note(scene.source_name, KEY, tags=tags)
    rig.vault.amend(rig.latest(KEY), tags={"MayDerive": consent})
    await retire(scene)
    assert scene.account.keys["key1"].value == old


def _retags(request: Request) -> bool:
    return request.method == "PATCH" and request.host.startswith("prod.vault")


async def test_an_incident_that_the_vault_holds_up_floods_no_queue() -> None:
    """The key waits for the vault, what it made waits for the key, and neither has the other look."""
    scene = await left_behind(overlap=1)
    rig = scene.rig
    refuse(rig, 403, "Forbidden", _retags, times=10_000)
    version = rig.latest(KEY).version
    item = rig.item(KEY, trigger="manual", version=version, compromised=True, force=True)
    await rig.service().engine.queue.post_rotation(item)
    await Delivery(rig, rig.service).run(most=250, within=timedelta(hours=1))
