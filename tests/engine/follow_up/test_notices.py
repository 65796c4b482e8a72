"""When people are told, once each: reminders of what only they rotate, notices, and digests."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest

from engine.follow_up import notices
from engine.follow_up.notices import MOST_NOTICE, Digests, moment
from engine.follow_up.tasks import GIVEN_UP, TASKS, TO_REFRESH
from engine.planning.decision import Tagged
from engine.planning.inventory import Inventory
from engine.secret import SecretRef, SecretVersion, Sensitive, Version
from engine.state.entry import Entry, State
from engine.state.index import Listed
from engine.state.request import REPORTED_LEAK, FollowUp, Outcome, Result, Task
from engine.state.sweep_order import SweepOrder
from tests.shared.builders import KINDS, NOW, POLICY, REF, V1, VAULT, item, version
from tests.shared.consuming import HOOKS, Consuming
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
        if task := notices.reminder(
            Tagged.of(secret, POLICY, KINDS), POLICY, SweepOrder(VAULT, until - step, until, step)
        ):
            reminded.append(((until - NOW) / DAY, task.cause.reason))
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
    tagged, second = Tagged.of(manual(left=30, age=335), POLICY, KINDS), timedelta(seconds=1)
    for since, until, reminds in ((-1, 0, True), (-2, -1, False), (0, 1, False), (0, 0, False)):
        order = SweepOrder(VAULT, NOW + since * second, NOW + until * second, HOUR)
        assert bool(notices.reminder(tagged, POLICY, order)) is reminds


@pytest.mark.parametrize(
    ("late", "result"), [(timedelta(0), "reminded"), (-timedelta(seconds=1), "skipped")]
)
async def test_a_reminder_is_given_from_the_second_on_in_which_the_secret_is_due(
    late: timedelta, result: str
) -> None:
    secret = manual(left=30, age=335)
    secret = replace(secret, expires=(secret.expires or NOW) - late)
    work = FollowUp(REF, "remind").because("due")
    assert (await notices.remind(Rig().service().engine, work, secret)).result == result


@pytest.mark.parametrize(
    "secret",
    [manual(left=3, age=362, Manual="false"), manual(left=None, age=5)],
    ids=["Rekey rotates it", "it has no date"],
)
async def test_who_was_to_be_reminded_is_not_where_nothing_is_left_to_do(
    secret: SecretVersion,
) -> None:
    """Its tags or dates were changed after the sweep."""
    work = FollowUp(REF, "remind").because("due")
    assert (await notices.remind(Rig().service().engine, work, secret)).result == "skipped"


def test_of_what_never_expires_its_owner_is_reminded_every_week_and_told_of_no_expiry() -> None:
    reminded = reminders(manual(left=None, age=0, ValidityPeriodDays="5"), 18)
    assert [round(day) for day, _ in reminded] == [5, 12]
    assert {text for _, text in reminded} == {f"due since {NOW + 5 * DAY:%Y-%m-%d %H:%M}Z"}


def test_a_reminder_says_since_when_it_is_due_and_when_it_expires_or_has_expired() -> None:
    due, expires = (f"{NOW + days * DAY:%Y-%m-%d %H:%M}Z" for days in (5, 8))
    texts = [text for _, text in reminders(manual(left=8, age=0, RotateBeforeDays="3"), 9)]
    assert texts[0] == f"due since {due}, it expires {expires}"
    assert texts[-1] == f"overdue: it expired {expires}"


def test_nobody_is_reminded_of_the_policy_document() -> None:
    tagged, own = Tagged.of(manual(left=30, age=335), POLICY, KINDS), replace(POLICY, own=REF)
    order = SweepOrder(VAULT, NOW - HOUR, NOW, HOUR)
    assert notices.reminder(tagged, POLICY, order)
    assert notices.reminder(tagged, own, order) is None


def test_of_a_short_life_nobody_is_reminded_before_it_is_due() -> None:
    secret = manual(left=10, age=0)
    assert [round(day) for day, _ in reminders(secret, 11)] == [5, 9, 10, 11]


def test_the_message_about_an_outcome_says_why_and_the_way_out_and_no_more_than_fits() -> None:
    errand = notices.of(Outcome(item(version=V1), "parked", "x" * 5000, "mend it"))
    assert errand.action == "tell"
    assert errand.news == "parked"
    assert len(errand.cause.reason) == notices.MOST_NOTICE
    assert errand.cause.reason.endswith("x. Fix: mend it")
    shown = notices.notice(errand.because("why. Fix: mend it"), version(changes={"Owner": "shop"}))
    assert shown.title == "app-key cannot be rotated: a person is needed"
    assert dict(shown.facts) == {
        "Why": "why. Fix: mend it",
        "Vault": VAULT,
        "Owner": "shop",
        "Expires": "2026-11-12 09:00Z",
        "Operation": errand.operation,
    }


def test_of_a_version_that_could_not_be_read_nobody_says_that_it_never_expires() -> None:
    task, unread = FollowUp(REF, "tell", news="parked"), version(left=None, enabled=False)
    assert "Expires" not in dict(notices.notice(task, unread).facts)
    assert "expires" not in notices.event(task, unread, Sensitive("a key"), NOW).data
    assert dict(notices.notice(task, version(left=None)).facts)["Expires"] == "never"
    disabled = version(enabled=False)
    assert notices.event(task, disabled, Sensitive("a key"), NOW).data["expires"]


def test_an_event_says_that_a_secret_never_expires_and_when_it_is_sent_where_nobody_noted_when() -> (
    None
):
    """A message of an earlier version says no time."""
    task = FollowUp(REF, "tell", news="parked")
    event = notices.event(task, version(left=None), Sensitive("a key"), NOW)
    assert (event.data["expires"], event.timestamp) == (None, NOW.isoformat())
    noted = replace(task, since="2026-11-01T09:00:00+00:00")
    assert notices.event(noted, version(), Sensitive("a key"), NOW).timestamp == noted.since


@pytest.mark.parametrize(
    ("news", "ids"),
    [("rotated", 1), ("healed", 1), ("restored", 1), ("retired", 1), ("parked", 2)],
)
def test_what_is_reported_twice_has_one_id_if_it_happens_to_a_version_once(
    news: str, ids: int
) -> None:
    """A worker that died after its report leaves another one to its successor."""
    task = FollowUp(REF, "tell", version=V1, news=news).because("its overlap passed at 9:00Z")
    times = [(NOW + minute * timedelta(minutes=1)).isoformat() for minute in range(2)]
    events = [
        notices.event(replace(task, since=time), version(), Sensitive("k"), NOW) for time in times
    ]
    assert len({event.id for event in events}) == ids


@pytest.mark.parametrize(
    ("result", "old", "named"),
    [("rotated", "2" * 32, "2" * 32), ("rotated", None, V1), ("parked", "2" * 32, V1)],
)
def test_what_was_published_is_told_of_the_version_that_it_replaced(
    result: Result, old: str | None, named: str
) -> None:
    """Whoever reports it may have been asked about another version."""
    outcome = Outcome(item(version=V1), result, "why", old_version=old)
    assert notices.of(outcome).version == named


def test_two_retirements_have_two_ids_although_one_version_is_current() -> None:
    task = FollowUp(REF, "tell", version=V1, news="retired")
    reasons = ("its overlap passed at 9:00Z", "its overlap has passed")
    events = [notices.event(task.because(it), version(), Sensitive("k"), NOW) for it in reasons]
    assert events[0].id != events[1].id


def test_a_leak_that_is_reported_again_has_the_same_id_all_day_and_another_the_next() -> None:
    task = FollowUp(REF, "tell", version=V1, news=REPORTED_LEAK)
    times = ("2026-11-08T23:59:00+00:00", "2026-11-09T00:00:00+00:00", "2026-11-09T23:00:00+00:00")
    events = [
        notices.event(replace(task, since=time), version(), Sensitive("k"), NOW) for time in times
    ]
    assert events[0].id != events[1].id == events[2].id


def test_a_fix_that_is_very_long_leaves_half_of_the_message_to_the_reason() -> None:
    text = notices.of(Outcome(item(version=V1), "parked", "z" * 5000, "y" * 5000)).cause.reason
    assert (len(text), text.count("z")) == (notices.MOST_NOTICE, notices.MOST_NOTICE // 2)


@pytest.mark.parametrize(("fix", "text"), [("mend it", "why. Fix: mend it"), ("", "why")])
def test_a_fix_is_told_after_the_reason_if_there_is_one(fix: str, text: str) -> None:
    assert notices.of(Outcome(item(version=V1), "parked", "why", fix)).cause.reason == text


def test_who_asked_is_not_told() -> None:
    work = item(version=V1, requested_by="ada@example.com", reason="private")
    errand = notices.of(Outcome(work, "rotated", "forced")).to_json()
    assert "ada" not in errand
    assert "private" not in errand


def test_an_errand_starts_none_of_its_own_but_the_news_of_a_failed_refresh() -> None:
    ends = {*GIVEN_UP.values(), "refreshed", "told"}
    assert set(TASKS) == set(GIVEN_UP) == set(get_args(Task))
    assert not ends & TO_REFRESH
    assert ends & set(notices.TITLES) == {"unrefreshed"}


# A digest says once at each moment what needs a person before it expires.

SINCE = SweepOrder(VAULT, NOW - HOUR, NOW, HOUR)
YEAR_AGO = NOW - 365 * DAY


def standing(
    name: str = "licence",
    left: timedelta | None = 30 * DAY,
    state: State = "parked",
    reason: str = "why",
    **tags: str,
) -> Entry:
    """Return how one secret stands."""
    expires = None if left is None else NOW + left
    ref = SecretRef(VAULT, name)
    secret = Version(
        ref, None, enabled=state != "disabled", created=YEAR_AGO, expires=expires, content_type=None,
        tags=tags,
    )  # fmt: skip
    return Entry(secret, state, reason, due=YEAR_AGO + DAY)


def digests(*entries: Entry, order: SweepOrder = SINCE) -> list[FollowUp]:
    collected = Digests(order)
    for entry in entries:
        collected.add(entry)
    return [item for _, item in collected.items()]


def told(by_hand: bool, days: int, left: int | None) -> list[int]:
    """Return the days on which an owner is told of a secret that is due on day 2."""
    expires = None if left is None else NOW + left * DAY
    begins, tags = NOW + 2 * DAY, {"Manual": "true"} if by_hand else {}
    secret = Version(REF, V1, enabled=True, created=begins, expires=expires, tags=tags)
    moments = set[datetime]()
    for hour in range(days * 24 + 1):
        if last := moment(secret, begins, NOW + hour * HOUR):
            moments.add(last)
    return [(last - NOW) // DAY for last in sorted(moments)]


@pytest.mark.parametrize(
    ("by_hand", "left", "days"),
    [
        (True, 40, [2, 10, 33, 39, 40, 41, 42]),
        (False, 40, [10, 33, 39, 40]),
        (True, 20, [2, 13, 19, *range(20, 43)]),
        (True, None, [2, 9, 16, 23, 30, 37]),
        (False, None, []),
    ],
)
def test_the_moments_follow_from_the_dates_alone(
    by_hand: bool, left: int | None, days: list[int]
) -> None:
    assert told(by_hand, 42, left) == days


@pytest.mark.parametrize("days", [30, 7, 1, 0])
def test_a_threshold_falls_into_the_one_sweep_that_covers_it(days: int) -> None:
    at = days * DAY
    assert len(digests(standing(left=at))) == 1
    assert digests(standing(left=at + timedelta(seconds=1))) == []
    assert digests(standing(left=at - HOUR)) == []
    assert len(digests(standing(left=at - HOUR + timedelta(seconds=1)))) == 1


@pytest.mark.parametrize(
    ("covered", "left", "tags", "reason"),
    [
        (40 * DAY, 5 * DAY, {}, "licence expires within 5 days"),
        (7 * DAY, None, {"Manual": "true"}, "licence is due since 2025-11-03"),
    ],
    ids=["the latest threshold", "by the week, without an expiry"],
)
def test_a_sweep_that_covers_many_days_tells_of_a_secret_once(
    covered: timedelta, left: timedelta | None, tags: dict[str, Any], reason: str
) -> None:
    (item,) = digests(
        standing(left=left, **tags), order=SweepOrder(VAULT, NOW - covered, NOW, HOUR)
    )
    assert reason in item.cause.reason


@pytest.mark.parametrize(
    ("days", "when"),
    [
        (7, "expires within 7 days"),
        (1, "expires within 1 day"),
        (0, "has expired, 0 days ago"),
        (-1, "has expired, 1 day ago"),
        (-3, "has expired, 3 days ago"),
    ],
)
def test_a_digest_says_when_a_secret_expires_and_that_only_a_person_rotates_it(
    days: int, when: str
) -> None:
    (item,) = digests(standing(left=days * DAY, Manual="true"))
    title, line = item.cause.reason.splitlines()
    assert title == f"A secret needs a person: licence {when}"
    assert item.since == SINCE.until.isoformat()
    assert line == f"licence {when} ({NOW + days * DAY:%Y-%m-%d %H:%M}Z): only a person rotates it"


def test_no_reason_adds_a_line_to_a_digest() -> None:
    forged = "why\nprod-sql expires within 300 days: nothing to do\u2028or"
    (digest,) = digests(standing("a", reason=forged))
    _, line = digest.cause.reason.splitlines()
    assert line.endswith(": whyprod-sql expires within 300 days: nothing to door")


def test_each_owner_gets_a_digest_of_what_is_theirs() -> None:
    items = digests(
        standing("a", Owner="shop"), standing("b", Owner="billing"), standing("c", Owner="shop")
    )
    assert [item.ref.name for item in items] == ["a", "b"]
    assert items[0].cause.reason.startswith("2 secrets need a person: a expires within 30 days\n")
    assert "\nc expires within 30 days (2026-12-02 09:00Z): why" in items[0].cause.reason


def test_an_owner_gets_one_digest_whether_written_in_upper_or_lower_case() -> None:
    (item,) = digests(standing("a", Owner="shop"), standing("b", Owner="Shop"))
    assert item.owner == "shop"
    assert item.cause.reason.startswith("2 secrets need a person: a ")


def dropped(
    name: str = "licence", age: timedelta = HOUR / 2, left: timedelta | None = None, **tags: str
) -> Entry:
    """Return how a secret stands that a version without Rekey's tags took out of management."""
    held = standing(name, left, "unmanaged", "", **tags).secret
    known = [Listed("", str(held.ref), created=NOW - 99 * DAY)]
    return Inventory(POLICY, KINDS, NOW).entry(replace(held, created=NOW - age), known)


