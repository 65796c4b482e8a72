"""What is reported of a rotation, whichever try made it, and whatever fails after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import LeaseUnavailable, Throttled, TransientError
from engine.secret import SecretRef
from engine.service import Service
from engine.state.incident import STILL_ACCEPTED
from engine.state.policy import Consumers, Document, Match
from engine.state.request import Outcome
from simulator.reach.sabotage import Died
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.rotators.sas_scenes import KEY, SAS, managed
from tests.shared.heard import heard
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of, state, struck, to_arm, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import sql

APP = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Web/sites/shop"


async def die_once_published(rig: Rig, name: str) -> None:
    """Let a worker publish a version, and die before it can say so."""
    with pytest.raises(Died):
        await rig.service(struck(rig, to_vault("PUT"))).engine.handle(rig.item(name))
    rig.clock.advance(600)


async def test_a_rotation_is_told_with_all_that_follows_from_it() -> None:
    signed = managed(days_left=50, key_days_left=10)
    rig = signed.rig
    rig.vault.put("copy", "old", tags={"ReplicaOf": f"{rig.vault.url}/secrets/{KEY}"})
    before = rig.tag(KEY, Replicas=f"{rig.vault.url}/secrets/copy")
    outcome = await rig.handle(KEY)
    assert outcome.result == "rotated"
    assert outcome.reason.startswith("expires ")
    assert (outcome.rotator, outcome.source) == ("storage-key", signed.source_name)
    assert (outcome.old_version, outcome.new_version) == (
        before.version,
        rig.latest(KEY).version,
    )
    assert outcome.credential_id == "key2"
    assert outcome.next_due == rig.clock.now() + timedelta(days=60)
    assert outcome.replicas == (SecretRef(rig.vault.url, "copy"),)
    assert outcome.derived == (SecretRef(rig.vault.url, SAS),)


async def test_what_a_dead_worker_has_published_is_told_by_the_next_one(rig: Rig) -> None:
    first = rig.latest(NAME).version
    await die_once_published(rig, NAME)
    outcome = await rig.handle(NAME, version=first)
    assert (outcome.result, outcome.reason) == ("rotated", "published by an earlier try")
    assert outcome.new_version == rig.latest(NAME).version != first
    assert (outcome.rotator, outcome.credential_id) == ("storage-key", "key2")


def with_app(service: Service, name: str) -> Service:
    """Return the app under a document that names an app which uses the secret."""
    document = Document(consumers=(Consumers(Match(None, name), (APP,)),))
    policy = service.engine.policy.under(document)
    return replace(service, engine=replace(service.engine, policy=policy))


@pytest.mark.parametrize("compromised", [False, True])
async def test_what_was_published_is_told_before_what_failed_after_it(*, compromised: bool) -> None:
    """What leaked is refused already, though its version cannot be disabled."""
    rig = sql()
    first = rig.latest(SQL).version
    await die_once_published(rig, SQL)
    refuse(rig, 403, "Forbidden", to_vault("PATCH"), times=99)
    engine = with_app(rig.service(), SQL).engine
    outcomes = heard(engine.reporter)
    rig.queue("rotations").clear()
    await engine.handle(rig.item(SQL, version=first, compromised=compromised))
    results = [outcome.result for outcome in outcomes]
    assert results == ["rotated", "parked"]
    actions = [message["action"] for message in rig.messages("rotations")]
    assert "refresh" in actions
    latest = rig.latest(SQL).version
    versions = [(outcome.old_version, outcome.new_version) for outcome in outcomes]
    assert versions == [(first, latest), (latest, latest)]
    assert (outcomes[0].rotator, outcomes[0].credential_id) == ("sql-login-password", "app")
    assert outcomes[0].next_due == rig.clock.now() - timedelta(seconds=600) + timedelta(days=60)
    assert (outcomes[0].replicas, outcomes[0].derived) == ((), ())


async def test_an_incident_that_fails_says_of_the_new_version_that_what_leaked_may_still_work() -> (
    None
):
    """Whoever reads that it was rotated might take what leaked for refused."""
    rig = scene()
    leaked = rig.latest(NAME).version
    await die_once_published(rig, NAME)
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"), times=99)
    engine = with_app(rig.service(), NAME).engine
    outcomes = heard(engine.reporter)
    rig.queue("rotations").clear()
    await engine.handle(rig.item(NAME, version=leaked, compromised=True))
    assert [outcome.result for outcome in outcomes] == ["rotated", "parked"]
    assert outcomes[0].reason.endswith(f"; {STILL_ACCEPTED}")
    assert not outcomes[0].item.compromised
    assert [message["action"] for message in rig.messages("rotations")] == ["refresh"]


async def test_the_recheck_of_an_incident_that_fails_says_so_of_the_new_version_too() -> None:
    """Its own item names no leak, but the record does."""
    rig = scene()
    leaked = rig.latest(NAME).version
    with pytest.raises(Died):
        await rig.service(struck(rig, to_vault("PUT"))).engine.handle(
            rig.item(NAME, version=leaked, compromised=True)
        )
    rig.clock.advance(600)
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"), times=99)
    engine = rig.service().engine
    outcomes = heard(engine.reporter)
    look = rig.item(NAME, action="audit", trigger="sweep", recheck=True, source=source_of(rig))
    await engine.handle(look)
    assert [outcome.result for outcome in outcomes] == ["rotated", "parked"]
    assert outcomes[0].reason == f"published by an earlier try; {STILL_ACCEPTED}"


async def test_what_this_very_try_has_published_is_told_with_its_own_reason() -> None:
    """It fails after that. Nobody is told that an earlier try has published it."""
    rig = scene()
    leaked = rig.latest(NAME).version
    fail = lambda: refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"), times=99)  # noqa: E731
    engine = rig.service(struck(rig, to_vault("PUT"), fail)).engine
    outcomes = heard(engine.reporter)
    await engine.handle(rig.item(NAME, version=leaked, compromised=True))
    assert [outcome.result for outcome in outcomes] == ["rotated", "parked"]
    assert outcomes[0].reason == f"compromised; {STILL_ACCEPTED}"
    assert (outcomes[0].old_version, outcomes[0].new_version) == (leaked, rig.latest(NAME).version)


async def test_what_a_dead_worker_published_is_told_once_however_often_its_successor_fails() -> (
    None
):
    """The incident that replaces it may not be over."""
    rig = sql()
    await die_once_published(rig, SQL)
    url = f"{rig.vault.url}/secrets"
    rig.vault.put("copy", "old", tags={"ReplicaOf": f"{url}/{SQL}"})
    rig.tag(SQL, Replicas=f"{url}/copy")
    leaked = rig.latest(SQL).version
    busy = lambda request: "/copy" in request.path  # noqa: E731
    refuse(rig, 429, "Throttled", busy, times=99, retry_after="60")
    outcomes = list[Outcome]()
    for _ in range(2):
        engine = rig.service().engine
        told = heard(engine.reporter)
        with pytest.raises(TransientError):
            await engine.handle(rig.item(SQL, version=leaked, compromised=True))
        outcomes += told
    (outcome,) = outcomes
    assert (outcome.result, outcome.new_version) == ("rotated", leaked)
    assert not outcome.item.compromised
    rig.world.faults.clear()
    after = await rig.handle(SQL, version=leaked, compromised=True)
    assert (after.old_version, after.new_version) == (leaked, rig.latest(SQL).version)
    assert after.reason != outcome.reason


async def test_what_failed_is_told_with_its_place(rig: Rig) -> None:
    copy = f"{rig.vault.url}/secrets/copy"
    rig.vault.put("copy", "theirs")
    rig.tag(NAME, Replicas=copy)
    outcome = await rig.handle(NAME)
    assert outcome.reason == f"the replica does not consent ({copy})"


async def test_a_worker_that_has_lost_its_lease_parks_nothing(rig: Rig) -> None:
    """What it was refused says nothing of what another worker has published since."""
    url = f"{rig.vault.url}/secrets"
    rig.vault.put("copy", "old", tags={"ReplicaOf": f"{url}/{NAME}"})
    rig.tag(NAME, Replicas=f"{url}/copy")

    async def between(request: Request, call: Call) -> Response:
        if "/secrets/copy" not in request.path or outcomes:
            return await call()
        rig.clock.advance(100)
        outcomes.append(await rig.handle(NAME))
        return json_response(403, {"error": {"code": "Forbidden"}})

    outcomes: list[Outcome] = []
    with pytest.raises(LeaseUnavailable):
        await rig.service(between).engine.handle(rig.item(NAME))
    assert [outcome.result for outcome in outcomes] == ["rotated"]
    assert "RekeyState" not in rig.tags(NAME)


async def test_a_secret_that_asks_for_nothing_takes_no_source_over(rig: Rig) -> None:
    """Its item names a source that another secret has left; what is due there is that one's."""
    await rig.handle(NAME)
    source = source_of(rig)
    rig.vault.amend(rig.latest(NAME), tags={})
    rig.vault.put("untagged", "nothing of ours")
    engine = rig.service().engine
    known = await engine.leases.peek(source)
    before = state(rig)
    for action in ("rotate", "audit"):
        outcome = await rig.handle("untagged", source=source, action=action)
        assert outcome.result == "skipped"
    assert await engine.leases.peek(source) == known
    assert state(rig) == before


