"""What was superseded is revoked, proven to be refused and disabled, whatever somebody did meanwhile."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from engine.contract import Rotator
from engine.errors import NeedsHuman, RekeyError, TransientError
from engine.kinds import Kinds
from engine.secret import Sensitive
from engine.service import Service
from engine.state.record import RECHECK, Record
from engine.state.record_parts import Past
from engine.state.request import Outcome
from engine.state.tags import REPLICA_OF, Pending, parked
from simulator.faults import Fault
from simulator.reach.sabotage import Died
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.engine.rotation.plain_kind import Able, Plain, Work, rotating, working
from tests.shared.graph_rig import NAME as SECRET
from tests.shared.graph_rig import GraphRig
from tests.shared.heard import LOST, heard
from tests.shared.rig import CONNECTION_STRING, Rig
from tests.shared.scene import NAME, keys_of, refuse, scene, source_of, struck, to_arm, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import sql

DAY = 86_400
STORAGE, ONE_LOGIN = "storage-key", "sql-login-password"
V1, V2, ZERO = "1" * 32, "2" * 32, timedelta()
to_regenerate = to_arm("regenerateKey")


async def overlapping(**options: Any) -> Rig:
    """Return a rig whose secret was rotated just now: key1 is to be retired in a week."""
    rig = scene(**options)
    assert (await rig.handle(NAME)).result == "rotated"
    rig.clock.advance(60)
    return rig


@pytest.fixture
async def rig() -> Rig:
    """A rig whose secret was rotated just now."""
    return await overlapping()


async def retire(rig: Rig, service: Service | None = None, **fields: Any) -> Outcome:
    """Let the overlap pass, and retire what is due, as a sweep does."""
    rig.clock.advance(8 * DAY)
    item = rig.item(NAME, **{"action": "retire", "trigger": "sweep", **fields})
    return await (service or rig.service()).engine.handle(item)


async def record(rig: Rig) -> Record:
    return await rig.known(source_of(rig))


async def note(rig: Rig, **changes: Any) -> None:
    """Change what is known of the account, as a worker that died has left it."""
    await rig.note(source_of(rig), NAME, **changes)


async def test_a_retired_version_is_noted_as_gone_and_disabled(rig: Rig) -> None:
    first, second = rig.vault.versions(NAME)
    outcome = await retire(rig)
    assert (outcome.result, outcome.retired) == ("retired", ("key1",))
    assert outcome.reason.startswith("its overlap passed at ")
    assert keys_of(rig)["key1"] != first.value
    assert keys_of(rig)["key2"] == second.value
    assert [version.enabled for version in rig.vault.versions(NAME)] == [False, True]
    known = await record(rig)
    assert (known.retirement, (*known.compromised.revoked,), known.stale) == (
        None,
        (first.version,),
        (),
    )
    assert "RekeyRetire" not in rig.tags(NAME)


async def test_what_a_dead_worker_has_revoked_is_not_revoked_again(rig: Rig) -> None:
    """It may have been taken into use since, by somebody who was told that it is free."""
    first, _ = rig.vault.versions(NAME)
    rig.world.accounts["appdata"].regenerate("key1")
    await note(rig, gone={first.version: ""})
    before = keys_of(rig)
    outcome = await retire(rig)
    assert (outcome.result, outcome.retired) == ("retired", ("key1",))
    assert keys_of(rig) == before


async def test_a_replicas_old_version_is_disabled_by_the_next_try_where_it_could_not_be() -> None:
    url = f"{Rig().vault.url}/secrets"
    rig = scene(tags={"Replicas": f"{url}/copy"})
    rig.vault.put("copy", rig.latest(NAME).value, tags={REPLICA_OF: f"{url}/{NAME}"})
    await rig.handle(NAME)
    refuse(rig, 503, "ServerBusy", to_vault("PATCH", "copy"))
    with pytest.raises(TransientError):
        await retire(rig)
    await retire(rig)
    assert [version.enabled for version in rig.vault.versions("copy")] == [False, True]


async def test_what_leaked_is_noted_as_refused_although_a_replica_cannot_be_tidied() -> None:
    """A right in the replica's vault is missing, and people are told of just that."""
    url = f"{Rig().vault.url}/secrets"
    rig = scene(tags={"Replicas": f"{url}/copy"})
    rig.vault.put("copy", rig.latest(NAME).value, tags={REPLICA_OF: f"{url}/{NAME}"})
    leaked = rig.latest(NAME)
    await rig.handle(NAME)
    refuse(rig, 403, "Forbidden", to_vault("PATCH", "copy"), times=9)
    outcome = await rig.handle(NAME, version=leaked.version, compromised=True)
    assert (outcome.result, leaked.value in keys_of(rig).values()) == ("parked", False)
    known = (await record(rig)).compromised
    assert (known.versions, [*known.revoked]) == ((), [leaked.version])
    rig.world.faults.clear()
    await retire(rig, trigger="manual")
    assert [version.enabled for version in rig.vault.versions("copy")] == [False, True]


