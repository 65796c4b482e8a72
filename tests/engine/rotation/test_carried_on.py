"""What an earlier try left behind: an announced credential is carried on, anything else removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import AccessDenied, TransientError
from engine.secret import SecretRef, Sensitive
from engine.state.request import operation_id
from engine.state.tags import CREDENTIAL, REPLICA_OF, RETIRE, STATE, Pending
from tests.engine.rotation.held import Held, Steps, held
from tests.engine.rotation.plain_kind import NEW, NEW_ID, OLD, OLD_ID, Able, Plain, Work, rotating
from tests.rotators.sas_scenes import KEY, SAS, SasScene, managed
from tests.shared.scene import NAME, keys_of, refuse, scene, source_of, to_vault

MADE, MADE_ID = "made-before", "made"
URL = "https://prod.vault.azure.net/secrets"
COPY = "copy"
PATCH = to_vault("PATCH")


def announce(at: Held, value: str, **facts: Any) -> None:
    """Let the record announce what an earlier try has made."""
    at.announce(value, timedelta(minutes=5), MADE_ID, **facts)


async def rotate(work: Work) -> None:
    await work.rotate(work.secret, "due", at_once=False)


def probes(work: Work) -> int:
    return sum(exchange.request.method == "PATCH" for exchange in work.rig.world.exchanges)


# An announced credential.


async def test_a_look_proves_what_is_in_use_where_what_was_announced_has_no_room_any_more() -> None:
    rig = scene(days_left=80)
    refuse(rig, 403, "Forbidden", to_vault("PUT"))
    await rig.handle(NAME, trigger="manual", force=True)
    crowd = {f"team-{number}": "x" for number in range(11)}
    rig.tag(NAME, RekeyState=None, RekeyReason=None, **crowd)
    rig.clock.advance(180)
    async with held(rig) as at:
        trace, _ = await at.steps(action="audit", trigger="sweep", recheck=True).run()
        assert "verify" in trace.split(", ")


@pytest.mark.parametrize("times", [1, 2])
async def test_a_look_publishes_what_was_forced_and_refused_or_leaves_it_parked(times: int) -> None:
    rig = scene(days_left=80)
    source, version = source_of(rig), rig.latest(NAME).version
    refuse(rig, 403, "Forbidden", to_vault("PUT"))
    assert (await rig.handle(NAME, trigger="manual", force=True)).result == "parked"
    announced, keys = (await rig.known(source)).pending_write, keys_of(rig)
    assert announced
    refuse(rig, 403, "Forbidden", to_vault("PUT"), times - 1)
    rig.clock.advance(180)
    look = {"action": "audit", "trigger": "sweep", "recheck": True, "source": source}
    outcome = await rig.handle(NAME, **look)
    assert keys_of(rig) == keys
    if times > 1:
        assert outcome.result in {"parked", "waiting"}
        assert (rig.latest(NAME).version, STATE in rig.tags(NAME)) == (version, True)
        return
    assert (outcome.result, outcome.old_version) == ("rotated", version)
    assert rig.tags(NAME)[CREDENTIAL] == announced.credential_id
    assert STATE not in rig.tags(NAME)


@pytest.mark.parametrize("facts", [{"dead": True}, {"original": "1" * 32}, {"replaces": "1" * 32}])
async def test_a_look_carries_on_nothing_but_a_rotation_of_the_current_version(
    facts: dict[str, Any],
) -> None:
    """A repair is made anew where it is needed, and what was to be restored is left to a person."""
    rig = scene(days_left=80)
    source, version = source_of(rig), rig.latest(NAME).version
    async with held(rig) as at:
        at.announce("something", timedelta(minutes=5), **facts)
        await at.lease.write(at.record)
    rig.clock.advance(60)
    look = {"action": "audit", "trigger": "sweep", "recheck": True, "source": source}
    assert (await rig.handle(NAME, **look)).result == "confirmed"
    assert rig.latest(NAME).version == version


@pytest.mark.parametrize(
    ("change", "item", "is_carried_on"),
    [
        ({}, {}, True),
        ({}, {"action": "retire"}, False),
        ({}, {"recheck": False}, False),
        ({"asked": None}, {}, False),
        ({"waiting": None}, {}, False),
        ({"touched": "1" * 32}, {}, False),
    ],
    ids=["all of it", "a retirement", "no recheck", "a revocation", "at rest", "another version"],
)
async def test_the_recheck_of_a_rotation_in_progress_goes_on_with_it(
    change: dict[str, Any], item: dict[str, Any], *, is_carried_on: bool
) -> None:
    """Whatever its window says by then. Nothing else is forced by it."""
    rig = scene(days_left=80)
    async with held(rig) as at:
        began, version = at.now - timedelta(minutes=5), at.secret.version
        at.know(**{"waiting": began, "asked": began, "touched": version, **change})
        steps = at.steps(**{"action": "audit", "trigger": "sweep", "recheck": True, **item})
        await steps.observed.observe()
        assert steps.rotation.effective_item().force is is_carried_on


@pytest.mark.parametrize("retires", [None, "the current version", "an earlier one"])
async def test_an_announced_credential_that_its_source_shows_is_published_and_none_is_made(
    retires: str | None,
) -> None:
    """A repair inside an overlap passes on an earlier version's retirement, and adds none."""
    kind = Able(accepted={OLD, MADE}, shown={MADE_ID: {"key": Sensitive(MADE)}})
    async with rotating(kind) as work:
        version = str(work.secret.version) if retires == "the current version" else "1" * 32
        pending = Pending(work.at.now, version, OLD_ID) if retires else None
        announce(work.at, MADE, retire=pending)
        await rotate(work)
        assert kind.calls == [f"read {MADE_ID}", f"verify {MADE_ID} {MADE}"]
        assert work.latest.value == MADE
        assert work.rig.tags(NAME)[CREDENTIAL] == MADE_ID
        assert (RETIRE in work.rig.tags(NAME)) is (retires == "the current version")
        assert probes(work) == 0


