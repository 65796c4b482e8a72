"""An incident about a version that no retirement deals with: revoked, proven refused, and disabled."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import TransientError
from engine.secret import SecretRef
from engine.state.record import RECHECK, parts_of
from engine.state.record_parts import PROVEN_AT, Past
from engine.state.request import Outcome
from engine.state.tags import Pending
from rotators.service_principal_secret import ServicePrincipalSecret
from simulator.faults import Fault
from simulator.keyvault.state import SecretVersion
from simulator.wire import json_response
from tests.engine.rotation.test_retiring import changed
from tests.shared.graph_rig import NAME as SECRET
from tests.shared.graph_rig import GraphRig
from tests.shared.rig import CONNECTION_STRING, Rig
from tests.shared.scene import NAME, keys_of, refuse, scene, source_of, struck, to_arm, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import SqlProduct, sql

DAY = 86_400
to_regenerate = to_arm("regenerateKey")


async def report(rig: Rig, leaked: SecretVersion, **fields: Any) -> Outcome:
    """Work once on the incident of a version."""
    asked = {"version": leaked.version, "compromised": True, "reason": "leaked", **fields}
    return await rig.handle(leaked.name, **asked)


def enabled(rig: Rig, version: SecretVersion) -> bool:
    versions = rig.vault.versions(version.name)
    return next(known for known in versions if known.version == version.version).enabled


async def unreadable(rig: Rig, name: str, source: str) -> SecretVersion:
    """Rotate twice, and disable the version between; no retirement is noted for it."""
    engine = rig.service().engine
    await engine.handle(rig.item(name))
    rig.clock.advance(8 * DAY)
    await engine.handle(rig.item(name, action="retire"))
    leaked = rig.latest(name)
    await engine.handle(rig.item(name, force=True))
    rig.vault.amend(leaked, enabled=False)
    await rig.note(source, name, pending=None)
    return leaked


def replaced_by_hand() -> tuple[Rig, SecretVersion]:
    """Return a rig in which a person has put key2 in place of key1, which has leaked since."""
    rig = scene(days_left=80)
    leaked = rig.latest(NAME)
    rig.clock.advance(60)
    rig.secret(NAME, rig.world.accounts["appdata"], holds="key2", days_left=80)
    return rig, leaked


async def test_a_version_that_a_person_replaced_is_revoked_and_disabled_at_once() -> None:
    rig, leaked = replaced_by_hand()
    current = rig.latest(NAME)
    await report(rig, leaked)
    keys = keys_of(rig)
    assert (keys["key1"] != leaked.value, keys["key2"]) == (True, current.value)
    known = await rig.known(source_of(rig))
    assert (known.compromised.versions, (*known.compromised.revoked,), known.stale) == (
        (),
        (leaked.version,),
        (),
    )
    assert not enabled(rig, leaked)
    assert rig.latest(NAME).version == current.version


async def _readable() -> tuple[Rig, SecretVersion]:
    return replaced_by_hand()


async def _disabled() -> tuple[Rig, SecretVersion]:
    """Return a rig whose leaked version only the record knows: a person has disabled it."""
    rig = scene()
    return rig, await unreadable(rig, NAME, source_of(rig))


@pytest.mark.parametrize("scene_of", [_readable, _disabled])
async def test_a_revocation_without_an_answer_is_looked_at_until_it_can_come_no_more(
    scene_of: Callable[[], Any],
) -> None:
    rig, leaked = await scene_of()
    rig.world.faults.append(Fault(to_regenerate, json_response(500, {}), after=True))
    with pytest.raises(TransientError):
        await report(rig, leaked)
    known = await rig.known(source_of(rig))
    assert known.change.open_since
    assert known.compromised.versions == (leaked.version,)
    rig.clock.advance(60)
    before = dict(rig.world.accounts["appdata"].keys)
    await report(rig, leaked)
    assert (await rig.known(source_of(rig))).compromised.versions == ()
    assert rig.world.accounts["appdata"].keys == before, "it is refused, and not revoked again"
    assert not enabled(rig, leaked)
    assert (await rig.known(source_of(rig))).next_check == rig.clock.now() + RECHECK


async def test_a_revocation_that_does_not_spread_ends_no_incident() -> None:
    rig = GraphRig()
    leaked = rig.managed()
    second = rig.directory.add_password(rig.app, "by hand, later")
    rig.clock.advance(3600)
    rig.managed(tags={"CredentialId": second.key_id}, value=second.secret)
    rig.directory.removal_lag = timedelta(days=30)
    with pytest.raises(TransientError, match="was revoked, but is still accepted") as caught:
        await report(rig, leaked)
    assert caught.value.code == "NotRevoked"
    assert enabled(rig, leaked)
    outcome = await report(rig, leaked)
    assert (outcome.result, "revoke it there by hand" in outcome.fix) == ("parked", True)
    rig.directory.removal_lag = timedelta()
    await report(rig, leaked)
    assert rig.alive() == [second]
    assert not enabled(rig, leaked)


@pytest.mark.parametrize(
    ("asked", "comes_back"),
    [
        ({"compromised": True}, True),
        ({"compromised": True, "trigger": "sweep"}, True),
        ({"trigger": "manual", "force": True}, True),
        ({"trigger": "sweep"}, False),
    ],
    ids=["the incident", "its sweep", "what a person asks for", "a sweep"],
)
async def test_an_incident_stays_open_while_an_earlier_request_may_bring_back_what_leaked(
    asked: dict[str, Any], *, comes_back: bool
) -> None:
    rig = sql()
    leaked, source = rig.latest(SQL), f"{rig.server.resource_id}/logins/app".lower()
    late = rig.clock.now() + timedelta(hours=1)
    await rig.handle(SQL, version=leaked.version)
    await rig.note(source, SQL, open_until=late, compromised=(leaked.version,))
    asked = {"version": leaked.version, "reason": "asked", **asked}
    first = await rig.handle(SQL, **asked)
    assert (first.result, first.comes_back) == ("waiting", comes_back)
    assert first.old_version == rig.latest(SQL).version
    assert (await rig.known(source)).compromised.versions == (leaked.version,)
    rig.clock.advance(3601)
    await rig.handle(SQL, **asked)
    known = (await rig.known(source)).compromised
    assert (known.versions, [*known.revoked]) == ((), [leaked.version])
    assert not enabled(rig, leaked)


async def test_what_may_come_back_holds_up_nothing_else_that_leaked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Not its own attribute: what is known of a class and a Protocol outlasts the test.
    monkeypatch.setattr("engine.rotation.observe.Rewrites", ServicePrincipalSecret)
    rig = GraphRig()
    gone = rig.managed(value="what-was-removed-before")
    leaked = rig.managed()
    await rig.handle(SECRET, version=leaked.version)
    late, source = rig.clock.now() + timedelta(hours=1), rig.app.app_id
    both = (gone.version, leaked.version)
    await rig.note(source, SECRET, open_until=late, compromised=both)
    outcome = await report(rig, gone)
    assert (outcome.result, outcome.comes_back) == ("waiting", True)
    assert [entry.secret for entry in rig.alive()] == [rig.latest(SECRET).value]
    assert (await rig.known(source)).compromised.versions == both


@pytest.mark.parametrize("is_enabled", [False, True])
async def test_a_password_replaced_in_place_ends_its_incident_and_its_version_is_disabled(
    *, is_enabled: bool
) -> None:
    """The password is dead. Somebody may have enabled its version again."""
    rig = sql()
    leaked = rig.latest(SQL)
    await rig.handle(SQL)
    rig.vault.amend(rig.vault.versions(SQL)[0], enabled=is_enabled)
    passwords = rig.passwords()
    outcome = await report(rig, leaked)
    assert outcome.result == "confirmed"
    assert not enabled(rig, leaked)
    assert rig.passwords() == passwords


async def test_a_leaked_value_that_somebody_wrote_again_has_the_current_version_replaced() -> None:
    rig, leaked = replaced_by_hand()
    rig.clock.advance(60)
    rig.secret(NAME, rig.world.accounts["appdata"], holds="key1", days_left=80)
    outcome = await report(rig, leaked)
    assert outcome.result == "rotated"
    assert leaked.value not in keys_of(rig).values()
    assert (await rig.known(source_of(rig))).compromised.versions == ()


@pytest.mark.parametrize("lag", [0, 10])
async def test_an_unreadable_secret_of_an_application_is_removed_by_its_id(lag: float) -> None:
    """Graph shows no secret, and lists which there are: it is asked until no server does any more."""
    rig = GraphRig()
    rig.managed()
    leaked = await unreadable(rig, SECRET, rig.app.app_id)
    rig.clock.advance(3600)
    rig.directory.graph_lag = timedelta(seconds=lag)
    before = rig.alive()
    await report(rig, leaked)
    assert [key for key in before if key not in rig.alive()] == [
        next(key for key in before if key.secret == leaked.value)
    ]
    assert (await rig.known(rig.app.app_id)).compromised.versions == ()


@pytest.mark.parametrize("is_gone", [False, True])
async def test_what_rekey_published_last_is_removed_by_its_id_though_nobody_can_read_it(
    *, is_gone: bool
) -> None:
    """A person has written on top of it, and disabled it; or removed what it held, too."""
    rig = GraphRig()
    rig.managed()
    await rig.handle(SECRET)
    leaked, mine = rig.latest(SECRET), rig.directory.add_password(rig.app, "by hand")
    rig.clock.advance(60)
    rig.vault.put(SECRET, mine.secret, tags={**rig.tags(SECRET), "CredentialId": mine.key_id})
    rig.vault.amend(leaked, enabled=False)
    await rig.note(rig.app.app_id, SECRET, pending=None)
    if is_gone:
        theirs = next(key for key in rig.alive() if key.secret == leaked.value)
        rig.directory.remove_password(rig.app, theirs)
    rig.world.exchanges.clear()
    await report(rig, leaked)
    removals = [it for it in rig.world.exchanges if it.request.path.endswith("/removePassword")]
    assert len(removals) == (0 if is_gone else 1)
    assert leaked.value not in {password.secret for password in rig.alive()}
    assert mine in rig.alive()


@pytest.mark.parametrize(
    ("is_purged", "fix"),
    [
        (False, "enable that version"),
        (True, "the vault has no such version: revoke it at its source by hand, then move"),
    ],
)
async def test_an_unreadable_password_of_a_login_is_left_to_a_person_with_a_way_out(
    fix: str, *, is_purged: bool
) -> None:
    """A server neither shows nor lists its passwords, so nothing would prove that it is gone."""
    rig = sql("two logins")
    leaked = await unreadable(rig, SQL, f"{rig.server.resource_id}/logins/app_a+app_b".lower())
    if is_purged:
        kept = [known for known in rig.vault.versions(SQL) if known.version != leaked.version]
        rig.vault.secrets[SQL] = kept
    before = rig.passwords()
    outcome = await report(rig, leaked)
    assert outcome.result == "parked"
    assert "cannot be read and may still be accepted" in outcome.reason
    assert outcome.fix.startswith(fix)
    assert rig.passwords() == before


async def test_an_unreadable_version_is_named_with_the_secret_that_has_it() -> None:
    """Its source has passed on since: whoever is to enable it looks for it there."""
    rig = sql("two logins")
    await rig.handle(SQL)
    theirs = rig.vault.put("former", "what-the-source-accepted-then")
    rig.vault.amend(theirs, enabled=False)
    place = f"{rig.vault.url}/secrets/former"
    source = f"{rig.server.resource_id}/logins/app_a+app_b".lower()
    await rig.note(source, SQL, prints={f"{place}/{theirs.version}": "a print"})
    outcome = await rig.handle(SQL, version=theirs.version, compromised=True)
    unread = f"the credential in version {theirs.version} cannot be read and may still be accepted"
    assert f"{unread} ({place})" in outcome.reason


async def test_what_leaked_before_and_only_a_person_can_settle_holds_up_no_other_leak() -> None:
    rig = sql("two logins")
    source = f"{rig.server.resource_id}/logins/app_a+app_b".lower()
    first = await unreadable(rig, SQL, source)
    assert (await report(rig, first)).result == "parked"
    second = rig.latest(SQL)
    outcome = await report(rig, second)
    assert (outcome.result, outcome.new_version) == ("parked", rig.latest(SQL).version)
    assert f"the credential in version {first.version} cannot be read" in outcome.reason
    assert (rig.accepted(second), rig.accepted(rig.latest(SQL))) == (False, True)
    known = (await rig.known(parts_of(source)[0])).compromised
    assert (known.versions, next(iter(known.revoked))) == ((first.version,), second.version)


async def test_a_leak_that_may_not_be_revoked_holds_up_no_other_leak() -> None:
    """Azure refuses the removal of one secret; the next one, which is in use, may be removed."""
    rig = GraphRig()
    first = rig.managed()
    await rig.handle(SECRET)
    second, source = rig.latest(SECRET), rig.app.app_id
    await rig.note(source, SECRET, pending=None, compromised=(first.version, second.version))
    kept = next(key for key in rig.alive() if key.secret == first.value)
    is_removed, denied = to_arm("/removePassword"), kept.key_id.encode()
    refuses = lambda it: is_removed(it) and denied in it.body  # noqa: E731
    refuse(rig, 403, "Authorization_RequestDenied", refuses, times=9)
    outcome = await report(rig, second)
    assert (outcome.result, outcome.new_version) == ("parked", rig.latest(SECRET).version)
    assert {key.secret for key in rig.alive()} == {first.value, rig.latest(SECRET).value}
    assert (await rig.known(source)).compromised.versions == (first.version,)


async def test_a_superseded_secret_that_nobody_can_read_is_proven_to_be_listed_no_more() -> None:
    """Its value was never seen by Rekey, so no digest of it is known either."""
    rig = GraphRig()
    leaked = rig.managed()
    await rig.handle(SECRET)
    rig.vault.amend(leaked, enabled=False)
    await rig.note(rig.app.app_id, SECRET, past=())
    outcome = await report(rig, leaked)
    assert outcome.result == "retired"
    known = (await rig.known(rig.app.app_id)).compromised
    assert (known.versions, [*known.revoked]) == ((), [leaked.version])
    assert known.revoked[str(leaked.version)].endswith("its source shows or lists it no more")
    assert leaked.value not in {password.secret for password in rig.alive()}


async def test_an_incident_at_one_source_changes_nothing_where_its_secret_is_now() -> None:
    """That one is not under lease, and may be another secret's."""
    rig = sql()
    leaked = rig.latest(SQL)
    await rig.handle(SQL)
    theirs = rig.server.add_user("shop", "app", "0ther-password-nobody-uses")
    rig.tag(SQL, ProviderAddress=f"{rig.server.resource_id}/databases/shop")
    source = f"{rig.server.resource_id}/logins/app".lower()
    before = list(theirs.passwords)
    await report(rig, leaked, source=source)
    assert theirs.passwords == before


