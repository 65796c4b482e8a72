"""The messages of the queue `rotations`, and their outcomes. They contain no secret value.

A work item asks for work on a secret. A follow-up task comes after an outcome: it refreshes an app,
or notifies an owner. It changes neither source nor secret.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, cast, get_args

from engine.errors import NeedsHuman
from engine.secret import SECRET_NAME, VERSION_ID, SecretRef, Sensitive
from engine.state.codec import YEARS

MOST = 10_000
"""What no message counts beyond: more than any limit here."""
MESSAGE_FIX = "request work with rekey or the HTTP API, which write such messages"


def part_of[T](shape: type[T], data: dict[str, Any]) -> T:
    """Return a part of a message. What it holds is taken out of the message's fields."""
    names = [field.name for field in fields(cast("Any", shape))]
    return shape(**{name: data.pop(name) for name in names if name in data})


def text_of(ref: SecretRef, data: Mapping[str, Any]) -> str:
    """Return the text of a message about a secret. Its fields are flat: any version reads them."""
    return json.dumps({**data, "vault": ref.vault, "secret": ref.name})


def fields_of(
    text: str | bytes, types: Mapping[str, type], choices: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `ref`, `trace` and those of these fields that a message has; what else it has is left.

    `choices`: the Literal of a field that is one of few words. Raises NeedsHuman that lists every
    problem.
    """
    data = _object(text)
    if problems := _problems(data, types, choices):
        raise _malformed(problems)
    named = {
        key: min(max(data[key], 0), MOST) if kind is int else data[key]
        for key, kind in types.items()
        if data.get(key) is not None
    }
    trace = data["trace"] if isinstance(data.get("trace"), str) else None
    ref = SecretRef(data["vault"].rstrip("/").lower(), data["secret"])
    return {"ref": ref, "trace": trace, **named}


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed(["not JSON"]) from None
    if not isinstance(data, dict):
        raise _malformed(["not a JSON object"])
    return data


_FORMS = (
    ("vault", re.compile(r"https://[!-~]*"), "the URL of a vault"),
    ("secret", SECRET_NAME, "a secret's name"),
    ("version", VERSION_ID, "a version's id"),
    # Half a surrogate pair is in no URL.
    ("source", re.compile(r"[^\ud800-\udfff]*"), "the id of a source"),
)


def _problems(
    data: Mapping[str, Any], types: Mapping[str, type], choices: Mapping[str, Any]
) -> list[str]:
    problems = [
        f"{key} is not a {kind.__name__}"
        for key, kind in types.items()
        if data.get(key) is not None and not isinstance(data[key], kind)
    ]
    for key, words in choices.items():
        allowed = get_args(words)
        if data.get(key) is not None and data[key] not in allowed:
            problems.append(f"{key} is none of {', '.join(allowed)}")
    for key, form, what in _FORMS:
        text, is_optional = data.get(key), key in ("version", "source")
        if not (form.fullmatch(text) if isinstance(text, str) else is_optional):
            problems.append(f"{key} is not {what}")
    return problems


def _malformed(problems: list[str]) -> NeedsHuman:
    return NeedsHuman(
        f"the work item is malformed: {'; '.join(problems)}",
        where="queue rotations",
        fix=MESSAGE_FIX,
    )


Action = Literal["rotate", "retire", "restore", "audit"]
Trigger = Literal["event", "sweep", "manual"]
Hint = Literal["recheck", "follow"]
"""Why work on a secret is posted if no person or trigger has asked for it.

`recheck`: its source is due by its record. A timer asks, too, so the message may be lost. `follow`:
the key that a derived secret is made from has changed.
"""
INCIDENT_SECONDS = 780.0
"""How long until an incident that could not be dealt with is due again: the timer that comes every
three minutes takes it up, so that it is tried every quarter of an hour."""
TRIED_ON = timedelta(days=30)
"""For how long that goes on. Then a person must report the incident again."""
DAY, OFTEN = timedelta(days=1), timedelta(hours=2)
"""How often people are notified of it: every two hours for a day, and then every day."""
TRIED_AGAIN = "it is tried again every quarter of an hour, for a month"
NO_MORE = "it was tried for a month and is not tried again: report it once more after the fix"

UNMARKED = "nor could the secret be marked"


def nothing_of(ref: SecretRef) -> str:
    """Return what stands for the version that a secret's first one replaces.

    Every try to write that one is then the same operation, and none of another secret.
    """
    return operation_id(ref, "").replace("-", "")


def operation_id(ref: SecretRef, replaced_version: str) -> str:
    """Return the id of the operation that replaces this version.

    Every trigger derives the same id, so a retry recognises what an earlier try left behind.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ref}/{replaced_version}".lower()))


