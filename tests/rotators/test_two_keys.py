"""What is particular to kinds with two keys.

Spellings, pairs, rules, keys that are switched off, changes that go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import (
    AccessDenied,
    NeedsHuman,
    PermanentError,
    RekeyError,
    TransientError,
    UnderWay,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.shared.key_proof import made_up
from rotators.shared.key_replacement import UNDER_WAY
from rotators.shared.two_keys import TwoKeys
from simulator.faults import Fault
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.parts import crossed
from tests.rotators.key_scenes import (
    BY_NAME,
    FAMILY,
    WITHOUT_ENTITY,
    KeyScene,
    Member,
    value_of,
)
from tests.shared.scene import refuse, to_arm

EVERY = pytest.mark.parametrize("member", FAMILY, ids=str)
SWITCHED = [member for member in FAMILY if member.switched]
QUEUE, NAMESPACE = BY_NAME["service-bus-key of a queue"], BY_NAME["service-bus-key of a namespace"]
COSMOS, MAPS = BY_NAME["cosmos-db-key"], BY_NAME["maps-key"]
GATEWAY = BY_NAME["api-management-key"]
CACHES = ("cache", "database")
LONG = [
    BY_NAME["signalr-key"],
    BY_NAME["web-pubsub-key"],
    COSMOS,
    BY_NAME["event-grid-key of a topic"],
    BY_NAME["event-grid-key of a namespace"],
    BY_NAME["redis-key of a database"],
]


@pytest.fixture
def scene(member: Member) -> KeyScene:
    """A resource of which the vault holds a key."""
    return KeyScene(member)


def rotator_of(scene: KeyScene) -> TwoKeys:
    rotator = scene.rotator()
    assert isinstance(rotator, TwoKeys)
    return rotator


@pytest.mark.parametrize(
    ("member", "action"), crossed(SWITCHED, ["preflight", "verify", "issue", "accepts"]), ids=str
)
async def test_keys_that_are_switched_off_are_said_to_be_so_without_waiting(
    scene: KeyScene, member: Member, action: str
) -> None:
    held, began = Sensitive(scene.value(member.slot)), scene.rig.clock.now()
    scene.account.takes_keys = False
    rotator, job = rotator_of(scene), replace(scene.job(), proven=False, held=held)
    actions: dict[str, Callable[[], Awaitable[object]]] = {
        "preflight": lambda: rotator.preflight(job),
        "issue": lambda: rotator.issue(job),
        "verify": lambda: rotator.verify(scene.source, member.slot, held),
        "accepts": lambda: rotator.accepts(scene.source, "", held),
    }
    with pytest.raises(NeedsHuman, match=scene.account.contract.switch) as caught:
        await actions[action]()
    assert caught.value.fix
    assert scene.source.startswith(caught.value.where)
    assert scene.rig.clock.now() == began


@pytest.mark.parametrize(
    ("kind", "properties", "way"),
    [
        ("batch-key", {"allowedAuthenticationModes": ["AAD", "SharedKey"]},
         "allowedAuthenticationModes without SharedKey"),
        ("container-registry-password", {"adminUserEnabled": True}, "adminUserEnabled=false"),
        ("redis-key of a database", {"accessKeysAuthentication": "Enabled"},
         "accessKeysAuthentication=Disabled"),
        ("api-management-key", {"state": "active"}, ""),
        ("batch-key", {}, ""),
    ],
)  # fmt: skip
def test_the_way_to_switch_keys_off_is_said_as_the_property_is_set(
    kind: str, properties: dict[str, object], way: str
) -> None:
    source = rotator_of(KeyScene(BY_NAME[kind]))._source
    assert source.way_off({"properties": properties}) == way


@pytest.mark.parametrize(
    ("kind", "name", "off", "on"),
    [
        ("api-management-key", "state",
         ("cancelled", "expired", "rejected", "submitted", "suspended"), "active"),
        ("redis-key of a cache", "provisioningState",
         ("Disabled", "Deleting", "Unlinking"), "Succeeded"),
        ("redis-key of a cache", "disableAccessKeyAuthentication", (True,), False),
        ("redis-key of a database", "accessKeysAuthentication", ("Disabled",), "Enabled"),
        ("batch-key", "allowedAuthenticationModes", ([], ["AAD"]), ["AAD", "SharedKey"]),
        ("container-registry-password", "adminUserEnabled", (False,), True),
    ],
)  # fmt: skip
def test_every_state_in_which_no_key_is_taken_is_known(
    kind: str, name: str, off: tuple[object, ...], on: object
) -> None:
    source = rotator_of(KeyScene(BY_NAME[kind]))._source
    assert [source.switch({"properties": {name: state}}) for state in off] == [name] * len(off)
    assert [source.switch({"properties": told}) for told in ({name: on}, {})] == ["", ""]


async def test_an_error_names_the_type_of_what_could_not_be_read() -> None:
    scene = KeyScene(BY_NAME["redis-key of a database"])
    refusal = json_response(403, {"error": {"code": "AuthorizationFailed", "message": "no"}})
    below = lambda request: request.path.lower().endswith("/databases/default")  # noqa: E731
    scene.rig.world.faults.append(Fault(below, refusal, times=9))
    with pytest.raises(AccessDenied, match="reading databases"):
        await scene.rotator().issue(replace(scene.job(), proven=False))


@pytest.mark.parametrize(("member", "action"), crossed(FAMILY, ["accepts", "verify"]), ids=str)
async def test_a_network_that_keeps_the_app_out_proves_nothing(member: Member, action: str) -> None:
    scene = KeyScene(member)
    held, began = Sensitive(scene.value(member.slot)), scene.rig.clock.now()
    scene.account.open_network = False
    with pytest.raises((PermanentError, TransientError)) as caught:
        await getattr(rotator_of(scene), action)(scene.source, member.slot, held)
    assert caught.value.fix
    assert not isinstance(caught.value, VerificationFailed)
    assert scene.rig.clock.now() == began


@pytest.mark.parametrize("member", WITHOUT_ENTITY, ids=str)
async def test_a_template_that_was_edited_since_is_refused_before_a_key_is_replaced(
    member: Member,
) -> None:
    scene = KeyScene(member)
    template = "Endpoint=sb://{host};SharedAccessKey={key};EntityPath={entity}"
    with pytest.raises(NeedsHuman, match="entity"):
        await scene.rotator().issue(replace(scene.job(), options={"ValueTemplate": template}))
    assert not scene.regenerations()


@pytest.mark.parametrize("member", [one for one in FAMILY if one is not MAPS], ids=str)
async def test_in_another_cloud_each_resource_says_where_its_keys_are_used(member: Member) -> None:
    scene = KeyScene(member)
    scene.rig.world.domains = replace(scene.rig.world.domains, arm="management.example.org")
    rotator = scene.rig.alone(member.kind, arm_endpoint="https://management.example.org")
    held = Sensitive(scene.value(member.slot))
    assert await rotator.accepts(scene.source, member.slot, held)


@pytest.mark.parametrize(
    ("member", "name"),
    crossed(FAMILY, ["Salt", "key3", "", "PrimaryMaster", "KEY1"]),
    ids=str,
)
async def test_what_is_neither_of_the_two_keys_is_never_replaced(member: Member, name: str) -> None:
    scene = KeyScene(member)
    before = scene.live()
    with pytest.raises(NeedsHuman, match="CredentialId"):
        await scene.rotator().issue(replace(scene.job(), held_id=name))
    with pytest.raises(NeedsHuman, match="CredentialId"):
        await scene.rotator().retire(scene.source, name, Sensitive("something"))
    assert scene.live() == before
    assert not scene.regenerations()


@pytest.mark.parametrize("kind", ["cosmos-db-key", "app-configuration-key"])
@pytest.mark.parametrize("way", ["issue", "preflight", "recognise"])
async def test_a_key_of_the_other_pair_has_none_of_this_pair_replaced(kind: str, way: str) -> None:
    """The service accepts it here, too, and only a tag says that the secret holds one of these."""
    scene = KeyScene(BY_NAME[kind])
    first, other = scene.member.kind.facts.pairs
    address = scene.member.kind.canonical(scene.member.address, {"CredentialId": other.second.name})
    assert address
    job = scene.rig.job_of(address, other.second.name, scene.value(first.first.name))
    job = replace(job, proven=False)
    with pytest.raises(NeedsHuman, match=f"the value is {first.first.name}, which") as caught:
        await getattr(scene.rotator(), way)(job)
    assert caught.value.fix.startswith(f"set CredentialId to {first.first.name}, or")
    assert not scene.regenerations()


@pytest.mark.parametrize(
    ("kind", "spelling", "name"),
    [
        ("ai-services-key", "Key1", "key1"),
        ("ai-services-key", "key2", "key2"),
        ("service-bus-key of a queue", "Primary", "primaryKey"),
        ("service-bus-key of a queue", "SecondaryKey", "secondaryKey"),
        ("search-admin-key", "primary", "primaryKey"),
        ("signalr-key", "Secondary", "secondaryKey"),
        ("batch-key", "Primary", "primary"),
        ("maps-key", "PrimaryKey", "primaryKey"),
    ],
)
async def test_a_key_may_be_spelt_as_azures_own_connectors_spell_it(
    kind: str, spelling: str, name: str
) -> None:
    scene = KeyScene(replace(BY_NAME[kind], held=name))
    issued = await scene.rotator().issue(replace(scene.job(), held_id=spelling))
    assert issued.supersedes == name
    assert issued.credential_id != name


def test_two_pairs_of_one_resource_do_not_exclude_each_other() -> None:
    kind, address = BY_NAME["app-configuration-key"].kind, BY_NAME["app-configuration-key"].address
    writes, reads = (
        kind.canonical(address, {"CredentialId": name})
        for name in ("Secondary", "Primary Read Only")
    )
    assert writes
    assert reads == f"{writes}/keys/read-only"
    assert kind.canonical(address, {}) == writes
    assert kind.facts.place(reads).resource == writes


async def test_a_pair_that_only_reads_is_rotated_by_itself() -> None:
    scene = KeyScene(BY_NAME["app-configuration-key that only reads"])
    writes = {name: scene.value(name) for name in ("Primary", "Secondary")}
    issued = await scene.rotator().issue(scene.job())
    assert (issued.credential_id, issued.supersedes) == ("Primary Read Only", "Secondary Read Only")
    assert {name: scene.value(name) for name in writes} == writes


@EVERY
def test_a_resource_of_another_type_is_left_to_others(member: Member) -> None:
    other = member.address.replace(f"/{member.type.partition('/')[2]}/", "/others/", 1)
    above = member.address.rpartition("/")[0]
    for address in (other, above, f"{member.address}/listKeys", f"{member.address}/../x/y"):
        assert member.kind.canonical(address, {}) is None
    with pytest.raises(NeedsHuman, match="ProviderAddress"):
        member.kind.facts.place(other.lower())


async def test_a_rule_that_may_only_send_is_proven_beside_a_made_up_key() -> None:
    scene = KeyScene(QUEUE)
    assert scene.ring.rights == ("Send",)
    await scene.rotator().verify(scene.source, QUEUE.slot, Sensitive(scene.value(QUEUE.slot)))
    assert [exchange.response.status for exchange in scene.rig.world.exchanges][-2:] == [401, 401]
    with pytest.raises(VerificationFailed):
        await scene.rotator().verify(scene.source, QUEUE.slot, Sensitive(QUEUE.wrong))


async def test_a_value_of_another_rule_leads_to_the_rule() -> None:
    scene = KeyScene(NAMESPACE)
    scene.account.add_ring("queues/orders/authorizationRules/send")
    of_queue = scene.account.rings["queues/orders/authorizationrules/send"].keys["primaryKey"].value
    job = replace(scene.job(), proven=False, held=Sensitive(of_queue))
    for look in (
        rotator_of(scene).preflight(replace(job, held_id=None)),
        rotator_of(scene).recognise(job),
    ):
        with pytest.raises(
            NeedsHuman, match="neither primaryKey nor secondaryKey of the Service Bus rule"
        ) as caught:
            await look
        assert "name the rule in ProviderAddress" in caught.value.fix


async def test_an_entity_is_asked_for_where_the_rule_is_one_of_the_namespace() -> None:
    scene = KeyScene(NAMESPACE)
    before = scene.live()
    job = replace(scene.job(), proven=False, options={"ValueTemplate": "{key};EntityPath={entity}"})
    with pytest.raises(NeedsHuman, match="whole namespace"):
        await scene.rotator().issue(job)
    assert scene.live() == before


async def test_a_rule_of_an_entity_fills_its_name_into_the_template() -> None:
    job = replace(KeyScene(QUEUE).job(), options={"ValueTemplate": "{key};EntityPath={entity}"})
    issued = await KeyScene(QUEUE).rotator().issue(job)
    assert issued.fields["entity"].reveal() == "orders"


async def test_a_connection_string_names_the_rule_as_it_is_spelt() -> None:
    issued = await KeyScene(QUEUE).rotator().issue(KeyScene(QUEUE).job())
    assert {name: issued.fields[name].reveal() for name in ("entity", "host", "rule")} == {
        "entity": "orders",
        "host": "shop1.servicebus.windows.net",
        "rule": "Send",
    }


@pytest.mark.parametrize("name", [b"Send", b""])
async def test_a_listing_that_names_no_rule_is_of_the_rule_that_was_asked_for(name: bytes) -> None:
    scene = KeyScene(QUEUE)

    async def nameless(_: Request, call: Call) -> Response:
        answer = await call()
        return replace(
            answer, body=answer.body.replace(b'"keyName": "Send"', b'"keyName": "%s"' % name)
        )

    issued = await scene.rotator(nameless).issue(scene.job())
    assert issued.fields["rule"].reveal() == (name.decode() or "send")


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        ("event-grid-key of a topic", "application/json"),
        ("event-grid-key of a domain", "application/json"),
        ("event-grid-key of a namespace", "application/cloudevents-batch+json"),
        ("event-grid-partner-key", "application/cloudevents-batch+json"),
    ],
)
async def test_what_a_proof_of_event_grid_sends_can_be_no_event_in_any_schema(
    kind: str, media: str
) -> None:
    scene = KeyScene(BY_NAME[kind])
    await scene.rotator().accepts(scene.source, "key1", Sensitive(scene.value("key1")))
    (sent,) = {
        (
            exchange.request.body,
            exchange.request.header("content-type").partition(";")[0],
            *(h for h in exchange.request.headers if h.startswith("ce-")),
        )
        for exchange in scene.rig.world.exchanges
        if exchange.request.host == scene.account.host
    }
    assert sent == (b"[]", media)


@pytest.mark.parametrize(
    ("member", "below"),
    [
        (QUEUE, ""),
        (BY_NAME["relay-key"], "/hybridConnections/orders/authorizationRules/listen"),
        (BY_NAME["relay-key"], "/wcfRelays/orders/authorizationRules/listen"),
    ],
)
def test_a_namespace_alone_names_no_rule_and_that_of_one_relay_is_left_alone(
    member: Member, below: str
) -> None:
    namespace = "/".join(member.address.split("/")[:9])
    assert member.kind.canonical(f"{namespace}{below}", {}) is None


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (QUEUE, "authorizationRules/root"),
        (QUEUE, "queues/orders/authorizationRules/send"),
        (QUEUE, "topics/orders/authorizationRules/send"),
        (BY_NAME["event-hubs-key of a hub"], "authorizationRules/root"),
        (BY_NAME["event-hubs-key of a hub"], "eventhubs/clicks/authorizationRules/listen"),
    ],
)
def test_rules_of_a_namespace_and_of_everything_in_it_are_rotated(rule: Member, path: str) -> None:
    address = replace(rule, path=path).address
    assert rule.kind.canonical(address, {}) == address.lower()


@pytest.mark.parametrize(("operations", "status"), [({"/rekey-proof": False}, 200), ({}, 404)])
async def test_an_operation_that_lets_everybody_in_or_is_not_there_proves_no_key(
    operations: dict[str, bool], status: int
) -> None:
    """No backend is asked."""
    scene = KeyScene(GATEWAY)
    held = Sensitive(scene.value("primaryKey"))
    scene.account.operations = operations
    pattern = f"{status} to its key and {status} to a made-up one"
    with pytest.raises(NeedsHuman, match=pattern) as caught:
        await scene.rotator().verify(scene.source, "primaryKey", held)
    assert "rekey-proof" in caught.value.fix
    assert operations or not scene.account.published


async def test_a_subscription_of_one_api_is_proven_at_that_api() -> None:
    scene = KeyScene(GATEWAY)
    scene.ring.api = "echo"
    rotator = scene.rotator()
    await rotator.verify(scene.source, "primaryKey", Sensitive(scene.value("primaryKey")))
    assert not await rotator.accepts(scene.source, "primaryKey", Sensitive("a" * 32))
    assert {
        exchange.request.path
        for exchange in scene.rig.world.exchanges
        if exchange.request.host == scene.account.host
    } == {"/echo/v1/rekey-proof"}


async def test_an_operation_that_a_person_mends_is_found_by_the_same_process() -> None:
    scene = KeyScene(GATEWAY)
    rotator, held = scene.rotator(), Sensitive(scene.value("primaryKey"))
    scene.account.operations.pop("/rekey-proof")
    with pytest.raises(NeedsHuman, match="404"):
        await rotator.verify(scene.source, "primaryKey", held)
    scene.ring.api = "echo"
    await rotator.verify(scene.source, "primaryKey", held)


async def test_a_subscription_whose_scope_was_changed_is_proven_by_the_same_process() -> None:
    scene = KeyScene(GATEWAY)
    rotator, held = scene.rotator(), Sensitive(scene.value("primaryKey"))
    assert await rotator.accepts(scene.source, "", held)
    scene.ring.api = "echo"
    with pytest.raises(TransientError, match="does not show that it is gone"):
        await rotator.accepts(scene.source, "", held)
    assert await rotator.accepts(scene.source, "", held)


async def test_a_classic_cache_is_announced_to_be_retired() -> None:
    classic, managed = (KeyScene(BY_NAME[f"redis-key of a {what}"]) for what in CACHES)
    for scene, retires in ((classic, True), (managed, False)):
        job = replace(scene.job(), proven=False, written=scene.rig.clock.now())
        assert ("2028-09-30" in await rotator_of(scene).forewarn(job)) is retires
        assert ("2028-09-30" in await rotator_of(scene).forewarn(scene.job())) is retires


@pytest.mark.parametrize("cache", CACHES)
async def test_a_cache_that_is_closed_is_said_to_be_so(cache: str) -> None:
    scene = KeyScene(BY_NAME[f"redis-key of a {cache}"])
    before, scene.account.state = scene.live(), "Disabled"
    with pytest.raises(NeedsHuman, match=r"does not accept keys .*provisioningState") as caught:
        await scene.rotator().issue(replace(scene.job(), proven=False))
    assert caught.value.fix
    assert caught.value.where == scene.source
    assert scene.live() == before


@pytest.mark.parametrize(
    ("cache", "stated", "port"),
    [("database", 10_000, "10000"), ("cache", 6390, "6390"), ("cache", 0, "6380")],
)
async def test_a_cache_is_proven_at_the_port_that_it_says_or_the_usual_one(
    cache: str, stated: int, port: str
) -> None:
    scene = KeyScene(BY_NAME[f"redis-key of a {cache}"])
    scene.account.contract = replace(scene.account.contract, port=stated)
    issued = await scene.rotator().issue(scene.job())
    if stated:
        await scene.rotator().verify(scene.source, issued.credential_id, issued.fields["key"])
    assert issued.fields["port"].reveal() == port
    assert issued.fields["host"].reveal() == scene.account.host


@pytest.mark.parametrize("flavour", ["OpenAI", "FormRecognizer"])
async def test_an_ai_account_is_proven_whatever_it_is_for(flavour: str) -> None:
    scene = KeyScene(BY_NAME["ai-services-key"])
    scene.account.flavour = flavour
    issued = await scene.rotator().issue(scene.job())
    await scene.rotator().verify(scene.source, issued.credential_id, issued.fields["key"])
    with pytest.raises(VerificationFailed):
        await scene.rotator().verify(scene.source, issued.credential_id, Sensitive("A" * 84))


async def test_an_account_of_mongodb_that_refuses_a_made_up_key_is_rotated() -> None:
    """It has no such list of databases, and yet tells a good key from a wrong one."""
    scene = KeyScene(COSMOS)
    scene.account.flavour = "MongoDB"
    scene.manage("app-key")

    async def another_interface(request: Request, call: Call) -> Response:
        answer = await call()
        is_good = request.host == scene.account.host and answer.status == 200
        return Response(400) if is_good else answer

    outcome = await scene.rig.service(another_interface).engine.handle(scene.rig.item("app-key"))
    assert outcome.result == "rotated"
    assert scene.rig.latest("app-key").value == scene.value("secondaryMasterKey")


@pytest.mark.parametrize("member", LONG, ids=str)
async def test_a_change_that_outlasts_its_call_is_put_off_and_never_asked_for_twice(
    scene: KeyScene, member: Member
) -> None:
    scene.account.duration = timedelta(seconds=45)
    rotator, job = scene.rotator(), scene.job()
    with pytest.raises(TransientError, match="is under way") as caught:
        await rotator.issue(job)
    assert (caught.value.code, caught.value.retry_after) == (UNDER_WAY, member.kind.afterwards)
    scene.rig.clock.advance(60)
    issued = await rotator.issue(job)
    assert len(scene.regenerations()) == 1
    assert issued.fields["key"].reveal() == scene.value(issued.credential_id)
    assert job.held
    assert job.held.reveal() in scene.live()


@pytest.mark.parametrize("member", LONG, ids=str)
async def test_a_change_that_fails_late_is_asked_for_again_in_the_end(member: Member) -> None:
    scene = KeyScene(member)
    scene.account.fails = True
    rotator, job, before = scene.rotator(), scene.job(), scene.live()
    began = scene.rig.clock.now()
    with pytest.raises(TransientError, match="is under way"):
        await rotator.issue(job)
    scene.account.fails = False
    scene.rig.clock.advance(member.kind.patience - (scene.rig.clock.now() - began).total_seconds())
    with pytest.raises(TransientError, match="is under way"):
        await rotator.issue(job)
    assert (len(scene.regenerations()), scene.live()) == (1, before)
    scene.rig.clock.advance(member.kind.patience)
    issued = await rotator.issue(job)
    assert len(scene.regenerations()) == 2
    assert issued.fields["key"].reveal() not in before


async def test_a_change_of_hours_is_known_by_the_time_at_which_its_key_was_made() -> None:
    scene = KeyScene(COSMOS)
    scene.account.duration = timedelta(hours=3)
    began = scene.rig.clock.now()
    with pytest.raises(TransientError, match="is under way"):
        await scene.rotator().issue(scene.job())
    later = replace(scene.job(), asked=began)
    with pytest.raises(TransientError, match="waits for a change") as caught:
        await scene.rotator().issue(later)
    assert caught.value.code == UNDER_WAY
    scene.rig.clock.advance(4 * 3600)
    issued = await scene.rotator().issue(later)
    assert issued.fields["key"].reveal() == scene.value("secondaryMasterKey")
    assert len(scene.regenerations()) == 2, "asked once, and once refused while that went on"
    scene.account.duration = timedelta(seconds=1)
    again = await scene.rotator().issue(
        replace(scene.job(), asked=scene.rig.clock.now() + timedelta(hours=1))
    )
    assert again.fields["key"] != issued.fields["key"], (
        "a key that was made before it was asked for is another's"
    )


@pytest.mark.parametrize(("later", "is_refused"), [(2, False), (3, True)])
async def test_a_key_made_after_the_version_was_written_is_somebody_elses(
    later: int, *, is_refused: bool
) -> None:
    """Key Vault and the source tell whole seconds, and of clocks that differ."""
    scene = KeyScene(COSMOS)
    scene.account.duration = timedelta(seconds=1)
    keys, rotator = scene.ring.keys, rotator_of(scene)
    written = scene.rig.clock.now()
    job = replace(scene.job(), proven=False, written=written)
    await rotator.preflight(job)
    for name, seconds in (("primaryMasterKey", 5 - later), ("secondaryMasterKey", later)):
        keys[name] = replace(keys[name], created=written + timedelta(seconds=seconds))
    if is_refused:
        with pytest.raises(NeedsHuman, match="somebody else uses it"):
            await rotator.issue(job)
    else:
        assert (await rotator.issue(job)).credential_id == "secondaryMasterKey"


@pytest.mark.parametrize("member", [MAPS, COSMOS], ids=str)
@pytest.mark.parametrize(("late", "is_refused"), [(-1, False), (1, True)])
async def test_a_key_made_after_rekeys_own_last_change_is_somebody_elses(
    scene: KeyScene, member: Member, late: int, *, is_refused: bool
) -> None:
    """A change may come long after it was begun, where a source goes on with it for hours."""
    bound = timedelta(hours=24) if member.kind.lists_first else timedelta(minutes=32)
    made = max(key.created for key in scene.ring.keys.values())
    held = scene.ring.keys[member.slot]
    scene.ring.keys[member.slot] = replace(held, created=made - timedelta(days=30))
    changed = made - bound - timedelta(seconds=late)
    rotator, job = scene.rotator(), replace(scene.job(), changed=changed)
    assert isinstance(rotator, TwoKeys)
    if is_refused:
        for refused in (rotator.issue, rotator.preflight):
            with pytest.raises(NeedsHuman, match="somebody else uses it") as caught:
                await refused(job)
            assert caught.value.fix.endswith("unpark the secret")
    else:
        await rotator.preflight(job)
        assert (await rotator.issue(job)).supersedes == job.held_id


@pytest.mark.parametrize(
    ("operation", "status", "unsent"),
    [("listKeys", 503, True), ("regenerateKey", 403, True), ("regenerateKey", 503, False)],
)
async def test_what_fails_before_a_key_is_replaced_or_is_refused_has_changed_nothing(
    operation: str, status: int, *, unsent: bool
) -> None:
    scene = KeyScene(MAPS)
    refuse(scene.rig, status, "No", to_arm(operation), times=9)
    with pytest.raises(RekeyError) as caught:
        await scene.rotator().issue(replace(scene.job(), proven=operation == "regenerateKey"))
    assert caught.value.unsent is unsent


@pytest.mark.parametrize("member", LONG, ids=str)
async def test_a_revocation_that_goes_on_is_never_asked_for_twice(scene: KeyScene) -> None:
    job = scene.job()
    issued = await scene.rotator().issue(job)
    scene.account.duration = timedelta(seconds=45)
    rotator, newer = scene.rotator(), issued.fields["key"]
    assert issued.supersedes
    assert job.held
    with pytest.raises(UnderWay, match="is under way"):
        await rotator.retire(scene.source, issued.supersedes, newer)
    with pytest.raises(UnderWay, match="waits for a change"):
        await scene.rotator().retire(scene.source, issued.supersedes, newer)
    scene.rig.clock.advance(60)
    await rotator.retire(scene.source, issued.supersedes, newer)
    assert job.held.reveal() not in scene.live()
    assert newer.reveal() in scene.live()
    assert scene.regenerations().count(202) == 2, (
        "once for the rotation, and once for the revocation"
    )


@EVERY
async def test_a_list_that_lacks_the_key_to_retire_is_no_reason_to_replace_the_live_one(
    scene: KeyScene, member: Member
) -> None:
    held, name = scene.value(member.slot), f'"{member.slot}"'.encode()

    async def short(request: Request, call: Call) -> Response:
        answer = await call()
        is_list = request.host.startswith("management.") and "/list" in request.path.lower()
        return replace(answer, body=answer.body.replace(name, b'"other"')) if is_list else answer

    with pytest.raises(TransientError, match="the answer holds no"):
        await scene.rotator(short).retire(scene.source, member.slot, Sensitive(held))
    assert scene.value(member.slot) == held


@EVERY
async def test_a_key_in_a_text_that_no_template_describes_is_not_revoked(
    scene: KeyScene, member: Member
) -> None:
    """The vault's current version holds it all the same."""
    held = scene.value(member.slot)
    with pytest.raises(NeedsHuman, match="may hold it"):
        await scene.rotator().retire(scene.source, member.slot, Sensitive(f"Password={held};Tls"))
    assert scene.value(member.slot) == held