async def test_an_incident_is_dealt_with_at_its_source_although_its_secret_has_left() -> None:
    """The record remembers of which kind it is."""
    rig = SqlProduct()
    rig.secret(NAME, rig.account("appdata"))
    await rig.handle(NAME)
    leaked, current = rig.vault.versions(NAME)
    await rig.note(source_of(rig), NAME, pending=None)
    rig.server.add_login("app", "0ther-password-nobody-uses", "shop")
    elsewhere = {"ProviderAddress": rig.server.resource_id, "Rotator": "sql-login-password"}
    rig.vault.amend(current, tags={**rig.tags(NAME), **elsewhere, "CredentialId": "app"})
    before = rig.passwords()
    await report(rig, leaked, source=source_of(rig))
    keys = keys_of(rig)
    assert (keys["key1"] != leaked.value, keys["key2"]) == (True, current.value)
    assert (await rig.known(source_of(rig))).compromised.versions == ()
    assert rig.passwords() == before


async def test_an_incident_ends_where_a_person_cut_off_what_it_is_about_and_moved_the_secret() -> (
    None
):
    """The rotation there came to nothing. Elsewhere nobody could read the leaked version."""
    rig = scene(days_left=80)
    leaked, elsewhere = rig.latest(NAME), rig.account("elsewhere")
    theirs = dict(elsewhere.keys)
    rig.clock.advance(60)

    def move() -> None:
        rig.world.accounts["appdata"].regenerate("key1")
        rig.write(NAME, theirs["key1"].value, ProviderAddress=elsewhere.resource_id)

    item = rig.item(NAME, version=leaked.version, compromised=True)
    outcome = await rig.service(struck(rig, to_regenerate, move)).engine.handle(item)
    assert (outcome.result, outcome.source) == ("confirmed", source_of(rig))
    assert outcome.reason == "what leaked is refused"
    assert elsewhere.keys == theirs


