"""Replicas: what each gets, what is asked of it first, and what is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import (
    LeaseUnavailable,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
)
from engine.secret import Draft, SecretRef, Sensitive
from engine.state.policy import Document, Match, Rule
from engine.state.tags import (
    CREDENTIAL,
    OPERATION,
    OURS,
    REPLICA_OF,
    RETIRE,
    STATE,
    Pending,
)
from simulator.keyvault.state import SecretVersion
from simulator.wire import Request
from tests.engine.rotation.held import CALL_SECONDS, Held, held
from tests.shared.records import knowing
from tests.shared.scene import NAME, refuse, scene, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import sql
from tests.shared.sql_rig import FIRST

COPY, OTHER = "copy", "other-copy"
SHAPE = "AccountKey={key}"
FIELDS = {"key": Sensitive("new")}
LATER = "2026-12-01T00:00:00Z"
V1, V9 = "1" * 32, "9" * 32
NONE: Mapping[str, str | None] = {}


@pytest.fixture
async def at() -> AsyncIterator[Held]:
    """A key with two replicas, which consent and hold the key in forms of their own."""
    url = "https://prod.vault.azure.net/secrets"
    rig = scene(tags={"Replicas": f"{url}/{COPY},{url}/{OTHER}"})
    value, consent = rig.latest(NAME).value, {REPLICA_OF: f"{url}/{NAME}"}
    rig.vault.put(COPY, f"AccountKey={value}", tags={"ValueTemplate": SHAPE, **consent})
    rig.vault.put(OTHER, value, tags=consent)
    async with held(rig) as held_:
        yield held_


def versions(at: Held, name: str = COPY) -> list[SecretVersion]:
    return at.rig.vault.versions(name)


def draft(at: Held, tags: Mapping[str, str]) -> Draft:
    """Return what the primary gets."""
    expires = at.rig.clock.now() + timedelta(days=90)
    return Draft(FIELDS["key"], expires, "text/primary", {**at.secret.tags, **tags})


async def write(at: Held, **tags: str) -> list[str]:
    """Write the replicas of a new version; return what was missed."""
    new = draft(at, {CREDENTIAL: "key2", OPERATION: "this one", **tags})
    return [error.what for error in await at.replicas.write(at.secret.ref, FIELDS, new)]


PROBLEMS: dict[str, tuple[dict[str, str | None], str, str]] = {
    "no consent": ({REPLICA_OF: None}, "does not consent", "its owner sets its tag ReplicaOf"),
    "another's": (
        {REPLICA_OF: "https://prod.vault.azure.net/secrets/app-key2"},
        "does not consent",
        "to https://prod.vault.azure.net/secrets/app-key",
    ),
    "rotated itself": ({"ProviderAddress": "x"}, "is rotated in its own right", "ProviderAddress"),
    "no form": (
        {"ValueTemplate": "{nonsense}"},
        "cannot be written: ValueTemplate uses",
        "correct",
    ),
    "crowded": (
        {f"other{number}": "x" for number in range(11)},
        "has too many tags",
        "remove one of its tags",
    ),
}


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_what_keeps_a_replica_from_being_written_is_said_before_anything_changes(
    at: Held, problem: str
) -> None:
    tags, what, fix = PROBLEMS[problem]
    at.rig.tag(COPY, **tags)
    with pytest.raises(NeedsHuman, match=f"the replica {what}") as caught:
        await at.replicas.check(at.secret.ref)
    assert fix in caught.value.fix
    assert caught.value.where.endswith(f"/{COPY}")


DOCUMENTED = {
    "the source of its own": (
        {"ProviderAddress": "/subscriptions/x"},
        "is rotated in its own right",
        "ProviderAddress",
    ),
    "no form": ({"ValueTemplate": "{nonsense}"}, "cannot be written", "its ValueTemplate"),
}


@pytest.mark.parametrize("problem", DOCUMENTED)
async def test_what_the_policy_document_says_of_a_replica_counts_as_its_own_tags_do(
    at: Held, problem: str
) -> None:
    """Otherwise two tags would write over what the document has rotated there."""
    settings, what, fix = DOCUMENTED[problem]
    ruled = Document(rules=(Rule(Match(at.rig.vault.url, COPY), settings),))
    at.parts = replace(at.parts, policy=at.parts.policy.under(ruled))
    with pytest.raises(NeedsHuman, match=f"the replica {what}") as caught:
        await at.replicas.check(at.secret.ref)
    assert fix in caught.value.fix


async def test_no_policy_document_consents_in_the_place_of_a_replicas_owner(at: Held) -> None:
    consent = {REPLICA_OF: at.rig.tags(COPY)[REPLICA_OF]}
    at.rig.tag(COPY, **{REPLICA_OF: None})
    ruled = Document(rules=(Rule(Match(at.rig.vault.url, COPY), consent),))
    at.parts = replace(at.parts, policy=at.parts.policy.under(ruled))
    with pytest.raises(NeedsHuman, match="the replica does not consent"):
        await at.replicas.check(at.secret.ref)


async def test_a_replica_has_the_form_that_the_policy_document_gives_it(at: Held) -> None:
    ruled = Document(rules=(Rule(Match(None, "*"), {"ValueTemplate": "k={key}"}),))
    at.parts = replace(at.parts, policy=at.parts.policy.under(ruled))
    assert await write(at) == []
    assert [at.rig.latest(name).value for name in (COPY, OTHER)] == ["k=new", "k=new"]


async def test_a_disabled_replica_and_the_policy_document_are_refused_whatever_they_consent_to(
    at: Held,
) -> None:
    own = replace(at.parts.policy, own=SecretRef(at.rig.vault.url, OTHER))
    at.parts = replace(at.parts, policy=own)
    with pytest.raises(NeedsHuman, match="is the policy document") as caught:
        await at.replicas.check(at.secret.ref)
    assert caught.value.fix == "take it from the tag Replicas"
    at.rig.vault.amend(at.rig.latest(COPY), enabled=False)
    with pytest.raises(NeedsHuman, match="is disabled") as caught:
        await at.replicas.check(at.secret.ref)
    assert caught.value.fix == "enable it, or remove it from the tag Replicas"


@pytest.mark.parametrize(
    "tags",
    [
        {REPLICA_OF: " https://PROD.vault.azure.net/secrets/App-Key/ "},
        {f"other{number}": "x" for number in range(10)},
        {**{f"other{number}": "x" for number in range(10)}, STATE: "x", OPERATION: "x"},
    ],
)
async def test_what_a_replica_may_be_like(at: Held, tags: dict[str, str | None]) -> None:
    at.rig.tag(COPY, **tags)
    copies = await at.replicas.check(at.secret.ref)
    shapes = [(copy.ref.name, at.replicas.shape(copy)) for copy in copies]
    assert shapes == [(COPY, SHAPE), (OTHER, "{key}")]


async def test_a_replica_of_two_logins_that_names_neither_keeps_what_works_for_its_reader() -> None:
    """Its reader knows one login by heart, and would get the other one's password."""
    rig = sql("two logins")
    copy = f"{rig.vault.url}/secrets/{COPY}"
    rig.tag(SQL, Replicas=copy)
    consent = {REPLICA_OF: f"{rig.vault.url}/secrets/{SQL}", "ValueTemplate": "{password}"}
    kept = rig.vault.put(COPY, FIRST, tags=consent)
    outcome = await rig.handle(SQL)
    assert (outcome.result, rig.latest(COPY)) == ("parked", kept)
    assert "does not say whose password it holds" in outcome.reason
    assert outcome.fix == "add {user} to its ValueTemplate"


