"""Chat messages to owners: how a rotation ended, and in time what only a person can do.

A notice is a message of its own. It delays no rotation, and no rotation fails because a chat
does not answer. It contains names, reasons and times, but never a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.decide.tagged import Tagged
from engine.errors import NeedsHuman
from engine.follow_up import digest, events
from engine.model import manual
from engine.model.follow_up import FollowUp, TaskOutcome, TaskResult
from engine.model.notice import LEAKED, Event, Notice
from engine.model.outcome import Outcome, Result
from engine.model.policy import Policy
from engine.model.policy_document import STANDARD, Webhook
from engine.model.sweep_order import SweepOrder
from engine.parts import Parts
from engine.secret import SecretRef, SecretVersion, Sensitive

MOST_TEXT = 1500
"""How many characters of a reason are sent.

A Teams message holds 28 KB, a text in Slack 3,000 characters.
"""

TITLES: Mapping[str, str] = {
    LEAKED: "A credential of {} has leaked: a person must decide",
    "rotated": "{} has a new credential",
    "healed": "{} was refused by its source; Rekey has repaired it",
    "restored": "{} has its earlier credential back",
    "parked": "{} cannot be rotated: a person is needed",
    "unrefreshed": "Apps that use {} may still use its old credential",
}
"""The outcomes that owners hear about, and the title of each notice.

Reminders are no part of them: owners get a digest.
"""


def is_news(result: Result | TaskResult, policy: Policy) -> bool:
    """Return whether somebody is to be told of a result: people, or a program."""
    if not (policy.document and policy.document.webhooks):
        return False
    programs = result in events.ALSO and events.anybody_listens(policy)
    return programs or result in TITLES


def of(outcome: Outcome | TaskOutcome) -> FollowUp:
    """Return the task that announces an outcome."""
    item = outcome.item if isinstance(outcome, Outcome) else outcome.task
    text = outcome.reason + (f". Fix: {outcome.fix}" if outcome.fix else "")
    return FollowUp(
        item.ref,
        "tell",
        version=item.version,
        trigger=item.trigger,
        reason=text[:MOST_TEXT],
        news=outcome.result,
    )


async def remind(parts: Parts, item: FollowUp, secret: SecretVersion) -> TaskOutcome:
    """Remind the owner that a manual secret is due, unless it was rotated meanwhile."""
    due = manual.due_at(secret, parts.policy)
    if (
        not manual.is_manual(parts.policy.applied(secret).tags)
        or due is None
        or due > parts.clock.now()
    ):
        return TaskOutcome(item, "skipped", "it is not due any more")
    return TaskOutcome(item, "reminded", item.reason, manual.FIX)


async def tell(parts: Parts, item: FollowUp, secret: SecretVersion) -> TaskOutcome:
    """Send an item's text to the webhooks of the owner and of everybody; raises RekeyErrors.

    Several webhooks get a message each, so that a failure at one repeats no message at others.
    """
    secret = parts.policy.applied(secret)
    hooks = {hook.secret: hook for hook in parts.policy.webhooks(secret.tags.get("Owner"))}
    targets = [
        hook
        for hook in hooks.values()
        if item.to in ("", hook.secret) and _concerns(hook, item, secret, parts)
    ]
    if not targets or parts.webhooks is None or parts.policy.own is None:
        return TaskOutcome(item, "skipped", "no webhook is to be notified")
    if len(targets) > 1:
        for hook in targets:
            await parts.queue.post_rotation(replace(item, to=hook.secret))
        return TaskOutcome(item, "waiting", f"one message for each of {len(targets)} webhooks")
    hook, vault = targets[0], parts.policy.own.vault
    url = await _kept(parts, SecretRef(vault, hook.secret))
    message: Notice | Event = notice(item, secret)
    if hook.kind == STANDARD:
        key = await _kept(parts, SecretRef(vault, hook.signing))
        message = events.event(item, secret, key, parts.clock.now())
    await parts.webhooks.send(hook, url, message)
    return TaskOutcome(
        item, "told", f"{hook.kind}, by the webhook in {vault}/secrets/{hook.secret}"
    )


async def _kept(parts: Parts, place: SecretRef) -> Sensitive:
    """Return what a webhook's secret holds: its URL, or its key."""
    value = (await parts.vaults.read(place)).value
    if value is None:
        raise NeedsHuman("the webhook's secret is disabled", where=str(place), fix="enable it")
    return value


def _concerns(hook: Webhook, item: FollowUp, secret: SecretVersion, parts: Parts) -> bool:
    """Return whether a webhook hears of this: one with `within` hears only of urgent digests.

    Nobody hears of a digest whose only secret was renewed meanwhile. Of several, the most urgent one
    may have been: whoever hears of urgent ones alone is told of the others, too.
    """
    if item.news in events.ALSO and hook.kind != STANDARD:
        return False
    if item.news != digest.EXPIRING:
        return hook.within is None
    now = parts.clock.now()
    if digest.moment(secret, manual.due_at(secret, parts.policy), now) is None:
        return digest.tells_of_several(item)
    return hook.within is None or (
        secret.expires is not None and secret.expires <= now + hook.within * digest.DAY
    )


def notice(item: FollowUp, secret: SecretVersion) -> Notice:
    """Compose the message about a secret; its tags are those that count under the policy."""
    title, _, lines = item.reason.partition("\n")
    if item.news == digest.EXPIRING:
        return _notice(title, {"Secrets": lines, **_where(item, secret)})
    title = next((text for result, text in TITLES.items() if result == item.news), "{}")
    facts = {
        "Why": item.reason,
        **_where(item, secret),
        "Expires": f"{secret.expires:%Y-%m-%d %H:%M}Z" if secret.expires else "never",
        "Operation": item.operation or "",
    }
    return _notice(title.format(item.ref.name), facts)


def _where(item: FollowUp, secret: SecretVersion) -> dict[str, str]:
    return {"Vault": item.ref.vault, "Owner": secret.tags.get("Owner", "")}


def _notice(title: str, facts: Mapping[str, str]) -> Notice:
    return Notice(title, tuple((name, text) for name, text in facts.items() if text))


def reminder(tagged: Tagged, policy: Policy, order: SweepOrder) -> str | None:
    """Return the text of a reminder that falls into this sweep; None if none does.

    Only secrets that a person rotates get reminders. The times follow from the secret's own dates,
    so each falls into exactly one sweep, however often sweeps run: see engine.follow_up.digest.
    """
    secret = tagged.held
    if not (secret.enabled and manual.is_manual(tagged.applied.tags)) or policy.is_own(secret.ref):
        return None
    due, expires = manual.due_at(secret, policy), secret.expires
    if due is None:
        return None
    moment = digest.latest(due, expires, order.until, by_hand=True)
    if moment is None or moment <= order.since:
        return None
    if expires and expires <= order.until:
        return f"overdue: it expired {expires:%Y-%m-%d %H:%M}Z"
    return f"due since {due:%Y-%m-%d %H:%M}Z" + (
        f", it expires {expires:%Y-%m-%d %H:%M}Z" if expires else ""
    )
