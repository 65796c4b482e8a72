"""What people wrote, and no rotation has replaced yet, is judged like what Rekey wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.api.test_leak_cases import accepted
from tests.api.test_leaks import audit, leak, leaky, rotate
from tests.shared.policies import PolicyRig


def hidden(rig: PolicyRig, how: str) -> str:
    """Take a secret away that was never rotated, and return what it held."""
    held = rig.latest("app-key")
    if how == "deleted":
        rig.vault.delete("app-key")
    else:
        enabled, tags = how != "disabled", {} if how == "untagged" else held.tags
        rig.vault.amend(held, enabled=enabled, tags=tags)
    rig.clock.advance(60)
    return held.value


@pytest.mark.parametrize("works", [True, False], ids=["works", "revoked"])
@pytest.mark.parametrize("how", ["deleted", "disabled", "untagged"])
async def test_what_a_secret_held_that_is_gone_is_tried_though_no_rotation_noted_its_kind(
    how: str, *, works: bool
) -> None:
    rig = leaky()
    await audit(rig, "app-key", "other")
    leaked = hidden(rig, how)
    if not works:
        keys = rig.world.accounts["appdata"].keys
        keys |= {name: replace(key, value="Z" * 86 + "==") for name, key in keys.items()}
    assert (leaked in accepted(rig)) is works
    rig.clock.advance(120)
    answer = await leak(rig.api(), leaked)
    known = [answer.body[name] for name in ("kind", "accepted", "status")]
    assert known == ["storage-key", works, "alive" if works else "refused"]


async def test_what_a_secret_held_that_is_gone_is_not_tried_as_what_another_source_would_take() -> (
    None
):
    """Its tags had named another source since, perhaps of another kind."""
    rig = leaky()
    await audit(rig, "app-key", "other")
    elsewhere = rig.account("elsewhere").resource_id
    tags = {**rig.tags("app-key"), "ProviderAddress": elsewhere}
    await rig.note(rig.tags("app-key")["ProviderAddress"].lower(), "app-key", tags=tags)
    answer = await leak(rig.api(), hidden(rig, "deleted"))
    assert [answer.body[name] for name in ("kind", "accepted")] == [None, False]


async def test_a_value_that_a_person_has_written_again_is_in_use_whatever_its_source_says() -> None:
    """The current version has no print yet: the one before would be called refused, and closed."""
    rig = leaky()
    await audit(rig, "app-key", "other")
    leaked = rig.latest("app-key").value
    await rotate(rig)
    rig.clock.advance(8 * 86_400)
    await rig.service().rotate(rig.item("app-key", action="retire").to_json(), 1)
    rig.clock.advance(120)
    assert leaked not in accepted(rig)
    rig.write("app-key", leaked)
    rig.clock.advance(120)
    answer = await leak(rig.api(), leaked)
    known = [answer.body[name] for name in ("status", "version")]
    assert known == ["alive", rig.latest("app-key").version]


@pytest.mark.parametrize("text", ["{0}", "{0}\n", "KEY={0}\n"])
@pytest.mark.parametrize("audited", [True, False], ids=["seen", "never seen"])
async def test_a_line_break_behind_a_value_hides_no_credential_that_works(
    text: str, *, audited: bool
) -> None:
    """A file or an editor has left it there: `az keyvault secret set --file` writes it."""
    rig = leaky()
    leaked = rig.latest("app-key").value
    rig.write("app-key", f"{leaked}\n")
    rig.clock.advance(120)
    if audited:
        await audit(rig, "app-key", "other")
    answer = await leak(rig.api(), text.format(leaked))
    known = [answer.body[name] for name in ("status", "accepted", "version")]
    assert known == ["alive", True, rig.latest("app-key").version]