@pytest.mark.parametrize("is_younger", [True, False])
async def test_an_incident_ends_where_its_version_was_unless_what_is_held_now_is_as_old(
    *, is_younger: bool
) -> None:
    """Elsewhere nobody could read that version again: it is disabled once it is refused."""
    rig = scene(days_left=80)
    leaked = rig.latest(NAME)
    await rig.handle(NAME, action="audit")
    before = rig.clock.now() + timedelta(seconds=60)
    rig.clock.advance(120)
    rig.secret(NAME, rig.account("elsewhere"), days_left=80)
    rig.clock.advance(60)
    since = before if is_younger else rig.clock.now()
    outcome = await report(rig, leaked, since=since.isoformat(), source=source_of(rig))
    is_over = (outcome.result, outcome.source) == ("confirmed", source_of(rig))
    assert is_over is is_younger
    assert keys_of(rig)["key1"] != leaked.value
    assert (await rig.known(source_of(rig))).compromised.versions == ()


async def test_an_incident_at_an_account_that_nothing_was_proven_at_is_dealt_with_there() -> None:
    """No record remembers its tags. Those of now say at least what the values look like."""
    rig = scene(days_left=80)
    leaked = rig.latest(NAME)
    rig.clock.advance(60)
    elsewhere = rig.account("elsewhere")
    theirs = dict(elsewhere.keys)
    rig.secret(NAME, elsewhere, days_left=80)
    async with rig.service().engine.leases.hold(
        source_of(rig), str(SecretRef(rig.vault.url, NAME))
    ):
        pass
    await report(rig, leaked, source=source_of(rig))
    assert rig.world.accounts["appdata"].keys["key1"].value != leaked.value
    assert elsewhere.keys == theirs