def printable(text: str) -> str:
    """Return a text as one line: without what breaks a line, or shows as nothing."""
    return "".join(letter for letter in text if letter.isprintable())


@dataclass(frozen=True, slots=True)
class Cause:
    """Who or what asked, why, and when."""

    trigger: Trigger = "manual"
    requested_by: str = ""
    reason: str = ""
    reported: str = ""
    """When a person asked for it (ISO 8601). It tells one request from the next.

    For a leak it also tells how long it took until the credential was refused.
    """

    def __str__(self) -> str:
        """Return it as one line of printable text."""
        who = f"{self.trigger} by {self.requested_by}" if self.is_persons else self.trigger
        text = f"{who}: {self.reason}" if self.reason else who
        return printable(text)

    @property
    def is_persons(self) -> bool:
        """Whether a person has asked."""
        return self.trigger == "manual"


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a message was posted again, and when people last heard that it is not done."""

    deferred: int = 0
    """How often it was put off, as Azure asked to wait, or an app did not use the version yet."""
    waited: int = 0
    """How often it was posted again because another worker held its source."""
    tried: int = 0
    """How many tries preceded this message."""
    told: str = ""
    """When people were last notified that this request cannot be dealt with (ISO 8601)."""


@dataclass(frozen=True, slots=True)
class Leak:
    """That a version is compromised."""

    since: str = ""
    """When the incident began (ISO 8601); empty where one version alone has leaked.

    Every credential older than that counts as compromised, too.
    """


@dataclass(frozen=True, slots=True)
class Message:
    """The parts that every message of the queue has."""

    ref: SecretRef
    version: str | None = field(default=None, kw_only=True)
    """The version that the sender saw; None if it could not know (a listing does not say)."""
    cause: Cause = field(default=Cause(), kw_only=True)
    tries: Tries = field(default=Tries(), kw_only=True)
    trace: str | None = field(default=None, kw_only=True)
    """The W3C traceparent of the request. Without a valid one, the function call is the parent."""

    @property
    def operation(self) -> str | None:
        """The id of the operation that replaces `version`."""
        return operation_id(self.ref, self.version) if self.version else None

    def because(self, reason: str) -> Self:
        """Return it with this reason."""
        return replace(self, cause=replace(self.cause, reason=reason))

    def put_off(self) -> Self:
        """Return it as it is posted again, once more."""
        return replace(self, tries=replace(self.tries, deferred=self.tries.deferred + 1))

    def about(self, version: str | None) -> Self:
        """Return it with this version, if its sender could not name one."""
        return self if self.version else replace(self, version=version)


@dataclass(frozen=True, slots=True)
class WorkItem(Message):
    """One request to observe a secret and do what is due."""

    action: Action = "rotate"
    force: bool = False
    leak: Leak | None = None
    """Set where what the secret holds, or held, is compromised."""
    hint: Hint | None = None
    source: str | None = None
    """The source as the sender saw it, to save the worker one read.

    It is only a hint: the worker checks it under the lease.
    """

    @property
    def compromised(self) -> bool:
        """Whether it is about what has leaked."""
        return self.leak is not None

    @property
    def recheck(self) -> bool:
        """Whether it rechecks a source that is due by its record."""
        return self.hint == "recheck"

    @property
    def began(self) -> datetime | None:
        """When the incident began; None where it is none, or no time is given that can be read."""
        return moment_of(self.leak.since) if self.leak else None

    @property
    def reported_at(self) -> datetime | None:
        """When what leaked was reported; None where the message does not say."""
        return moment_of(self.cause.reported)

    def seconds_since_report(self, now: datetime) -> float | None:
        """Return how long ago a person asked for it; None where the message does not say."""
        moment = self.reported_at
        return max(0.0, (now - moment).total_seconds()) if moment else None

    @property
    def request(self) -> str:
        """The id under which requests of people, and of keys, are stored; empty for all other work.

        It is a digest of the request, so that only the same work can close it.
        """
        if self.recheck or not (self.lasts or (self.follows_key and self.tries.deferred)):
            return ""
        data = self._flat()
        terms = (str(self.ref).lower(), *(data[name] for name in _ASKED))
        return hashlib.sha256(json.dumps(terms).encode()).hexdigest()[:40]

    @property
    def follows_key(self) -> bool:
        """Whether it has a derived secret follow its key. Such an item is stored if that fails."""
        is_own = self.cause.requested_by == "rekey"
        return self.hint == "follow" and self.action == "audit" and is_own

    @property
    def lasts(self) -> bool:
        """Whether its message does not expire while the app is stopped."""
        return self.compromised or self.cause.is_persons

    def is_tried_on(self, now: datetime) -> bool:
        """Return whether a request that cannot be dealt with is tried again later."""
        return now - (self.reported_at or now) < TRIED_ON

    def notifies(self, now: datetime) -> bool:
        """Return whether people are notified now that a request cannot be dealt with.

        They are at first, now and then, and in the end. The request is tried more often than that.
        """
        last = moment_of(self.tries.told)
        often = OFTEN if now - (self.reported_at or now) <= DAY else DAY
        return last is None or now - last >= often or not self.is_tried_on(now)

    def to_json(self) -> str:
        """Return the text of the queue message."""
        return text_of(self.ref, self._flat())

    def _flat(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "version": self.version,
            "force": self.force,
            "compromised": self.compromised,
            **asdict(self.cause),
            **asdict(self.tries),
            **asdict(self.leak or Leak()),
            "source": self.source,
            "follows": self.hint == "follow",
            "operation": self.operation,
            "trace": self.trace,
            "follow_up": self.recheck,
        }

    @classmethod
    def from_json(cls, text: str | bytes) -> WorkItem:
        """Read a message; raises NeedsHuman that lists every problem in it."""
        return cls.of(**fields_of(text, _TYPES, {"action": Action, "trigger": Trigger}))

    @classmethod
    def of(cls, **data: Any) -> WorkItem:
        """Return the item of a message's fields, which are flat."""
        cause, tries = part_of(Cause, data), part_of(Tries, data)
        leak, is_leak = part_of(Leak, data), data.pop("compromised", False)
        hint: Hint | None = "follow" if data.pop("follows", False) else None
        # A number in messages of earlier versions: how many rechecks there were in a row.
        hint = "recheck" if data.pop("follow_up", 0) else hint
        return cls(**data, cause=cause, tries=tries, leak=leak if is_leak else None, hint=hint)


