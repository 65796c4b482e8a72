"""Messages to owners: how a rotation ended, and in time what only a person can do.

A notice is a message of its own. It delays no rotation, and no rotation fails because a chat
does not answer. It contains names, reasons and times, but never a value. Programs get the same
as events, through webhooks of the kind `standard`.

A digest tells an owner in one message what needs a person before it expires: 30, 7 and 1 days
before that, when it expires, and, where only a person rotates it, when it is due and every day once
it has expired. Each moment follows from the secret's dates. A digest is posted by the first sweep
that covers the moment, however late that is.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.errors import NeedsHuman, PermanentError
from engine.parts import Parts
from engine.planning.decision import Tagged
from engine.secret import SecretRef, Sensitive, Version
from engine.state.due import BY_HAND_FIX, due_by_hand, is_manual
from engine.state.entry import NEEDS_A_PERSON, Entry
from engine.state.index import StateIndex
from engine.state.policy import STANDARD, Policy, Webhook, owner_key
from engine.state.request import (
    DAY,
    PUBLISHED,
    REPORTED_LEAK,
    Cause,
    Event,
    FollowUp,
    Notice,
    Outcome,
    Result,
    TaskOutcome,
    TaskResult,
    moment_of,
    printable,
)
from engine.state.sweep_order import SweepOrder
from engine.state.tags import REPLICA_OF

WEEK = timedelta(days=7)
DAYS_AHEAD = (30, 7, 1)
"""How many days before the expiry an owner is notified."""
EXPIRING = "expiring"
"""The news of a digest; the first line of its text is its title."""
MOST_REASON = 100
"""How many characters the reason of one secret has in a digest."""
MOST_NOTICE = 1500
"""How many characters of a reason, and of a digest, are sent.

A Teams message holds 28 KB, a text in Slack 3,000 characters.
"""
FIRST_EXPIRY = re.compile(r".*\n[^(:\n]*\(([-0-9]+ [0-9:]+)Z\)")
"""When the first secret of a digest expires, as `_line` writes it."""
NO_WEBHOOK = "no webhook is to be notified"
HEARD = (
    "decide, as `asked_because` says, and give the policy a webhook for this owner, or for all, that "
    "hears of more than urgent digests: see docs/notifications.md"
)

TITLES: Mapping[str, str] = {
    REPORTED_LEAK: "A credential of {} has leaked: a person must decide",
    "rotated": "{} has a new credential",
    "healed": "{} was refused by its source; Rekey has repaired it",
    "restored": "{} has its earlier credential back",
    "parked": "{} cannot be rotated: a person is needed",
    "unrefreshed": "Apps that use {} may still use its old credential",
}
"""The outcomes that owners hear about, and the title of each notice.

