"""Whose a source is that several secrets name parts of: who is refused one part takes no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.contract import LATE
from engine.secret import SecretRef, Sensitive
from engine.state.index import Listed
from engine.state.record import RECHECK, Record, parts_of
from engine.state.record_parts import Announced, Compromised, History, Published
from engine.state.request import WorkItem, operation_id
from engine.state.tags import BY, MAY_DERIVE, OPERATION, RETIRE, Pending
from tests.engine.rotation.held import Records, held, other_owner, other_writer
from tests.shared.builders import NOW, POLICY, REF, V1, V2, V3, Park, Wait, version
from tests.shared.rig import VAULT_ACTIONS, Rig
from tests.shared.scene import NAME as KEY
from tests.shared.scene import keys_of, scene, source_of
from tests.shared.sql_product import NAME, SqlProduct, sql
from tests.shared.sql_rig import FIRST, SECOND

PASSWORDS = {"app_a": FIRST, "app_b": SECOND}


@pytest.fixture
def rig() -> SqlProduct:
    """A server with the logins `app_a` and `app_b`, and a secret for both."""
    return sql("two logins")


def put(rig: SqlProduct, login: str, *, managed: bool = True) -> None:
    """Put a secret of the login's name for it alone."""
    tags = {"ValidityPeriodDays": "90", "CredentialId": login, "Rotator": "sql-login-password"}
    address = {"ProviderAddress": rig.server.resource_id} if managed else {}
    due = rig.clock.now() + timedelta(days=10)
    rig.vault.put(login.replace("_", "-"), PASSWORDS[login], expires=due, tags=tags | address)


async def rotate(rig: SqlProduct, name: str) -> str:
    """Rotate and return why it was parked, if it was."""
    await rig.work(name, force=True)
    return rig.tags(name).get("RekeyReason", "")


async def test_who_is_refused_the_second_login_does_not_keep_a_first_that_nobody_had() -> None:
    rig = sql("two logins")
    put(rig, "app_b")
    assert await rotate(rig, "app-b") == ""
    assert "belongs to the secret" in await rotate(rig, NAME)
    put(rig, "app_a")
    assert await rotate(rig, "app-a") == ""


async def test_a_secret_that_is_refused_the_second_login_does_not_take_the_first_from_who_had_left_it(
    rig: SqlProduct,
) -> None:
    for login in PASSWORDS:
        put(rig, login)
        assert await rotate(rig, login.replace("_", "-")) == ""
    put(rig, "app_a", managed=False)
    assert "belongs to the secret" in await rotate(rig, NAME)
    put(rig, "app_a")
    assert await rotate(rig, "app-a") == ""


async def test_a_second_login_passes_on_without_what_its_owner_has_published(
    rig: SqlProduct,
) -> None:
    """Two records cannot be one: what it held would be looked for at both logins."""
    put(rig, "app_b")
    assert await rotate(rig, "app-b") == ""
    [theirs] = [listed.source async for listed in rig.service().engine.leases.index()]
    assert (await rig.known(theirs)).published
    rig.vault.delete("app-b")
    rig.clock.advance(3600)
    assert await rotate(rig, NAME) == ""
    passed = await rig.known(theirs)
    assert (passed.owner, passed.published) == (f"{rig.vault.url}/secrets/{NAME}", None)
    assert passed.history == History()


async def test_a_secret_that_is_refused_nothing_has_all_logins(rig: SqlProduct) -> None:
    assert await rotate(rig, NAME) == ""
    for login in PASSWORDS:
        put(rig, login)
        assert "belongs to the secret" in await rotate(rig, login.replace("_", "-"))


@pytest.mark.parametrize(
    "owed", [{"compromised": (V1,)}, {"pending": Pending(NOW + timedelta(days=90), V1, "app_b")}]
)
async def test_what_is_owed_at_a_second_login_is_done_first_even_where_something_leaked(
    rig: SqlProduct, owed: dict[str, Any]
) -> None:
    """Its record does not pass on, as two records cannot be one, although its owner is deleted."""
    put(rig, "app_b")
    await rotate(rig, "app-b")
    [theirs] = [listed.source async for listed in rig.service().engine.leases.index()]
    await rig.note(theirs, "app-b", **owed)
    rig.vault.delete("app-b")
    outcome = await rig.handle(NAME, version=rig.latest(NAME).version, compromised=True)
    assert "was taken over from the secret" in outcome.reason
    assert (await rig.known(theirs)).owner.endswith("/app-b")