def recheck_of(ref: SecretRef, source: str, version: str | None = None) -> WorkItem:
    """Return the recheck of a source that is due by the record of the secret that owns it."""
    why = Cause("sweep", "rekey", "its record says that it is due")
    return WorkItem(ref, "audit", version=version or None, cause=why, source=source, hint="recheck")


_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("action", "version", "source", "told"), str),
    **dict.fromkeys(("force", "compromised", "follows"), bool),
    **dict.fromkeys((part.name for shape in (Cause, Leak) for part in fields(shape)), str),
    **dict.fromkeys(("follow_up", "deferred", "waited", "tried"), int),
}


_ASKED = (
    *("action", "version", "trigger", "requested_by", "reason"),
    *("force", "compromised", "since", "reported"),
)
"""The fields of a request that stay the same through all tries."""


def moment_of(text: str | None) -> datetime | None:
    """Return the time that a message holds; None where it holds none that Rekey wrote."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment.year in YEARS else None


Result = Literal[
    "rotated", "healed", "restored", "retired", "confirmed", "skipped", "waiting", "parked"
]
PUBLISHED: frozenset[Result] = frozenset({"rotated", "healed", "restored"})
"""The results of work that has published a version."""
DONE: frozenset[Result] = PUBLISHED | {"retired", "confirmed"}
"""The results of work that needs no person."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who asked for what, and what came of it. Contains no secret value."""

    item: WorkItem
    result: Result
    reason: str
    fix: str = ""
    rotator: str = ""
    source: str = ""
    old_version: str | None = None
    new_version: str | None = None
    credential_id: str | None = None
    next_due: datetime | None = None
    retired: tuple[str, ...] = ()
    """The ids of the credentials revoked for this item."""
    replicas: tuple[SecretRef, ...] = ()
    """The other secrets that hold the same credential."""
    derived: tuple[SecretRef, ...] = ()
    """The secrets that may hold what is made from it."""
    comes_back: bool = False
    """The request could not be carried out, nor noted in a record: it is tried again."""

    def unfinished(self, now: datetime) -> Outcome:
        """Return it for a request that cannot be dealt with. That is tried for a month."""
        again = self.item.is_tried_on(now)
        reason = f"{self.reason}; {TRIED_AGAIN if again else NO_MORE}"
        result: Result = "parked" if self.item.notifies(now) else "waiting"
        return replace(self, result=result, reason=reason, comes_back=again)

    def unmarked(self, why: str) -> Outcome:
        """Return it where its secret could not be marked; `why` is empty where it could."""
        return replace(self, reason=f"{self.reason}; {UNMARKED}: {why}") if why else self


