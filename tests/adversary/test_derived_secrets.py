"""Whoever may write a derived secret, or writes a wrong consent, holds up nobody's key."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import RekeyError
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.rotators.sas_scenes import KEY, RULES, SAS, RuleScene, SasScene
from tests.shared.delivery import Delivery
from tests.shared.faults import Died
from tests.shared.rig import Rig

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
    await rig.service().queue.post_rotation(item)
    delivery = Delivery(rig, rig.service)
    await delivery.run()
    if not compromised:
        rig.clock.advance(8 * DAY)
        later = rig.item(KEY, action="retire", trigger="sweep")
        await rig.service().queue.post_rotation(later)
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


@INCIDENT
async def test_a_consent_to_what_cannot_be_signed_holds_no_key_up(compromised: bool) -> None:
    scene = SasScene("sas/container/uploads/rq")
    scene.manage(days_left=50, consent=f"{SAS}=sas/container/uploads/rq")
    old = scene.account.keys["key1"].value
    await replace_key(scene.rig, compromised=compromised)
    assert scene.account.keys["key1"].value != old
    assert "RekeyState" not in scene.rig.tags(KEY)


class DiesAtItsSecret:
    """Lets the worker die just before a version of the derived secret itself is written."""

    async def __call__(self, request: Request, call: Call) -> Response:
        if request.method == "PUT" and f"/secrets/{SAS}" in request.url:
            raise Died
        return await call()


@pytest.mark.parametrize("consent", [None, f"{SAS}=sas/container/uploads/r"])
async def test_consent_that_is_withdrawn_once_a_replica_is_written_keeps_the_secret_from_it(
    consent: str | None,
) -> None:
    """What a replica holds is carried on by the next try, which asks the key's owner as well."""
    scene = SasScene()
    rig = scene.rig
    url = rig.vault.url
    scene.manage(tags={"Replicas": f"{url}/secrets/copy"})
    consenting = {"ReplicaOf": f"{url}/secrets/{SAS}", "ValueTemplate": "{sas}"}
    rig.vault.put("copy", rig.latest(SAS).value, expires=rig.clock.now(), tags=consenting)
    item = rig.item(SAS, trigger="manual", force=True, version=rig.latest(SAS).version)
    with pytest.raises(Died):
        await rig.service(DiesAtItsSecret()).engine.handle(item)
    assert rig.latest("copy").value != rig.latest(SAS).value
    tags = {**rig.tags(KEY), "MayDerive": consent or ""}
    kept = {tag: text for tag, text in tags.items() if text}
    rig.vault.amend(rig.latest(KEY), tags=kept)
    rig.clock.advance(90)
    outcome = await rig.service().engine.handle(item, 2)
    assert "does not consent" in outcome.reason
    assert len(rig.vault.versions(SAS)) == 1


async def test_what_a_replica_got_of_a_key_that_was_replaced_since_is_not_carried_on() -> None:
    scene = SasScene()
    rig = scene.rig
    url = rig.vault.url
    scene.manage(tags={"Replicas": f"{url}/secrets/copy"})
    consenting = {"ReplicaOf": f"{url}/secrets/{SAS}", "ValueTemplate": "{sas}"}
    rig.vault.put("copy", rig.latest(SAS).value, expires=rig.clock.now(), tags=consenting)
    item = rig.item(SAS, trigger="manual", force=True, version=rig.latest(SAS).version)
    with pytest.raises(Died):
        await rig.service(DiesAtItsSecret()).engine.handle(item)
    rig.clock.advance(90)
    await rig.service().engine.handle(rig.item(KEY, trigger="manual", force=True))
    await rig.service().engine.handle(item, 2)
    assert scene.made_by(rig.latest(SAS).value, "key2")
    assert rig.latest("copy").value == rig.latest(SAS).value
    assert len(rig.vault.versions(SAS)) == 2