async def test_what_was_published_is_told_although_a_person_writes_upon_it() -> None:
    rig = sql()
    writes = struck(rig, to_vault("PUT"), lambda: rig.vault.put(SQL, "Written-by-hand-1"))
    outcome = await rig.service(writes).engine.handle(rig.item(SQL))
    _, published, _ = rig.vault.versions(SQL)
    assert (outcome.result, outcome.new_version) == ("rotated", published.version)
    assert (outcome.credential_id, outcome.next_due) == ("app", None)


@pytest.mark.parametrize(
    ("action", "goes_over", "results"),
    [("retire", False, ["rotated"]), ("audit", True, ["rotated", "healed"])],
)
async def test_what_a_dead_worker_published_is_told_with_what_it_superseded_though_it_has_left(
    rig: Rig, action: str, results: list[str], *, goes_over: bool
) -> None:
    """What its secret asks for at another source is told by itself."""
    await die_once_published(rig, NAME)
    published = rig.latest(NAME)
    elsewhere = {**rig.tags(NAME), "ProviderAddress": rig.account("elsewhere").resource_id}
    rig.vault.amend(published, tags=elsewhere if goes_over else {})
    rig.clock.advance(8 * 86_400)
    engine = with_app(rig.service(), NAME).engine
    outcomes = heard(engine.reporter)
    await engine.handle(rig.item(NAME, action=action, trigger="sweep", source=source_of(rig)))
    assert [outcome.result for outcome in outcomes] == results
    assert (outcomes[0].new_version, outcomes[0].retired) == (published.version, ("key1",))
    assert [message["action"] for message in rig.messages("rotations")] == (
        ["refresh"] * len(results)
    )