async def test_of_a_version_that_a_person_disabled_it_is_not_noted_that_it_is_refused() -> None:
    rig = await overlapping()
    first, _ = rig.vault.versions(NAME)
    rig.vault.amend(first, enabled=False)
    outcome = await retire(rig)
    assert outcome.retired == ("key1",)
    assert keys_of(rig)["key1"] != first.value
    assert first.version not in (await record(rig)).compromised.revoked


async def test_a_dead_value_is_disabled_although_what_is_due_may_not_be_revoked(rig: Rig) -> None:
    """A worker died that had healed the secret inside its overlap."""
    dead = rig.latest(NAME)
    rig.write(NAME, dead.value)
    await note(rig, unused=(dead.version,))
    refuse(rig, 403, "AuthorizationFailed", to_regenerate, times=9)
    outcome = await retire(rig)
    assert outcome.result == "parked"
    assert not next(v for v in rig.vault.versions(NAME) if v.version == dead.version).enabled


async def test_a_revocation_without_an_answer_is_looked_at_until_it_can_come_no_more() -> None:
    rig = await overlapping()
    rig.world.faults.append(Fault(to_regenerate, json_response(500, {}), after=True))
    with pytest.raises(TransientError):
        await retire(rig)
    assert (await record(rig)).change.open_since
    assert (await retire(rig)).retired == ("key1",)
    assert (await record(rig)).next_check == rig.clock.now() + RECHECK


@pytest.mark.parametrize(("is_enabled", "seen"), [(True, "accepted"), (False, "listed")])
async def test_a_revocation_that_does_not_spread_is_not_called_one(
    seen: str, *, is_enabled: bool
) -> None:
    rig = GraphRig()
    rig.managed()
    await rig.handle(SECRET)
    rig.clock.advance(8 * DAY)
    rig.directory.removal_lag = timedelta(days=30)
    rig.vault.amend(rig.vault.versions(SECRET)[0], enabled=is_enabled)
    item = rig.item(SECRET, action="retire", trigger="sweep")
    with pytest.raises(TransientError, match=f"was revoked, but is still {seen}") as caught:
        await rig.service().engine.handle(item)
    assert caught.value.code == "NotRevoked"
    assert rig.vault.versions(SECRET)[0].enabled is is_enabled


async def test_what_rekey_published_is_known_by_its_id_where_two_credentials_begin_alike() -> None:
    """Graph shows how a secret begins, and no more."""
    rig = GraphRig()
    rig.managed()
    await rig.handle(SECRET)
    new = rig.alive()[-1]
    new.secret = rig.first.secret[:3] + new.secret[3:]
    versions = rig.vault.secrets[SECRET]
    versions[-1] = replace(versions[-1], value=new.secret)
    rig.clock.advance(8 * DAY)
    assert (await rig.handle(SECRET, action="retire", trigger="sweep")).result == "retired"
    assert rig.alive() == [new]


async def test_a_secret_that_was_written_again_is_not_removed_by_the_id_of_its_successor() -> None:
    """Its own version is disabled, so only how it begins tells that the vault holds it."""
    rig = GraphRig()
    rig.managed()
    await rig.handle(SECRET)
    first, tags = rig.vault.versions(SECRET)[0], dict(rig.latest(SECRET).tags or {})
    rig.vault.amend(first, enabled=False)
    rig.vault.put(SECRET, first.value, expires=rig.clock.now() + timedelta(days=80), tags=tags)
    rig.clock.advance(8 * DAY)
    outcome = await rig.handle(SECRET, action="retire", trigger="sweep")
    assert (outcome.result, outcome.retired) == ("skipped", ())
    assert "somebody has taken it into use again" in outcome.reason
    assert rig.first in rig.alive()


