"""The key behind a derived secret: which it is, who consents to what, and when it is followed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.secret import SecretRef
from engine.state.record import Record
from engine.state.record_parts import Published
from engine.state.request import Outcome
from engine.state.tags import MAX_TAGS
from tests.rotators.sas_scenes import EXTENT, KEY, SAS, SasScene, managed
from tests.shared.records import knowing
from tests.shared.rig import VAULT_ACTIONS
from tests.shared.scene import refuse

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
GAIN, VALIDITY = timedelta(hours=1), timedelta(days=60)
"""How much longer a new version must last, and how long one lasts."""
NOBODY = "-"
FOLLOWS = "its key has a new version"
type Tags = Mapping[str, str | None]


def scene(tags: Tags | None = None, **options: Any) -> SasScene:
    """Put a signature under management, and the key that made it, with these tags."""
    made = SasScene()
    made.manage(**{"days_left": 10, "key_tags": tags, **options})
    return made


async def worked(scene: SasScene, tries: int = 1, **item: Any) -> Outcome:
    return await scene.rig.service().engine.handle(scene.rig.item(SAS, **item), tries)


async def refusal(scene: SasScene, **policy: Any) -> Outcome:
    """Return how a rotation ends that is asked for, perhaps under another policy."""
    engine = scene.rig.service().engine
    engine = replace(engine, policy=replace(engine.policy, **policy))
    outcome = await engine.handle(scene.rig.item(SAS, force=True))
    assert outcome.result == "parked"
    assert len(scene.rig.vault.versions(SAS)) == 1
    return outcome


async def note(scene: SasScene, **facts: Any) -> None:
    """Write the record of the key's source, which its secret owns unless it says otherwise."""
    owner = str(SecretRef(scene.rig.vault.url, KEY)).lower()
    async with scene.rig.service().engine.leases.hold(scene.source_name, owner) as lease:
        await lease.write(knowing(Record(source=lease.record.source, owner=owner), **facts))


def moves(scene: SasScene) -> None:
    """Let the key's secret hold the other key."""
    scene.rig.write(KEY, scene.account.keys["key2"].value)


def ends(scene: SasScene, name: str, left: timedelta | None) -> None:
    """Let a secret be written again, to expire then."""
    current, expires = (
        scene.rig.latest(name),
        None if left is None else scene.rig.clock.now() + left,
    )
    scene.rig.vault.put(name, current.value, tags=current.tags, expires=expires)


@pytest.fixture
def signed() -> SasScene:
    return scene()


@pytest.mark.parametrize(("tag", "expected"), [("key1", "key1"), (" key2 ", "key2"), (None, "key")])
async def test_a_key_is_what_its_secret_holds_and_calls_it(tag: str | None, expected: str) -> None:
    signed = scene({"CredentialId": tag})
    assert (await worked(signed, force=True)).result == "rotated"
    assert signed.rig.tags(SAS)["CredentialId"].partition("/")[0] == expected


@pytest.mark.parametrize(("owner", "expected"), [("mine", "key2"), ("", "key1"), (NOBODY, "key1")])
async def test_what_the_record_of_the_keys_source_says_outranks_a_tag(
    signed: SasScene, owner: str, expected: str
) -> None:
    version, now = signed.rig.latest(KEY), signed.rig.clock.now()
    created = datetime.fromtimestamp(version.created, now.tzinfo)
    write = Published(
        "op", "key2", "digest", "1" * 32, now, version=version.version, created=created
    )
    await note(signed, published=write, **({} if owner == "mine" else {"owner": owner}))
    await worked(signed, force=True)
    assert signed.rig.tags(SAS)["CredentialId"].partition("/")[0] == expected


async def test_an_earlier_key_that_is_compromised_is_not_waited_for(signed: SasScene) -> None:
    await note(signed, compromised=("1" * 32,))
    assert (await worked(signed, force=True)).result == "rotated"


async def test_a_key_whose_source_another_secret_rotates_is_not_followed(signed: SasScene) -> None:
    await note(signed, owner="https://prod.vault.azure.net/secrets/other")
    assert "which https://prod.vault.azure.net/secrets/other " in (await refusal(signed)).reason


@pytest.mark.parametrize(
    ("tags", "policy", "what"),
    [
        ({"ValueTemplate": "AccountKey={key}"}, {}, "does not follow its ValueTemplate"),
        ({}, {"own": SecretRef("https://prod.vault.azure.net", KEY)}, "is the policy document"),
    ],
)
async def test_a_secret_that_holds_no_key_signs_nothing(
    tags: Tags, policy: dict[str, Any], what: str
) -> None:
    outcome = await refusal(scene(tags), **policy)
    assert f"the secret with its key {what}" in outcome.reason
    assert outcome.reason.endswith(f"/{KEY})")


async def test_a_key_in_a_vault_that_may_not_rotate_its_source_signs_nothing() -> None:
    signed = scene()
    outcome = await refusal(signed, scopes={signed.rig.vault.url: (f"{signed.source_name}/sas",)})
    assert "is in a vault not bound to its source" in outcome.reason