async def test_a_key_that_somebody_has_chosen_for_a_subscription_is_tried_however_short() -> None:
    scene = KeyScene(GATEWAY)
    keys = scene.ring.keys
    keys["primaryKey"] = replace(keys["primaryKey"], value="partner-2024")
    assert await scene.rotator().accepts(scene.source, "", Sensitive("partner-2024"))


async def test_a_chosen_key_that_begins_as_the_other_one_is_not_taken_for_that() -> None:
    scene = KeyScene(GATEWAY)
    keys = scene.ring.keys
    for name, value in (("primaryKey", "partner"), ("secondaryKey", "partner-b")):
        keys[name] = replace(keys[name], value=value)
        job = replace(scene.job(), held=Sensitive(value), proven=False)
        assert (await rotator_of(scene).recognise(job)).credential_id == name


@pytest.mark.parametrize(
    ("kind", "name", "is_one"),
    [
        ("ai-services-key", "My_shop.1", True),
        ("app-configuration-key", "My_shop-1", True),
        ("app-configuration-key", "shop", False),
        ("batch-key", "my-shop", False),
        ("maps-key", "My_shop.1", True),
        ("service-bus-key of a queue", "my_shop", False),
    ],
)
def test_a_resource_is_called_as_its_type_allows(kind: str, name: str, *, is_one: bool) -> None:
    member = replace(BY_NAME[kind], name=name)
    expected = member.address.lower() if is_one else None
    assert member.kind.canonical(member.address, {}) == expected


