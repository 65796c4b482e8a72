"""A derived secret follows its key: after it, for as long, with its consent, and in no circle."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest

from engine.errors import TransientError
from engine.service import Service
from engine.state.record import Stale
from engine.state.request import Outcome
from engine.state.sweep_order import SweepOrder
from simulator.keyvault.state import SecretVersion
from simulator.reach.sabotage import Saboteur
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.parts import sampled
from tests.rotators.sas_scenes import EXTENT, KEY, SAS, SasScene, managed
from tests.shared.delivery import Delivery
from tests.shared.heard import heard
from tests.shared.rig import VAULT_ACTIONS
from tests.shared.scene import refuse, struck

DAY = 86_400
STRANGER = "stranger"
CONSENT = f"its owner adds {SAS}={EXTENT} to its tag MayDerive"


async def deliver(scene: SasScene, name: str, start: object = None, **fields: object) -> Delivery:
    """Work on one item, and on everything that it leads to."""
    rig = scene.rig
    item = rig.item(name, **{"trigger": "event", **fields})
    await rig.service().engine.queue.post_rotation(item)
    delivery = Delivery(rig, start or rig.service)  # type: ignore[arg-type]
    await delivery.run()
    return delivery


async def sweep(scene: SasScene, days: float = 1) -> None:
    """Let days pass, then sweep with the whole day's audits."""
    scene.rig.clock.advance(days * DAY + 60)
    since = (scene.rig.clock.now() - timedelta(days=1)).isoformat()
    order = f'{{"vault": "{scene.rig.vault.url}", "since": "{since}"}}'
    await scene.rig.service().sweep_vault(order)
    await Delivery(scene.rig, scene.rig.service).run()


def signer(scene: SasScene) -> str:
    """Return which of the account's keys, as they are now, made the current signature."""
    value = scene.rig.latest(SAS).value
    return next((key for key in scene.account.keys if scene.made_by(value, key)), "none")


def times(version: SecretVersion) -> tuple[int, int]:
    """Return when a version was created and when it expires."""
    assert version.expires
    return version.created, version.expires


def reason(scene: SasScene, name: str = SAS) -> str:
    return scene.rig.tags(name).get("RekeyReason", "")


async def reported(scene: SasScene, name: str = SAS) -> SecretVersion:
    """Report what a secret holds as leaked; return that version."""
    leaked = scene.rig.latest(name)
    await deliver(
        scene, name, trigger="manual", version=leaked.version, compromised=True, force=True
    )
    return leaked


def _writes(request: Request) -> bool:
    """Match what writes a version of the signature."""
    return request.method == "PUT" and f"/secrets/{SAS}" in request.path.lower()


async def test_a_signature_is_made_anew_after_its_key_and_lasts_no_longer() -> None:
    scene = managed(days_left=50, key_days_left=10, tags={"ValidityPeriodDays": "365"})
    await deliver(scene, KEY)
    (key_made, key_ends), (made, ends) = times(scene.rig.latest(KEY)), times(scene.rig.latest(SAS))
    assert signer(scene) == scene.rig.tags(KEY)["CredentialId"] == "key2"
    assert made >= key_made
    assert ends <= key_ends
    assert scene.works(scene.rig.latest(SAS))
    scene.rig.clock.advance(ends - scene.rig.clock.now().timestamp())
    assert not scene.works(scene.rig.latest(SAS)), "the signature outlasts its version"


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%MZ", "%Y-%m-%d"])
async def test_a_signature_made_by_hand_that_ends_with_a_minute_or_a_day_is_not_replaced(
    form: str,
) -> None:
    scene = managed(days_left=50, key_days_left=80)
    ends = scene.rig.clock.now() + timedelta(days=50)
    by_hand = scene.signed("key1", ends.strftime(form))
    scene.rig.vault.put(SAS, by_hand, expires=ends, tags=scene.rig.tags(SAS))
    await deliver(scene, KEY, action="audit")
    await deliver(scene, SAS, action="audit")
    await sweep(scene)
    assert scene.rig.latest(SAS).value == by_hand