async def test_a_leak_is_dealt_with_although_what_a_person_wrote_on_top_is_refused(
    rig: SqlProduct,
) -> None:
    """Nobody owns both logins yet, so no record has noted the leak."""
    leaked = rig.latest(NAME)
    assert rig.accepted(leaked)
    rig.clock.advance(1)
    theirs = leaked.value.replace(FIRST, "Refused-1").replace("app_a", "app_b")
    rig.put({**rig.tags(NAME), "CredentialId": "app_b"}, theirs)
    await rig.handle(NAME, version=leaked.version, compromised=True)
    assert not rig.accepted(leaked)


async def test_a_leak_at_a_login_of_another_secret_is_told_and_comes_back(rig: SqlProduct) -> None:
    """No record can note it, and what a person wrote on top asks for nothing."""
    put(rig, "app_b")
    assert await rotate(rig, "app-b") == ""
    leaked = rig.latest(NAME)
    rig.clock.advance(1)
    expires = rig.clock.now() + timedelta(days=80)
    rig.vault.put(
        NAME, leaked.value.replace(FIRST, "Theirs-1"), tags=rig.tags(NAME), expires=expires
    )
    outcome = await rig.handle(NAME, version=leaked.version, compromised=True)
    assert (outcome.result, outcome.comes_back) == ("parked", True)
    assert f"belongs to the secret {rig.vault.url}/secrets/app-b" in outcome.reason


async def test_a_leak_of_what_people_rotate_is_noted_where_nobody_owns_its_source(
    rig: SqlProduct,
) -> None:
    rig.tag(NAME, Manual="true")
    source = f"{rig.server.resource_id}/logins/app_a+app_b".lower()
    leaked = rig.latest(NAME).version
    outcome = await rig.handle(NAME, version=leaked, compromised=True, source=source)
    assert (outcome.result, outcome.fix[:6]) == ("parked", "revoke")
    assert (await rig.known(source)).compromised.versions == (leaked,)


async def test_a_leak_claims_no_source_outside_the_scopes(rig: SqlProduct) -> None:
    rig.tag(NAME, Manual="true")
    rig.environment = {"REKEY_SCOPES": json.dumps({rig.vault.url: ["/subscriptions/another"]})}
    source = f"{rig.server.resource_id}/logins/app_a+app_b".lower()
    await rig.handle(NAME, version=rig.latest(NAME).version, compromised=True, source=source)
    known = [listed.owner async for listed in rig.service().engine.leases.index()]
    assert f"{rig.vault.url}/secrets/{NAME}" not in known


async def test_a_version_that_an_unnamed_deployment_published_is_left_to_it() -> None:
    """It bears the operation that would have replaced the version that Rekey published."""
    rig = scene()
    await rig.work(KEY)
    published = rig.latest(KEY)
    rig.clock.advance(60)
    operation = operation_id(SecretRef(rig.vault.url, KEY), published.version)
    keys = keys_of(rig)
    without_name = {tag: text for tag, text in rig.tags(KEY).items() if tag != BY}
    rig.vault.put(KEY, keys["key1"], tags={**without_name, OPERATION: operation})
    await rig.work(KEY, action="audit")
    assert "another deployment of Rekey" in rig.tags(KEY)["RekeyReason"]
    assert keys_of(rig) == keys


async def owned() -> Rig:
    """Return a rig whose account another secret owns, which holds its second key."""
    rig = scene()
    rig.secret("owner", rig.world.accounts["appdata"], holds="key2", days_left=80)
    await rig.work("owner", action="audit")
    return rig


def _edit(**tags: str | None) -> Callable[[Rig], object]:
    return lambda rig: rig.tag("owner", **tags)


def _go_elsewhere(rig: Rig) -> None:
    _edit(ProviderAddress=rig.account("elsewhere").resource_id)(rig)


def _disable(rig: Rig) -> None:
    rig.vault.amend(rig.latest("owner"), enabled=False)


