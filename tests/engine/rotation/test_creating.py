"""A secret that does not exist gets a first version, with a credential that is added for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.contract import LATE, Issued, Job
from engine.engine import Engine
from engine.errors import (
    AccessDenied,
    LeaseUnavailable,
    NeedsHuman,
    RekeyError,
    SourceBusy,
    TransientError,
)
from engine.secret import SecretRef, SecretVersion
from engine.service import Service
from engine.state.record import SETTLE
from engine.state.tags import CREDENTIAL, Managed, Pending, parse
from rotators.service_principal_secret import ServicePrincipalSecret
from simulator.reach.sabotage import Died
from simulator.reach.transport import Call, Intercept
from simulator.wire import Request, Response
from tests.shared.graph_rig import NAME, GraphRig, days
from tests.shared.heard import heard
from tests.shared.scene import refuse, scene, source_of, struck, to_vault


async def add(
    rig: GraphRig,
    intercept: Intercept | None = None,
    *,
    name: str = NAME,
    service: Service | None = None,
    **more: str,
) -> SecretVersion:
    """Have the first version of a secret written, as `rekey adopt` does."""
    engine: Engine = await (service or rig.service(intercept)).ready()
    tags = {"ProviderAddress": rig.source, "ValidityPeriodDays": "90", **more}
    managed = parse(tags, engine.policy, engine.kinds)
    assert isinstance(managed, Managed)
    nothing = replace(engine.nothing_yet(SecretRef(rig.vault.url, name)), tags=tags)
    return await engine.add_first(nothing, managed)


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_first_version_that_may_just_have_been_written_is_waited_for(
    *, is_late: bool
) -> None:
    """The vault may not show it yet, and the next one would remove what it holds."""
    rig = GraphRig()
    await add(rig)
    made = {password.key_id for password in rig.alive()}
    del rig.vault.secrets[NAME]
    rig.clock.advance(SETTLE.total_seconds() if is_late else 1)
    if not is_late:
        with pytest.raises(TransientError, match="may still be written"):
            await add(rig)
        assert {password.key_id for password in rig.alive()} == made
        return
    again = await add(rig)
    alive = {password.key_id for password in rig.alive()}
    assert alive == {rig.first.key_id, again.tags[CREDENTIAL]}
    assert made - alive, "what the lost version held is nobody's"


async def test_who_loses_the_lease_while_a_first_credential_is_proven_removes_nobody_elses() -> (
    None
):
    """Two people may add one at once, under the same operation."""
    rig, proofs, others = GraphRig(), list[Request](), list[SecretVersion]()

    async def slowly(request: Request, call: Call) -> Response:
        if b"client_secret" in request.body:
            rig.clock.advance(0 if proofs else 61)
            proofs.append(request)
        elif proofs and not others:
            others.append(await add(rig))
        return await call()

    with pytest.raises(LeaseUnavailable):
        await add(rig, slowly)
    (other,) = others
    assert other.tags[CREDENTIAL] in {password.key_id for password in rig.alive()}


@pytest.mark.parametrize("then", ["", ".blob.core.windows.net", "/removePassword"])
async def test_a_credential_whose_first_version_is_refused_is_removed(then: str) -> None:
    """The person hears why, whatever fails as it is removed."""
    rig, refused = GraphRig(), list[Request]()

    def is_write(request: Request) -> bool:
        refused.extend([request] if to_vault("PUT")(request) else [])
        return request in refused

    refuse(rig, 403, "Forbidden", is_write)
    if then:
        refuse(rig, 503, "Busy", lambda it: bool(refused) and then in it.url, times=20)
    with pytest.raises(AccessDenied):
        await add(rig)
    left = 1 if then == "/removePassword" else 0
    assert [password.key_id for password in rig.alive()][: 2 - left] == [rig.first.key_id]
    assert len(rig.alive()) == 1 + left


async def test_a_first_credential_that_is_tried_again_may_be_that_of_the_first_try_and_no_older(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each secret of this name that was ever made had the same operation."""
    rig, made, jobs = GraphRig(), ServicePrincipalSecret.issue, list[Job]()

    async def noting(kind: ServicePrincipalSecret, job: Job) -> Issued:
        jobs.append(job)
        return await made(kind, job)

    monkeypatch.setattr(ServicePrincipalSecret, "issue", noting)
    begun = rig.clock.now()
    with pytest.raises(Died):
        await add(rig, struck(rig, _proof, after=False))
    rig.clock.advance(3600)
    await add(rig)
    assert [(job.not_before, job.proven) for job in jobs] == [(begun, True)] * 2