async def test_a_signature_made_by_hand_that_begins_later_is_left_to_who_wrote_it() -> None:
    scene = managed(days_left=50, key_days_left=80)
    await deliver(scene, KEY, action="audit")
    await deliver(scene, SAS, action="audit")
    now = scene.rig.clock.now()
    ends, starts = now + timedelta(days=40), now + timedelta(hours=6)
    by_hand = scene.signed("key1", ends, starts=starts)
    scene.rig.vault.put(SAS, by_hand, expires=ends, tags=scene.rig.tags(SAS))
    await deliver(scene, SAS, action="audit")
    assert scene.rig.latest(SAS).value == by_hand
    assert "the source refuses the value that somebody wrote" in reason(scene)
    await sweep(scene)
    assert scene.rig.latest(SAS).value == by_hand
    assert not reason(scene)


async def test_an_event_that_never_came_is_made_up_for_by_the_daily_audit() -> None:
    scene = managed(days_left=50, key_days_left=10)
    rig = scene.rig
    await rig.handle(KEY, trigger="event")
    for message in list(rig.queue("rotations")):
        rig.queue("rotations").remove(message)
    assert signer(scene) == "key1"
    await sweep(scene)
    assert signer(scene) == "key2"


@pytest.mark.parametrize(
    "consent",
    [
        None,
        f"{STRANGER}={EXTENT}",
        f"{SAS}=sas/container/uploads/r",
        f"{SAS}=sas/container/other/rl",
        f"https://other.vault.azure.net/secrets/{SAS}={EXTENT}",
    ],
)
async def test_a_key_that_does_not_consent_signs_nothing(consent: str | None) -> None:
    scene = managed(days_left=10, consent=consent)
    await deliver(scene, SAS, trigger="manual", force=True)
    assert len(scene.rig.vault.versions(SAS)) == 1
    assert f"{SAS}={EXTENT}" in reason(scene)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ProviderAddress": None}, "is not managed"),
        ({"ValidityPeriodDays": "soon"}, "has malformed tags"),
        ({"MayDerive": "nonsense"}, "has malformed tags"),
        ({"ProviderAddress": "other account"}, "is the key of"),
        ({"ProviderAddress": "search"}, "is of the kind search-admin-key"),
    ],
)
async def test_a_parent_that_cannot_sign_is_refused_with_the_reason(
    change: dict[str, str | None], expected: str
) -> None:
    scene = SasScene()
    group = scene.account.resource_id.split("/providers/")[0]
    full = {
        "other account": scene.account.resource_id.replace("appdata", "elsewhere"),
        "search": f"{group}/providers/Microsoft.Search/searchServices/shop1",
    }
    scene.manage(
        days_left=10, key_tags={tag: full.get(text or "", text) for tag, text in change.items()}
    )
    await deliver(scene, SAS)
    assert expected in reason(scene)
    assert len(scene.rig.vault.versions(SAS)) == 1


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (SAS, "is derived itself, and signs nothing"),
        ("nowhere", "does not exist"),
    ],
)
async def test_a_tag_that_names_no_key_is_refused_with_the_reason(
    named: str, expected: str
) -> None:
    scene = SasScene()
    scene.manage(days_left=10, tags={"DerivedFrom": f"{scene.rig.vault.url}/secrets/{named}"})
    await deliver(scene, SAS)
    assert expected in reason(scene)


async def test_a_disabled_parent_is_refused_and_its_signature_kept() -> None:
    scene = managed(days_left=10)
    scene.rig.vault.amend(scene.rig.latest(KEY), enabled=False)
    await deliver(scene, SAS)
    assert "is disabled" in reason(scene)
    assert scene.works(scene.rig.latest(SAS))


async def test_a_parked_parent_does_not_park_a_signature_that_works() -> None:
    scene = managed(days_left=50, key_tags={"CredentialId": "key3", "RotationWindow": "whenever"})
    await deliver(scene, KEY)
    assert reason(scene, KEY)
    scene.rig.tag(KEY, RotationWindow=None)
    await deliver(scene, SAS, action="audit")
    assert not reason(scene)


@pytest.mark.parametrize(
    ("hours", "item"),
    [
        ("168", {"trigger": "manual", "compromised": True, "force": True}),
        ("0", {"trigger": "event"}),
    ],
    ids=["an incident", "no overlap"],
)
async def test_a_signature_moves_before_its_key_is_revoked_at_once(
    hours: str, item: dict[str, object]
) -> None:
    scene = managed(days_left=50, key_days_left=10, key_tags={"OverlapHours": hours})
    refused: list[str] = []

    def watch() -> None:
        if not scene.works(scene.rig.latest(SAS)):
            refused.append("the current signature is refused")

    def start() -> Service:
        return scene.rig.service(Saboteur({}, watch))

    old, began = scene.account.keys["key1"].value, scene.rig.clock.now()
    await deliver(scene, KEY, start, version=scene.rig.latest(KEY).version, **item)
    assert not refused
    assert scene.account.keys["key1"].value != old
    assert (scene.rig.clock.now() - began).total_seconds() < 5 * 60
    assert signer(scene) == "key2"


