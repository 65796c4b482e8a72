"""Shared access signatures of Service Bus and Event Hubs rules, and how they follow their key."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from engine.errors import NeedsHuman
from engine.secret import Sensitive
from rotators.event_hubs_sas import EventHubsSas
from rotators.service_bus_sas import ServiceBusSas
from rotators.shared.key_signing import sas_until
from rotators.shared.rule_sas import RuleSas
from tests.rotators.key_scenes import KeyScene, Member
from tests.rotators.sas_scenes import KEY, RULES, SAS, RuleScene, RuleSigned
from tests.shared.delivery import Delivery

NAMESPACE = "/subscriptions/s1/resourcegroups/g1/providers/microsoft.servicebus/namespaces/shop1"
RULE = f"{NAMESPACE}/authorizationrules/sas"
every_kind = pytest.mark.parametrize("signed", RULES, ids=lambda signed: signed.kind.kind)


@every_kind
async def test_a_signature_follows_the_key_of_its_rule(signed: RuleSigned) -> None:
    scene = RuleScene(signed)
    scene.manage()
    scene.rig.vault.amend(scene.rig.latest(KEY), expires=scene.after(days=5))
    await scene.rig.service().engine.queue.post_rotation(scene.rig.item(KEY, trigger="event"))
    await Delivery(scene.rig, scene.rig.service).run()
    assert scene.rig.tags(KEY)["CredentialId"] == "secondaryKey"
    second = Sensitive(scene.ring.keys["secondaryKey"].value)
    value = Sensitive(scene.rig.latest(SAS).value)
    assert signed.kind.is_made_from(scene.source, value, second)
    assert scene.works(scene.rig.latest(SAS))


@every_kind
async def test_a_new_secret_may_hold_any_value_beside_its_template(signed: RuleSigned) -> None:
    scene = RuleScene(signed)
    scene.manage()
    shape = "Endpoint=sb://{host}/;SharedAccessSignature={sas}"
    tags = {**scene.rig.tags(SAS), "ValueTemplate": shape}
    scene.rig.vault.put(SAS, "any value", expires=scene.rig.clock.now(), tags=tags)
    await scene.rig.handle(SAS, trigger="manual", force=True)
    assert scene.rig.latest(SAS).value.startswith(
        f"Endpoint=sb://{scene.account.host}/;SharedAccessSignature=SharedAccessSignature sr="
    )


@every_kind
async def test_a_signature_ends_with_its_key_and_in_its_time(signed: RuleSigned) -> None:
    scene = RuleScene(signed)
    rotator, job = scene.rotator(), scene.job()
    sas = (await rotator.issue(job)).fields["sas"]
    assert await rotator.accepts(job.source, "", sas)
    scene.rig.clock.advance(91 * 86_400)
    assert not await rotator.accepts(job.source, "", sas)
    fresh = (await rotator.issue(scene.job())).fields["sas"]
    scene.account.replace(scene.ring, "primaryKey")
    assert not await rotator.accepts(job.source, "", fresh)


@every_kind
async def test_a_namespace_without_keys_says_so(signed: RuleSigned) -> None:
    scene = RuleScene(signed)
    scene.account.takes_keys = False
    sas = (await scene.rotator().issue(scene.job())).fields["sas"]
    with pytest.raises(NeedsHuman, match="disableLocalAuth"):
        await scene.rotator().verify(scene.source, "", sas)


@pytest.mark.parametrize("made_up", [False, True])
@pytest.mark.parametrize("kind", [ServiceBusSas, EventHubsSas])
async def test_a_signature_for_what_is_not_there_is_not_proven(
    kind: type[RuleSas], made_up: bool
) -> None:
    """Whoever asks for a name that nothing has gets a list of what is there."""
    member = Member(kind.rules, "authorizationRules/Root")
    scene = KeyScene(member)
    ends = scene.rig.clock.now() + timedelta(days=9)
    key = member.wrong if made_up else scene.value("primaryKey")
    sas = Sensitive(sas_until(f"https://{scene.account.host}/ordrs", "Root", key, ends))
    rotator, source = scene.rig.alone(kind), kind.canonical(f"{member.address}/sas/ordrs", {})
    assert source
    for proof in (rotator.verify(source, "", sas), rotator.accepts(source, "", sas)):
        with pytest.raises(NeedsHuman, match="has no ordrs"):
            await proof


@every_kind
def test_a_changed_signature_is_none(signed: RuleSigned) -> None:
    scene = RuleScene(signed)
    key = Sensitive(scene.ring.keys["primaryKey"].value)
    good = scene.signed("primaryKey", scene.rig.clock.now() + timedelta(days=1))
    assert signed.kind.is_made_from(scene.source, Sensitive(good), key)
    assert signed.kind.is_signed_by(good, scene.key_source, key)
    assert signed.kind.signer(good) == scene.account.name.lower()
    entity = scene.ring.entity.lower()
    for changed in (
        re.sub(r"se=\d", "se=9", good),
        good.replace(entity, "others"),
        good.replace("skn=", "skn=x"),
        good.replace("shop1", "shop2"),
        f"{good}&se=1",
        good.removeprefix("SharedAccessSignature "),
        re.sub(r"se=\d+", "se=soon", good),
        "",
    ):
        assert not signed.kind.is_made_from(scene.source, Sensitive(changed), key), changed
        assert not signed.kind.is_signed_by(changed, scene.key_source, key), changed


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"{RULE}/sas", f"{RULE}/sas"),
        (f"{RULE}/sas/Orders/Eu", f"{RULE}/sas/orders/eu"),
        (f" {RULE}/SAS/ ", f"{RULE}/sas"),
        (RULE, None),
        (f"{NAMESPACE}/queues/jobs/authorizationrules/send/sas/other", None),
        (f"{NAMESPACE}/sas", None),
        (f"{RULE}/sas/a,b", None),
        (f"{RULE}/sas/a+b", None),
    ],
)
def test_an_address_names_a_rule_and_what_of_a_namespace(
    address: str, expected: str | None
) -> None:
    assert ServiceBusSas.canonical(address, {}) == expected
    if expected:
        assert ServiceBusSas.made_at(expected) == RULE