async def test_a_replica_of_one_login_need_not_say_whose_password_it_holds() -> None:
    """Its reader knows the login by heart, and that stays the same."""
    rig = sql()
    rig.tag(SQL, Replicas=f"{rig.vault.url}/secrets/{COPY}")
    consent = {REPLICA_OF: f"{rig.vault.url}/secrets/{SQL}", "ValueTemplate": "pwd={password}"}
    rig.vault.put(COPY, "pwd=older", tags=consent)
    outcome = await rig.handle(SQL)
    assert (outcome.result, COPY in outcome.reason) == ("rotated", False)
    assert rig.latest(COPY).value == f"pwd={rig.latest(SQL).value}"


async def test_an_only_password_stays_that_a_replica_holds_although_its_secret_cannot_be_written() -> (
    None
):
    """It is not lost: the next try reads it there. Set back, it would be dead for its readers."""
    rig = sql()
    rig.tag(SQL, Replicas=f"{rig.vault.url}/secrets/{COPY}")
    consent = {REPLICA_OF: f"{rig.vault.url}/secrets/{SQL}", "ValueTemplate": "{password}"}
    rig.vault.put(COPY, rig.latest(SQL).value, tags=consent)
    refuse(rig, 503, "Unavailable", to_vault("PUT", SQL), times=9)
    with suppress(TransientError):
        await rig.handle(SQL)
    assert rig.latest(COPY).value != rig.latest(SQL).value
    assert rig.accepted(replace(rig.latest(SQL), value=rig.latest(COPY).value))