async def test_an_incident_of_a_signature_ends_only_with_its_key() -> None:
    scene = managed(days_left=50, key_days_left=80)
    leaked = await reported(scene)
    assert scene.rig.latest(SAS).value != leaked.value
    assert scene.rig.tags(SAS)["RekeyState"].startswith("compromised")
    assert "ends when it expires or with its key" in reason(scene)
    key = scene.rig.latest(KEY).version
    await deliver(scene, KEY, trigger="manual", version=key, compromised=True, force=True)
    await sweep(scene)
    assert not reason(scene)
    assert not scene.works(leaked)
    assert scene.works(scene.rig.latest(SAS))


@pytest.mark.parametrize("item", [{"compromised": True}, {}], ids=["an incident", "an overlap"])
async def test_a_signature_whose_own_leak_is_open_follows_its_key_all_the_same(
    item: dict[str, object],
) -> None:
    scene = managed(days_left=50, key_days_left=80)
    leaked, refused = await reported(scene), list[str]()

    def watch() -> None:
        if not scene.works(scene.rig.latest(SAS)):
            refused.append("the current signature is refused")

    def start() -> Service:
        return scene.rig.service(Saboteur({}, watch))

    key = scene.rig.latest(KEY).version
    await deliver(scene, KEY, start, trigger="manual", version=key, force=True, **item)
    assert signer(scene) == "key2"
    await sweep(scene, 8)
    assert not refused
    assert not scene.works(leaked), "its key has waited for nobody"
    assert scene.works(scene.rig.latest(SAS))
    assert not reason(scene)


@pytest.mark.parametrize("first", [True, False], ids=["before", "afterwards"])
async def test_an_incident_of_a_signature_ends_with_its_key_also_without_consent(
    *, first: bool
) -> None:
    scene = managed(days_left=50, key_days_left=80)
    if first:
        scene.rig.tag(KEY, MayDerive=None)
    leaked = await reported(scene)
    assert scene.rig.tags(SAS)["RekeyState"].startswith("compromised")
    if first:
        assert "does not consent; the current version is compromised" in reason(scene)
        assert reason(scene).endswith(f"Fix: {CONSENT}"), "nothing else ends a signature here"
    scene.rig.tag(KEY, MayDerive=None)
    await reported(scene, KEY)
    await sweep(scene, 2)
    record = await scene.rig.service().engine.leases.peek(scene.source)
    assert record
    assert not record.compromised.versions
    assert record.compromised.is_refused(leaked.version)
    assert "does not consent" in reason(scene)


@pytest.mark.parametrize("denied", [True, False], ids=["a right", "consent"])
async def test_a_signature_whose_incident_is_open_says_why_it_has_not_followed_its_key(
    *, denied: bool
) -> None:
    scene = managed(days_left=50, key_days_left=80)
    await reported(scene)
    if denied:
        refuse(scene.rig, 403, "Forbidden", _writes, 99)
    else:
        scene.rig.tag(KEY, MayDerive=None)
    key = scene.rig.latest(KEY).version
    await deliver(scene, KEY, trigger="manual", version=key, force=True)
    await sweep(scene)
    assert signer(scene) == "key1"
    assert ("403 Forbidden" if denied else "does not consent; a shared access") in reason(scene)
    assert f"Fix: {'grant it the role' if denied else CONSENT}" in reason(scene)


async def test_an_incident_of_a_signature_without_room_for_tags_ends_with_its_key() -> None:
    scene = managed(days_left=50, key_days_left=80)
    leaked = await reported(scene)
    tags = {tag for tag in scene.rig.tags(SAS) if not tag.startswith("Rekey")}
    full = {f"t{number}": "theirs" for number in range(15 - len(tags))}
    scene.rig.tag(SAS, RekeyState=None, RekeyReason=None, RekeyOperation=None, **full)
    await reported(scene, KEY)
    await sweep(scene, 2)
    record = await scene.rig.service().engine.leases.peek(scene.source)
    assert record
    assert record.compromised.is_refused(leaked.version)