def changed(service: Service, **changes: Any) -> Service:
    """Return the app with a kind that does something else than its own."""
    engine, rotator = service.engine, service.engine.rotators[STORAGE]
    kind: Any = type("Changed", (type(rotator),), changes)
    other: Rotator = kind.__new__(kind)
    vars(other).update(vars(rotator))
    kinds = Kinds({**engine.rotators, STORAGE: other})
    return replace(service, engine=replace(engine, kinds=kinds))


@pytest.mark.parametrize("recognises", [True, False])
async def test_a_key_that_somebody_wrote_again_is_in_use_and_stays(
    rig: Rig, caplog: pytest.LogCaptureFixture, *, recognises: bool
) -> None:
    """A kind that cannot tell which credential a value holds tries it."""
    first, _ = rig.vault.versions(NAME)
    rig.write(NAME, first.value, CredentialId="key1")
    before, service = keys_of(rig), rig.service()
    service = service if recognises else changed(service, recognise=None)
    with caplog.at_level(logging.WARNING, "rekey"):
        outcome = await retire(rig, service)
    assert keys_of(rig) == before
    assert outcome.retired == ()
    assert outcome.result != "parked"
    assert "key1 is not retired: somebody has taken it into use again" in caplog.text
    assert outcome.reason.startswith("key1 is not retired")
    assert (await record(rig)).retirement is None
    assert "RekeyRetire" not in rig.tags(NAME)


async def test_a_rotation_says_too_what_was_not_retired_before_it(rig: Rig) -> None:
    first, _ = rig.vault.versions(NAME)
    rig.write(NAME, first.value, CredentialId="key1")
    rig.clock.advance(8 * 86_400)
    outcome = await rig.handle(NAME, force=True)
    left = "key1 is not retired: somebody has taken it into use again"
    assert (outcome.result, outcome.reason) == ("rotated", f"{left}; forced")


async def test_a_key_that_somebody_put_in_its_place_and_wrote_is_not_revoked(rig: Rig) -> None:
    new = rig.world.accounts["appdata"].regenerate("key1")
    rig.write(NAME, new.value, CredentialId="key1")
    outcome = await retire(rig)
    assert keys_of(rig)["key1"] == new.value
    assert outcome.retired == ("key1",)
    assert [version.enabled for version in rig.vault.versions(NAME)] == [False, True, True]


async def test_a_key_put_in_the_place_of_one_that_cannot_be_read_is_not_taken_for_that(
    rig: Rig,
) -> None:
    """A leak of what was there before is none of it."""
    first, _ = rig.vault.versions(NAME)
    rig.vault.amend(first, enabled=False)
    new = rig.world.accounts["appdata"].regenerate("key1")
    rig.write(NAME, new.value, CredentialId="key1")
    await retire(rig)
    outcome = await rig.handle(NAME, version=first.version, compromised=True)
    assert keys_of(rig)["key1"] == new.value
    assert "cannot be read and may still be accepted" in outcome.reason


@pytest.mark.parametrize("has_left", [False, True])
async def test_a_key_that_cannot_be_read_is_not_revoked_again_once_another_is_in_its_place(
    rig: Rig, *, has_left: bool
) -> None:
    """The first request got no answer, and somebody may use what it has put there."""
    rig.vault.amend(rig.vault.versions(NAME)[0], enabled=False)
    if has_left:
        rig.write(NAME, "of another source", ProviderAddress=None)
    rig.world.faults.append(Fault(to_regenerate, json_response(500, {}), after=True))
    with pytest.raises(TransientError):
        await retire(rig, source=source_of(rig))
    before = keys_of(rig)
    assert (await retire(rig, source=source_of(rig), recheck=True)).retired == ("key1",)
    assert keys_of(rig) == before


async def test_a_login_that_has_a_secret_of_its_own_by_now_is_not_revoked() -> None:
    """Its owner has taken it out of the pair that had superseded its password."""
    rig = sql("two logins")
    usual = {tag: text for tag, text in rig.tags(SQL).items() if tag != "Logins"}
    await rig.handle(SQL)
    rig.clock.advance(8 * DAY)
    await rig.handle(SQL, action="retire")
    await rig.handle(SQL, force=True)
    rig.tag(SQL, Logins=None, Rotator=ONE_LOGIN)
    password = rig.vault.versions(SQL)[-2].value
    expires = rig.clock.now() + timedelta(days=80)
    own = {**usual, "CredentialId": "app_b", "Rotator": ONE_LOGIN}
    rig.vault.put("their-login", password, expires=expires, tags=own)
    await rig.handle("their-login", action="audit")
    rig.clock.advance(8 * DAY)
    outcome = await rig.handle(SQL, action="retire")
    assert outcome.reason.startswith("app_b is not retired: ")
    assert (outcome.result, outcome.retired) == ("skipped", ())
    assert (rig.server.logins["app_b"].newest or "") in password