async def test_one_operation_never_takes_the_key_that_another_one_made() -> None:
    scene = KeyScene(LONG[0])
    rotator, job = scene.rotator(), scene.job()
    first = await rotator.issue(job)
    again = await rotator.issue(replace(job, operation="another"))
    assert again.fields["key"] != first.fields["key"]


@EVERY
async def test_an_address_that_is_no_name_is_read_from_the_resource_once(member: Member) -> None:
    scene = KeyScene(member)
    rotator = scene.rotator()
    for _ in range(3):
        await rotator.verify(scene.source, member.slot, Sensitive(scene.value(member.slot)))
    reads = [
        exchange.request.host.partition(".")[0]
        for exchange in scene.rig.world.exchanges
        if exchange.request.method == "GET"
    ]
    assert reads.count("management") == (0 if member.kind.facts.host else 1) + member.reads_below


@pytest.mark.parametrize("member", [row for row in FAMILY if not row.kind.facts.host], ids=str)
async def test_a_resource_that_is_made_again_elsewhere_is_proven_by_the_same_process(
    member: Member,
) -> None:
    scene = KeyScene(member)
    rotator, held = scene.rotator(), Sensitive(scene.value(member.slot))
    assert await rotator.accepts(scene.source, member.slot, held)
    port = member.contract.port and member.contract.port + 1
    scene.account.contract = replace(member.contract, port=port)
    scene.account.host = f"again.{scene.account.host}"
    with pytest.raises(TransientError):
        await rotator.accepts(scene.source, member.slot, held)
    assert await rotator.accepts(scene.source, member.slot, held)