async def test_a_signature_that_leaked_does_not_come_back_when_the_next_one_leaks() -> None:
    """Both end with their key, and nothing else distinguishes what one key signs."""
    scene = managed(days_left=44, key_days_left=45)
    await deliver(scene, SAS, trigger="manual", version=scene.rig.latest(SAS).version, force=True)
    leaked = []
    for _ in range(2):
        scene.rig.clock.advance(7200)
        leaked.append(scene.rig.latest(SAS))
        version = leaked[-1].version
        await deliver(scene, SAS, trigger="manual", version=version, compromised=True, force=True)
    known = len(scene.rig.vault.versions(SAS))
    for _ in range(2):
        await sweep(scene)
        assert scene.rig.latest(SAS).value not in {version.value for version in leaked}
        await deliver(scene, SAS, trigger="manual", force=True)
    assert len(scene.rig.vault.versions(SAS)) == known


@pytest.mark.parametrize("again", [False, True])
async def test_nobody_keeps_a_key_alive_by_leaving_a_signature_behind(again: bool) -> None:
    """However soon, or late, somebody writes the current key once more."""
    scene = managed(days_left=50, key_days_left=10, tags={"Manual": "true"})
    await deliver(scene, KEY)
    old = scene.account.keys["key1"].value
    await sweep(scene, 5)
    if again:
        scene.rig.write(KEY, scene.rig.latest(KEY).value, 60)
    await sweep(scene, 5)
    assert scene.account.keys["key1"].value == old, "it waits as long again as the overlap"
    await sweep(scene, 5)
    assert scene.account.keys["key1"].value != old


async def test_a_key_that_was_changed_by_hand_is_healed_first() -> None:
    scene = managed(days_left=50, key_days_left=50)
    await deliver(scene, KEY, action="audit")
    await deliver(scene, SAS, action="audit")
    scene.rig.clock.advance(2 * DAY)
    scene.account.regenerate("key1")
    await deliver(scene, SAS, action="audit")
    assert scene.works(scene.rig.latest(SAS))
    assert not reason(scene)


async def test_an_older_key_that_a_lagging_vault_shows_signs_nothing() -> None:
    scene = managed(days_left=50, key_days_left=10)
    rig = scene.rig
    await rig.handle(KEY, trigger="event")
    newest = rig.vault.secrets[KEY].pop()
    assert newest.value == scene.account.keys["key2"].value
    with pytest.raises(Stale):
        await rig.handle(SAS, trigger="event", action="audit")
    rig.vault.secrets[KEY].append(newest)
    await rig.handle(SAS, trigger="event", action="audit")
    assert signer(scene) == "key2"


async def test_a_secret_without_consent_keeps_nobody_from_a_signature() -> None:
    scene = managed(days_left=10)
    tags = scene.rig.tags(SAS)
    scene.rig.vault.put(STRANGER, "x", expires=scene.rig.clock.now(), tags=tags)
    await deliver(scene, STRANGER)
    assert "does not consent" in reason(scene, STRANGER)
    await deliver(scene, SAS)
    assert not reason(scene)
    assert len(scene.rig.vault.versions(SAS)) == 2


async def test_the_policy_document_may_name_the_key_and_consent() -> None:
    scene = SasScene()
    rig = scene.rig
    rig.environment = {"REKEY_POLICY": f"{rig.vault.url}/secrets/policy"}
    names = {"DerivedFrom": None, "ProviderAddress": None}
    scene.manage(days_left=50, key_days_left=10, consent=None, tags=names)
    text = f"""
version: 1
rules:
  - match: {{vault: "{rig.vault.url}", secret: {KEY}}}
    providerAddress: {scene.account.resource_id}
    mayDerive: [{SAS}={EXTENT}]
  - match: {{vault: "{rig.vault.url}", secret: {SAS}}}
    providerAddress: {scene.address}
    derivedFrom: {rig.vault.url}/secrets/{KEY}
"""
    rig.vault.put("policy", text, tags={})
    await deliver(scene, KEY)
    assert signer(scene) == "key2"