async def test_a_password_replaced_by_a_late_change_is_healed_before_its_incident_ends() -> None:
    """Only a source that accepts what Rekey published is known to refuse all else."""
    rig = sql()
    leaked = rig.latest(SQL)
    await rig.handle(SQL)
    rig.clock.advance(3600)
    rig.server.logins["app"].set("L4te-password-nobody-uses", rig.clock.now())
    outcome = await report(rig, leaked)
    assert outcome.result == "healed"
    assert rig.accepted(rig.latest(SQL))
    source = f"{rig.server.resource_id}/logins/app".lower()
    assert (await rig.known(source)).compromised.versions == ()


async def test_an_incident_of_a_secret_without_any_tags_is_left_to_a_person() -> None:
    rig = scene(tags={"ProviderAddress": None})
    async with rig.service().engine.leases.hold(
        source_of(rig), str(SecretRef(rig.vault.url, NAME))
    ):
        pass
    outcome = await report(rig, rig.latest(NAME), source=source_of(rig))
    assert outcome.result == "parked"
    assert outcome.reason.startswith("no tags say where in its values a credential is (")


async def test_a_password_in_use_that_only_a_person_rotates_is_not_taken_for_refused() -> None:
    """It is what the source accepts: nobody has put another one in its place."""
    rig = sql()
    await rig.handle(SQL)
    leaked = rig.tag(SQL, Manual="true")
    outcome = await report(rig, leaked)
    assert outcome.result == "parked"
    assert "the current version is compromised and still accepted" in outcome.reason
    source = f"{rig.server.resource_id}/logins/app".lower()
    assert (await rig.known(source)).compromised.versions == (leaked.version,)