async def test_a_first_version_is_read_by_the_template_that_it_was_written_by() -> None:
    rig = GraphRig()
    await add(rig, ValueTemplate="secret={secret};n=1")
    rig.tag(NAME, ValueTemplate="password={secret}")
    assert (await rig.handle(NAME, action="audit", trigger="sweep")).result == "confirmed"


@pytest.mark.parametrize("is_theirs", [False, True])
async def test_no_first_version_is_made_where_somebody_was_faster(*, is_theirs: bool) -> None:
    """They have written the secret, or its source belongs to another one."""
    rig = GraphRig()
    if is_theirs:
        rig.vault.put("another", "theirs", tags={"ProviderAddress": rig.source})
        await rig.note(rig.source, "another")
    else:
        rig.vault.put(NAME, "by hand")
    why = "belongs to the secret .*/another" if is_theirs else "somebody has written the secret"
    with pytest.raises(NeedsHuman, match=why):
        await add(rig)
    assert [password.key_id for password in rig.alive()] == [rig.first.key_id]
    assert len(rig.vault.versions(NAME)) == (0 if is_theirs else 1)


@pytest.mark.parametrize("is_announced", [False, True])
async def test_what_a_first_version_was_to_hold_goes_where_somebody_makes_one_by_hand(
    *, is_announced: bool
) -> None:
    """Whoever typed the command has died of it, and nobody types it again."""
    rig = GraphRig()
    added = struck(rig, lambda request: request.path.endswith("/addPassword"))
    with pytest.raises(Died):
        await add(rig, struck(rig, to_vault("PUT"), after=False) if is_announced else added)
    _, in_vain = rig.alive()
    rig.clock.advance(3600)
    rig.managed()
    rig.write(NAME, rig.latest(NAME).value)
    assert (await rig.handle(NAME, action="audit", trigger="sweep")).result == "confirmed"
    assert in_vain not in rig.alive()


async def test_another_first_version_cuts_off_nothing_of_a_deleted_secret_inside_its_overlap() -> (
    None
):
    rig = GraphRig()
    first = await add(rig)
    rig.clock.advance(3600)
    await rig.handle(NAME, force=True)
    _, superseded, current = rig.alive()
    assert superseded.key_id == first.tags[CREDENTIAL]
    del rig.vault.secrets[NAME]
    rig.clock.advance(3600.4)
    ends = rig.clock.now() + days(7)
    again = await add(rig)
    kept = [rig.first.key_id, superseded.key_id, current.key_id, again.tags[CREDENTIAL]]
    assert [password.key_id for password in rig.alive()] == kept
    rig.clock.advance(3600)
    await rig.handle(NAME, action="audit", trigger="sweep")
    assert [password.key_id for password in rig.alive()] == kept
    going = (await rig.known(rig.source)).retirement
    assert going
    assert Pending.parse(str(going)).at >= ends, "also as a tag has it, in whole seconds"
    rig.clock.advance(days(8).total_seconds())
    await rig.handle(NAME, action="retire", trigger="sweep", recheck=True, source=rig.source)
    assert [password.key_id for password in rig.alive()] == [kept[0], kept[3]]


async def test_the_next_owner_of_a_source_cuts_off_nothing_of_a_first_version_before_its_own() -> (
    None
):
    """Both versions are the first ones of their secrets, and neither is earlier than the other."""
    rig = GraphRig()
    theirs = await add(rig, name="another")
    await rig.handle("another", action="audit", trigger="sweep")
    del rig.vault.secrets["another"]
    rig.clock.advance(days(1).total_seconds())
    ours = await add(rig)
    for _ in range(3):
        assert (await rig.handle(NAME, action="audit", trigger="sweep")).result == "confirmed"
        rig.clock.advance(days(8).total_seconds())
    kept = [rig.first.key_id, theirs.tags[CREDENTIAL], ours.tags[CREDENTIAL]]
    assert [password.key_id for password in rig.alive()] == kept
    record = await rig.known(rig.source)
    assert not record.to_retire


async def test_what_a_next_owner_had_added_for_its_first_version_is_removed() -> None:
    """Somebody else's first version was announced before, and never came."""
    rig = GraphRig()
    for name, where in {"another": to_vault("PUT"), NAME: _proof}.items():
        with pytest.raises(Died):
            await add(rig, struck(rig, where, after=False), name=name)
        rig.clock.advance(3600)
    rig.managed()
    rig.write(NAME, rig.latest(NAME).value)
    assert (await rig.handle(NAME, action="audit", trigger="sweep")).result == "confirmed"
    assert [password.key_id for password in rig.alive()] == [rig.first.key_id]