@pytest.mark.parametrize("bound", ["sas/container/uploads", "sas/container/others"])
async def test_a_vault_that_may_hold_one_containers_signatures_holds_no_others(bound: str) -> None:
    scene = SasScene()
    rig = scene.rig
    other = rig.world.add_vault("other")
    rig.world.grant(rig.identity, VAULT_ACTIONS, other.resource_id)
    scopes = {rig.vault.url: [scene.source_name], other.url: [f"{scene.source_name}/{bound}"]}
    rig.environment = {
        "REKEY_VAULTS": f"{rig.vault.url},{other.url}",
        "REKEY_SCOPES": json.dumps(scopes),
    }
    scene.manage(key_days_left=10, consent=f"{other.url}/secrets/{SAS}={EXTENT}")
    first = rig.latest(SAS)
    other.put(SAS, first.value, expires=rig.clock.now() + timedelta(days=50), tags=first.tags)
    await deliver(scene, KEY)
    held = other.latest(SAS)
    assert held
    if bound.endswith("others"):
        assert held.value == first.value
        assert "is not bound to" in (held.tags or {})["RekeyReason"]
    else:
        assert scene.made_by(held.value, "key2")
    assert rig.latest(SAS).value == first.value, "the key consents to the other vault's secret"


async def test_a_version_that_a_person_disabled_is_not_called_refused() -> None:
    """Its signature may still work, and an incident must find it."""
    scene = managed(days_left=50, key_days_left=10)
    first = scene.rig.latest(SAS)
    await deliver(scene, KEY)
    scene.rig.vault.amend(first, enabled=False)
    await sweep(scene)
    record = await scene.rig.known(scene.source)
    assert first.version in record.history.replaced
    assert first.version not in record.compromised.revoked


class Interposed:
    """Lets another worker work on one item from end to end, just before a numbered call."""

    def __init__(self, scene: SasScene, name: str, at: int) -> None:
        self.scene, self.name, self.at, self.calls = scene, name, at, -1

    async def __call__(self, request: Request, call: Call) -> Response:
        del request
        self.calls += 1
        if self.calls == self.at:
            rig = self.scene.rig
            item = rig.item(self.name, action="audit", trigger="event", follows=True)
            try:
                await rig.service().engine.handle(item)
            except TransientError:
                await rig.service().engine.queue.post_rotation(item)
        return await call()


@pytest.mark.parametrize(
    ("first", "second", "compromised"),
    sampled(
        [(KEY, SAS, True), (KEY, SAS, False), (SAS, KEY, True), (SAS, KEY, False)],
        [(KEY, SAS, True), (SAS, KEY, False)],
    ),
)
async def test_whenever_the_other_one_is_worked_on_the_signature_follows_its_key(
    first: str, second: str, compromised: bool
) -> None:
    at, calls = 0, 1
    while at < calls:
        scene = managed(
            days_left=10 if first == SAS else 50, key_days_left=10 if first == KEY else 80
        )
        interposed = Interposed(scene, second, at)
        version = scene.rig.latest(first).version
        item = scene.rig.item(
            first, trigger="manual", version=version, compromised=compromised, force=True
        )
        try:
            await scene.rig.service(interposed).engine.handle(item)
        except TransientError:
            await scene.rig.service().engine.queue.post_rotation(item)
        await Delivery(scene.rig, scene.rig.service).run()
        assert scene.works(scene.rig.latest(SAS)), at
        holds = scene.rig.tags(KEY)["CredentialId"]
        assert signer(scene) == holds, f"the signature is not of {holds} after call {at}"
        at, calls = at + 1, interposed.calls + 1
    assert calls > 15


async def test_what_a_key_has_made_is_asked_to_follow_it_only_where_it_has_changed() -> None:
    scene = managed(days_left=50, key_days_left=80)
    for action, expected in (("audit", []), ("rotate", [SAS])):
        scene.rig.queue("rotations").clear()
        await scene.rig.work(KEY, action=action, trigger="event", force=action == "rotate")
        follows = [it["secret"] for it in scene.rig.messages("rotations") if it["secret"] == SAS]
        assert follows == expected


async def test_two_workers_that_follow_one_key_make_one_version() -> None:
    at, calls = 0, 1
    while at < calls:
        scene = managed(days_left=50, key_days_left=10)
        rig, interposed = scene.rig, Interposed(scene, SAS, at)
        await rig.handle(KEY, trigger="event")
        first = rig.item(SAS, action="audit", trigger="event", follows=True)
        await rig.service(interposed).engine.handle(first)
        await Delivery(rig, rig.service).run()
        assert len(rig.vault.versions(SAS)) == 2, at
        assert signer(scene) == "key2"
        at, calls = at + 1, interposed.calls + 1
    assert calls > 10