def _delete(rig: Rig) -> None:
    del rig.vault.secrets["owner"]


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        pytest.param(_edit(), True, id="still names it"),
        pytest.param(_edit(ValidityPeriodDays="soon"), True, id="has a malformed tag"),
        pytest.param(_disable, True, id="is disabled"),
        pytest.param(_edit(ProviderAddress=None), False, id="names none"),
        pytest.param(_go_elsewhere, False, id="names another"),
        pytest.param(_delete, False, id="was deleted"),
    ],
)
async def test_the_first_owner_keeps_a_source_as_long_as_it_may_need_it(
    change: Callable[[Rig], object], *, is_kept: bool
) -> None:
    rig = await owned()
    change(rig)
    outcome = await rig.handle(KEY)
    assert outcome.result == ("parked" if is_kept else "rotated")
    assert len(rig.vault.versions(KEY)) == (1 if is_kept else 2)
    if is_kept:
        owner = f"{rig.vault.url}/secrets/owner"
        assert outcome.reason == f"storageaccounts/appdata belongs to the secret {owner}"


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"changing": timedelta(seconds=1) - LATE}, "whose last change may still take effect"),
        ({"changing": -LATE}, ""),
        ({"open_until": timedelta(seconds=1)}, "whose last change may still take effect"),
        ({"open_until": timedelta()}, ""),
        ({"compromised": (V1,)}, "whose incident there is not over"),
    ],
)
async def test_who_has_left_a_source_keeps_it_until_what_is_owed_there_is_done(
    facts: dict[str, Any], why: str
) -> None:
    rig = await owned()
    _edit(ProviderAddress=None)(rig)
    now = rig.clock.now()
    timed = {name: now + it if isinstance(it, timedelta) else it for name, it in facts.items()}
    await rig.note(source_of(rig), "owner", **timed)
    outcome = await rig.handle(KEY)
    assert outcome.result == ("parked" if why else "rotated")
    if why:
        assert outcome.reason.startswith("storageaccounts/appdata was taken over from the secret")
        assert why in outcome.reason


@pytest.mark.parametrize(("ago", "is_kept"), [(LATE - timedelta(seconds=1), True), (LATE, False)])
async def test_who_has_left_a_source_keeps_it_while_what_it_announced_may_arrive(
    ago: timedelta, *, is_kept: bool
) -> None:
    rig = await owned()
    _edit(ProviderAddress=None)(rig)
    # The vault shows what a person has written meanwhile.
    write = Announced("operation", "key1", "ab" * 32, V1, rig.clock.now() - ago)
    await rig.note(source_of(rig), "owner", key="cd" * 32, ahead=write)
    outcome = await rig.handle(KEY)
    assert outcome.result == ("parked" if is_kept else "rotated")
    assert ("whose last change may still take effect" in outcome.reason) is is_kept


@pytest.mark.parametrize(
    ("facts", "is_kept"),
    [
        pytest.param(
            {"pending": Pending(NOW + timedelta(days=90), V1, "key1")}, False, id="overlap"
        ),
        pytest.param({"compromised": (V1,)}, True, id="another incident"),
    ],
)
async def test_a_leak_waits_for_no_overlap_of_who_has_left_but_for_its_incident_and_comes_back(
    facts: dict[str, Any], *, is_kept: bool
) -> None:
    """No record knows of this leak before the source has passed on: its message must not be lost."""
    rig = await owned()
    _edit(ProviderAddress=None)(rig)
    await rig.note(source_of(rig), "owner", **facts)
    outcome = await rig.handle(KEY, version=rig.latest(KEY).version, compromised=True)
    assert (outcome.result == "parked", outcome.comes_back) == (is_kept, is_kept)
    owner = (await rig.known(source_of(rig))).owner
    assert owner.endswith("/owner") is is_kept


async def test_a_source_passes_on_whose_owner_left_it_with_what_has_leaked_and_is_in_use() -> None:
    """Nobody replaces that for a secret without its tags. The next owner owes it."""
    rig = await owned()
    _edit(ProviderAddress=None)(rig)
    leaked = rig.latest("owner")
    await rig.note(source_of(rig), "owner", compromised=(str(leaked.version),))
    await rig.handle(KEY)
    known = await rig.known(source_of(rig))
    assert known.owner.endswith(f"/{KEY}")
    assert known.compromised.knows(leaked.version)


async def test_what_is_owed_where_a_source_passes_on_is_rechecked_whatever_comes_after() -> None:
    """Its next owner may be out of reach, and its next audit is a day away."""
    rig = scene()
    await rig.note(source_of(rig), "another", compromised=(V1,))
    async with held(rig) as at:
        assert await other_owner(at.lease, at.secret) is None
        assert at.noted.next_check == rig.clock.now() + RECHECK