def test_each_dropped_secret_whose_owner_is_not_known_has_a_digest_of_its_own() -> None:
    items = digests(*map(dropped, "ab"), standing("c"), standing("d"))
    assert [(item.ref.name, item.owner) for item in items] == [("a", ""), ("b", ""), ("c", "")]


@pytest.mark.parametrize(("days", "count"), [(0, 1), (1, 0)])
def test_what_was_dropped_and_never_expires_is_told_of_once(days: int, count: int) -> None:
    assert len(digests(dropped(age=HOUR / 2 + days * DAY))) == count


@pytest.mark.parametrize(
    ("left", "when"),
    [(None, "lost its tags 2026-11-02"), (7 * DAY, "expires within 7 days")],
    ids=["never", "in a week"],
)
def test_what_was_dropped_says_since_when_if_it_never_expires(
    left: timedelta | None, when: str
) -> None:
    (item,) = digests(dropped(left=left))
    assert item.cause.reason.startswith(f"A secret needs a person: licence {when}\n")


def test_what_was_dropped_and_expires_is_told_of_when_that_is_near() -> None:
    assert digests(dropped(left=20 * DAY)) == []


def test_what_was_dropped_weeks_ago_is_in_the_digest_of_what_is_new_to_its_owner() -> None:
    (item,) = digests(dropped("old", age=40 * DAY, Owner="shop"), standing("new", Owner="shop"))
    assert "\nold lost its tags 2026-09-23: a new version without tags" in item.cause.reason