async def test_a_value_that_does_not_show_what_it_holds_is_left_to_a_person() -> None:
    """It may hold the very key that is to be revoked."""
    rig = await overlapping(template=CONNECTION_STRING)
    rig.write(NAME, "in a form of their own")
    before = keys_of(rig)
    outcome = await retire(rig)
    assert (outcome.result, keys_of(rig)) == ("parked", before)
    assert "may hold it" in outcome.reason


async def test_a_secret_that_has_left_and_holds_what_is_due_is_left_to_a_person(rig: Rig) -> None:
    first, _ = rig.vault.versions(NAME)
    rig.write(NAME, first.value, ProviderAddress=None)
    before = keys_of(rig)
    outcome = await retire(rig, source=source_of(rig))
    assert (outcome.result, keys_of(rig)) == ("parked", before)
    assert "the current version holds the credential that is to be revoked" in outcome.reason


@pytest.mark.parametrize("tags", [{}, {"ValidityPeriodDays": "soon"}])
async def test_what_a_secret_that_has_left_superseded_is_revoked_and_told_of(
    rig: Rig, tags: dict[str, str]
) -> None:
    """Whatever the record still knows of the tags that it had."""
    first, second = rig.vault.versions(NAME)
    rig.write(NAME, "of another source", ProviderAddress=None)
    await note(rig, tags=tags)
    service = rig.service()
    outcomes = heard(service.engine.reporter)
    await retire(rig, service, source=source_of(rig))
    assert [(outcome.result, outcome.retired) for outcome in outcomes] == [("retired", ("key1",))]
    assert outcomes[0].reason == f"the overlap of key1 at {source_of(rig)} has passed"
    assert (outcomes[0].rotator, outcomes[0].source) == (STORAGE, source_of(rig))
    assert keys_of(rig)["key1"] != first.value
    assert keys_of(rig)["key2"] == second.value
    assert (await record(rig)).retirement is None


@pytest.mark.parametrize(
    ("action", "results"),
    [("retire", ["retired"]), ("audit", ["retired", "confirmed"]), ("rotate", ["retired"])],
)
async def test_a_secret_that_has_gone_over_to_another_source_retires_nothing_there(
    rig: Rig, action: str, results: list[str]
) -> None:
    first, second = rig.vault.versions(NAME)
    elsewhere = rig.account("elsewhere")
    theirs = dict(elsewhere.keys)
    written = {"ProviderAddress": elsewhere.resource_id, "ValueTemplate": "Key={key}"}
    rig.write(NAME, f"Key={elsewhere.keys['key2'].value}", **written)
    service = rig.service()
    outcomes = heard(service.engine.reporter)
    await retire(rig, service, source=source_of(rig), action=action)
    assert [outcome.result for outcome in outcomes] == results
    assert (outcomes[0].source, outcomes[0].retired) == (source_of(rig), ("key1",))
    assert keys_of(rig)["key1"] != first.value
    assert keys_of(rig)["key2"] == second.value
    assert elsewhere.keys == theirs
    known = await record(rig)
    assert (known.retirement, [*known.compromised.revoked]) == (None, [first.version])


async def test_what_fails_at_a_source_that_was_left_is_reported_and_marks_nothing(rig: Rig) -> None:
    """A mark would keep what the secret asks for at its present source waiting."""
    elsewhere = rig.account("elsewhere")
    rig.write(NAME, elsewhere.keys["key1"].value, 10, ProviderAddress=elsewhere.resource_id)
    refuse(rig, 403, "AuthorizationFailed", to_regenerate, times=9)
    outcome = await retire(rig, source=source_of(rig))
    assert (outcome.result, "RekeyState" in rig.tags(NAME)) == ("parked", False)
    assert outcome.reason.endswith(f"({source_of(rig)}); the secret has left that source")
    rig.world.faults.clear()
    assert (await rig.handle(NAME, trigger="sweep")).source == elsewhere.resource_id.lower()