Reminders are no part of them: owners get a digest.
"""
FOR_PROGRAMS: frozenset[Result | TaskResult] = frozenset({"retired", "reminded"})
"""The outcomes that only programs hear of. They hear of all that people do, too."""


def news(parts: Parts, outcome: Outcome | TaskOutcome) -> list[FollowUp]:
    """Return the task that announces an outcome, if people or a program are to be notified."""
    kinds = {webhook.kind for webhook in parts.policy.document.webhooks}
    heard = STANDARD in kinds if outcome.result in FOR_PROGRAMS else outcome.result in TITLES
    # A reminder is about a moment, however often it is reported.
    since = outcome.task.since if outcome.result == "reminded" else ""
    now = parts.clock.now().isoformat()
    return [replace(of(outcome), since=since or now)] if kinds and heard else []


def of(outcome: Outcome | TaskOutcome) -> FollowUp:
    """Return the task that announces an outcome."""
    item = outcome.item if isinstance(outcome, Outcome) else outcome.task
    version = item.version
    if isinstance(outcome, Outcome) and outcome.result in PUBLISHED:
        # The item of a worker that only reports it may name another version, or none.
        version = outcome.old_version or version
    # However long the reason is, the way out is sent.
    fix = f". Fix: {outcome.fix}"[: MOST_NOTICE // 2] if outcome.fix else ""
    cause = Cause(item.cause.trigger, reason=outcome.reason[: MOST_NOTICE - len(fix)] + fix)
    return FollowUp(item.ref, "tell", version=version, cause=cause, news=outcome.result)


async def remind(parts: Parts, item: FollowUp, secret: Version) -> TaskOutcome:
    """Remind the owner that a manual secret is due, unless it was rotated meanwhile."""
    due = due_by_hand(secret, parts.policy)
    if not is_manual(parts.policy.applied(secret).tags) or due is None or due > parts.clock.now():
        return TaskOutcome(item, "skipped", "it is not due any more")
    return TaskOutcome(item, "reminded", item.cause.reason, BY_HAND_FIX)


async def send(parts: Parts, item: FollowUp, secret: Version) -> TaskOutcome:
    """Send an item's text to the webhooks of the owner and of everybody; raises RekeyErrors.

    Several webhooks get a message each, so that a failure at one repeats no message at others.
    """
    secret = await _owned(parts, item, parts.policy.applied(secret))
    owner = secret.tags.get("Owner", "")
    named = parts.policy.webhooks(owner)
    hooks = {
        hook.secret.lower(): hook
        for hook in named
        if item.to.lower() in ("", hook.secret.lower()) and _concerns(hook, item, secret, parts)
    }
    targets = [*hooks.values()]
    if not targets or parts.webhooks is None or parts.policy.own is None:
        if item.news == REPORTED_LEAK:
            raise NeedsHuman(
                f"{NO_WEBHOOK}: what leaked works on until a person decides", fix=HEARD
            )
        return TaskOutcome(item, "skipped", NO_WEBHOOK)
    if len(targets) > 1:
        for hook in targets:
            await parts.queue.post_rotation(replace(item, to=hook.secret, owner=owner))
        return TaskOutcome(item, "waiting", f"one message for each of {len(targets)} webhooks")
    hook, vault = targets[0], parts.policy.own.vault
    url = await _kept(parts, SecretRef(vault, hook.secret))
    message: Notice | Event = notice(item, secret)
    if hook.kind == STANDARD:
        key = await _kept(parts, SecretRef(vault, hook.signing))
        message = event(item, secret, key, parts.clock.now())
    await parts.webhooks.send(hook, url, message)
    where = f"{hook.kind}, by the webhook in {vault}/secrets/{hook.secret}"
    return TaskOutcome(item, "told", where)


async def _owned(parts: Parts, item: FollowUp, secret: Version) -> Version:
    """Return the secret with the owner whom a message is for.

    A version that was written without tags names nobody: an earlier one does. If the secret is gone,
    the record of its source does.
    """
    owner, tags = item.owner, secret.tags
    if not owner and "Owner" not in tags and _asks_for_nothing(secret):
        with suppress(PermanentError):
            versions = parts.vaults.versions(item.ref)
            named = [(v.created, v.tags["Owner"]) async for v in versions if v.tags.get("Owner")]
            owner = max(named, default=(None, ""))[1]
        with suppress(PermanentError):
            owner = owner or await recorded_owner(parts, item.ref)
    return replace(secret, tags={**tags, "Owner": owner}) if owner else secret


async def recorded_owner(parts: Parts, ref: SecretRef) -> str:
    """Return the owner of a secret as the record of its source knows it; empty if none does."""
    index = await StateIndex.read(parts.leases.index())
    records = [await parts.leases.peek(listed.source) for listed in index.of(ref)]
    owners = (record.verified.tags.get("Owner") for record in records if record)
    return next(filter(None, owners), "")


def _asks_for_nothing(secret: Version) -> bool:
    return not secret.tags.keys() & {"Manual", "ProviderAddress", REPLICA_OF}


async def _kept(parts: Parts, place: SecretRef) -> Sensitive:
    """Return what a webhook's secret holds: its URL, or its key."""
    value = (await parts.vaults.read(place)).value
    if value is None:
        raise NeedsHuman("the webhook's secret is disabled", where=str(place), fix="enable it")
    return value


def _concerns(hook: Webhook, item: FollowUp, secret: Version, parts: Parts) -> bool:
    """Return whether a webhook hears of this: one with `within` hears only of urgent digests.

    Nobody hears of a digest whose only secret was renewed meanwhile. Of several, the most urgent
    one may have been: whoever hears of urgent ones alone is notified of the others, too.
    """
    if item.news in FOR_PROGRAMS and hook.kind != STANDARD:
        return False
    if item.news != EXPIRING:
        return hook.within is None
    now = parts.clock.now()
    if _is_renewed(secret, parts.policy, now):
        return item.cause.reason.count("\n") > 1
    expires = _first_expiry(item, secret)
    return hook.within is None or (expires is not None and expires <= now + hook.within * DAY)


