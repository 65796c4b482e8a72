"""Tags that say something else than the value.

What a person, or a tool that copies tags, leaves behind.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model.tags import OPERATION
from simulator.keyvault.state import SecretVersion
from tests.shared.delivery import Delivery
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene

DAY = 86_400


async def work(rig: Rig, **fields: object) -> None:
    """Let the queue work on the secret until nothing is left to do."""
    await rig.service().queue.post_rotation(rig.item(NAME, **{"trigger": "sweep", **fields}))
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


async def test_truthful_tags_keep_the_version_before_alive_through_its_overlap() -> None:
    rig, current = await settled()
    await work(rig, trigger="manual", force=True)
    assert len(rig.vault.versions(NAME)) == 3
    assert accepted(rig, current)


async def test_a_credential_id_that_was_edited_by_hand_does_not_get_the_live_key_regenerated() -> (
    None
):
    rig, current = await settled()
    edited = rig.vault.amend(current, tags={**(current.tags or {}), "CredentialId": "key1"})
    await work(rig, trigger="manual", force=True)
    assert accepted(rig, edited)


async def test_a_version_by_hand_that_copied_the_tags_does_not_get_its_live_key_regenerated() -> (
    None
):
    """Terraform with `ignore_changes = [tags]` writes a new value under the tags that it saw last."""
    rig, current = await settled()
    rig.clock.advance(60)
    account = rig.world.accounts["appdata"]
    copied = rig.vault.put(
        NAME, account.keys["key1"].value, tags=current.tags, content_type="text/plain"
    )
    await work(rig, trigger="manual", force=True)
    assert accepted(rig, copied)


async def test_a_lying_tag_on_a_version_that_rekey_did_not_write_is_seen_through() -> None:
    rig = scene(tags={"CredentialId": "key2"})
    before = rig.latest(NAME)
    await work(rig)
    assert len(rig.vault.versions(NAME)) == 2
    assert accepted(rig, before)


async def test_a_retirement_that_only_a_tag_names_is_not_believed() -> None:
    rig, current = await settled()
    lie = f"2026-01-01T00:00:00Z {'a' * 32} key2"
    rig.vault.amend(
        current, tags={**(current.tags or {}), "CredentialId": "key1", "RekeyRetire": lie}
    )
    await work(rig, action="retire")
    assert accepted(rig, current)
    assert "RekeyReason" not in (rig.latest(NAME).tags or {})


async def test_a_retirement_that_names_the_current_version_never_disables_it() -> None:
    rig, current = await settled()
    lie = f"2026-01-01T00:00:00Z {current.version} key1"
    rig.vault.amend(current, tags={**(current.tags or {}), "RekeyRetire": lie})
    await work(rig, action="retire")
    assert rig.latest(NAME).enabled
    assert accepted(rig, current)


@pytest.mark.parametrize("named", ["", "A" * 32, "../other"])
async def test_a_retirement_that_names_no_version_disables_nothing_and_the_next_audit_removes_it(
    named: str,
) -> None:
    rig, current = await settled()
    lie = f"2026-01-01T00:00:00Z {named or current.version.upper()} key1"
    rig.vault.amend(current, tags={**(current.tags or {}), "RekeyRetire": lie})
    before = replace(rig.latest(NAME))
    await work(rig, action="retire")
    assert rig.latest(NAME).enabled == before.enabled is True
    assert accepted(rig, current)
    await work(rig, action="audit")
    assert not {"RekeyRetire", "RekeyState"} & set(rig.latest(NAME).tags or {})