@pytest.mark.parametrize(("early", "is_retired"), [(1, False), (0, True)])
async def test_what_a_secret_that_has_left_superseded_is_kept_to_the_end_of_its_overlap(
    rig: Rig, early: float, *, is_retired: bool
) -> None:
    first, _ = rig.vault.versions(NAME)
    rig.write(NAME, "of another source", ProviderAddress=None)
    pending = (await record(rig)).retirement
    assert pending
    rig.clock.advance((pending.at - rig.clock.now()).total_seconds() - early)
    await rig.handle(NAME, action="retire", trigger="sweep", source=source_of(rig))
    assert (keys_of(rig)["key1"] != first.value) is is_retired


async def test_while_a_secret_is_disabled_nothing_that_it_superseded_is_revoked(rig: Rig) -> None:
    """Nobody can tell what it holds."""
    rig.vault.amend(rig.latest(NAME), enabled=False)
    before = keys_of(rig)
    outcome = await retire(rig, source=source_of(rig))
    assert (outcome.retired, keys_of(rig)) == ((), before)


async def test_a_kind_that_the_app_no_longer_knows_is_named_with_the_fix(rig: Rig) -> None:
    rig.write(NAME, rig.latest(NAME).value, ProviderAddress=None)
    await note(rig, kind="their-kind")
    before = keys_of(rig)
    outcome = await retire(rig, source=source_of(rig))
    assert (outcome.result, keys_of(rig)) == ("parked", before)
    assert "the kind 'their-kind', which this app does not know" in outcome.reason


async def _refuse(*_: object) -> None:
    raise NeedsHuman("somebody else may use it", fix="revoke it by hand")


def _nobody(rig: Rig) -> None:
    """Leave everything as it is."""
    del rig


def _a_person(rig: Rig) -> None:
    """Write the account's other key, as somebody has just made it."""
    rig.write(NAME, rig.world.accounts["appdata"].regenerate("key2").value)


@pytest.mark.parametrize("is_leak", [False, True])
@pytest.mark.parametrize("wrote", [_nobody, _a_person])
async def test_what_its_kind_leaves_to_a_person_is_parked_where_it_is_not_in_use_again(
    rig: Rig, wrote: Callable[[Rig], None], *, is_leak: bool
) -> None:
    leak = {"action": "rotate", "compromised": True, "version": rig.vault.versions(NAME)[0].version}
    wrote(rig)
    fields = leak if is_leak else {}
    outcome = await retire(rig, changed(rig.service(), retire=_refuse), **fields)
    assert outcome.result == "parked"
    assert "somebody else may use it" in outcome.reason
    assert (await record(rig)).retirement


async def test_what_rekey_published_is_not_taken_for_what_somebody_put_back() -> None:
    """A source that accepts it says nothing of the credential to retire, which is still owed."""
    kind = Plain()
    kind.retire = _refuse  # type: ignore[method-assign]
    async with rotating(kind, action="retire") as work:
        due = Pending(work.at.now - timedelta(seconds=1), "1" * 32, "older")
        work.at.know(pending=due, kind=kind.kind)
        _, outcome = await work.run()
        assert outcome.result == "parked"
        assert "somebody else may use it" in outcome.reason
        assert work.at.record.retirement == due


@dataclass
class Going(Able):
    """A kind whose credential `older` works until it is revoked."""

    error: RekeyError | None = None
    """What its source answers about that one before."""

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        is_older = credential.reveal() == "older" and "retire older" not in self.calls
        if is_older and self.error:
            raise self.error
        return is_older or await super().accepts(source, credential_id, credential)

    async def retire(self, *named: object) -> None:
        self.calls.append(f"retire {named[1]}")


def superseded(work: Work) -> str:
    """Let the record say that the overlap of an earlier version has just passed; return that."""
    older = work.rig.vault.put(NAME, "older", tags=work.rig.tags(NAME)).version
    work.rig.vault.secrets[NAME].reverse()
    work.at.know(pending=Pending(work.at.now, older, "older"), kind=work.kind.kind)
    return older


@pytest.mark.parametrize(
    ("is_awaited", "wish", "is_revoked"),
    [(False, None, True), (False, 9.0, False), (True, None, False), (True, 9.0, False)],
)
async def test_what_cannot_be_tried_is_revoked_unless_its_source_is_at_it_or_asks_to_wait(
    wish: float | None, *, is_awaited: bool, is_revoked: bool
) -> None:
    """It must go; but what somebody has put in its place meanwhile would go with it."""
    kind = Going(error=TransientError("no answer", retry_after=wish))
    async with rotating(kind, action="audit", trigger="sweep", recheck=True) as work:
        superseded(work)
        began = work.at.now - timedelta(minutes=1)
        if is_awaited:
            work.at.know(touched=work.secret.version, begun=began, waiting=began)
        _, outcome = await work.run()
        assert (outcome.retired == ("older",)) is is_revoked
        assert ("retire older" in kind.calls) is is_revoked