async def test_a_leaked_version_of_a_secret_that_only_a_person_rotates_is_disabled() -> None:
    """Nothing else is done for such a secret, so nobody comes back for its version."""
    rig, leaked = replaced_by_hand()
    rig.world.accounts["appdata"].regenerate("key1")
    rig.tag(NAME, Manual="true")
    await rig.note(source_of(rig), NAME, compromised=(str(leaked.version),))
    await report(rig, leaked, source=source_of(rig))
    assert (await rig.known(source_of(rig))).compromised.versions == ()
    assert not enabled(rig, leaked)


async def test_a_leaked_value_that_nobody_can_read_is_found_where_somebody_wrote_it_again() -> None:
    """The record knows what the disabled version held, and the current one holds that."""
    rig = scene()
    leaked = await unreadable(rig, NAME, source_of(rig))
    rig.clock.advance(60)
    rig.write(NAME, leaked.value, CredentialId="key2")
    outcome = await report(rig, leaked)
    assert outcome.result == "rotated"
    assert leaked.value not in keys_of(rig).values()
    assert (await rig.known(source_of(rig))).compromised.versions == ()


async def test_what_nobody_can_read_is_found_gone_although_the_secret_is_disabled() -> None:
    """The vault shows no version of it, and its account shows another key in that place."""
    rig = scene()
    leaked = await unreadable(rig, NAME, source_of(rig))
    rig.world.accounts["appdata"].regenerate("key2")
    rig.vault.amend(rig.latest(NAME), enabled=False)
    await report(rig, leaked)
    assert (await rig.known(source_of(rig))).compromised.versions == ()