async def test_each_replica_gets_the_credential_in_its_own_form_and_keeps_its_owners_tags(
    at: Held,
) -> None:
    at.rig.tag(COPY, team="b", RekeyState="x", RekeyCause="forged", CredentialId="key1")
    at.rig.vault.amend(at.rig.latest(COPY), content_type="text/copy")
    before = at.rig.tags(COPY)
    assert await write(at, RekeyBy="west") == []
    copy, other = at.rig.latest(COPY), at.rig.latest(OTHER)
    assert (copy.value, other.value) == ("AccountKey=new", "new")
    own = {tag: text for tag, text in before.items() if tag not in OURS}
    assert copy.tags == {**own, CREDENTIAL: "key2", OPERATION: "this one"}
    assert (copy.content_type, other.content_type) == ("text/copy", "text/primary")
    assert copy.expires == int((at.rig.clock.now() + timedelta(days=90)).timestamp())


@pytest.mark.parametrize(
    ("operation", "retires", "expected"),
    [
        ("another", None, None),
        ("another", f"{LATER} {V9} key1", f"{LATER} <its own> key1"),
        ("this one", f"{LATER} {V9} key1", f"{LATER} {V1} key1"),
    ],
)
async def test_a_replicas_own_version_is_what_is_disabled_with_the_superseded_credential(
    at: Held, operation: str, retires: str | None, expected: str | None
) -> None:
    """A later try of the same operation keeps what the first one noted."""
    at.rig.tag(COPY, RekeyOperation=operation, RekeyRetire=f"{LATER} {V1} key1")
    before = at.rig.latest(COPY).version
    await write(at, **({RETIRE: retires} if retires else {}))
    retire = at.rig.tags(COPY).get(RETIRE)
    assert retire == (expected and expected.replace("<its own>", before))


async def test_a_replica_that_holds_the_value_already_gets_no_second_version(at: Held) -> None:
    at.rig.vault.put(COPY, "AccountKey=new", tags=at.rig.tags(COPY))
    assert await write(at) == []
    assert len(versions(at)) == 2
    assert len(versions(at, OTHER)) == 2


@pytest.mark.parametrize("holds", ["AccountKey=old", "AccountKey=new"])
@pytest.mark.parametrize("enabled", [True, False])
async def test_what_a_replica_without_consent_or_a_disabled_one_misses_is_returned(
    at: Held, holds: str, *, enabled: bool
) -> None:
    at.rig.vault.put(COPY, holds, tags={} if enabled else at.rig.tags(COPY), enabled=enabled)
    assert await write(at) == [f"the replica {'does not consent' if enabled else 'is disabled'}"]
    assert at.rig.latest(COPY).value == holds
    assert at.rig.latest(OTHER).value == "new"


async def test_a_replica_that_wants_more_than_is_known_is_missed(at: Held) -> None:
    at.rig.tag(COPY, ValueTemplate="{account}:{key}:{suffix}")
    (missed,) = await write(at)
    assert "needs account, suffix, which only a rotation can fill in" in missed
    assert len(versions(at)) == 1


@pytest.mark.parametrize(
    ("leak", "compromised", "drifted", "expected"),
    [
        ("", False, False, ()),
        ("", False, True, RekeyError),
        ("", True, False, RekeyError),
        ("noted before", False, False, RekeyError),
        ("noted just now", True, False, PermanentError),
        ("noted just now", True, True, RekeyError),
    ],
)
async def test_which_errors_of_a_replica_a_secret_does_not_wait_for(
    at: Held,
    leak: str,
    expected: type[RekeyError] | tuple[()],
    *,
    compromised: bool,
    drifted: bool,
) -> None:
    """What may pass is tried once more after a leak, and not while its source refuses the secret."""
    if leak:
        at.know(compromised=(str(at.secret.version),))
    if leak == "noted just now":
        at.lease.found = knowing(at.record, compromised=())
    steps = at.steps(compromised=compromised)
    steps.progress.drifted = drifted
    assert steps.rotation.replicas.outrun == expected


async def test_an_error_that_may_pass_keeps_the_further_replicas_from_being_written(
    at: Held,
) -> None:
    refuse(at.rig, 503, "Unavailable", to_vault("PUT"))
    with pytest.raises(TransientError):
        await write(at)
    assert len(versions(at, OTHER)) == 1


