"""The gate: what is written to a vault is written over what was just read, and never over more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from engine.errors import NeedsHuman, TransientError
from engine.secret import Draft, SecretVersion, Sensitive
from engine.state.tags import BY, CAUSE, CREDENTIAL, MAX_TAGS, OPERATION, STATE
from tests.engine.rotation.held import Held, held
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, to_vault

BEFORE = {"team": "a", OPERATION: "the one before", CAUSE: "a sweep"}


def draft(secret: SecretVersion) -> Draft:
    """Return a new version, composed from the secret as it was read at first."""
    ours = {CREDENTIAL: "key2", OPERATION: "this one"}
    expires = secret.expires or secret.created
    return Draft(Sensitive("new"), expires, "text/plain", {**secret.tags, **ours})


def patches(rig: Rig) -> int:
    """Count the changes of a version's attributes or tags so far."""
    return sum(exchange.request.method == "PATCH" for exchange in rig.world.exchanges)


@pytest.mark.parametrize(
    ("tag", "since", "published"),
    [
        ("team", "a", "a"),
        ("team", "b", "b"),
        ("team", None, None),
        ("note", "new", "new"),
        (CREDENTIAL, "key9", "key2"),
        (CREDENTIAL, None, "key2"),
        (OPERATION, None, "this one"),
        (OPERATION, "forged", "this one"),
        (CAUSE, "forged", "a sweep"),
        (BY, "forged", None),
    ],
)
async def test_a_new_version_bears_its_owners_tags_as_they_are_now_and_rekeys_own_as_composed(
    tag: str, since: str | None, published: str | None
) -> None:
    rig = scene(tags=BEFORE)
    async with held(rig) as at:
        rig.tag(NAME, **{tag: since})
        written = await at.vault_writer.publish(at.secret, draft(at.secret))
    assert written.version == rig.latest(NAME).version
    assert rig.tags(NAME).get(tag) == published
    untouched = {*BEFORE, "ProviderAddress"} - {tag, OPERATION}
    assert {kept: rig.tags(NAME).get(kept) for kept in untouched} == {
        kept: at.secret.tags[kept] for kept in untouched
    }


@pytest.mark.parametrize("room", [True, False])
async def test_a_new_version_has_room_for_all_its_tags_or_is_not_sent(*, room: bool) -> None:
    rig = scene()
    async with held(rig) as at:
        free = MAX_TAGS - len({*at.secret.tags, CREDENTIAL, OPERATION})
        rig.tag(NAME, **{f"other{number}": "x" for number in range(free + (not room))})
        if not room:
            with pytest.raises(NeedsHuman, match="16 tags are more than the 15"):
                await at.vault_writer.publish(at.secret, draft(at.secret))
        else:
            await at.vault_writer.publish(at.secret, draft(at.secret))
    assert len(rig.vault.versions(NAME)) == 1 + room


async def test_a_version_without_room_for_both_names_its_deployment_and_not_its_cause() -> None:
    """By that name another deployment leaves it alone; the cause is history."""
    rig = scene()
    async with held(rig) as at:
        composed = draft(at.secret)
        composed = replace(composed, tags={**composed.tags, BY: "west", CAUSE: "a sweep"})
        free = MAX_TAGS - len({*at.secret.tags, CREDENTIAL, OPERATION, BY})
        rig.tag(NAME, **{f"other{number}": "x" for number in range(free)})
        await at.vault_writer.publish(at.secret, composed)
    assert rig.tags(NAME).keys() & {BY, CAUSE} == {BY}


async def test_a_new_version_has_the_content_type_that_its_owner_has_given_meanwhile() -> None:
    rig = scene()
    async with held(rig) as at:
        rig.vault.amend(rig.latest(NAME), content_type="application/json")
        await at.vault_writer.publish(at.secret, draft(at.secret))
    assert rig.latest(NAME).content_type == "application/json"


@pytest.mark.parametrize("room", [True, False])
async def test_a_mark_has_room_beside_its_owners_tags_or_is_not_sent(*, room: bool) -> None:
    rig = scene(tags={CAUSE: "a sweep"})
    async with held(rig) as at:
        free = MAX_TAGS - len({*at.secret.tags} - {CAUSE})
        mark = {STATE: "parked", **({} if room else {OPERATION: "this one"})}
        others = {f"other{number}": "x" for number in range(free - 1)}
        rig.tag(NAME, **others)
        if not room:
            with pytest.raises(NeedsHuman, match="16 tags are more than the 15"):
                await at.vault_writer.retag(at.secret, mark, "mark")
            assert STATE not in rig.tags(NAME)
        else:
            written = await at.vault_writer.retag(at.secret, mark, "mark")
            owners = {tag: text for tag, text in at.secret.tags.items() if tag != CAUSE}
            assert rig.tags(NAME) == written.tags == {**owners, **others, **mark}