@pytest.mark.parametrize(
    ("enabled", "facts", "is_proven"),
    [(True, {}, True), (True, {"open_until": timedelta(hours=1)}, True), (False, {}, False)],
    ids=["tried", "tried while an earlier change may land", "disabled by a person"],
)
async def test_what_was_revoked_is_noted_as_refused_if_that_was_tried_and_disabled_with_its_copies(
    facts: dict[str, timedelta], *, enabled: bool, is_proven: bool
) -> None:
    """What was restored is in an earlier version, too, whether or not that one can be tried."""
    async with rotating(Going(), action="retire") as work:
        original = work.rig.vault.put(NAME, "older").version
        older = superseded(work)
        work.rig.vault.amend(work.rig.vault.versions(NAME)[0], enabled=enabled)
        work.at.know(twins={older: original}, **work.at.times(facts))
        _, outcome = await work.run()
        assert outcome.retired == ("older",)
        gone = work.at.record.compromised.revoked
        assert (older in gone) is is_proven
        alive = [it.version for it in work.rig.vault.versions(NAME) if it.enabled]
        assert alive == [work.secret.version]


async def test_an_overlap_that_ends_while_the_version_is_proven_is_told_as_retired() -> None:
    """The proof is no news beside what was revoked."""
    kind = Going()
    async with rotating(kind, action="audit", trigger="sweep") as work:
        older = superseded(work)
        work.at.know(pending=Pending(work.at.now + timedelta(seconds=1), older, "older"))
        verify = kind.verify

        async def late(source: str, credential_id: str, credential: Sensitive) -> None:
            await verify(source, credential_id, credential)
            work.rig.clock.advance(2)

        kind.verify = late  # type: ignore[method-assign]
        _, outcome = await work.run()
        assert (outcome.result, outcome.retired) == ("retired", ("older",))


# What comes of the work at a source that its secret has left.


@pytest.mark.parametrize(
    ("item", "facts", "is_over"),
    [
        ({}, {"touched": V1, "asked": ZERO}, True),
        ({}, {"proven": V1}, True),
        ({"retired": True}, {}, True),
        ({}, {"past": (Past(V1, "key1", "digest"),)}, True),
        ({}, {}, False),
        ({}, {"touched": V1}, False),
        ({}, {"touched": V2, "asked": ZERO}, False),
        ({}, {"proven": V1, "gone": {}}, False),
        ({}, {"proven": V1, "compromised": (V1,)}, False),
        ({"compromised": False}, {"proven": V1}, False),
        ({"version": None}, {"proven": V1}, False),
        ({"since": timedelta(hours=1)}, {"proven": V1}, False),
    ],
)
async def test_an_incident_of_an_earlier_version_ends_at_the_source_that_refuses_it(
    item: dict[str, Any], facts: dict[str, Any], *, is_over: bool
) -> None:
    """It must have been here: elsewhere it may be accepted."""
    fields = {"version": V1, "compromised": True, **item}
    retired = fields.pop("retired", False)
    if ahead := fields.get("since"):
        fields["since"] = (Rig().clock.now() + ahead).isoformat()
    async with working(Plain(), **fields) as work:
        work.at.know(**{"gone": {V1: ""}, **work.at.times(facts)})
        if retired:
            work.at.know(untold_ids=("older",))
        outcome = await work.leave()
        assert (outcome is not None) is is_over
        if outcome:
            assert (outcome.result, outcome.reason) == ("confirmed", "what leaked is refused")


@pytest.mark.parametrize(
    ("until", "recheck", "result"),
    [(-1, True, "parked"), (1, True, "skipped"), (-1, False, None)],
)
async def test_who_rechecks_a_source_that_was_left_says_once_that_nobody_may_know_its_password(
    until: int, result: str | None, *, recheck: bool
) -> None:
    """As long as a change may land there, a later recheck asks again."""
    async with working(Able(), {"Single": "true"}, recheck=recheck, action="audit") as work:
        open_until = work.at.now + timedelta(seconds=until)
        work.at.know(blind=True, begun=work.at.now - timedelta(hours=1), open_until=open_until)
        await work.at.lease.write(work.at.record)
        outcome = await work.leave()
        assert (outcome and outcome.result) == result
        assert (LOST in outcome.reason if outcome else False) is (result == "parked")
        is_over = recheck and until < 0
        assert work.at.noted.change.uncertain_until == (None if is_over else open_until)