async def test_what_was_announced_for_another_secret_is_awaited_before_its_source_gets_this_one() -> (
    None
):
    """A write may come late. Only then is it certain that nobody holds what was made for it."""
    rig = GraphRig()
    with pytest.raises(Died):
        await add(rig, struck(rig, to_vault("PUT"), after=False), name="another")
    _, theirs = rig.alive()
    rig.clock.advance(LATE.total_seconds() - 60)
    with pytest.raises(TransientError, match="may still be written"):
        await add(rig)
    assert theirs in rig.alive()
    assert (await rig.known(rig.source)).owner.endswith("/another"), "whose version may come"
    rig.clock.advance(120)
    ours = await add(rig)
    kept = [rig.first.key_id, ours.tags[CREDENTIAL]]
    assert [password.key_id for password in rig.alive()] == kept


async def test_what_nobody_has_reported_of_a_deleted_secret_is_reported_as_it_is_made_anew() -> (
    None
):
    """The record tells of one version alone, so it would be forgotten."""
    rig = GraphRig()
    await add(rig)
    await rig.handle(NAME, action="audit", trigger="sweep")
    rotated = await rig.handle(NAME, force=True)
    await rig.note(rig.source, NAME, untold=True, untold_ids=("key9",))
    del rig.vault.secrets[NAME]
    rig.clock.advance(3600)
    service = rig.service()
    outcomes = heard(service.engine.reporter)
    await add(rig, service=service)
    (outcome,) = outcomes
    assert (outcome.result, outcome.new_version) == ("rotated", rotated.new_version)
    assert outcome.retired == ("key9",)
    known = await rig.known(rig.source)
    assert (known.unreported, known.unreported_ids) == (False, ())


async def test_a_first_version_that_somebody_has_replaced_at_once_is_known_to_have_come() -> None:
    """The vault keeps whole seconds, so it may seem to be older than its announcement."""
    rig = GraphRig()
    rig.clock.advance(0.4)
    first = await add(rig)
    rig.vault.amend(rig.latest(NAME), created=rig.latest(NAME).created - 1)
    rig.clock.advance(30)
    rig.managed()
    rig.write(NAME, rig.latest(NAME).value)
    for _ in range(3):
        rig.clock.advance(LATE.total_seconds())
        assert (await rig.handle(NAME, action="audit", trigger="sweep")).result == "confirmed"
    published = (await rig.known(rig.source)).published
    assert published
    assert published.version == first.version
    assert first.tags[CREDENTIAL] in {password.key_id for password in rig.alive()}


async def test_a_source_does_not_pass_on_while_its_first_version_may_still_come() -> None:
    """A secret that names the source, too, would remove what that version holds."""
    rig = GraphRig()
    rig.managed()
    rig.write(NAME, rig.latest(NAME).value)
    with pytest.raises(Died):
        await add(rig, struck(rig, to_vault("PUT")), name="another")
    late = rig.vault.secrets.pop("another")
    _, theirs = rig.alive()
    rig.clock.advance(60)
    assert (await rig.handle(NAME, action="audit", trigger="sweep")).result == "parked"
    rig.clock.advance(300)
    rig.vault.secrets["another"] = late
    rig.clock.advance(LATE.total_seconds())
    for name in ("another", NAME, "another"):
        await rig.handle(name, action="audit", trigger="sweep")
    assert theirs in rig.alive()
    assert (await rig.known(rig.source)).owner.endswith("/another")


async def test_a_secret_that_is_recovered_is_not_rotated_because_a_first_version_was_announced() -> (
    None
):
    """Whoever typed the command has died of it."""
    rig = GraphRig()
    first = await add(rig)
    await rig.handle(NAME, action="audit", trigger="sweep")
    deleted = rig.vault.secrets.pop(NAME)
    with pytest.raises(Died):
        await add(rig, struck(rig, to_vault("PUT"), after=False))
    rig.vault.secrets[NAME] = deleted
    for _ in range(3):
        rig.clock.advance(LATE.total_seconds())
        look = {"action": "audit", "trigger": "sweep", "recheck": True, "source": rig.source}
        assert (await rig.handle(NAME, **look)).result in ("confirmed", "skipped")
    kept = [rig.first.key_id, first.tags[CREDENTIAL]]
    assert [password.key_id for password in rig.alive()] == kept
    assert len(rig.vault.versions(NAME)) == 1


async def test_what_a_person_has_replaced_is_left_to_people_as_the_secret_is_made_anew() -> None:
    rig = GraphRig()
    first = await add(rig)
    await rig.handle(NAME, action="audit", trigger="sweep")
    rig.clock.advance(3600)
    rig.managed()
    rig.write(NAME, rig.latest(NAME).value)
    await rig.handle(NAME, action="audit", trigger="sweep")
    del rig.vault.secrets[NAME]
    rig.clock.advance(3600)
    await add(rig)
    for _ in range(3):
        rig.clock.advance(days(8).total_seconds())
        await rig.handle(NAME, action="audit", trigger="sweep")
    assert first.tags[CREDENTIAL] in {password.key_id for password in rig.alive()}
    assert not (await rig.known(rig.source)).to_retire