REPORTED_LEAK = "leaked"
"""The news of a message that asks a person whether a reported credential is to be cut off."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to people: a title, and facts as pairs of a name and a text."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One message to a program, which is signed when it is sent."""

    id: str
    """It stays the same when the event is sent again."""
    type: str
    timestamp: str
    """When it happened, in ISO 8601."""
    data: Mapping[str, str | None]
    key: Sensitive
    """The keys that sign it: one or more texts that start with `whsec_`."""
    sent: datetime
    """When it is sent this time."""


Task = Literal["refresh", "remind", "tell"]
TaskResult = Literal["refreshed", "unrefreshed", "told", "untold", "reminded", "skipped", "waiting"]
_OF_A_TASK: Mapping[str, type] = {
    **dict.fromkeys(
        ("action", "version", "trigger", "reason", "news", "to", "owner", "since"), str
    ),
    "deferred": int,
}


@dataclass(frozen=True, slots=True)
class FollowUp(Message):
    """One task that follows an outcome. It is a message on the queue `rotations`, too."""

    action: Task
    cause: Cause = field(default=Cause("sweep"), kw_only=True)
    """The trigger of the work that it follows, and the text of its message."""
    news: str = ""
    """The outcome to announce, where the action is `tell`."""
    to: str = ""
    """The secret with the webhook's URL, or the apps to refresh; empty for all of them."""
    owner: str = ""
    """Whom it is for, where that is known; else the secret's tag `Owner` says it."""
    since: str = ""
    """When the outcome came that it announces, its apps had been refreshed, or a secret was due
    (ISO 8601)."""

    @property
    def lasts(self) -> bool:
        """Whether its message does not expire while the app is stopped."""
        return self.cause.is_persons

    def to_json(self) -> str:
        """Return the text of the queue message, which earlier versions of Rekey read as well."""
        whole = {**asdict(self), **asdict(self.cause), **asdict(self.tries)}
        data = {name: whole[name] for name in (*_OF_A_TASK, "trace")}
        return text_of(self.ref, data | {"operation": self.operation})

    @classmethod
    def from_json(cls, text: str | bytes) -> FollowUp:
        """Read a message; raises NeedsHuman that lists every problem in it."""
        return cls.of(**fields_of(text, _OF_A_TASK, {"action": Task, "trigger": Trigger}))

    @classmethod
    def of(cls, *, trigger: Trigger = "sweep", **data: Any) -> FollowUp:
        """Return the task of a message's fields, which are flat."""
        data["trigger"] = trigger
        cause, tries = part_of(Cause, data), part_of(Tries, data)
        return cls(**data, cause=cause, tries=tries)


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What came of a task."""

    task: FollowUp
    result: TaskResult
    reason: str
    fix: str = ""
    version: str | None = None
    """The version that the task found current."""


type Work = WorkItem | FollowUp
"""One message of the queue `rotations`."""


def read(text: str | bytes) -> Work:
    """Read a message of the queue `rotations`; raises NeedsHuman that lists every problem in it."""
    is_task = _object(text).get("action") in get_args(Task)
    return FollowUp.from_json(text) if is_task else WorkItem.from_json(text)