async def test_the_owner_of_a_source_keeps_it_although_its_vault_is_not_served_any_more() -> None:
    """Nobody can see there whether it is still rotated, by hand or by another deployment."""
    rig = scene()
    north = rig.world.add_vault("north")
    rig.world.grant(rig.identity, VAULT_ACTIONS, north.resource_id)
    account = rig.world.accounts["appdata"]
    group = account.resource_id.split("/providers/")[0]
    served = {"REKEY_VAULTS": f"{rig.vault.url},{north.url}"}
    scopes = {"REKEY_SCOPES": json.dumps({rig.vault.url: [group], north.url: [group]})}
    tags = {"ProviderAddress": account.resource_id, "ValidityPeriodDays": "90"}
    north.put(
        "owner",
        account.keys["key2"].value,
        expires=rig.clock.now() + timedelta(days=80),
        tags={**tags, "CredentialId": "key2"},
    )
    rig.environment = {**served, **scopes}
    audit = WorkItem(SecretRef(north.url, "owner"), "audit")
    assert (await rig.service().engine.handle(audit)).result == "confirmed"
    rig.environment = {}
    outcome = await rig.handle(KEY)
    assert (outcome.result, len(rig.vault.versions(KEY))) == ("parked", 1)
    assert f"belongs to the secret {north.url}/secrets/owner" in outcome.reason


async def test_what_a_former_owners_announced_version_superseded_is_owed_before_its_source_passes_on() -> (
    None
):
    """Its worker died before it could note that the vault has the version."""
    rig, key = await owned(), "cd" * 32
    held, ends = Sensitive(rig.latest("owner").value), rig.clock.now() + timedelta(days=7)
    write = Announced(
        operation_id(SecretRef(rig.vault.url, "owner"), V1),
        "key2",
        Record(key=key).digest("key2", held),
        V1,
        rig.clock.now() - timedelta(hours=1),
        retire=Pending(ends, V1, "key1"),
    )
    await rig.note(source_of(rig), "owner", key=key, ahead=write)
    _edit(ProviderAddress=None)(rig)
    outcome = await rig.handle(KEY)
    assert outcome.result == "parked"
    assert f"which revokes key1 there at {ends:%Y-%m-%d}" in outcome.reason