async def catch_up(at: Held) -> None:
    fields = {"key": at.secret.value}
    assert fields["key"]
    await at.replicas.catch_up(at.secret, {"key": fields["key"]})


async def test_a_replica_that_missed_a_rotation_gets_the_credential_and_the_others_nothing(
    at: Held,
) -> None:
    at.rig.vault.put(COPY, "AccountKey=older", tags=at.rig.tags(COPY))
    await catch_up(at)
    assert at.secret.value
    copy = at.rig.latest(COPY)
    assert copy.value == f"AccountKey={at.secret.value.reveal()}"
    assert at.secret.expires
    assert copy.expires == int(at.secret.expires.timestamp())
    assert at.rig.tags(COPY)[CREDENTIAL] == "key1"
    assert len(versions(at, OTHER)) == 1


def to_copy(request: Request) -> bool:
    return f"/secrets/{COPY}" in request.path and bool(request.header("authorization"))


@pytest.mark.parametrize("is_long", [False, True])
async def test_a_person_hears_of_a_replica_that_has_not_answered_for_an_hour(
    at: Held, *, is_long: bool
) -> None:
    """An error that may pass is reported to nobody."""
    at.published(unused=(f"{at.rig.vault.url}/secrets/{COPY}/",))
    assert at.record.published
    ago = timedelta(minutes=90 if is_long else 30)
    at.know(published=replace(at.record.published, at=at.now - ago))
    refuse(at.rig, 503, "Unavailable", to_copy, times=9)
    with pytest.raises(NeedsHuman if is_long else TransientError) as caught:
        await catch_up(at)
    assert "take the replica out" in caught.value.fix


async def test_a_replica_is_owed_what_it_missed_until_it_has_it(at: Held) -> None:
    owed = f"{at.rig.vault.url}/secrets/{COPY}/"
    at.know(unused=(owed,))
    at.rig.tag(COPY, ValueTemplate="{account}:{key}")
    with pytest.raises(NeedsHuman, match="needs account"):
        await catch_up(at)
    assert at.lease.record.stale == (owed,)
    at.rig.tag(COPY, ValueTemplate=SHAPE)
    await catch_up(at)
    assert not at.lease.record.stale


async def test_a_replica_that_cannot_be_read_is_behind_once_what_it_holds_is_dead(
    at: Held,
) -> None:
    """What is announced says so: its readers are refused from then on."""
    refuse(at.rig, 503, "Unavailable", to_copy, times=9)
    assert f"{at.rig.vault.url}/secrets/{COPY}/" in await at.replicas.dead(FIELDS, draft(at, {}))


async def test_all_that_a_replica_held_while_it_was_behind_is_dead(at: Held) -> None:
    url = f"{at.rig.vault.url}/secrets/{COPY}"
    at.know(unused=(f"{url}/",))
    at.rig.tag(COPY, RekeyRetire=f"{LATER} {V9} key1")
    held = at.rig.latest(COPY).version
    await write(at)
    assert {*at.lease.record.stale} == {f"{url}/", f"{url}/{held}", f"{url}/{V9}"}


async def test_nobody_goes_on_without_a_replica_because_the_lease_is_lost(at: Held) -> None:
    """Another worker may be about to write it. Any other error of it is only missed here."""
    at.rig.clock.advance(CALL_SECONDS * 2.5)
    refuse(at.rig, 409, "LeaseIdMismatchWithLeaseOperation", lambda it: "comp=lease" in it.url)
    new = draft(at, {CREDENTIAL: "key2", OPERATION: "this one"})
    with pytest.raises(LeaseUnavailable):
        await at.replicas.write(at.secret.ref, FIELDS, new, dead=True)
    assert at.lease.record.stale == ()


@pytest.mark.parametrize("missed", [False, True])
async def test_a_primary_without_expiry_gives_a_replica_nothing_and_finds_fault_where_it_differs(
    at: Held, *, missed: bool
) -> None:
    at.secret = replace(at.secret, expires=None)
    if missed:
        at.rig.vault.put(OTHER, "older", tags=at.rig.tags(OTHER))
        with pytest.raises(NeedsHuman, match="the replica missed a rotation") as caught:
            await catch_up(at)
        assert caught.value.where.endswith(f"/{OTHER}")
    else:
        await catch_up(at)
    assert len(versions(at, OTHER)) == 1 + missed