@pytest.mark.parametrize("facts", [{}, {"tags": {}}], ids=["", "of an earlier Rekey"])
async def test_a_key_that_a_person_put_in_place_of_what_nobody_can_read_is_not_revoked(
    facts: dict[str, Any],
) -> None:
    """Its overlap lasts. The account is asked, whether the record knows the secret's tags or not."""
    rig = scene()
    leaked = await unreadable(rig, NAME, source_of(rig))
    theirs = rig.world.accounts["appdata"].regenerate("key2")
    owed = Pending(rig.clock.now() + timedelta(days=1), leaked.version, "key2")
    await rig.note(source_of(rig), NAME, pending=owed, **facts)
    outcome = await report(rig, leaked)
    assert (outcome.result, outcome.retired) == ("retired", ("key2",))
    assert keys_of(rig)["key2"] == theirs.value


async def test_a_key_that_its_account_does_not_show_is_not_taken_for_gone() -> None:
    rig = scene()
    leaked = await unreadable(rig, NAME, source_of(rig))
    past = Past(str(leaked.version), "key3", "ab" * 32)
    await rig.note(source_of(rig), NAME, past=(past,))
    assert (await report(rig, leaked)).result == "parked"
    assert (await rig.known(source_of(rig))).compromised.versions == (leaked.version,)


@pytest.mark.parametrize(
    ("is_proven", "refused", "place", "is_over"),
    [
        pytest.param(True, 60, "resourcegroups/moved", True, id="refused at its new address"),
        pytest.param(False, 60, "resourcegroups/moved", False, id="never accepted there"),
        pytest.param(True, -60, "resourcegroups/moved", False, id="put back since, as reported"),
        pytest.param(True, None, "resourcegroups/moved", False, id="it may work there"),
        pytest.param(True, 60, "storageaccounts/another", False, id="at another account"),
    ],
)
async def test_what_nobody_can_read_is_gone_where_its_account_refused_it_at_its_new_address(
    place: str, refused: float | None, *, is_proven: bool, is_over: bool
) -> None:
    """The account has moved to another group, and is one and the same under both addresses."""
    rig = scene()
    here = source_of(rig)
    leaked = await unreadable(rig, NAME, here)
    past = Past(str(leaked.version), "key3", "ab" * 32)
    await rig.note(here, NAME, past=(past,))
    kind, _, name = place.partition("/")
    there = re.sub(f"(?<=/{kind}/)[^/]+", name, here)
    assert there != here
    proof = rig.clock.now() + timedelta(seconds=refused or 0)
    gone = {leaked.version: f"{proof:{PROVEN_AT}} tried"} if refused else {}
    await rig.note(there, NAME, past=(past,) if is_proven else (), gone=gone)
    outcome = await report(rig, leaked, source=here, reported=rig.clock.now().isoformat())
    assert (outcome.result != "parked") is is_over
    assert (leaked.version not in (await rig.known(here)).compromised.versions) is is_over


