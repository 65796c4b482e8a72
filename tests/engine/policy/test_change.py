"""What a document would do to every secret."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.model.policy import Policy
from engine.policy.change import MOST_NAMED, Effect, Unfollowable, effect
from engine.secret import SecretRef, SecretVersion
from tests.shared.builders import ACCOUNT, KINDS, NOW, POLICY, VAULT, pending, version
from tests.shared.policies import policy

DAY = timedelta(days=1)
FAR = 80 * DAY
BY_HAND = "rules: [{match: {secret: 'app-*'}, manual: true}]\n"
NARROWED = f"vaults: {{'{VAULT}': {{scopes: []}}}}\n"


def named(name: str, changes: Mapping[str, str | None] | None = None) -> SecretVersion:
    """Return a secret that is not due."""
    return replace(version(left=FAR, changes=changes), ref=SecretRef(VAULT, name))


async def judged(
    *secrets: SecretVersion, now: Policy | None = POLICY, then: Policy = POLICY
) -> Effect:
    """Judge these secrets under two policies."""

    async def listed() -> AsyncIterator[SecretVersion]:
        for secret in secrets:
            yield secret

    return await effect(listed(), now, then, KINDS, NOW)


async def test_every_secret_is_counted_under_both_policies_and_those_that_change_are_named() -> (
    None
):
    shown = await judged(named("app-1"), named("app-2"), named("db"), then=policy(BY_HAND))
    assert (shown.now, shown.then) == ({"ok": 3}, {"manual": 2, "ok": 1})
    why = {"from": "ok", "to": "manual", "reason": "only a person rotates it"}
    assert shown.changed == [
        {"secret": f"{VAULT}/secrets/app-1", **why},
        {"secret": f"{VAULT}/secrets/app-2", **why},
    ]


async def test_a_secret_that_goes_on_as_before_is_not_named() -> None:
    shown = await judged(named("app-1"), named("x", {"ProviderAddress": None}))
    assert shown == Effect({"ok": 1, "unmanaged": 1}, {"ok": 1, "unmanaged": 1}, [])


@pytest.mark.parametrize(
    ("text", "changes", "state", "reason"),
    [
        ("", {}, "ok", None),
        (BY_HAND, {}, "manual", "only a person rotates it"),
        (NARROWED, {}, "parked", f"vault {VAULT} is not bound to {ACCOUNT}"),
        ("", {"ProviderAddress": None}, "unmanaged", "no tag ProviderAddress"),
    ],
)
async def test_while_no_policy_can_be_followed_only_what_would_stop_is_named(
    text: str, changes: dict[str, str | None], state: str, reason: str | None
) -> None:
    shown = await judged(named("app-1", changes), now=None, then=policy(text))
    assert (shown.now, shown.then) == (None, {state: 1})
    assert [(row["from"], row["reason"]) for row in shown.changed] == (
        [(None, reason)] if reason else []
    )


async def test_a_secret_inside_its_overlap_counts_as_what_it_will_be_after_it() -> None:
    shown = await judged(named("app-1", pending(DAY)), then=policy(BY_HAND))
    assert shown.then == {"manual": 1}
    assert shown.changed[0]["reason"] == "only a person rotates it, once its overlap has passed"


async def test_what_is_disabled_stays_so_whoever_rotates_it() -> None:
    disabled = replace(named("app-1"), enabled=False)
    assert (await judged(disabled, then=policy(BY_HAND))).then == {"disabled": 1}


async def test_fifty_secrets_are_named_those_that_stop_first() -> None:
    """The others begin to be rotated."""
    secrets = [named(f"app-{number}", {"Manual": "true"}) for number in range(MOST_NAMED)]
    rules = "[{match: {secret: 'app-*'}, manual: false}, {match: {secret: last}, manual: true}]"
    shown = await judged(*secrets, named("last"), then=policy(f"rules: {rules}\n"))
    assert len(shown.changed) == MOST_NAMED
    assert [(row["secret"], row["to"]) for row in shown.changed[:2]] == [
        (f"{VAULT}/secrets/last", "manual"),
        (f"{VAULT}/secrets/app-0", "ok"),
    ]


@pytest.mark.parametrize("problems", [["one"], ["one", "two"]])
def test_a_document_that_cannot_be_followed_lists_every_problem(problems: list[str]) -> None:
    error = Unfollowable(problems)
    assert error.problems == tuple(problems)
    assert error.what == (
        f"the policy document has {len(problems)} problem(s): {'; '.join(problems)}"
    )
    assert error.fix == "see docs/policy.md"