@pytest.mark.parametrize("leaked", [MADE, "another"])
async def test_an_announced_credential_is_published_unless_it_has_leaked_since(leaked: str) -> None:
    kind = Able(accepted={OLD, MADE}, shown={MADE_ID: {"key": Sensitive(MADE)}})
    async with rotating(kind) as work:
        version = work.rig.vault.put(NAME, leaked, tags=work.rig.tags(NAME)).version
        work.rig.vault.secrets[NAME].reverse()
        announce(work.at, MADE)
        work.at.know(compromised=(version,))
        await rotate(work)
        assert work.latest.value == (NEW if leaked == MADE else MADE)


async def test_an_announced_credential_that_a_replica_holds_is_published_and_none_is_made() -> None:
    kind = Plain(accepted={OLD, MADE})
    tags: dict[str, str | None] = {"Replicas": f"{URL}/{COPY}"}
    async with rotating(kind, tags) as work:
        consent = {REPLICA_OF: f"{URL}/{NAME}", "ValueTemplate": "Key={key}"}
        work.rig.vault.put(COPY, f"Key={MADE}", tags=consent)
        announce(work.at, MADE)
        await rotate(work)
        assert kind.calls == [f"verify {MADE_ID} {MADE}"]
        assert work.latest.value == MADE


@pytest.mark.parametrize("shape", ["{key}", "copied={key}", None])
async def test_an_announced_credential_is_carried_on_although_another_template_is_named_since(
    shape: str | None,
) -> None:
    """It is as old as it was. A replica without a form of its own was written in the earlier one."""
    kind = Plain(accepted={OLD, MADE})
    tags = {"Replicas": f"{URL}/{COPY}", "ValueTemplate": "AccountKey={key}"}
    async with rotating(kind, tags, value=f"AccountKey={OLD}") as work:
        own = {"ValueTemplate": shape} if shape else {}
        copied = (shape or "Key={key}").format(key=MADE)
        work.rig.vault.put(COPY, copied, tags={REPLICA_OF: f"{URL}/{NAME}", **own})
        announce(work.at, f"Key={MADE}", template="Key={key}")
        made = work.at.now - timedelta(minutes=5)
        await rotate(work)
        assert kind.calls == [f"verify {MADE_ID} {MADE}"]
        assert work.latest.value == f"AccountKey={MADE}"
        published = work.at.record.published
        assert published
        assert published.born == made