async def test_a_mark_that_is_there_already_is_not_sent_again() -> None:
    rig = scene(tags={STATE: "parked"})
    async with held(rig) as at:
        rig.tag(NAME, note="new")
        written = await at.vault_writer.retag(at.secret, {STATE: "parked"}, "mark")
    assert written.tags == rig.tags(NAME)
    assert patches(rig) == 0


async def test_a_probe_sends_the_tags_that_the_version_has() -> None:
    rig = scene(tags={STATE: "parked", "team": "a"})
    async with held(rig) as at:
        rig.tag(NAME, team="b")
        before = rig.tags(NAME)
        await at.vault_writer.probe(at.secret)
    assert patches(rig) == 1
    assert rig.tags(NAME) == before


def written(at: Held) -> None:
    """Somebody writes a version."""
    at.rig.vault.put(NAME, "by hand", tags={})


def disabled(at: Held) -> None:
    """Somebody disables the current version."""
    at.rig.vault.amend(at.rig.latest(NAME), enabled=False)


def is_policy(at: Held) -> None:
    """The secret holds the policy document from now on."""
    at.parts = replace(at.parts, policy=replace(at.parts.policy, own=at.secret.ref))


WRITES: dict[str, Callable[[Held, str], Awaitable[object]]] = {
    "publish": lambda at, _: at.vault_writer.publish(at.secret, draft(at.secret)),
    "mark": lambda at, _: at.vault_writer.retag(at.secret, {STATE: "parked"}, "mark"),
    "probe": lambda at, _: at.vault_writer.probe(at.secret),
    "disable": lambda at, earlier: at.vault_writer.disable(at.secret, earlier),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("since", "error", "what"),
    [
        (written, TransientError, "somebody has written a version"),
        (disabled, TransientError, "somebody has written a version"),
        (is_policy, NeedsHuman, "holds the policy document"),
    ],
)
async def test_nothing_is_written_over_what_is_not_what_was_read(
    rig: Rig, write: str, since: Callable[[Held], None], error: type[Exception], what: str
) -> None:
    earlier = rig.latest(NAME).version
    rig.vault.put(NAME, rig.latest(NAME).value, tags=rig.tags(NAME))
    async with held(rig) as at:
        since(at)
        before = rig.vault.versions(NAME)
        with pytest.raises(error, match=what):
            await WRITES[write](at, earlier)
    assert rig.vault.versions(NAME) == before


async def test_who_does_not_consent_any_more_gets_no_new_version() -> None:
    def refuse(fresh: SecretVersion) -> None:
        raise NeedsHuman(f"{fresh.tags['team']} does not consent")

    rig = scene(tags={"team": "a"})
    async with held(rig) as at:
        rig.tag(NAME, team="b")
        with pytest.raises(NeedsHuman, match="b does not consent"):
            await at.vault_writer.publish(at.secret, draft(at.secret), check=refuse)
    assert len(rig.vault.versions(NAME)) == 1


async def test_the_current_version_is_never_disabled(rig: Rig) -> None:
    async with held(rig) as at:
        await at.vault_writer.disable(at.secret, str(at.secret.version))
    assert rig.latest(NAME).enabled


async def test_what_is_out_of_use_is_disabled_but_for_what_an_incident_must_find(rig: Rig) -> None:
    for _ in range(2):
        rig.vault.put(NAME, rig.latest(NAME).value, tags=rig.tags(NAME))
    dead, leaked, current = (version.version for version in rig.vault.versions(NAME))
    async with held(rig) as at:
        at.know(unused=(leaked, dead), compromised=(leaked,))
        refuse(rig, 503, "ServerBusy", to_vault("PATCH"))
        with pytest.raises(TransientError):
            await at.vault_writer.out_of_use(at.secret)
        assert {*at.record.stale} == {leaked, dead}
        await at.vault_writer.out_of_use(at.secret)
        assert at.record.stale == (leaked,)
    enabled = {version.version: version.enabled for version in rig.vault.versions(NAME)}
    assert enabled == {dead: False, leaked: True, current: True}


async def test_nothing_is_written_for_a_secret_that_somebody_has_disabled(rig: Rig) -> None:
    """Of its current version the vault shows nothing, so nobody can tell whether it is dead."""
    current = rig.latest(NAME)
    async with held(rig) as at:
        rig.vault.amend(current, enabled=False)
        disabled = await at.parts.vaults.read(at.secret.ref)
        at.know(unused=(current.version,))
        with pytest.raises(TransientError, match="in the meantime"):
            await at.vault_writer.out_of_use(disabled)