async def test_what_rekey_published_last_and_nobody_can_read_is_not_taken_for_replaced() -> None:
    """An account shows what its keys are, and the record has no digest of this key alone."""
    rig = scene()
    await rig.handle(NAME)
    leaked = rig.latest(NAME)
    rig.clock.advance(60)
    rig.world.accounts["appdata"].regenerate("key1")
    rig.write(NAME, keys_of(rig)["key1"], CredentialId="key1")
    rig.vault.amend(leaked, enabled=False)
    await rig.note(source_of(rig), NAME, pending=None)
    await report(rig, leaked)
    known = (await rig.known(source_of(rig))).compromised
    assert (leaked.value in keys_of(rig).values()) is (known.versions == (leaked.version,))


async def test_what_a_kind_cannot_recognise_is_left_to_a_person_while_it_works() -> None:
    rig, leaked = replaced_by_hand()
    before, service = keys_of(rig), changed(rig.service(), recognise=None)
    item = rig.item(NAME, version=leaked.version, compromised=True)
    outcome = await service.engine.handle(item)
    assert (outcome.result, outcome.fix, keys_of(rig)) == ("parked", "revoke it there", before)
    assert f"the credential of version {leaked.version} is still accepted" in outcome.reason
    assert (await rig.known(source_of(rig))).compromised.versions == (leaked.version,)


async def test_an_unreadable_secret_that_is_still_listed_once_it_was_removed_ends_no_incident() -> (
    None
):
    rig = GraphRig()
    rig.managed()
    leaked = await unreadable(rig, SECRET, rig.app.app_id)
    rig.clock.advance(3600)
    rig.directory.graph_lag = timedelta(days=1)
    outcome = await report(rig, leaked)
    assert outcome.result == "parked"
    assert "cannot be read and may still be accepted" in outcome.reason
    assert (await rig.known(rig.app.app_id)).compromised.versions == (leaked.version,)


async def misread() -> tuple[Rig, SecretVersion]:
    """Return a rig whose secret has another form now; no tag tells that of the version before."""
    rig = scene(template=CONNECTION_STRING)
    await rig.handle(NAME)
    rig.clock.advance(8 * DAY)
    await rig.handle(NAME, action="retire")
    earlier = rig.latest(NAME)
    await rig.handle(NAME, force=True)
    rig.clock.advance(60)
    tags = dict(earlier.tags or {})
    del tags["ValueTemplate"]
    rig.vault.amend(earlier, tags=tags)
    rig.write(NAME, keys_of(rig)["key1"], ValueTemplate=None)
    await rig.handle(NAME, action="audit")
    # As an earlier Rekey has left it: it did not remember templates.
    await rig.note(source_of(rig), NAME, followed=())
    return rig, earlier


async def test_an_incident_stays_open_while_nothing_reads_what_leaked() -> None:
    rig, leaked = await misread()
    await rig.note(source_of(rig), NAME, pending=None)
    before = keys_of(rig)
    outcome = await report(rig, leaked)
    assert (outcome.result, keys_of(rig)) == ("parked", before)
    unknown = f"the credential in version {leaked.version} is unknown and may still be accepted"
    assert unknown in outcome.reason
    assert (await rig.known(source_of(rig))).compromised.versions == (leaked.version,)


async def test_what_no_template_reads_is_retired_by_its_id_and_not_called_refused() -> None:
    rig, old = await misread()
    current = rig.latest(NAME)
    rig.clock.advance(8 * DAY)
    outcome = await rig.handle(NAME, action="retire", trigger="sweep")
    assert outcome.retired == ("key2",)
    assert keys_of(rig)["key2"] not in old.value
    assert keys_of(rig)["key1"] == current.value
    assert old.version not in (await rig.known(source_of(rig))).compromised.revoked


async def test_what_somebody_writes_as_what_leaked_is_disabled_is_proven_before_its_report() -> (
    None
):
    """Its run has proven the version before that, which tells nothing of theirs."""
    rig = scene()
    leaked = rig.latest(NAME)
    write = struck(
        *(rig, to_vault("PATCH", f"{NAME}/{leaked.version}")),
        lambda: rig.write(NAME, "by-hand"),
    )
    item = rig.item(NAME, version=leaked.version, compromised=True, trigger="manual")
    outcome = await rig.service(write).engine.handle(item)
    assert rig.latest(NAME).value == "by-hand"
    assert outcome.result == "parked"
    assert outcome.reason.startswith("the source refuses the value that somebody wrote")
