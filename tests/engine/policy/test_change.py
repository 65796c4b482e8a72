"""What a document would do to every secret."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.policy.change import MOST_CHANGED, RESHAPED, Effect, Unfollowable, effect, interval
from engine.secret import SecretRef, SecretVersion
from engine.state.policy import Policy
from tests.shared.builders import (
    ACCOUNT,
    KINDS,
    NOW,
    POLICY,
    VAULT,
    OneSlot,
    pending,
    stands,
    version,
)
from tests.shared.policies import policy

DAY = timedelta(days=1)
FAR = 80 * DAY
BY_HAND = "rules: [{match: {secret: 'app-*'}, manual: true}]\n"
NARROWED = f"vaults: {{'{VAULT}': {{scopes: []}}}}\n"


def named(name: str, changes: Mapping[str, str | None] | None = None) -> SecretVersion:
    return replace(version(left=FAR, changes=changes), ref=SecretRef(VAULT, name))


async def judged(
    *secrets: SecretVersion, now: Policy | None = POLICY, then: Policy = POLICY
) -> Effect:
    """Judge these secrets under two policies."""

    async def listed() -> AsyncIterator[SecretVersion]:
        for secret in secrets:
            yield secret

    return await effect(listed(), now, then, KINDS, NOW)


async def test_all_secrets_are_counted_under_both_policies_and_those_that_change_named() -> None:
    shown = await judged(named("app-1"), named("app-2"), named("db"), then=policy(BY_HAND))
    assert (shown.now, shown.then) == ({"ok": 3}, {"manual": 2, "ok": 1})
    why = {"from": "ok", "to": "manual", "reason": "only a person rotates it"}
    assert shown.changed == [
        {"secret": f"{VAULT}/secrets/app-1", **why},
        {"secret": f"{VAULT}/secrets/app-2", **why},
    ]


async def test_a_secret_whose_value_gets_another_shape_is_named_with_when_that_is() -> None:
    text = "rules: [{match: {secret: 'app-*'}, valueTemplate: 'AccountKey={key}'}]\n"
    unmanaged = named("app-2", {"ProviderAddress": None})
    shown = await judged(named("app-1"), unmanaged, named("db"), then=policy(text))
    why = {"from": "ok", "to": "ok", "reason": RESHAPED}
    assert shown.changed == [{"secret": f"{VAULT}/secrets/app-1", **why}]
    assert (await judged(named("app-1"), now=None, then=policy(text))).changed == []


async def test_a_secret_that_goes_on_as_before_is_not_named() -> None:
    shown = await judged(named("app-1"), named("x", {"ProviderAddress": None}))
    counts = {"ok": 1, "unmanaged": 1}
    none_due = {"now": 0, "then": 0}
    assert shown == Effect(counts, counts, [], [], {"7": none_due, "30": none_due}, [], [])


OFTENER = "rules: [{match: {secret: 'app-*'}, validityPeriodDays: 30, rotateBeforeDays: 10}]\n"


async def test_a_secret_that_falls_due_at_another_time_is_named_with_both() -> None:
    """It was written just now and is good for 80 days: due in 50, under the rule in 30."""
    secret = replace(named("app-1"), created=NOW)
    shown = await judged(secret, named("db"), then=policy(OFTENER))
    due = {"from": (NOW + 50 * DAY).isoformat(), "to": (NOW + 30 * DAY).isoformat()}
    assert shown.moved == [{"secret": f"{VAULT}/secrets/app-1", **due}]
    assert shown.due == {"7": {"now": 0, "then": 0}, "30": {"now": 0, "then": 1}}
    assert shown.changed == []


async def test_what_would_no_longer_fall_due_is_named_after_all_that_will() -> None:
    unbound = named("app-1", {"ProviderAddress": f"{ACCOUNT}2"})
    text = OFTENER + NARROWED.replace("[]", f"['{ACCOUNT}']")
    shown = await judged(unbound, named("app-2"), then=policy(text))
    moved = [(move["secret"], move["to"] is None) for move in shown.moved]
    assert moved == [(f"{VAULT}/secrets/app-2", False), (f"{VAULT}/secrets/app-1", True)]
    gone = await judged(named("app-2"), then=policy(NARROWED))
    assert [(move["from"] is None, move["to"]) for move in gone.moved] == [(False, None)]


async def test_without_a_policy_now_no_secret_is_said_to_move() -> None:
    shown = await judged(named("app-1"), now=None, then=policy(OFTENER))
    assert (list(shown.moved), shown.due["30"]) == ([], {"now": None, "then": 1})


async def test_a_rule_that_decides_about_no_secret_is_named_one_behind_another_too() -> None:
    rules = "rules: [{match: {secret: 'app-*'}, owner: a}, {match: {secret: '*-1'}, owner: b},"
    rules += f" {{match: {{vault: '{VAULT}', secret: 'sql-*'}}, owner: c}}]\n"
    shown = await judged(named("app-1"), then=policy(rules))
    assert shown.unmatched == ["*-1", "prod/sql-*"]


async def test_a_rule_decides_about_what_is_disabled_too_which_stays_so_whoever_rotates_it() -> (
    None
):
    """Whoever reads that it matches nothing would take it away."""
    disabled = replace(named("app-1"), enabled=False)
    assert (await judged(disabled, then=policy(OFTENER))).unmatched == []
    assert (await judged(disabled, then=policy(BY_HAND))).then == {"disabled": 1}


@pytest.mark.parametrize(
    ("validity", "before", "days"), [(37, 30, 7.0), (38, 30, None), (10, 8, 5.0), (4, 2, 2.0)]
)
async def test_a_rule_that_makes_a_secret_rotate_every_week_is_named(
    validity: int, before: int, days: float | None
) -> None:
    """A rotation waits for the overlap, which is half of a short life."""
    text = OFTENER.replace("Days: 10", f"Days: {before}").replace(
        "Days: 30", f"Days: {validity}", 1
    )
    shown = await judged(named("app-1"), named("app-2"), named("db"), then=policy(text))
    assert shown.often == ([{"rule": "app-*", "days": days, "secrets": 2}] if days else [])


async def test_tags_that_make_a_secret_rotate_every_week_are_laid_at_no_rules_door() -> None:
    rules = "rules: [{match: {secret: db}, owner: a}]\n"
    shown = await judged(named("app-1", {"ValidityPeriodDays": "10"}), then=policy(rules))
    assert shown.often == [{"rule": "", "days": 5.0, "secrets": 1}]
    hours = {"ValidityPeriodDays": "10", "RotateBeforeDays": "8", "OverlapHours": "100"}
    (row,) = (await judged(named("app-1", hours))).often
    assert row["days"] == 4.2


async def test_what_rotates_most_frequently_comes_first_whichever_rule_asks_for_it() -> None:
    rules = "rules: [{match: {secret: 'a-*'}, owner: a}, {match: {secret: 'b-*'}, owner: b}]\n"
    slow, fast = ({"ValidityPeriodDays": days} for days in ("10", "6"))
    shown = await judged(named("a-1", slow), named("b-1", fast), then=policy(rules))
    assert [(row["rule"], row["days"]) for row in shown.often] == [("b-*", 3.0), ("a-*", 5.0)]


def test_what_has_no_overlap_is_rotated_as_often_as_its_validity_says() -> None:
    tags = {"ValidityPeriodDays": "10", "RotateBeforeDays": "8"}
    managed = stands(version(changes=tags)).managed
    assert managed
    assert interval(managed) == managed.overlap == 5 * DAY
    assert interval(replace(managed, rotator=OneSlot)) == 2 * DAY


async def test_what_nothing_rotates_by_itself_falls_due_under_no_policy() -> None:
    copy = named("copy", {"ProviderAddress": None, "ReplicaOf": f"{VAULT}/secrets/app-key"})
    shown = await judged(copy)
    assert (shown.then, shown.due["30"], shown.moved) == ({"ok": 1}, {"now": 0, "then": 0}, [])


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


async def test_fifty_secrets_are_named_those_that_stop_first() -> None:
    """The others begin to be rotated."""
    secrets = [named(f"app-{number}", {"Manual": "true"}) for number in range(MOST_CHANGED)]
    rules = "[{match: {secret: 'app-*'}, manual: false}, {match: {secret: last}, manual: true}]"
    shown = await judged(*secrets, named("last"), then=policy(f"rules: {rules}\n"))
    assert len(shown.changed) == MOST_CHANGED
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