async def test_what_was_told_at_a_source_that_was_left_is_noted_before_the_item_goes_on() -> None:
    """Where the record is to be written later, its storage is not asked for another one first."""
    rig = scene()
    await die_once_published(rig, NAME)
    published = rig.latest(NAME)
    rig.tag(NAME, ProviderAddress=rig.account("elsewhere").resource_id)
    rig.clock.advance(8 * 86_400)
    refused = list[str]()

    async def between(request: Request, call: Call) -> Response:
        stores = ".blob." in request.host and request.method == "PUT"
        if not (outcomes and stores and "comp" not in request.query):
            return await call()
        refused.append(request.path)
        return Response(429, headers={"Retry-After": "7"})

    engine = rig.service(between).engine
    outcomes = heard(engine.reporter)
    source = source_of(rig)
    item = rig.item(NAME, action="audit", trigger="sweep", source=source)
    with pytest.raises(Throttled):
        await engine.handle(item)
    assert (len(outcomes), len(refused)) == (1, 1)
    outcome = await rig.handle(NAME, action="audit", trigger="sweep", source=source)
    assert (outcome.result, rig.latest(NAME) != published) == ("healed", True)


async def test_an_audit_names_the_version_it_has_proven_and_not_the_one_replaced_before() -> None:
    rig = scene()
    await rig.handle(NAME)
    outcome = await rig.handle(NAME, action="audit")
    assert (outcome.result, outcome.old_version) == ("confirmed", rig.latest(NAME).version)