@pytest.mark.parametrize(
    "address", ["http://shop1.example", "https://", "https://user@shop1.example", "ftp://shop1"]
)
async def test_a_key_is_never_sent_to_an_address_that_is_none(address: str) -> None:
    scene = KeyScene(BY_NAME["batch-key"])
    held = Sensitive(scene.value("primary"))

    async def elsewhere(request: Request, call: Call) -> Response:
        del request
        response = await call()
        return replace(
            response, body=response.body.replace(scene.account.host.encode(), address.encode())
        )

    with pytest.raises(NeedsHuman, match="no address"):
        await scene.rotator(elsewhere).verify(scene.source, "primary", held)
    assert not any(
        scene.account.host == exchange.request.host for exchange in scene.rig.world.exchanges
    )


@pytest.mark.parametrize("kind", ["api-management-key", "cosmos-db-key"])
async def test_a_key_that_every_front_end_knows_after_minutes_only_is_waited_for(kind: str) -> None:
    scene = KeyScene(BY_NAME[kind])
    scene.spread_slowly(150)
    issued = await scene.rotator().issue(scene.job())
    await scene.rotator().verify(scene.source, issued.credential_id, issued.fields["key"])


async def test_what_is_malformed_is_not_accepted_and_not_an_error() -> None:
    for member in (BY_NAME["batch-key"], BY_NAME["communication-key"]):
        scene = KeyScene(member)
        assert not await scene.rotator().accepts(
            scene.source, member.slot, Sensitive("=" * 43 + "A")
        )


def test_a_made_up_key_has_the_form_of_the_key_and_is_another() -> None:
    store = KeyScene(BY_NAME["app-configuration-key"])
    for key in ("A" * 43 + "=", "ab-12_" * 6, value_of(store.account, store.ring, "Primary")):
        fake = made_up(key)
        assert len(fake) == len(key)
        assert fake != key
        assert [a for a in fake if not a.isalnum()] == [a for a in key if not a.isalnum()]
