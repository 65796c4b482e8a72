"""What owners are told over chat: what came of a rotation, and what only a person can do, while there is time.

A notice is a work item of its own: it delays no rotation, and a chat that does not answer fails none. It says names, reasons
and times, and never a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from engine.errors import NeedsHuman
from engine.model import manual
from engine.model.notice import Notice
from engine.model.outcome import Errand, Outcome, Result
from engine.model.policy import Policy
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.secret import SecretRef, SecretVersion

DAY, WEEK = timedelta(days=1), timedelta(days=7)
MOST_TEXT = 1500
"""Characters of a reason that are told: a Teams message holds 28 KB, a text of Slack's 3,000 characters."""

TITLES: Mapping[Result | Errand, str] = {
    "rotated": "{} has a new credential",
    "healed": "{} was refused by its source, and is mended",
    "restored": "{} has its earlier credential back",
    "parked": "{} cannot be rotated: a person is needed",
    "unrefreshed": "Apps that use {} may still use its old credential",
    "reminded": "{} must be rotated by a person",
}
"""The outcomes that are told, and how."""


def of(outcome: Outcome) -> WorkItem:
    """Return the work item that tells an outcome."""
    item, text = outcome.item, outcome.reason + (f". Fix: {outcome.fix}" if outcome.fix else "")
    return WorkItem(
        item.ref,
        "tell",
        version=item.version,
        trigger=item.trigger,
        requested_by="rekey",
        reason=text[:MOST_TEXT],
        news=outcome.result,
    )


async def remind(parts: Parts, item: WorkItem, secret: SecretVersion) -> Outcome:
    """Remind whom it concerns of a secret that only a person can rotate, unless that has been done since."""
    due = manual.due_at(secret, parts.policy)
    if not manual.is_manual(parts.policy.applied(secret).tags) or due is None or due > parts.clock.now():
        return Outcome(item, "skipped", "it is not due any more")
    return Outcome(item, "reminded", item.reason, manual.FIX)


async def tell(parts: Parts, item: WorkItem, secret: SecretVersion) -> Outcome:
    """Send what an item tells to whom it concerns; raises RekeyErrors.

    Where that is more than one webhook, each gets a work item of its own, so that none is told twice for another's failure.
    """
    secret = parts.policy.applied(secret)
    hooks = {each.secret: each for each in parts.policy.webhooks(secret.tags.get("Owner"))}
    wanted = [hook for hook in hooks.values() if item.to in ("", hook.secret)]
    if not wanted or parts.webhooks is None or parts.policy.own is None:
        return Outcome(item, "skipped", "nobody is to be told")
    if len(wanted) > 1:
        for hook in wanted:
            await parts.queue.post_rotation(replace(item, to=hook.secret))
        return Outcome(item, "waiting", f"to be told at {len(wanted)} places")
    place = SecretRef(parts.policy.own.vault, wanted[0].secret)
    url = (await parts.vaults.read(place)).value
    if url is None:
        raise NeedsHuman("the webhook's secret is disabled", where=str(place), fix="enable it")
    await parts.webhooks.send(wanted[0], url, notice(item, secret))
    return Outcome(item, "told", f"{wanted[0].kind}, by the webhook in {place}")


def notice(item: WorkItem, secret: SecretVersion) -> Notice:
    """Compose the message about a secret (with the tags that count)."""
    facts = {
        "Why": item.reason,
        "Vault": item.ref.vault,
        "Owner": secret.tags.get("Owner", ""),
        "Expires": f"{secret.expires:%Y-%m-%d %H:%M}Z" if secret.expires else "never",
        "Operation": item.operation or "",
    }
    title = next((text for result, text in TITLES.items() if result == item.news), "{}")
    return Notice(title.format(item.ref.name), tuple((name, text) for name, text in facts.items() if text))


def reminder(secret: SecretVersion, policy: Policy, order: SweepOrder) -> str | None:
    """Say what to remind an owner of in this sweep; None where it holds no such moment.

    Only of secrets that only a person can rotate: when they are due and every week, and from a week before they expire every
    day. The moments follow from the secret's own dates, so each falls into one sweep, however often the sweep runs.
    """
    if not secret.enabled or policy.is_own(secret.ref) or not manual.is_manual(policy.applied(secret).tags):
        return None
    due, expires = manual.due_at(secret, policy), secret.expires
    if due is None:
        return None
    daily = max(due, expires - WEEK) if expires else None
    falls = _falls(daily, DAY, order) if daily and order.until >= daily else _falls(due, WEEK, order)
    if not falls:
        return None
    if expires and expires <= order.until:
        return f"overdue: it expired {expires:%Y-%m-%d %H:%M}Z"
    return f"due since {due:%Y-%m-%d %H:%M}Z" + (f", it expires {expires:%Y-%m-%d %H:%M}Z" if expires else "")


def _falls(first: datetime, every: timedelta, order: SweepOrder) -> bool:
    """Tell whether a moment that comes again and again since its first time falls into a sweep."""
    if order.until < first:
        return False
    return order.since < first + (order.until - first) // every * every