async def test_an_audit_says_that_a_replica_consents_no_longer_or_wants_more_than_is_known(
    at: Held,
) -> None:
    at.rig.tag(COPY, ValueTemplate="{account}:{key}")
    with pytest.raises(NeedsHuman, match="needs account"):
        await catch_up(at)
    at.rig.tag(COPY, ValueTemplate=SHAPE, ReplicaOf=None)
    with pytest.raises(NeedsHuman, match="does not consent"):
        await catch_up(at)


@pytest.mark.parametrize("missed", [False, True])
async def test_an_audit_takes_a_form_of_which_it_knows_only_the_credential_as_it_is(
    at: Held, *, missed: bool
) -> None:
    held = "older" if missed else at.rig.latest(NAME).value
    tags = {**at.rig.tags(COPY), "ValueTemplate": "{account}:{key}"}
    at.rig.vault.put(COPY, f"appdata:{held}", tags=tags)
    with pytest.raises(NeedsHuman, match="needs account") if missed else nullcontext():
        await catch_up(at)
    assert len(versions(at)) == 2


@pytest.mark.parametrize("missed", [False, True])
async def test_a_form_of_which_a_part_is_known_holds_the_credential_only_if_all_of_that_fits(
    at: Held, *, missed: bool
) -> None:
    assert at.secret.value
    held = "older" if missed else at.secret.value.reveal()
    tags = {**at.rig.tags(COPY), "ValueTemplate": "{account};{key};{suffix}"}
    at.rig.vault.put(COPY, f"appdata;{held};core", tags=tags)
    fields = {"key": at.secret.value, "account": Sensitive("appdata")}
    with pytest.raises(NeedsHuman, match="needs suffix") if missed else nullcontext():
        await at.replicas.catch_up(at.secret, fields)


def superseded(at: Held, name: str = COPY) -> str:
    """Let a replica hold a new value, with the version before it to be disabled."""
    before = at.rig.latest(name).version
    tags = {**at.rig.tags(name), OPERATION: "this one", RETIRE: f"{LATER} {before} key1"}
    at.rig.vault.put(name, f"AccountKey={name}", tags=tags)
    return before


async def test_once_the_credential_is_retired_the_replicas_versions_with_it_are_disabled(
    at: Held,
) -> None:
    superseded(at)
    expected = {tag: text for tag, text in at.rig.tags(COPY).items() if tag != RETIRE}
    await at.replicas.disable_superseded(at.secret.ref)
    assert [version.enabled for version in versions(at)] == [False, True]
    assert at.rig.tags(COPY) == expected
    assert [version.enabled for version in versions(at, OTHER)] == [True]


async def test_a_replica_names_what_is_to_be_disabled_until_that_is_disabled(at: Held) -> None:
    """Nothing else does."""
    old, tags = superseded(at), at.rig.tags(COPY)
    refuse(at.rig, 503, "Unavailable", lambda it: it.method == "PATCH" and it.path.endswith(old))
    with pytest.raises(TransientError):
        await at.replicas.disable_superseded(at.secret.ref)
    assert at.rig.tags(COPY) == tags


async def test_nothing_is_owed_to_a_replica_that_its_primary_names_no_more(at: Held) -> None:
    """It is tried once: otherwise the source would be rechecked for ever."""
    at.know(unused=(f"{at.rig.vault.url}/secrets/former/{V1}",))
    refuse(at.rig, 503, "Unavailable", lambda it: "/secrets/former" in it.path, times=9)
    await at.replicas.out_of_use(at.secret.ref)
    assert at.lease.record.stale == ()


@pytest.mark.parametrize(
    ("tags", "is_behind"),
    [
        ({REPLICA_OF: None}, False),
        ({RETIRE: "nonsense"}, False),
        ({RETIRE: None}, False),
        ({}, True),
    ],
    ids=repr,
)
async def test_a_replica_that_does_not_consent_or_names_no_version_is_left_alone(
    at: Held, tags: dict[str, str | None], *, is_behind: bool
) -> None:
    """One that is behind may hold the only version that its readers know."""
    superseded(at)
    superseded(at, OTHER)
    at.rig.tag(COPY, **tags)
    at.know(unused=(f"{at.rig.vault.url}/secrets/{COPY}/",) if is_behind else ())
    before = versions(at)
    await at.replicas.disable_superseded(at.secret.ref)
    assert versions(at) == before
    assert [version.enabled for version in versions(at, OTHER)] == [False, True]