def test_what_was_told_of_before_is_in_the_digest_of_what_is_new() -> None:
    (item,) = digests(standing("old", left=20 * DAY), standing("new", left=30 * DAY))
    assert [line.split()[0] for line in item.cause.reason.splitlines()[1:]] == ["old", "new"]


def test_what_never_expires_comes_last_in_a_digest_and_the_oldest_of_that_first() -> None:
    """A digest has room for some lines: what ends soonest must be among them."""
    endless = [dropped("b", age=9 * DAY, Owner="x"), dropped("a", age=HOUR / 2, Owner="x")]
    (item,) = digests(*endless, standing("d", Owner="x"), standing("c", left=2 * DAY, Owner="x"))
    assert [line.split()[0] for line in item.cause.reason.splitlines()[1:]] == [*"cdba"]


@pytest.mark.parametrize("state", ["ok", "due", "unmanaged", "disabled"])
def test_what_needs_no_person_is_in_no_digest(state: State) -> None:
    assert digests(standing(state=state)) == []


def test_what_only_a_person_rotates_is_in_it_whatever_its_state() -> None:
    assert len(digests(standing(state="due", Manual="true"))) == 1
    assert digests(standing(state="disabled", Manual="true")) == []


def test_a_digest_is_no_longer_than_a_chat_takes_and_counts_what_it_leaves_out() -> None:
    (item,) = digests(*(standing(f"s-{n:03}", reason="x" * 500) for n in range(100)))
    lines = item.cause.reason.splitlines()
    assert len(item.cause.reason) <= MOST_NOTICE
    assert lines[-1] == f"and {100 - (len(lines) - 2)} more"