def _proves(request: Request) -> bool:
    """Match what asks the account about a signature."""
    return request.host.startswith("appdata.") and "sig=" in request.url


async def test_consent_that_is_withdrawn_while_a_signature_is_proven_keeps_it_from_being_published() -> (
    None
):
    scene = managed(days_left=31)
    await deliver(scene, SAS, action="audit")
    scene.rig.clock.advance(2 * DAY)
    withdraws = struck(scene.rig, _proves, lambda: scene.rig.tag(KEY, MayDerive=None))
    await deliver(scene, SAS, lambda: scene.rig.service(withdraws))
    assert not withdraws.hooks[0].times
    assert len(scene.rig.vault.versions(SAS)) == 1
    assert "does not consent" in reason(scene)


async def test_a_key_that_a_person_writes_while_a_signature_is_proven_makes_another_one() -> None:
    scene = managed(days_left=31)
    await deliver(scene, SAS, action="audit")
    scene.rig.clock.advance(2 * DAY)
    second = scene.account.keys["key2"].value
    write = partial(scene.rig.write, KEY, second, 70, CredentialId="key2")
    writes = struck(scene.rig, _proves, write)
    await deliver(scene, SAS, lambda: scene.rig.service(writes))
    assert not writes.hooks[0].times
    assert signer(scene) == "key2"
    assert len(scene.rig.vault.versions(SAS)) == 2


async def test_a_parked_signature_is_tried_again_when_its_key_has_changed() -> None:
    scene = managed(days_left=50, key_days_left=10, consent=None)
    await deliver(scene, SAS, action="audit")
    assert "does not consent" in reason(scene)
    scene.rig.tag(KEY, MayDerive=f"{SAS}={EXTENT}")
    await deliver(scene, SAS, action="audit")
    assert "does not consent" in reason(scene), "a parked secret rests for a day"
    await deliver(scene, KEY)
    assert not reason(scene)
    assert signer(scene) == "key2"


async def test_a_signature_waits_for_a_key_that_has_expired() -> None:
    scene = managed(days_left=5, key_days_left=-1)
    await deliver(scene, SAS)
    assert not reason(scene)
    assert len(scene.rig.vault.versions(SAS)) == 1
    await deliver(scene, KEY)
    assert signer(scene) == "key2"
    assert scene.works(scene.rig.latest(SAS))


@pytest.mark.parametrize("leaked", [True, False], ids=["an incident", "an overlap"])
async def test_a_signature_that_went_with_its_key_waits_for_no_replica(*, leaked: bool) -> None:
    scene = SasScene()
    rig, copy = scene.rig, f"{scene.rig.vault.url}/secrets/copy"
    scene.manage(
        days_left=50, key_days_left=80, tags={"Replicas": copy}, key_tags={"OverlapHours": "24"}
    )
    rig.vault.put("copy", rig.latest(SAS).value, tags={})
    key = rig.latest(KEY).version
    await deliver(scene, SAS, action="audit")
    await deliver(scene, KEY, trigger="manual", version=key, compromised=leaked, force=True)
    await sweep(scene)
    await sweep(scene)
    assert signer(scene) == "key2"
    assert "copy" in reason(scene), "nobody hears of the replica"


async def test_a_signature_that_no_audit_has_seen_is_made_anew_once_its_key_is_gone() -> None:
    scene = managed(days_left=50, key_days_left=80)
    await deliver(scene, KEY, action="audit")
    scene.rig.clock.advance(3600)
    scene.account.regenerate("key1")
    await deliver(scene, SAS, action="audit")
    assert scene.works(scene.rig.latest(SAS))
    assert not reason(scene)


async def waiting_for_its_key() -> SasScene:
    """Return a signature that is due, and ends with its key, which is not due."""
    scene = managed(
        days_left=80,
        key_days_left=80,
        tags={"RotateBeforeDays": "25"},
        key_tags={"RotateBeforeDays": "5"},
    )
    await deliver(scene, KEY, action="audit")
    await deliver(scene, SAS, action="audit")
    scene.rig.clock.advance(60 * DAY)
    return scene


async def test_the_audit_of_a_signature_that_waits_for_its_key_heals_it_all_the_same() -> None:
    scene = await waiting_for_its_key()
    outcome = await scene.rig.handle(SAS, action="audit", trigger="manual")
    assert outcome.result == "confirmed"
    scene.account.regenerate("key1")
    await deliver(scene, SAS, action="audit")
    assert scene.works(scene.rig.latest(SAS))