def _first_expiry(item: FollowUp, secret: Version) -> datetime | None:
    """Return when the first secret of a digest expires: as listed, if it cannot be read any more."""
    listed = FIRST_EXPIRY.match(item.cause.reason)
    return secret.expires or moment_of(listed and listed[1])


def _is_renewed(secret: Version, policy: Policy, now: datetime) -> bool:
    is_dropped = secret.expires is None and _asks_for_nothing(secret)
    return not is_dropped and moment(secret, due_by_hand(secret, policy), now) is None


def notice(item: FollowUp, secret: Version) -> Notice:
    """Compose the message about a secret; its tags are those that count under the policy.

    Nobody knows when a secret ends that could not be read. It looks like one that is disabled.
    """
    never = "never" if secret.enabled else ""
    place = {"Vault": item.ref.vault, "Owner": secret.tags.get("Owner", "")}
    if item.news == EXPIRING:
        title, _, lines = item.cause.reason.partition("\n")
        facts = {"Secrets": lines, **place}
    else:
        title = TITLES.get(item.news, "{}").format(item.ref.name)
        facts = {
            "Why": item.cause.reason,
            **place,
            "Expires": f"{secret.expires:%Y-%m-%d %H:%M}Z" if secret.expires else never,
            "Operation": item.operation or "",
        }
    return Notice(title, tuple((name, text) for name, text in facts.items() if text))


def reminder(tagged: Tagged, policy: Policy, order: SweepOrder) -> FollowUp | None:
    """Return the task of a reminder that falls into this sweep; None if none does.

    Only secrets that a person rotates get reminders. The times follow from the secret's own dates,
    so each falls into exactly one sweep, however often sweeps run.
    """
    secret = tagged.held
    if not (secret.enabled and is_manual(tagged.applied.tags)) or policy.is_own(secret.ref):
        return None
    due, expires = due_by_hand(secret, policy), secret.expires
    last = moment(tagged.applied, due, order.until)
    if last is None or last <= order.since:
        return None
    task = FollowUp(secret.ref, "remind", since=last.isoformat())
    if expires and expires <= order.until:
        return task.because(f"overdue: it expired {expires:%Y-%m-%d %H:%M}Z")
    ends = f", it expires {expires:%Y-%m-%d %H:%M}Z" if expires else ""
    return task.because(f"due since {due:%Y-%m-%d %H:%M}Z{ends}")


def event(item: FollowUp, secret: Version, key: Sensitive, now: datetime) -> Event:
    """Return an item's news as an event, to be signed with a key.

    Its id follows from the item, so it stays the same however often the event is sent. What befalls
    a version once has one id, also if a worker died and another reports it again. Of a leak it is
    the same all day: whoever was not answered reports it again.
    """
    once: Mapping[str, str] = {
        **dict.fromkeys(PUBLISHED, ""),
        "retired": item.cause.reason,
        REPORTED_LEAK: item.since[:10],
    }
    which = once.get(item.news, item.since)
    named = f"{item.ref}/{item.news}/{item.version}/{which}".lower()
    data = {
        "id": str(item.ref),
        "vault": item.ref.vault_name,
        "secret": item.ref.name,
        "result": item.news,
        "reason": item.cause.reason,
        "owner": secret.tags.get("Owner"),
        "version": secret.version,
        "operation": item.operation,
    }
    if secret.enabled or secret.expires:
        data["expires"] = secret.expires.isoformat() if secret.expires else None
    return Event(
        f"msg_{uuid.uuid5(uuid.NAMESPACE_URL, named)}",
        f"rekey.secret.{item.news}",
        item.since or now.isoformat(),
        data,
        key,
        now,
    )


