"""Tags that say something else than the value.

What a person, or a tool that copies tags, leaves behind.
"""

from __future__ import annotations

import pytest

from engine.state.tags import OPERATION
from simulator.keyvault.state import SecretVersion
from tests.shared.delivery import Delivery
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene

DAY = 86_400


async def work(rig: Rig, **fields: object) -> None:
    """Let the queue work on the secret until nothing is left to do."""
    await rig.service().engine.queue.post_rotation(rig.item(NAME, **{"trigger": "sweep", **fields}))
    await Delivery(rig, rig.service).run()


async def settled() -> tuple[Rig, SecretVersion]:
    """Return a rig whose secret Rekey has rotated, with the overlap over.

    The current version comes with it.
    """
    rig = scene()
    await work(rig)
    rig.clock.advance(8 * DAY)
    await work(rig, action="retire")
    current = rig.latest(NAME)
    assert (current.tags or {}).keys() >= {OPERATION, "CredentialId"}
    assert "RekeyRetire" not in (current.tags or {})
    return rig, current


def accepted(rig: Rig, version: SecretVersion) -> bool:
    """Tell whether the account takes the value of a version."""
    return version.value in {key.value for key in rig.world.accounts["appdata"].accepted_keys()}


@pytest.mark.parametrize("tag", ["is true", "was edited", "was copied"])
async def test_a_forced_rotation_regenerates_no_live_key_whatever_the_tag_says(tag: str) -> None:
    """Terraform with `ignore_changes = [tags]` writes a new value under the tags that it saw last."""
    rig, held = await settled()
    tags = held.tags or {}
    if tag == "was edited":
        held = rig.vault.amend(held, tags={**tags, "CredentialId": "key1"})
    if tag == "was copied":
        rig.clock.advance(60)
        other = rig.world.accounts["appdata"].keys["key1"].value
        held = rig.vault.put(NAME, other, tags=tags, content_type="text/plain")
    await work(rig, trigger="manual", force=True)
    assert accepted(rig, held)
    assert rig.latest(NAME).version != held.version


async def test_a_lying_tag_on_a_version_that_rekey_did_not_write_is_seen_through() -> None:
    rig = scene(tags={"CredentialId": "key2"})
    before = rig.latest(NAME)
    await work(rig)
    assert len(rig.vault.versions(NAME)) == 2
    assert accepted(rig, before)


@pytest.mark.parametrize("named", ["a" * 32, "A" * 32, "../other", "the current one", "CURRENT"])
async def test_a_retirement_that_a_tag_alone_names_revokes_nothing_and_the_next_audit_removes_it(
    named: str,
) -> None:
    rig, current = await settled()
    version = {"the current one": current.version, "CURRENT": current.version.upper()}
    lie = f"2026-01-01T00:00:00Z {version.get(named, named)} key1"
    rig.tag(NAME, CredentialId="key1", RekeyRetire=lie)
    await work(rig, action="retire")
    assert rig.latest(NAME).enabled
    assert accepted(rig, current)
    await work(rig, action="audit")
    assert not {"RekeyRetire", "RekeyState"} & rig.tags(NAME).keys()