class Tidied:
    """A kind whose source holds many credentials."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str | None]] = []

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        self.calls.append((source, operation, keep))


async def tidied(rig: Rig, scope: str = "", **facts: Any) -> list[tuple[str, str, str | None]]:
    """Let a source pass on from a secret that was deleted; return what was tidied up there."""
    kind: Any = Tidied()
    await rig.note(source_of(rig), "another", kind="many", **facts)
    async with held(rig, kinds={"many": kind}) as at:
        if scope:
            policy = replace(at.parts.policy, scopes={rig.vault.url: (scope,)})
            at.parts = replace(at.parts, policy=policy)
        assert await other_owner(at.lease, at.secret) is None
        assert at.record.owner.endswith(f"/{KEY}")
    return list(kind.calls)


@pytest.mark.parametrize("scope", ["", "/subscriptions/another"])
async def test_what_a_former_owner_made_in_vain_is_removed_inside_the_scopes_alone(
    scope: str,
) -> None:
    rig = scene()
    calls = await tidied(rig, scope, touched=V1)
    theirs = operation_id(SecretRef(rig.vault.url, "another"), V1)
    assert calls == ([] if scope else [(source_of(rig), theirs, None)])


@pytest.mark.parametrize("operation", ["theirs", ""])
async def test_of_what_the_next_owner_holds_only_the_rest_of_its_operation_is_removed(
    operation: str,
) -> None:
    """One that passed on before has none: a kind might take an empty one for anything."""
    rig, key = scene(), "ab" * 32
    digest = Record(key=key).digest("key1", Sensitive(rig.latest(KEY).value))
    write = Published(operation, "key1", digest, V1, rig.clock.now(), version=V2)
    calls = await tidied(rig, published=write, key=key)
    assert calls == ([(source_of(rig), operation, "key1")] if operation else [])


@pytest.mark.parametrize("is_recheck", [False, True])
async def test_only_a_look_at_a_late_change_looks_beside_who_wrote_the_version(
    *, is_recheck: bool
) -> None:
    """Anything else that is asked for is theirs, whatever may still take effect."""
    rig = scene()
    async with held(rig) as at:
        at.parts = replace(at.parts, policy=replace(at.parts.policy, deployment=OURS))
        at.published("key1", open_until=at.now + timedelta(minutes=20), begun=at.now)
        rig.clock.advance(60)
        rig.write(KEY, keys_of(rig)["key2"], **{BY: LEFT_ALONE, "CredentialId": "key2"})
        _, outcome = await at.steps(action="audit", trigger="sweep", recheck=is_recheck).run()
    theirs = f"the deployment {LEFT_ALONE} rotates this secret too"
    assert outcome.reason.startswith(theirs) is not is_recheck


async def test_an_edited_name_of_a_deployment_parks_nothing_that_rekey_has_published() -> None:
    rig = scene()
    await rig.work(KEY)
    rig.tag(KEY, **{BY: "somebody else"})
    await rig.work(KEY, action="audit")
    assert "RekeyReason" not in rig.tags(KEY)


OURS, LEFT_ALONE = "rekey-prod", "rekey-test"
OPERATION_OF_V2 = operation_id(REF, V2)
WROTE_V1 = Record(published=Published("operation", "key1", "digest", V2, NOW, version=V1))
WROTE_V2 = Record(published=Published("operation", "key1", "digest", V3, NOW, version=V2))
WROTE_V3 = Record(published=Published("operation", "key1", "digest", "9" * 32, NOW, version=V3))
"""It says itself nothing of the version that the tag names."""
RETIRED = f"2026-11-01T00:00:00Z {V2} {'k' * 70}"
DUE = Pending(NOW, V2, "key2")


REPLACED_V2 = History(replaced=(V2,))
ELSEWHERE = Listed("elsewhere", str(REF).lower(), DUE)
SUPERSEDES: dict[str, str | None] = {RETIRE: RETIRED}
NO_ID: dict[str, str | None] = {RETIRE: "nonsense"}
OF_V3: dict[str, str | None] = {RETIRE: RETIRED.replace(V2, V3)}
NAMES = f"tag {RETIRE} names"
VOUCHED: list[tuple[str, Record, dict[str, str | None], tuple[Listed, ...], str | None]] = [
    ("theirs", Record(), {BY: LEFT_ALONE}, (), f"the deployment {LEFT_ALONE}"),
    ("ours, and the record is lost", Record(), {BY: OURS}, (), None),
    ("a person's", Record(), {}, (), None),
    ("with an empty operation", Record(), {OPERATION: ""}, (), None),
    ("ours, with an edited name", WROTE_V1, {BY: LEFT_ALONE}, (), None),
    ("a person's, after ours", WROTE_V2, {}, (), None),
    ("of an operation", WROTE_V2, {OPERATION: OPERATION_OF_V2}, (), "another deployment"),
    ("of an older operation", WROTE_V2, {OPERATION: operation_id(REF, V3)}, (), None),
    ("unrecorded", Record(), SUPERSEDES, (), NAMES),
    ("superseded since the record", WROTE_V2, SUPERSEDES, (), NAMES),
    ("ours, as recorded", replace(WROTE_V1, history=REPLACED_V2), SUPERSEDES, (), None),
    ("retired long ago", replace(WROTE_V3, history=REPLACED_V2), SUPERSEDES, (), None),
    ("still to be retired", replace(WROTE_V3, to_retire=(DUE,)), SUPERSEDES, (), None),
    ("known to be refused", replace(WROTE_V3, compromised=Compromised(revoked={V2: ""})), SUPERSEDES,
     (), None),
    ("nonsense, and a record", WROTE_V2, NO_ID, (), None),
    ("nonsense alone", Record(), NO_ID, (), NAMES),
    ("the record of this very source lists another", replace(WROTE_V2, source="here"), SUPERSEDES,
     (Listed("here", str(REF).lower(), DUE),), NAMES),
    ("what ours had to retire", WROTE_V2, OF_V3, (), None),
    ("what ours has retired", replace(WROTE_V1, compromised=Compromised(revoked={V3: ""})), OF_V3,
     (), None),
    ("of what the record takes for the current one", WROTE_V2, SUPERSEDES,
     (Listed("", str(REF).lower(), DUE),), NAMES),
    ("to be retired at the source that it has left", Record(), SUPERSEDES, (ELSEWHERE,), None),
    ("others have something to retire", Record(), SUPERSEDES,
     (replace(ELSEWHERE, pending=None), Listed("more", "https://other", DUE)), NAMES),
]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "changes", "listed", "expected"),
    [row[1:] for row in VOUCHED],
    ids=[row[0] for row in VOUCHED],
)
async def test_a_version_that_nobody_can_vouch_for_is_left_to_whoever_wrote_it(
    record: Record,
    changes: dict[str, str | None],
    listed: tuple[Listed, ...],
    expected: str | None,
) -> None:
    policy = replace(POLICY, deployment=OURS)
    parts = replace(scene().service().engine, policy=policy, leases=Records(listed))  # type: ignore[arg-type]
    park = await other_writer(parts, record, version(changes=changes))
    assert (park.reason if park else "").startswith(expected or "")
    assert (park is None) is (expected is None)


GROUPS, MOVED = "/subscriptions/s/resourcegroups", "providers/microsoft.storage/storageaccounts/a"


@pytest.mark.parametrize(
    ("after", "rotates", "waits"), [(0, True, True), (0, False, False), (3, True, False)]
)
async def test_a_rotation_waits_for_the_last_overlap_at_the_addresses_that_its_resource_had(
    after: int, *, rotates: bool, waits: bool
) -> None:
    """Nothing else waits for that, nor does a leak."""
    rig, hour = scene(), timedelta(hours=1)
    ends = [rig.clock.now() + hours * hour for hours in (1, 3, 5)]
    mine, theirs = str(REF).lower(), "https://other"
    groups = zip(("first", "second", "not-its-own"), (mine, mine, theirs), ends, strict=True)
    listed = tuple(
        Listed(f"{GROUPS}/{group}/{MOVED}", who, Pending(until, V2, "key2"))
        for group, who, until in groups
    )
    # Another resource of the same secret holds nothing up.
    others = Listed(f"{GROUPS}/first/{MOVED}2", mine, Pending(ends[2], V2, "key2"))
    parts = replace(rig.service().engine, leases=Records((*listed, others)))  # type: ignore[arg-type]
    rig.clock.advance(after * hour.total_seconds())
    record = Record(source=f"{GROUPS}/now/{MOVED}")
    named = replace(version(changes=SUPERSEDES), ref=SecretRef(REF.vault, REF.name.upper()))
    obstacle = await other_writer(parts, record, named, rotates=rotates)
    assert (obstacle is not None) is waits
    assert obstacle is None or obstacle == Wait(ends[1], obstacle.reason)


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({}, f"remove the tag {OPERATION}"),
        ({RETIRE: RETIRED}, f"revoke {'k' * 60} unless it is in use and remove {OPERATION}"),
    ],
)
async def test_who_is_told_of_an_older_record_is_told_what_nobody_will_retire(
    changes: dict[str, str | None], fix: str
) -> None:
    parts = scene().service().engine
    shown = version(changes={OPERATION: OPERATION_OF_V2, **changes})
    park = await other_writer(parts, WROTE_V2, shown)
    assert park
    assert "the record is older" in park.reason
    assert fix in park.fix


async def test_a_deployment_without_a_name_takes_no_version_for_anothers() -> None:
    parts = replace(scene().service().engine, policy=POLICY)
    assert await other_writer(parts, Record(), version(changes={BY: LEFT_ALONE})) is None


async def test_a_deployment_without_a_name_leaves_to_another_what_that_has_published() -> None:
    """The version bears the operation that would have replaced what the record knows."""
    parts = replace(scene().service().engine, policy=POLICY)
    shown = version(changes={OPERATION: OPERATION_OF_V2, BY: LEFT_ALONE})
    park = await other_writer(parts, WROTE_V2, shown)
    assert park
    assert "another deployment of Rekey wrote the current version" in park.reason


async def test_a_disabled_version_is_nobodys() -> None:
    """The vault shows neither its id nor its tags."""
    parts = scene().service().engine
    disabled = version(version=None, changes={BY: LEFT_ALONE}, enabled=False)
    assert await other_writer(parts, Record(), disabled) is None


@pytest.mark.parametrize(
    ("tags", "fix"),
    [
        ({}, f"revoke {'k' * 60} at its source"),
        ({MAY_DERIVE: "sas=blob"}, "unless it, or what it made, is in use"),
    ],
)
async def test_a_retirement_without_a_record_is_shown_as_far_as_a_tag_has_room_for_it(
    tags: dict[str, str | None], fix: str
) -> None:
    rig = scene(tags={RETIRE: RETIRED, **tags})
    _, park = await rig.service().engine.preview(rig.item(KEY))
    assert isinstance(park, Park)
    assert fix in park.fix


async def test_a_credential_is_looked_for_in_its_own_login_only_if_that_is_under_lease(
    rig: SqlProduct,
) -> None:
    """Of another one no owner was asked, so every part counts then."""
    async with held(rig, NAME) as at:
        login = at.managed.credential_id or ""
        (part,) = at.rotation.parts_with(at.managed, login)
        assert part in parts_of(at.lease.source)
        assert at.rotation.parts_with(at.managed, "stranger") == ()
        assert at.rotation.parts_with(None, login) == ()