async def test_who_is_missing_in_a_consent_is_named_as_the_owner_must_write_it() -> None:
    outcome = await refusal(scene(consent=None))
    assert outcome.fix == f"its owner adds {SAS}={EXTENT} to its tag MayDerive"


async def test_who_is_missing_in_a_consent_of_another_vault_is_named_with_its_own() -> None:
    signed = scene(consent=None)
    north = signed.rig.world.add_vault("north")
    key = signed.rig.latest(KEY)
    north.put(KEY, key.value, tags=key.tags)
    signed.rig.tag(SAS, DerivedFrom=f"{north.url}/secrets/{KEY}")
    group = signed.account.resource_id.split("/providers/")[0]
    served = {vault.url: [group] for vault in (signed.rig.vault, north)}
    signed.rig.environment = {"REKEY_VAULTS": ",".join(served), "REKEY_SCOPES": json.dumps(served)}
    signed.rig.world.grant(signed.rig.identity, VAULT_ACTIONS, north.resource_id)
    outcome = await refusal(signed)
    url = f"{signed.rig.vault.url}/secrets/{SAS}"
    assert outcome.fix == f"its owner adds {url}={EXTENT} to its tag MayDerive"


# What an audit and a due secret do with it.


@pytest.mark.parametrize(
    ("key_ends", "expected"), [(10 * DAY, 10 * DAY), (90 * DAY, VALIDITY), (None, VALIDITY)]
)
async def test_what_a_key_makes_never_outlasts_it(
    signed: SasScene, key_ends: timedelta | None, expected: timedelta
) -> None:
    ends(signed, KEY, key_ends)
    await worked(signed, force=True)
    assert signed.rig.latest(SAS).expires == (signed.rig.clock.now() + expected).timestamp() // 1


@pytest.mark.parametrize(
    ("action", "is_moved", "result"),
    [("audit", False, "confirmed"), ("audit", True, "rotated"), ("rotate", True, "skipped")],
)
async def test_only_an_audit_replaces_what_its_key_made_before(
    action: str, result: str, *, is_moved: bool
) -> None:
    signed = scene(days_left=50)
    if is_moved:
        moves(signed)
    outcome = await worked(signed, action=action)
    assert outcome.result == result
    assert outcome.reason.startswith(FOLLOWS) is (result == "rotated")


async def test_a_secret_without_room_for_tags_does_not_follow_and_says_so() -> None:
    crowd = {f"other{number}": "x" for number in range(MAX_TAGS - 3)}
    signed = scene(days_left=50, tags=None)
    signed.rig.tag(SAS, **crowd)
    moves(signed)
    outcome = await worked(signed, action="audit")
    assert outcome.result == "parked"
    assert outcome.reason.startswith(f"{MAX_TAGS} tags leave no room for Rekey's own; ")


@pytest.mark.parametrize(
    ("key_ends", "left", "waits"),
    [
        (10 * DAY, 10 * DAY, True),
        (10 * DAY + GAIN, 10 * DAY, True),
        (10 * DAY + GAIN + SECOND, 10 * DAY, False),
        (GAIN, None, True),
        (GAIN + SECOND, None, False),
        (GAIN, -DAY, True),
        (GAIN + SECOND, -DAY, False),
        (None, 10 * DAY, False),
    ],
)
@pytest.mark.parametrize("action", ["rotate", "audit"])
async def test_a_due_secret_waits_for_a_key_of_which_it_would_last_no_longer_and_an_audit_proves_it(
    key_ends: timedelta | None, left: timedelta | None, action: str, *, waits: bool
) -> None:
    signed = scene()
    ends(signed, KEY, key_ends)
    ends(signed, SAS, left)
    outcome = await worked(signed, action=action, trigger="sweep")
    proven = "confirmed" if action == "audit" else "waiting"
    assert outcome.result == (proven if waits else "rotated")
    url = f"{signed.rig.vault.url}/secrets/{KEY}"
    is_reason = outcome.reason.endswith(f", as does its key in {url}")
    assert is_reason is (waits and action == "rotate")


async def test_a_secret_with_replicas_waits_for_its_key_although_its_source_is_silent() -> None:
    """Only a value that is to be replaced is tried first."""
    signed = managed(
        key_days_left=10, tags={"Replicas": "https://prod.vault.azure.net/secrets/copy"}
    )
    refuse(signed.rig, 503, "ServerBusy", lambda sent: sent.host.startswith("appdata."), times=9)
    assert (await worked(signed, trigger="sweep")).result == "waiting"


@pytest.mark.parametrize(
    ("item", "is_moved"), [({"compromised": True}, False), ({"force": True}, False), ({}, True)]
)
async def test_a_secret_that_leaked_or_is_forced_or_is_of_another_key_does_not_wait(
    signed: SasScene, item: dict[str, Any], *, is_moved: bool
) -> None:
    if is_moved:
        moves(signed)
    ends(signed, KEY, 10 * DAY)
    await worked(signed, **item)
    assert len(signed.rig.vault.versions(SAS)) == 2
