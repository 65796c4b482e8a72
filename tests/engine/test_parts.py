"""What every step needs: what a rotator learns of the version that is to be replaced."""

from __future__ import annotations

import pytest

from engine.kinds import Kinds
from engine.secret import SecretRef
from engine.state.tags import BY, PROOF
from rotators.storage_key import StorageKey
from tests.shared.builders import REF, VAULT, Rotate
from tests.shared.collected import Collected, dims
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene


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