def moment(secret: Version, due: datetime | None, now: datetime) -> datetime | None:
    """Return the last moment up to now at which an owner is notified; None if there was none.

    Of a secret that a person rotates, by the tags that count, the owner is notified when it is
    `due`, and again every day once it has expired, or every week if it never does.
    """
    by_hand, expires = is_manual(secret.tags), secret.expires
    begins = due if by_hand else secret.created
    if begins is None:
        return None
    ahead = [expires - days * DAY for days in (*DAYS_AHEAD, 0)] if expires else []
    past = [moment for moment in [begins] * by_hand + ahead if begins <= moment <= now]
    if not past:
        return None
    last = max(past)
    if not by_hand or (expires and now < expires):
        return last
    every = DAY if expires else WEEK
    return last + (now - last) // every * every


@dataclass
class Digests:
    """Collects, during one call of a sweep, what owners are notified of."""

    order: SweepOrder
    _open: dict[str, list[Entry]] = field(default_factory=dict)
    """What needs a person and has been reported, or is now, by owner."""
    _moments: dict[str, list[str]] = field(default_factory=dict)
    """The moments that fall into this sweep, by owner."""

    def add(self, entry: Entry) -> None:
        """Look at one secret, as the inventory shows it."""
        is_meant = is_manual(entry.secret.tags) or entry.state in NEEDS_A_PERSON
        notified_at = self._moment(entry) if entry.secret.enabled and is_meant else None
        if notified_at is None:
            return
        owner = _owner(entry)
        self._open.setdefault(owner, []).append(entry)
        if self.order.since < notified_at:
            key = f"{entry.secret.ref} {entry.secret.expires} {notified_at}"
            self._moments.setdefault(owner, []).append(key)

    def _moment(self, entry: Entry) -> datetime | None:
        secret = entry.secret
        if entry.state == "dropped" and secret.expires is None:
            # Its version lost its tags as it was written, and no other day would ever come.
            return secret.created
        return moment(secret, entry.due, self.order.until)

    def items(self) -> Iterator[tuple[str, FollowUp]]:
        """Yield a digest for each owner who is to learn something new, with its key.

        Sweeps of the same moments have the same key.
        """
        for owner, moments in self._moments.items():
            text = "\n".join((owner, *sorted(moments)))
            entries = sorted(self._open[owner], key=_urgency)
            until = self.order.until
            first, since = entries[0].secret, until.isoformat()
            named = first.tags.get("Owner", "")
            task = FollowUp(first.ref, "tell", since=since, news=EXPIRING, owner=named)
            key = f"digest-{hashlib.sha256(text.encode()).hexdigest()}"
            yield key, task.because(_text(entries, until))


def _owner(entry: Entry) -> str:
    """Return the name that a secret's digest goes by.

    A dropped secret that names no owner stands alone: whoever sends its digest looks for one.
    """
    owner = owner_key(entry.secret.tags.get("Owner", ""))
    return str(entry.secret.ref) if entry.state == "dropped" and not owner else owner


def _urgency(entry: Entry) -> tuple[bool, datetime, str]:
    expires = entry.secret.expires
    return expires is None, expires or entry.secret.created, entry.secret.ref.name.lower()


def _text(entries: Sequence[Entry], now: datetime) -> str:
    """Return the title and a line for each secret, as many as there is room for."""
    count = f"{len(entries)} secrets need a person" if entries[1:] else "A secret needs a person"
    text = f"{count}: {entries[0].secret.ref.name} {_when(entries[0], now)}"
    for place, entry in enumerate(entries):
        more = f"\nand {len(entries) - place} more"
        line = f"\n{_line(entry, now)}"
        if len(text + line + more) > MOST_NOTICE:
            return text + more
        text += line
    return text


def _line(entry: Entry, now: datetime) -> str:
    by_hand = is_manual(entry.secret.tags)
    reason = "only a person rotates it" if by_hand else printable(entry.reason)[:MOST_REASON]
    expires = entry.secret.expires
    date = f" ({expires:%Y-%m-%d %H:%M}Z)" if expires else ""
    return f"{entry.secret.ref.name} {_when(entry, now)}{date}: {reason}"


def _when(entry: Entry, now: datetime) -> str:
    expires = entry.secret.expires
    if expires is None and entry.due is None:
        return f"lost its tags {entry.secret.created:%Y-%m-%d}"
    if expires is None:
        return f"is due since {entry.due:%Y-%m-%d}"
    days = -((now - expires) // DAY) if expires > now else (now - expires) // DAY
    span = f"{days} day" if days == 1 else f"{days} days"
    return f"expires within {span}" if expires > now else f"has expired, {span} ago"