async def test_a_key_that_somebody_writes_just_before_it_is_revoked_is_not_revoked() -> None:
    rig = await overlapping()
    first, _ = rig.vault.versions(NAME)
    before, reads = keys_of(rig), to_arm(f"/{first.version}")
    writes = struck(rig, reads, lambda: rig.write(NAME, first.value, CredentialId="key1"))
    await retire(rig, rig.service(writes))
    assert len(rig.vault.versions(NAME)) == 3
    assert keys_of(rig) == before


async def test_a_version_that_is_refused_is_healed_before_the_key_before_it_is_revoked() -> None:
    """That key may be the last one that works."""
    rig = await overlapping()
    first, _ = rig.vault.versions(NAME)
    rig.world.accounts["appdata"].regenerate("key2")
    works: list[bool] = []
    note = lambda: works.append(rig.latest(NAME).value in keys_of(rig).values())  # noqa: E731
    noting = struck(rig, to_regenerate, note, after=False, times=9)
    outcome = await retire(rig, rig.service(noting))
    assert (outcome.result, outcome.retired) == ("healed", ())
    assert keys_of(rig)["key1"] == first.value
    # Whoever has regenerated the other key may need this one for as long.
    outcome = await retire(rig, rig.service(noting))
    assert works == [True]
    assert (outcome.result, outcome.retired) == ("retired", ("key1",))
    assert keys_of(rig)["key1"] != first.value


async def test_every_version_that_held_what_a_source_refuses_is_disabled() -> None:
    """What was restored is in an earlier version, too."""
    rig = await overlapping()
    assert (await rig.handle(NAME, action="restore")).result == "restored"
    rig.clock.advance(60)
    rig.world.accounts["appdata"].regenerate("key1")
    assert (await rig.handle(NAME, action="audit", trigger="sweep")).result == "healed"
    await retire(rig)
    await rig.handle(NAME, action="audit", trigger="sweep")
    assert [version.enabled for version in rig.vault.versions(NAME)] == [False, False, False, True]


async def test_nothing_is_revoked_while_a_right_to_read_its_version_is_missing(rig: Rig) -> None:
    """A disabled version cannot be tried. One that may not be read is left until it can be."""
    first, _ = rig.vault.versions(NAME)
    refuse(rig, 403, "ForbiddenByRbac", to_arm(f"/{first.version}"), times=9)
    outcome = await retire(rig)
    assert (outcome.result, outcome.retired) == ("parked", ())
    assert keys_of(rig)["key1"] == first.value


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_secret_left_to_a_person_keeps_the_last_key_that_works(
    rig: Rig, *, is_refused: bool
) -> None:
    """Nobody heals it meanwhile: without that key no application could sign in."""
    first, _ = rig.vault.versions(NAME)
    rig.tag(NAME, Manual="true")
    if is_refused:
        rig.world.accounts["appdata"].regenerate("key2")
    outcome = await retire(rig, source=source_of(rig))
    assert outcome.retired == (() if is_refused else ("key1",))
    assert (keys_of(rig)["key1"] == first.value) is is_refused


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_secret_that_rests_keeps_the_last_key_that_works(
    rig: Rig, *, is_refused: bool
) -> None:
    """It was parked while it drifted, and its overlap passes before it is tried again."""
    first, _ = rig.vault.versions(NAME)
    if is_refused:
        rig.world.accounts["appdata"].regenerate("key2")
    rig.clock.advance(8 * DAY)
    secret = await rig.service().engine.vaults.read(rig.item(NAME).ref)
    rig.tag(NAME, **parked(secret, "no role", rig.clock.now(), drifted=is_refused))
    rig.clock.advance(60)
    look = rig.item(NAME, action="retire", trigger="sweep", source=source_of(rig))
    outcome = await rig.service().engine.handle(look)
    assert outcome.retired == (() if is_refused else ("key1",))
    assert (keys_of(rig)["key1"] == first.value) is is_refused


