"""What every step needs: what a rotator learns of the version that is to be replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from engine.errors import AccessDenied, PermanentError, RekeyError, TransientError
from engine.kinds import Kinds
from engine.parts import GRACE_SECONDS
from engine.secret import SecretRef
from engine.state.tags import BY, PROOF
from rotators.storage_key import StorageKey
from tests.shared.builders import REF, VAULT, Rotate
from tests.shared.collected import Collected, dims
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, to_vault


@pytest.mark.parametrize(
    ("marks", "proven", "is_ours"),
    [
        ({}, False, False),
        ({}, True, True),
        ({PROOF: "a digest"}, False, True),
        ({BY: "west"}, False, True),
        ({BY: "east"}, False, False),
        ({BY: "east"}, True, True),
    ],
)
async def test_when_a_version_was_written_matters_only_if_somebody_else_wrote_it(
    marks: dict[str, str], *, proven: bool, is_ours: bool
) -> None:
    """A rotator learns the owner's tags, and none of Rekey's."""
    rig = scene(tags={"Owner": "shop", **marks})
    rig.environment = {"WEBSITE_SITE_NAME": "west"}
    engine = await rig.service().ready()
    item = rig.item(NAME)
    secret = await engine.vaults.read(item.ref)
    decision = engine.decide(secret, item)
    assert isinstance(decision, Rotate)
    job = engine.job(secret, decision.managed, proven=proven)
    assert job.written == (None if is_ours else secret.created)
    assert job.options["Owner"] == "shop"
    assert [tag for tag in job.options if tag.startswith("Rekey")] == []


@pytest.mark.parametrize(("marks", "is_ours"), [({}, True), ({BY: "east"}, False)])
async def test_a_deployment_without_a_name_has_written_what_names_none(
    marks: dict[str, str], *, is_ours: bool
) -> None:
    rig = scene(tags=marks)
    named = await rig.service().ready()
    engine = replace(named, policy=replace(named.policy, deployment=""))
    secret = await engine.vaults.read(rig.item(NAME).ref)
    decision = engine.decide(secret, rig.item(NAME))
    assert isinstance(decision, Rotate)
    job = engine.job(secret, decision.managed)
    assert job.written == (None if is_ours else secret.created)


@pytest.mark.parametrize("delay", [0.0, 600.0])
async def test_the_timer_carries_out_what_was_asked_for_only_once_its_message_is_overdue(
    rig: Rig, delay: float
) -> None:
    class Kept:
        """A store of requests."""

        async def keep(self, request: str, text: str, due: datetime) -> None:
            assert (request, text) == (asked.request, asked.to_json())
            kept.append((due - rig.clock.now()).total_seconds())

    kept, asked = list[float](), rig.item(NAME, trigger="manual")
    store: Any = Kept()
    await replace(rig.service().engine, requests=store).accept(asked, delay)
    assert kept == [delay + GRACE_SECONDS]


@pytest.mark.parametrize("error", [TransientError, PermanentError])
async def test_what_is_done_stays_done_although_its_request_cannot_be_closed(
    rig: Rig, error: type[RekeyError]
) -> None:
    class Stuck:
        """A store of requests that forgets none."""

        async def close(self, request: str) -> None:
            tried.append(request)
            raise error("the store does not answer")

    tried, done = list[str](), rig.item(NAME, trigger="manual")
    store: Any = Stuck()
    await replace(rig.service().engine, requests=store).close(done)
    assert tried == [done.request] != [""]


@pytest.mark.parametrize(("enabled", "kind"), [(True, "storage-key"), (False, "unknown")])
async def test_what_is_decided_is_counted_under_the_kind_of_its_secret(
    kind: str, sent: Collected, *, enabled: bool
) -> None:
    """Even where the try does not come to its end."""
    rig = scene(enabled=enabled)
    engine, item = await rig.service().ready(), rig.item(NAME)
    secret = await engine.vaults.read(item.ref)
    with engine.reporter.handling(item):
        engine.decide(secret, item)
    assert sent.metric("rekey.rotations") == {
        dims(rotator=kind, trigger="manual", outcome="failed"): 1
    }


COPY = f"{VAULT}/secrets/copy"


@pytest.mark.parametrize(
    ("replicas", "replica_of", "is_written"),
    [
        (COPY, str(REF), True),
        (f"{VAULT}/secrets/other, {VAULT}/secrets/COPY/v1", f"{REF}/v1", True),
        (f"nonsense,{COPY}", f" {REF} ", True),
        (f"{COPY}2", str(REF), False),
        ("", str(REF), False),
        (None, str(REF), False),
        (COPY, f"{VAULT}/secrets/none", False),
        (COPY, "https://evil.example/secrets/app-key", False),
        (COPY, "nonsense", False),
        (COPY, None, False),
    ],
)
async def test_a_replica_is_written_by_the_secret_that_names_it_and_by_no_other(
    rig: Rig, replicas: str | None, replica_of: str | None, *, is_written: bool
) -> None:
    rig.tag(NAME, Replicas=replicas)
    rig.vault.put("copy", "x", tags={"ReplicaOf": replica_of} if replica_of else {})
    engine = rig.service().engine
    copy = await engine.vaults.read(SecretRef.parse(COPY))
    assert await engine.primary(copy) == (REF if is_written else None)


async def test_what_an_earlier_version_of_a_secret_has_named_is_written_no_more(rig: Rig) -> None:
    rig.tag(NAME, Replicas=COPY)
    rig.clock.advance(1)
    rig.vault.put("copy", "x", tags={"ReplicaOf": str(REF)})
    rig.vault.put(NAME, "x")
    engine = rig.service().engine
    assert await engine.primary(await engine.vaults.read(SecretRef.parse(COPY))) is None


def test_a_view_of_rotators_shows_the_class_of_each() -> None:
    kinds = Kinds({"storage-key": StorageKey.__new__(StorageKey)})
    assert dict(kinds) == {"storage-key": StorageKey}
    assert len(kinds) == 1


async def test_a_version_that_the_app_may_not_read_is_not_taken_for_gone() -> None:
    rig = scene()
    refuse(rig, 403, "Forbidden", to_vault(name=NAME), times=9)
    with pytest.raises(AccessDenied):
        await rig.service().engine.earlier(rig.item(NAME).ref, str(rig.latest(NAME).version))
