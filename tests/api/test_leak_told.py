"""Of a credential that has leaked and works somebody is told, and its value is in no text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.test_leaks import TRUSTED, leak, leaky, rotate


@pytest.mark.parametrize("first", [False, True], ids=["without a tag", "with another tag"])
async def test_who_is_asked_first_is_the_owner_whom_the_policy_document_names(
    *, first: bool
) -> None:
    """What a rule of the document sets counts, and no tag of whoever may write the secret."""
    rules = "rules: [{match: {secret: app-key}, owner: orders}]\n"
    rig = leaky(f"{rules}{TRUSTED}  rules: [{{action: ask, owner: orders}}]\n")
    rig.tag("app-key", Owner="somebody" if first else None)
    rig.clock.advance(60)
    answer = await leak(rig.api(), rig.latest("app-key").value)
    assert (answer.status, answer.body["owner"], answer.body["incident"]) == (200, "orders", None)


@pytest.mark.parametrize("change", [{"enabled": False}, {"tags": {"Owner": "orders"}}])
async def test_who_is_asked_first_is_known_of_a_secret_that_is_disabled_or_has_lost_its_tags(
    change: dict[str, Any],
) -> None:
    """What it held before works on, and whoever breaks its tags takes no rule away."""
    rig = leaky(f"{TRUSTED}  rules: [{{action: ask, owner: orders}}]\n")
    leaked = rig.latest("app-key").value
    await rotate(rig)
    rig.vault.amend(rig.latest("app-key"), **change)
    rig.clock.advance(60)
    answer = await leak(rig.api(), leaked)
    assert (answer.status, answer.body["owner"], answer.body["incident"]) == (200, "orders", None)