@pytest.mark.parametrize(
    ("shown", "value", "shape", "facts"),
    [
        ({}, MADE, "{key}", {}),
        ({"key": Sensitive("another")}, MADE, "{key}", {}),
        ({"host": Sensitive("x")}, MADE, "{key}", {}),
        ({"key": Sensitive(MADE)}, f"x:{MADE}", "{host}:{key}", {}),
        ({"host": Sensitive("x")}, f"x:{MADE}", "{host}:{key}", {}),
        ({"key": Sensitive(MADE)}, MADE, "{key}", {"replaces": "1" * 32}),
        ({"key": Sensitive(MADE)}, MADE, "{key}", {"refused": True}),
    ],
)
async def test_an_announced_credential_that_cannot_be_had_any_more_is_replaced_by_another(
    shown: dict[str, Sensitive], value: str, shape: str, facts: dict[str, Any]
) -> None:
    """It is not shown, or is another one, or lacks a field, or is refused by now."""
    facts = dict(facts)
    accepted = {OLD} if facts.pop("refused", False) else {OLD, MADE}
    kind = Able(accepted=accepted, shown={MADE_ID: shown})
    fields = {"key": Sensitive(NEW), "host": Sensitive("x")}
    kind.issues = replace(kind.issues, fields=fields)
    tags: dict[str, str | None] = {"ValueTemplate": shape}
    held_value = OLD if shape == "{key}" else f"x:{OLD}"
    async with rotating(kind, tags, value=held_value) as work:
        announce(work.at, value, **facts)
        await rotate(work)
        assert "issue" in kind.calls
        assert work.latest.value.endswith(NEW)
        assert work.rig.tags(NAME)[CREDENTIAL] == NEW_ID
        published = work.at.record.published
        assert published
        assert published.born is None, "it is as young as its version"


@pytest.mark.parametrize("announced", [False, True])
async def test_nothing_is_made_again_for_a_vault_that_takes_no_write(*, announced: bool) -> None:
    kind = Plain()
    async with rotating(kind) as work:
        refuse(work.rig, 403, "Forbidden", PATCH)
        if announced:
            announce(work.at, MADE)
            with pytest.raises(AccessDenied):
                await rotate(work)
            assert kind.calls == []
        else:
            await rotate(work)
            assert kind.calls[0] == "issue"


@pytest.mark.parametrize("is_tidied", [False, True])
async def test_what_an_earlier_try_made_is_removed_before_another_one_is_made(
    *, is_tidied: bool
) -> None:
    kind = Able()
    async with rotating(kind) as work:
        version = str(work.at.secret.version)
        work.at.know(asked=work.at.now, touched=version if is_tidied else "another")
        await rotate(work)
        operation = operation_id(SecretRef(work.rig.vault.url, NAME), version)
        first = [f"tidy {operation} but None"] if is_tidied else []
        assert kind.calls[: len(first) + 1] == [*first, "issue"]


# A derived credential.


@asynccontextmanager
async def derived() -> AsyncIterator[tuple[SasScene, Held, Steps]]:
    """A signature that is due, under the lease of its source."""
    scene = managed(days_left=10)
    async with held(scene.rig, SAS) as at:
        steps = at.steps(version=at.secret.version)
        await steps.observed.observe()
        at.know(proven=str(at.secret.version))
        yield scene, at, steps


@pytest.mark.parametrize("key", ["key1", "key2"])
async def test_an_announced_signature_that_a_replica_holds_is_published_if_the_key_made_it(
    key: str,
) -> None:
    scene = managed(days_left=10, tags={"Replicas": f"{URL}/{COPY}"})
    signature = scene.signed(key, scene.rig.clock.now() + timedelta(days=30))
    scene.rig.vault.put(COPY, signature, tags={REPLICA_OF: f"{URL}/{SAS}"})
    async with held(scene.rig, SAS) as at:
        steps = at.steps(version=at.secret.version)
        await steps.observed.observe()
        at.know(proven=str(at.secret.version))
        announce(at, signature)
        refuse(scene.rig, 403, "Forbidden", PATCH)
        await steps.rotate(at.secret, "due", at_once=False)
        published = scene.rig.latest(SAS).value
        assert (published == signature) is (key == "key1")
        assert scene.made_by(published, "key1")


async def test_a_signature_that_its_account_refuses_waits_for_the_key_to_be_looked_at() -> None:
    async with derived() as (scene, at, steps):
        scene.rig.write(KEY, "A" * 86 + "==")
        with pytest.raises(TransientError) as caught:
            await steps.rotate(at.secret, "due", at_once=False)
        assert (caught.value.code, caught.value.retry_after) == ("KeyRefused", 300)
        assert caught.value.where == at.managed.source
        assert len(scene.rig.vault.versions(SAS)) == 1
        ((seconds, look),) = at.posted()
    asked = (seconds, look["action"], look["secret"], look["trigger"])
    assert asked == (0, "audit", KEY, "event")
    assert look["reason"] == f"the source refuses what {at.secret.ref} made from it"