async def test_a_first_version_outside_the_scopes_removes_nothing_at_its_source() -> None:
    rig = GraphRig()
    with pytest.raises(Died):
        await add(rig, struck(rig, _proof, after=False), name="another")
    before = rig.alive()
    rig.clock.advance(3600)
    engine = await rig.service().ready()
    tags = {"ProviderAddress": rig.source, "ValidityPeriodDays": "90"}
    managed = parse(tags, engine.policy, engine.kinds)
    assert isinstance(managed, Managed)
    secret = replace(engine.nothing_yet(SecretRef(rig.vault.url, NAME)), tags=tags)
    bound = replace(engine, policy=replace(engine.policy, scopes={rig.vault.url: ()}))
    with pytest.raises(NeedsHuman, match="not bound to"):
        await bound.add_first(secret, managed)
    assert rig.alive() == before


def _proof(request: Request) -> bool:
    return b"client_secret" in request.body


async def test_a_first_version_that_is_refused_leaves_nothing_to_do() -> None:
    """It would have been in the place of a deleted one, which somebody recovers."""
    rig = GraphRig()
    await add(rig)
    await rig.handle(NAME, action="audit", trigger="sweep")
    deleted = rig.vault.secrets.pop(NAME)
    refuse(rig, 409, "ObjectIsDeletedButRecoverable", to_vault("PUT"))
    with pytest.raises(RekeyError):
        await add(rig)
    rig.vault.secrets[NAME] = deleted
    rig.clock.advance(days(8).total_seconds())
    assert (await rig.handle(NAME, action="audit", trigger="sweep")).result == "confirmed"
    record = await rig.known(rig.source)
    assert not record.unpublished
    assert not record.to_retire
    assert record.next_check is None
    assert len(rig.alive()) == 2


async def test_a_first_version_that_never_comes_is_not_looked_for_longer_than_an_hour() -> None:
    """Nobody has written the secret since, by hand either."""
    rig = GraphRig()
    with pytest.raises(Died):
        await add(rig, struck(rig, to_vault("PUT"), after=False))
    begun = rig.clock.now()
    while at := (await rig.known(rig.source)).next_check:
        rig.clock.advance(max(1, (at - rig.clock.now()).total_seconds()))
        assert timedelta(0) < rig.clock.now() - begun < timedelta(hours=1)
        with suppress(SourceBusy):
            looked = await rig.handle(
                NAME, action="audit", trigger="sweep", recheck=True, source=rig.source
            )
            assert looked.result == "skipped"
    assert rig.clock.now() - begun > LATE


@pytest.mark.parametrize("is_released", [False, True])
async def test_a_source_that_nobody_has_any_more_gets_a_secret(*, is_released: bool) -> None:
    """Its owner was released, or is deleted."""
    rig = GraphRig()
    if is_released:
        rig.vault.put("another", "theirs")
    await rig.note(rig.source, "another")
    if is_released:
        engine: Engine = await rig.service().ready()
        await engine.release(SecretRef(rig.vault.url, "another"), None, {}, lambda _: None)
    made = await add(rig)
    assert made.tags[CREDENTIAL] in {password.key_id for password in rig.alive()}
    assert (await rig.known(rig.source)).owner.endswith(f"/{NAME}")


@pytest.mark.parametrize(("ends_in", "expected"), [(7, 7), (400, 90), (None, 90)])
async def test_a_first_version_expires_no_later_than_its_source_ends_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, ends_in: int | None, expected: int
) -> None:
    rig, made = GraphRig(), ServicePrincipalSecret.issue
    now = rig.clock.now()
    ends = None if ends_in is None else now + timedelta(days=ends_in)

    async def ending(kind: ServicePrincipalSecret, job: Job) -> Issued:
        return replace(await made(kind, job), expires=ends)

    monkeypatch.setattr(ServicePrincipalSecret, "issue", ending)
    assert (await add(rig)).expires == now + timedelta(days=expected)


async def test_a_value_is_read_only_where_the_source_shows_one() -> None:
    rig = scene()
    engine: Engine = await rig.service().ready()
    address = {"ProviderAddress": source_of(rig), "ValidityPeriodDays": "90"}
    tags = {**address, "CredentialId": "key3"}
    managed = parse(tags, engine.policy, engine.kinds)
    assert isinstance(managed, Managed)
    nothing = replace(engine.nothing_yet(SecretRef(rig.vault.url, NAME)), tags=tags)
    with pytest.raises(NeedsHuman, match="the source shows no key3"):
        await engine.first_value(nothing, managed)