async def test_the_owner_of_a_signature_left_to_people_hears_that_its_key_goes() -> None:
    scene = managed(days_left=50, key_days_left=80, tags={"Manual": "true"})
    rig, told = scene.rig, list[Outcome]()

    def start() -> Service:
        service = rig.service()
        heard(service.engine.reporter, told)
        return service

    def parked() -> int:
        return [outcome.result for outcome in told if outcome.item.ref.name == SAS].count("parked")

    await deliver(scene, KEY, start, trigger="manual", force=True)
    assert "its key has a new version, and its owner leaves it to people" in reason(scene)
    assert parked() == 1
    for _ in range(15):
        rig.clock.advance(DAY)
        await deliver(scene, KEY, start, action="retire", trigger="sweep")
    assert not scene.works(rig.latest(SAS)), "its key waits for nobody"
    assert (parked(), len(rig.vault.versions(SAS))) == (2, 1)
    rig.write(SAS, scene.signed("key2", rig.clock.now() + timedelta(days=50)))
    await deliver(scene, KEY, start, trigger="manual", force=True)
    assert parked() == 3
    rig.write(SAS, scene.signed("key1", rig.clock.now() + timedelta(days=50)))
    for _ in range(8):
        rig.clock.advance(DAY)
        await deliver(scene, KEY, start, action="retire", trigger="sweep")
    assert not reason(scene), "a person has signed it anew"
    assert parked() == 3


async def test_a_signature_that_moved_in_time_keeps_no_key_by_being_made_anew() -> None:
    scene = managed(days_left=50, key_days_left=80)
    await deliver(scene, SAS, action="audit")
    old = scene.account.keys["key1"].value
    await deliver(scene, KEY, trigger="manual", force=True)
    await sweep(scene, 3)
    await deliver(scene, SAS, trigger="manual", force=True)
    await sweep(scene, 3)
    await deliver(scene, SAS, trigger="manual", force=True)
    assert len(scene.rig.vault.versions(SAS)) == 4
    assert scene.account.keys["key1"].value == old
    await sweep(scene, 1)
    assert scene.account.keys["key1"].value != old


async def test_a_signature_that_moved_late_keeps_its_key_for_what_it_held_before() -> None:
    scene = managed(days_left=50, key_days_left=80, consent=None)
    await deliver(scene, KEY, trigger="manual", force=True)
    scene.rig.clock.advance(2 * DAY)
    scene.rig.tag(KEY, MayDerive=f"{SAS}={EXTENT}")
    for days in (0, 2):
        scene.rig.clock.advance(days * DAY)
        await deliver(scene, SAS, trigger="manual", force=True)
    scene.rig.clock.advance(4 * DAY)
    waiting = await scene.rig.handle(KEY, action="retire", trigger="sweep")
    assert waiting.reason.endswith(f"it made what {scene.rig.vault.url}/secrets/{SAS} held before")
    scene.rig.clock.advance(DAY)
    outcome = await scene.rig.handle(KEY, action="retire", trigger="sweep")
    assert outcome.result == "retired", "its overlap counts from when it moved"


async def test_a_signature_that_waits_for_its_key_is_audited_once_a_day_by_the_sweeps() -> None:
    """The first audit in these three days is one that is late."""
    scene = await waiting_for_its_key()
    audits = 0
    for _ in range(36):
        scene.rig.clock.advance(7200)
        now = scene.rig.clock.now()
        order = SweepOrder(scene.rig.vault.url, now - timedelta(hours=2), now, timedelta(hours=2))
        await scene.rig.service().sweep_vault(order.to_json())
        sent = scene.rig.messages("rotations")
        audits += [it["action"] for it in sent if it["secret"] == SAS].count("audit")
        await Delivery(scene.rig, scene.rig.service).run()
    assert audits == 4
    assert len(scene.rig.vault.versions(SAS)) == 1


def to_container(request: Request) -> bool:
    return ".blob." in request.host and "uploads" in request.path


async def test_a_mark_that_is_out_of_date_leaves_a_signature_that_waits_for_its_key() -> None:
    scene = await waiting_for_its_key()
    refuse(scene.rig, 403, "AuthorizationFailure", to_container, times=30)
    await deliver(scene, SAS, action="audit", trigger="sweep")
    assert reason(scene)
    scene.rig.world.faults.clear()
    await sweep(scene, days=2)
    assert not reason(scene)