async def test_a_replica_that_is_gone_keeps_nothing_from_being_disabled(at: Held) -> None:
    superseded(at, OTHER)
    del at.rig.vault.secrets[COPY]
    with pytest.raises(NotFound):
        await at.replicas.check(at.secret.ref)
    await at.replicas.disable_superseded(at.secret.ref)
    assert [version.enabled for version in versions(at, OTHER)] == [False, True]


@pytest.mark.parametrize("is_over", [False, True])
async def test_what_a_late_write_brings_to_a_replica_once_its_overlap_is_over_is_ended_by_an_audit(
    at: Held, *, is_over: bool
) -> None:
    superseded(at)
    current = at.rig.latest(COPY)
    assert at.secret.value
    at.rig.vault.put(COPY, f"AccountKey={at.secret.value.reveal()}", tags=current.tags)
    at.published()
    at.know(pending=None if is_over else Pending(at.now, V1, "key1"))
    await catch_up(at)
    assert [version.enabled for version in versions(at)] == [not is_over, True, True]
    assert (RETIRE in at.rig.tags(COPY)) is not is_over


async def test_what_a_replica_superseded_stays_where_no_record_says_that_its_overlap_is_over(
    at: Held,
) -> None:
    """The record was lost, or went back, since the replica was written."""
    superseded(at)
    assert at.secret.value
    value = f"AccountKey={at.secret.value.reveal()}"
    at.rig.vault.put(COPY, value, tags=at.rig.tags(COPY))
    await catch_up(at)
    assert [version.enabled for version in versions(at)] == [True, True, True]
    assert RETIRE in at.rig.tags(COPY)


async def test_what_the_record_knows_to_be_dead_is_disabled_unless_it_is_current(at: Held) -> None:
    superseded(at)
    old, current = (f"{at.rig.vault.url}/secrets/{COPY}/{each.version}" for each in versions(at))
    at.know(unused=(V1, old, current))
    await at.replicas.out_of_use(at.secret.ref)
    assert [version.enabled for version in versions(at)] == [False, True]
    assert at.lease.record.stale == (V1, current), "one of the secret itself is not a replica's"


@pytest.mark.parametrize("gone", [False, True])
async def test_what_a_replica_that_consents_no_more_holds_is_nobodys_to_disable(
    at: Held, *, gone: bool
) -> None:
    superseded(at)
    old = versions(at)[0]
    at.know(unused=(f"{at.rig.vault.url}/secrets/{COPY}/{old.version}",))
    at.rig.tag(COPY, **{REPLICA_OF: None})
    if gone:
        del at.rig.vault.secrets[COPY]
    await at.replicas.out_of_use(at.secret.ref)
    assert old.enabled
    assert at.lease.record.stale == ()


@pytest.mark.parametrize(
    ("written", "waits", "retires", "dead"),
    [
        pytest.param(False, False, False, ("current",), id="what it holds is refused"),
        pytest.param(True, False, False, (), id="an earlier try has written it already"),
        pytest.param(False, True, False, ("earlier", "current"), id="and what it was to retire"),
        pytest.param(False, True, True, ("current",), id="which the next version retires"),
    ],
)
async def test_a_version_of_a_replica_is_dead_only_where_nothing_that_it_holds_works(
    at: Held, dead: tuple[str, ...], *, written: bool, waits: bool, retires: bool
) -> None:
    """What is taken for dead is disabled, whoever still reads it."""
    if written:
        at.rig.vault.put(COPY, "AccountKey=new", tags=at.rig.tags(COPY))
        at.rig.vault.put(OTHER, "new", tags=at.rig.tags(OTHER))
    waiting = f"{LATER} {V9} key2"
    if waits:
        at.rig.tag(COPY, RekeyRetire=waiting)
    url = f"{at.rig.vault.url}/secrets/{COPY}"
    named = {"current": f"{url}/{at.rig.latest(COPY).version}", "earlier": f"{url}/{V9}"}
    retire = {RETIRE: f"{LATER} {V1} key2"} if retires else {}
    versions = await at.replicas.dead(FIELDS, draft(at, retire))
    assert tuple(it for it in versions if it.startswith(f"{url}/")) == tuple(
        named[it] for it in dead
    )
    await at.replicas.write(
        at.secret.ref, FIELDS, draft(at, retire | {OPERATION: "new"}), dead=True
    )
    assert at.rig.tags(COPY).get(RETIRE) == (waiting if waits and retires else None)
