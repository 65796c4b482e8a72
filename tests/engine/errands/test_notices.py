"""Owners of secrets that only a person can rotate are reminded at the right moments, once each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

import pytest

from engine.decide.tagged import Tagged
from engine.errands import notices
from engine.errands.errand import ERRANDS, GIVEN_UP, TO_REFRESH
from engine.model.outcome import Outcome
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import Action
from engine.secret import SecretVersion
from tests.shared.builders import KINDS, NOW, POLICY, V1, VAULT, item, version
from tests.shared.policies import policy
from tests.shared.rig import Rig

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def manual(left: float | None, age: float, **changes: str | None) -> SecretVersion:
    """Return a secret that only a person rotates, with so many days left and behind it."""
    tags = {
        "Manual": "true",
        "ProviderAddress": None,
        "ValidityPeriodDays": None,
        "CredentialId": None,
        **changes,
    }
    return version(left=None if left is None else left * DAY, age=age * DAY, changes=tags)


def reminders(secret: SecretVersion, days: int, step: timedelta = HOUR) -> list[tuple[float, str]]:
    """Sweep for so many days, and return the day and the text of each reminder."""
    reminded = []
    for count in range(int(days * DAY / step)):
        until = NOW + (count + 1) * step
        if text := notices.reminder(
            Tagged.of(secret, POLICY, KINDS), POLICY, SweepOrder(VAULT, until - step, until, step)
        ):
            reminded.append(((until - NOW) / DAY, text))
    return reminded


@pytest.mark.parametrize("step", [HOUR, 6 * HOUR, DAY])
def test_an_owner_is_reminded_when_due_thirty_seven_and_one_days_before_the_expiry_and_daily_after(
    step: timedelta,
) -> None:
    secret = manual(left=40, age=325, RotateBeforeDays="35")
    reminded = reminders(secret, 43, step)
    assert [round(day) for day, _ in reminded] == [5, 10, 33, 39, 40, 41, 42, 43]
    assert [text.partition(":")[0].partition(" ")[0] for _, text in reminded] == ["due"] * 4 + [
        "overdue"
    ] * 4


def test_without_an_expiry_the_reminder_comes_every_week() -> None:
    secret = manual(left=None, age=360, ValidityPeriodDays="365")
    assert [round(day) for day, _ in reminders(secret, 30)] == [5, 12, 19, 26]


@pytest.mark.parametrize(
    "secret",
    [
        manual(left=None, age=5),
        manual(left=3, age=300, Manual="false"),
        replace(manual(left=3, age=300), enabled=False),
        version(),
    ],
)
def test_nobody_is_reminded_of_what_has_no_date_or_is_not_manual(secret: SecretVersion) -> None:
    assert reminders(secret, 40) == []


def test_at_the_moment_itself_and_not_before_or_again() -> None:
    secret = manual(left=30, age=335)
    due = NOW

    def sweep(since: datetime, until: datetime) -> bool:
        return bool(
            notices.reminder(
                Tagged.of(secret, POLICY, KINDS), POLICY, SweepOrder(VAULT, since, until, HOUR)
            )
        )

    second = timedelta(seconds=1)
    assert sweep(due - second, due)
    assert not sweep(due - 2 * second, due - second)
    assert not sweep(due, due + second)
    assert not sweep(due, due)


@pytest.mark.parametrize(
    ("late", "result"), [(timedelta(0), "reminded"), (-timedelta(seconds=1), "skipped")]
)
async def test_a_reminder_is_given_from_the_second_on_in_which_the_secret_is_due(
    late: timedelta, result: str
) -> None:
    secret = manual(left=30, age=335)
    secret = replace(secret, expires=(secret.expires or NOW) - late)
    work = item(action="remind", reason="due")
    assert (await notices.remind(Rig().service().engine, work, secret)).result == result


def test_of_a_short_life_nobody_is_reminded_before_it_is_due() -> None:
    secret = manual(left=10, age=0)
    assert [round(day) for day, _ in reminders(secret, 11)] == [5, 9, 10, 11]


def test_the_message_about_an_outcome_says_why_and_the_way_out_and_no_more_than_fits() -> None:
    errand = notices.of(Outcome(item(version=V1), "parked", "x" * 5000, "mend it"))
    assert errand.action == "tell"
    assert errand.news == "parked"
    assert len(errand.reason) == notices.MOST_TEXT
    shown = notices.notice(
        replace(errand, reason="why. Fix: mend it"), version(changes={"Owner": "shop"})
    )
    assert shown.title == "app-key cannot be rotated: a person is needed"
    assert dict(shown.facts) == {
        "Why": "why. Fix: mend it",
        "Vault": VAULT,
        "Owner": "shop",
        "Expires": "2026-11-12 09:00Z",
        "Operation": errand.operation,
    }


@pytest.mark.parametrize(("fix", "text"), [("mend it", "why. Fix: mend it"), ("", "why")])
def test_a_fix_is_told_after_the_reason_if_there_is_one(fix: str, text: str) -> None:
    assert notices.of(Outcome(item(version=V1), "parked", "why", fix)).reason == text


def test_who_asked_is_not_told() -> None:
    outcome = Outcome(
        item(version=V1, requested_by="ada@example.com", reason="private"), "rotated", "forced"
    )
    errand = notices.of(outcome)
    assert "ada" not in errand.to_json()
    assert "private" not in errand.to_json()


def test_what_an_errand_comes_to_starts_no_errand_of_its_own_but_the_news_of_a_failed_refresh() -> (
    None
):
    ends = {*GIVEN_UP.values(), "refreshed", "told"}
    assert (
        set(ERRANDS)
        == set(GIVEN_UP)
        == {action for action in get_args(Action) if item(action=action).is_errand}
    )
    assert not ends & TO_REFRESH
    assert ends & set(notices.TITLES) == {"unrefreshed"}


def test_webhooks_are_those_of_the_owner_and_those_for_everybody() -> None:
    text = (
        "notifications:\n  - {kind: teams, webhookSecret: all}\n  - {owner: shop, kind: slack, "
        "webhookSecret: shop}\n"
    )
    assert [webhook.secret for webhook in policy(text).webhooks("shop")] == ["all", "shop"]
    assert [webhook.secret for webhook in policy(text).webhooks(None)] == ["all"]