async def test_an_older_record_retires_nothing_of_a_secret_that_rests_because_of_it(
    rig: Rig,
) -> None:
    """It names a key that the current version may hold by now."""
    older = await rig.known(source_of(rig))
    await retire(rig)
    assert (await rig.handle(NAME, trigger="manual", force=True)).result == "rotated"
    async with rig.service().engine.leases.hold(source_of(rig), older.owner) as lease:
        await lease.write(older)
    before = keys_of(rig)
    for result in ("parked", "skipped"):
        work = rig.item(NAME, action="audit", trigger="sweep", source=source_of(rig))
        outcome = await rig.service().engine.handle(work)
        assert (outcome.result, outcome.retired) == (result, ())
        assert "of which there is no record" in outcome.reason
        rig.clock.advance(60)
    assert keys_of(rig) == before


async def test_what_was_revoked_before_the_rest_failed_is_told_although_the_worker_died() -> None:
    rig = await overlapping()
    revoked: list[Request] = []

    async def between(request: Request, call: Call) -> Response:
        if request.method == "PATCH" and b"RekeyState" in request.body:
            raise Died
        if to_regenerate(request):
            revoked.append(request)
        if revoked and to_arm("listKeys")(request):
            return json_response(403, {"error": {"code": "AuthorizationFailed"}})
        return await call()

    rig.clock.advance(8 * DAY)
    audit = rig.item(NAME, action="audit", trigger="sweep")
    with pytest.raises(Died):
        await rig.service(between).engine.handle(audit)
    assert revoked
    rig.clock.advance(600)
    outcome = await retire(rig, source=source_of(rig))
    assert (outcome.result, outcome.retired) == ("retired", ("key1",))


@pytest.mark.parametrize("moved", [False, True])
async def test_nothing_is_revoked_at_a_source_that_the_vault_is_not_bound_to_any_more(
    rig: Rig, *, moved: bool
) -> None:
    before, elsewhere = keys_of(rig), rig.account("elsewhere").resource_id
    tags = {**rig.tags(NAME), "ProviderAddress": elsewhere} if moved else {}
    rig.vault.amend(rig.latest(NAME), tags=tags)
    rig.environment = {"REKEY_SCOPES": json.dumps({rig.vault.url: [elsewhere]})}
    outcome = await retire(rig, source=source_of(rig))
    assert outcome.result == "parked"
    assert f"key1 is to be revoked, but vault {rig.vault.url} is not bound" in outcome.reason
    assert keys_of(rig) == before


async def test_what_cannot_be_tried_any_more_is_revoked_once_its_source_lists_it_no_more() -> None:
    rig = GraphRig()
    first = rig.managed()
    await rig.handle(SECRET)
    rig.vault.amend(first, enabled=False)
    rig.clock.advance(8 * DAY)
    outcome = await rig.handle(SECRET, action="retire", trigger="sweep")
    assert (outcome.result, outcome.retired) == ("retired", (rig.first.key_id,))
    assert rig.first not in rig.alive()


async def test_a_key_is_gone_that_somebody_put_another_in_place_of_although_its_source_was_silent(
    rig: Rig,
) -> None:
    """Nothing told that before, and its kind revokes no key that the vault holds."""
    first, _ = rig.vault.versions(NAME)
    new = rig.world.accounts["appdata"].regenerate("key1")
    rig.write(NAME, new.value, CredentialId="key1")
    service = rig.service()
    accepts, silent = service.engine.rotators[STORAGE].accepts, [True]

    async def once_silent(_: Rotator, source: str, named: str, credential: Sensitive) -> bool:
        if credential.reveal() == first.value and silent:
            silent.pop()
            raise TransientError("no answer")
        return await accepts(source, named, credential)

    outcome = await retire(rig, changed(service, accepts=once_silent))
    assert (outcome.result, outcome.retired, silent) == ("retired", ("key1",), [])
    assert keys_of(rig)["key1"] == new.value
    assert first.version in (await record(rig)).compromised.revoked


async def test_what_leaked_and_somebody_put_back_under_another_id_is_replaced() -> None:
    """In the vault and at its source, while an incident was revoking it."""
    rig = GraphRig()
    leaked = rig.managed()
    await rig.handle(SECRET)
    rig.clock.advance(60)
    rig.directory.remove_password(rig.app, rig.first)
    back = rig.directory.add_password(rig.app, "put back")
    back.secret = leaked.value
    rig.vault.put(SECRET, leaked.value, tags={**rig.tags(SECRET), "CredentialId": back.key_id})
    await rig.handle(SECRET, version=leaked.version, compromised=True)
    assert leaked.value not in {password.secret for password in rig.alive()}
    assert (await rig.known(rig.app.app_id)).compromised.versions == ()
    assert rig.latest(SECRET).value in {password.secret for password in rig.alive()}