def test_a_line_that_just_fits_is_in_a_digest() -> None:
    more = len("\nand 1 more")
    (short,) = digests(standing("s", reason="r"))
    room = MOST_NOTICE - more - len(short.cause.reason)
    name, reason = "s" * (1 + room // 2), "r" * (1 + room % 2)
    (fits,) = digests(standing(name, reason=reason))
    (cut,) = digests(standing(name, reason=f"{reason}r"))
    assert len(fits.cause.reason) == MOST_NOTICE - more
    assert cut.cause.reason.endswith("\nand 1 more")


def test_two_sweeps_of_the_same_moments_have_the_same_key_and_others_another() -> None:
    def keys(order: SweepOrder, entry: Entry) -> list[str]:
        collected = Digests(order)
        collected.add(entry)
        return [key for key, _ in collected.items()]

    again = SweepOrder(VAULT, NOW - HOUR, NOW + timedelta(minutes=1), HOUR)
    assert keys(SINCE, standing()) == keys(again, standing())
    assert keys(SINCE, standing()) != keys(SINCE, standing(left=7 * DAY))


async def test_a_digest_that_cannot_be_written_stops_no_sweep_and_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Digests) -> None:
        raise TypeError

    monkeypatch.setattr(Digests, "items", fail)
    caplog.set_level(logging.INFO, "rekey.audit")
    rig = Consuming(days_left=80, further=HOOKS)
    await rig.service().sweep_vault(SweepOrder.by_schedule(rig.vault.url, {}, NOW).to_json())
    assert [swept.ended for swept in await rig.service().watch.sweeps()] == [rig.clock.now()]
    assert "no digest of what needs a person in https://prod.vault" in caplog.text
    (summary,) = [json.loads(it.message) for it in caplog.records if '"swept"' in it.message]
    assert summary["broken"] == 1
