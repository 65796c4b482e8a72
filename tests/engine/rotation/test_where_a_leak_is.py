"""At which source a leaked version was accepted: its records tell, then its own tags."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import AccessDenied, TransientError
from engine.secret import SecretRef
from engine.state.index import Listed
from engine.state.record_parts import Past
from engine.state.tags import Pending
from simulator.keyvault.state import SecretVersion
from tests.engine.rotation.held import leaked_at
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse

HOUR = timedelta(hours=1)
SEEN, OWED, ACCEPTED, ANOTHER = "seen", "owed", "accepted", "another"
"""What the record of a source may know of the leaked version, or that it knows of another one."""


def source(rig: Rig, name: str) -> str:
    """Return a source by its short name."""
    return rig.world.accounts[name].resource_id.lower()


def put(rig: Rig, tagged: str, value: str = "a value", **options: Any) -> SecretVersion:
    """Write a version whose tags name a source, or none."""
    tags = {"ValidityPeriodDays": "90", "CredentialId": "key1"}
    if tagged:
        tags["ProviderAddress"] = rig.world.accounts[tagged].resource_id
    return rig.vault.put(NAME, value, tags=tags, **options)


async def know(rig: Rig, records: Mapping[str, str], leaked: SecretVersion) -> list[Listed]:
    """Let records of the secret know something; return them as listed."""
    facts: dict[str, dict[str, Any]] = {
        "": {},
        SEEN: {"earlier": (leaked.version,)},
        OWED: {"pending": Pending(rig.clock.now() + HOUR, leaked.version, "key1")},
        ACCEPTED: {"past": (Past(leaked.version, "key1", "ab" * 32),)},
        ANOTHER: {"earlier": ("9" * 32,)},
    }
    owner = f"{rig.vault.url}/secrets/{NAME}"
    for name, fact in records.items():
        await rig.note(source(rig, name), NAME, **facts[fact])
    return [Listed(source(rig, name), owner) for name in records]


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    for name in ("one", "two", "three"):
        rig.account(name)
    return rig


@pytest.mark.parametrize(
    ("tagged", "records", "expected"),
    [
        ("one", {}, "one"),
        ("one", {"two": ANOTHER}, "one"),
        ("one", {"two": SEEN}, "two"),
        ("one", {"one": SEEN, "two": SEEN}, "one"),
        ("one", {"two": SEEN, "three": ACCEPTED}, "three"),
        ("one", {"one": ACCEPTED, "two": ACCEPTED}, "one"),
        ("one", {"two": ACCEPTED, "three": ACCEPTED}, "two"),
        ("one", {"one": SEEN, "two": OWED}, "two"),
        ("one", {"one": OWED, "two": ACCEPTED}, "two"),
        ("", {}, ""),
        ("", {"two": SEEN}, "two"),
        ("", {"two": ANOTHER}, "two"),
        ("", {"two": ""}, ""),
        ("", {"two": "", "three": ANOTHER}, "three"),
        ("", {"two": ANOTHER, "three": ANOTHER}, ""),
    ],
)
async def test_a_leak_is_where_a_record_has_accepted_it_or_has_seen_it_or_where_its_tags_say(
    rig: Rig, tagged: str, records: dict[str, str], expected: str
) -> None:
    """The record of a claim alone tells nothing."""
    leaked = put(rig, tagged)
    known = await know(rig, records, leaked)
    where = await rig.service().engine.held_at(rig.item(NAME).ref, leaked.version, known)
    assert where == (expected and source(rig, expected))


async def test_of_a_version_that_somebody_disabled_the_records_alone_tell(rig: Rig) -> None:
    leaked = put(rig, "one", enabled=False)
    known = await know(rig, {"two": ANOTHER}, leaked)
    engine, ref = rig.service().engine, rig.item(NAME).ref
    assert await engine.held_at(ref, leaked.version, known) == source(rig, "two")


async def test_of_a_secret_in_a_vault_that_is_not_served_the_records_alone_tell(rig: Rig) -> None:
    leaked = put(rig, "one")
    known = await know(rig, {"two": SEEN}, leaked)
    ref = SecretRef("https://other.vault.azure.net", NAME)
    engine = rig.service().engine
    assert await engine.held_at(ref, leaked.version, known) == source(rig, "two")
    assert await engine.held_at(ref, leaked.version, []) == ""


async def test_nobody_guesses_where_a_leak_is_that_the_app_may_not_read(rig: Rig) -> None:
    leaked = put(rig, "one")
    refuse(rig, 403, "ForbiddenByRbac", lambda it: it.path.endswith(leaked.version))
    with pytest.raises(AccessDenied):
        await rig.service().engine.held_at(rig.item(NAME).ref, leaked.version, [])


async def found(
    rig: Rig, leaked: SecretVersion | None, *left: str, is_leak: bool = True, tagged: str = "one"
) -> str:
    """Return the short name of the source where a worker looks for a leak."""
    parts = rig.service().engine
    secret = await parts.vaults.read(rig.item(NAME).ref)
    item = rig.item(NAME, compromised=is_leak, version=leaked and leaked.version)
    rig.world.exchanges.clear()
    where = await leaked_at(
        parts, secret, item, source(rig, tagged), [source(rig, it) for it in left]
    )
    return where.rpartition("/")[2]


@pytest.mark.parametrize(
    ("records", "is_named", "left", "expected"),
    [
        pytest.param({}, True, (), "two", id="the tags of the version tell"),
        pytest.param({"one": ACCEPTED}, True, (), "one", id="the present source tells"),
        pytest.param({"three": ACCEPTED}, True, (), "three", id="another source tells"),
        pytest.param({"three": ACCEPTED}, True, ("three",), "one", id="that is dealt with"),
        pytest.param({}, True, ("two",), "one", id="what the tags tell is dealt with"),
        pytest.param({"three": ACCEPTED}, False, (), "one", id="the current one is meant"),
        pytest.param({"three": ANOTHER}, False, (), "one", id="of another source nothing is told"),
    ],
)  # fmt: skip
async def test_a_leak_is_looked_for_where_its_version_was(
    rig: Rig, records: dict[str, str], left: tuple[str, ...], expected: str, *, is_named: bool
) -> None:
    leaked = put(rig, "two", created=rig.clock.now() - HOUR)
    put(rig, "one")
    await know(rig, records, leaked)
    assert await found(rig, leaked if is_named else None, *left) == expected


@pytest.mark.parametrize("is_named", [True, False])
async def test_a_leak_is_looked_for_where_the_current_version_was_accepted(
    rig: Rig, *, is_named: bool
) -> None:
    """Its tags name another source since; the one that is reported is nowhere."""
    gone = put(rig, "", created=rig.clock.now() - HOUR)
    current = put(rig, "one")
    await know(rig, {"two": ACCEPTED, "three": ANOTHER}, current)
    assert await found(rig, gone if is_named else None) == "two"


async def retagged(rig: Rig) -> SecretVersion:
    """Return a version of `one` whose tag names `two` since, where a forced rotation replaced it."""
    leaked = rig.secret(NAME, rig.world.accounts["one"])
    await rig.note(source(rig, "one"), NAME, kind="storage-key", touched=leaked.version)
    rig.tag(NAME, ProviderAddress=rig.world.accounts["two"].resource_id)
    await rig.work(NAME, version=leaked.version, force=True)
    return leaked


@pytest.mark.parametrize("named", ["", "two"])
async def test_what_no_source_has_proven_is_tried_at_each_before_its_incident_ends(
    rig: Rig, named: str
) -> None:
    """Its refusal at the source that its tag names proves nothing: somebody may have edited that."""
    keys = rig.world.accounts["one"].keys
    before, leaked = keys["key1"].value, await retagged(rig)
    rig.clock.advance(60)
    fields = {"source": source(rig, named)} if named else {}
    outcome = await rig.handle(NAME, version=leaked.version, compromised=True, **fields)
    assert outcome.result == "confirmed"
    assert outcome.item.source in (None, source(rig, "one"))
    assert keys["key1"].value != before
    for name in ("one", "two"):
        assert (await rig.known(source(rig, name))).compromised.is_refused(leaked.version)
    assert not next(it for it in rig.vault.versions(NAME) if it.version == leaked.version).enabled


async def test_an_incident_goes_on_while_another_source_of_what_leaked_gives_no_answer(
    rig: Rig,
) -> None:
    leaked = await retagged(rig)
    rig.clock.advance(60)
    refuse(rig, 500, "Broken", lambda it: it.host.startswith("one."), times=99)
    with pytest.raises(TransientError):
        await rig.handle(NAME, version=leaked.version, compromised=True)
    assert (await rig.known(source(rig, "two"))).compromised.is_refused(leaked.version)


async def test_what_its_source_has_proven_is_tried_at_no_other(rig: Rig) -> None:
    leaked = await retagged(rig)
    await rig.note(source(rig, "two"), NAME, proven=leaked.version)
    rig.clock.advance(60)
    assert (await rig.handle(NAME, version=leaked.version, compromised=True)).result == "retired"
    assert not (await rig.known(source(rig, "one"))).compromised.revoked


async def test_what_has_not_leaked_is_where_its_tags_say(rig: Rig) -> None:
    current = put(rig, "one")
    await know(rig, {"two": ACCEPTED}, current)
    assert await found(rig, current, is_leak=False) == "one"


async def test_of_a_secret_with_one_source_nothing_more_is_read(rig: Rig) -> None:
    """Many leaks may be looked for at once."""
    current = put(rig, "one")
    await know(rig, {"one": ACCEPTED}, current)
    assert await found(rig, current) == "one"
    hosts = [it.request.host for it in rig.world.exchanges]
    assert rig.vault.url.rpartition("/")[2] not in hosts
    assert sum("comp=list" not in it.request.url for it in rig.world.exchanges) == 0


@pytest.mark.parametrize(
    ("facts", "left", "seconds", "is_known"),
    [
        pytest.param("accepted", (), None, True, id="the present source has accepted it"),
        pytest.param("accepted", ("two",), None, False, id="elsewhere it was tried"),
        pytest.param("accepted", (), 9, False, id="Azure asks to wait"),
        pytest.param("not", (), None, False, id="it has not"),
        pytest.param("theirs", (), None, False, id="it is another secret's"),
        pytest.param("", (), None, False, id="it is not known"),
    ],
)
async def test_where_the_records_cannot_be_listed_that_of_the_present_source_tells_alone(
    rig: Rig, facts: str, left: tuple[str, ...], seconds: int | None, *, is_known: bool
) -> None:
    current = put(rig, "one")
    if facts:
        owner = {"owner": f"{rig.vault.url}/secrets/another"} if facts == "theirs" else {}
        created = (await rig.service().engine.vaults.read(rig.item(NAME).ref)).created
        proven = created - HOUR if facts == "not" else created
        await rig.note(source(rig, "one"), NAME, created=proven, **owner)
    listing = lambda it: "comp=list" in it.url  # noqa: E731
    if seconds:
        refuse(rig, 503, "ServerBusy", listing, times=9, Retry_After=str(seconds))
    else:
        refuse(rig, 403, "AuthorizationFailure", listing, times=9)
    if is_known:
        assert await found(rig, current, *left) == "one"
    else:
        with pytest.raises(TransientError):
            await found(rig, current, *left)
