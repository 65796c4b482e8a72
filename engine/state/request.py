"""What travels on the queue `rotations`, and what came of it. Nothing secret is in either.

A request asks to look at a secret. A task follows an outcome: an app to refresh, or an owner to tell.
It touches neither source nor secret.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, get_args

from engine.errors import NeedsHuman
from engine.secret import SECRET_NAME, VERSION_ID, SecretRef, Sensitive
from engine.state.codec import YEARS

FIX = "request work with rekey or the HTTP API, which write such messages"


def text_of(message: Any, types: Mapping[str, type], renamed: Mapping[str, Any]) -> str:
    """Return the text of a message with a secret, these fields, an operation and a trace.

    `renamed`: the fields that have had another name since the first version.
    """
    names = (name for name in (*types, "operation", "trace") if name not in renamed)
    data = {**{name: getattr(message, name) for name in names}, **renamed}
    return json.dumps({**data, "vault": message.ref.vault, "secret": message.ref.name})


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
    fields = {key: data[key] for key in types if data.get(key) is not None}
    trace = data["trace"] if isinstance(data.get("trace"), str) else None
    ref = SecretRef(data["vault"].rstrip("/").lower(), data["secret"])
    return {"ref": ref, "trace": trace, **fields}


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed(["not JSON"]) from None
    if not isinstance(data, dict):
        raise _malformed(["not a JSON object"])
    return data


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
    if not isinstance(data.get("vault"), str) or not data["vault"].startswith("https://"):
        problems.append("vault is not the URL of a vault")
    if not isinstance(data.get("secret"), str) or not SECRET_NAME.fullmatch(data["secret"]):
        problems.append("secret is not a secret's name")
    if isinstance(data.get("version"), str) and not VERSION_ID.fullmatch(data["version"]):
        problems.append("version is not a version's id")
    return problems


def _malformed(problems: list[str]) -> NeedsHuman:
    return NeedsHuman(
        f"the work item is malformed: {'; '.join(problems)}", where="queue rotations", fix=FIX
    )


Action = Literal["rotate", "retire", "restore", "audit"]
Trigger = Literal["event", "sweep", "manual"]
INCIDENT_SECONDS = 780.0
"""How long until an incident that could not be dealt with is due again: the timer that comes every
three minutes takes it up, so that it is tried every quarter of an hour."""
TRIED_ON = timedelta(days=30)
"""For how long that goes on. Then a person must report the incident again."""
DAY, OFTEN = timedelta(days=1), timedelta(hours=2)
"""How often people hear of it: every two hours for a day, and then every day."""
TRIED_AGAIN = "it is tried again every quarter of an hour, for a month"
NO_MORE = "it was tried for a month and is not tried again: report it once more after the fix"

UNMARKED = "nor could the secret be marked"


def operation_id(ref: SecretRef, replaced_version: str) -> str:
    """Return the id of the operation that replaces this version.

    Every trigger derives the same id, so a retry recognises what an earlier try left behind.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ref}/{replaced_version}".lower()))


@dataclass(frozen=True, slots=True)
class Message:
    """What each message of the queue names."""

    ref: SecretRef
    version: str | None = field(default=None, kw_only=True)
    """The version that the sender saw; None if it could not know (a listing does not say)."""
    trigger: Trigger = field(default="manual", kw_only=True)
    reason: str = field(default="", kw_only=True)
    deferred: int = field(default=0, kw_only=True)
    """How often it was put off, as Azure asked to wait, or an app did not use the version yet."""
    trace: str | None = field(default=None, kw_only=True)
    """The W3C traceparent of the request. Without a valid one, the function call is the parent."""

    @property
    def operation(self) -> str | None:
        """The id of the operation that replaces `version`."""
        return operation_id(self.ref, self.version) if self.version else None

    def about(self, version: str | None) -> Self:
        """Return it with this version, if its sender could not name one."""
        return self if self.version else replace(self, version=version)


@dataclass(frozen=True, slots=True)
class WorkItem(Message):
    """One request to look at a secret and do what is due."""

    action: Action = "rotate"
    requested_by: str = ""
    force: bool = False
    compromised: bool = False
    recheck: bool = False
    """It looks at a source that is due by its record. A timer asks, too, so it may be lost."""
    waited: int = 0
    """How often the item was posted again because another worker held its source."""
    tried: int = 0
    """How many tries preceded this message."""
    since: str = ""
    """When the incident began (ISO 8601), for an incident's item.

    Every credential older than that counts as compromised, too.
    """
    reported: str = ""
    """When a person asked for it (ISO 8601): it tells one request from the next.

    Of what leaked it tells how long it took to be refused.
    """
    told: str = ""
    """When people last heard that this incident cannot be dealt with (ISO 8601)."""
    source: str | None = None
    """The source as the sender saw it, to save the worker one read.

    It is only a hint: the worker checks it under the lease.
    """
    follows: bool = False
    """It is tried even if the secret is parked.

    The key that a derived secret is made from has changed, or a change under way may have come.
    """

    @property
    def began(self) -> datetime | None:
        """When the incident began; None where it is none, or no time is given that can be read."""
        return _moment(self.since) if self.compromised else None

    @property
    def reported_at(self) -> datetime | None:
        """When what leaked was reported; None where the message does not say."""
        return _moment(self.reported)

    def seconds_since_report(self, now: datetime) -> float | None:
        """Return how long ago a person asked for it; None where the message does not say."""
        moment = self.reported_at
        return max(0.0, (now - moment).total_seconds()) if moment else None

    @property
    def request(self) -> str:
        """The id of what a person asked for, or a key, by which it is stored; empty for all other work.

        It follows from what is asked for, so that only the same work can close it.
        """
        if self.recheck or not (self.lasts or (self.looks_at_key and self.deferred)):
            return ""
        terms = (str(self.ref).lower(), *(getattr(self, name) for name in _ASKED))
        return hashlib.sha256(json.dumps(terms).encode()).hexdigest()[:40]

    @property
    def cause(self) -> str:
        """Who or what asked, and why, as one line of printable text."""
        who = f"{self.trigger} by {self.requested_by}" if self.trigger == "manual" else self.trigger
        text = f"{who}: {self.reason}" if self.reason else who
        return "".join(letter for letter in text if letter.isprintable())

    @property
    def is_own(self) -> bool:
        """Whether nobody asked for it: a record says that its source is due."""
        return self.trigger == "sweep" and self.requested_by == "rekey"

    @property
    def looks_at_key(self) -> bool:
        """Whether a derived secret looks at its key, which has changed. It is stored if that fails."""
        return self.follows and self.action == "audit" and self.requested_by == "rekey"

    @property
    def lasts(self) -> bool:
        """Whether its message does not expire while the app is stopped."""
        return self.compromised or self.trigger == "manual"

    def is_tried_on(self, now: datetime) -> bool:
        """Return whether an incident that cannot be dealt with is tried again later."""
        return now - (self.reported_at or now) < TRIED_ON

    def is_told(self, now: datetime) -> bool:
        """Return whether people hear that an incident still cannot be dealt with.

        They do at first, now and then, and in the end. It is looked at more often.
        """
        last, often = _moment(self.told), OFTEN if now - (self.reported_at or now) <= DAY else DAY
        return last is None or now - last >= often or not self.is_tried_on(now)

    def to_json(self) -> str:
        """Return the text of the queue message."""
        return text_of(self, _TYPES, {"follow_up": self.recheck})

    @classmethod
    def from_json(cls, text: str | bytes) -> WorkItem:
        """Read a message; raises NeedsHuman that lists every problem in it."""
        fields = fields_of(text, _TYPES, {"action": Action, "trigger": Trigger})
        # A number in messages of earlier versions: how many looks there were in a row.
        fields["recheck"] = bool(fields.pop("follow_up", 0))
        return cls(**fields)


_TYPES: dict[str, type] = {
    "action": str,
    "version": str,
    "trigger": str,
    "requested_by": str,
    "reason": str,
    "force": bool,
    "compromised": bool,
    "follow_up": int,
    "deferred": int,
    "waited": int,
    "tried": int,
    "since": str,
    "reported": str,
    "told": str,
    "source": str,
    "follows": bool,
}


_ASKED = (
    *("action", "version", "trigger", "requested_by", "reason"),
    *("force", "compromised", "since", "reported"),
)
"""What a person has asked for, whoever works on it and however often."""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment.year in YEARS else None


Result = Literal[
    "rotated", "healed", "restored", "retired", "confirmed", "skipped", "waiting", "parked"
]
PUBLISHED: frozenset[Result] = frozenset({"rotated", "healed", "restored"})
"""How work ends that has published a version."""
DONE: frozenset[Result] = PUBLISHED | {"retired", "confirmed"}
"""How work ends that needs nobody."""


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
    """What was asked for could not be dealt with, nor noted in a record: it is tried again."""


REPORTED_LEAK = "leaked"
"""What a message is about that asks a person whether a reported credential is cut off."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to people: a title, and facts as pairs of a name and a text."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One message to a program, which is signed when it is sent."""

    id: str
    """The same however often it is sent."""
    type: str
    timestamp: str
    """When it happened, in ISO 8601."""
    data: Mapping[str, str | None]
    key: Sensitive
    """What it is signed with: one or more texts that start with `whsec_`."""
    sent: datetime
    """When it is sent this time."""


Task = Literal["refresh", "remind", "tell"]
TaskResult = Literal["refreshed", "unrefreshed", "told", "untold", "reminded", "skipped", "waiting"]
_OF_A_TASK: Mapping[str, type] = {
    **dict.fromkeys(("action", "version", "trigger", "reason", "news", "to", "since"), str),
    "deferred": int,
}


@dataclass(frozen=True, slots=True)
class FollowUp(Message):
    """One task that follows an outcome. It is a message on the queue `rotations`, too."""

    action: Task
    trigger: Trigger = field(default="sweep", kw_only=True)
    """What had started the work that it follows."""
    news: str = ""
    """The outcome to announce, where the action is `tell`."""
    to: str = ""
    """The secret with the webhook's URL, where the action is `tell`; empty for all webhooks."""
    since: str = ""
    """When that happened which is told, or all apps had been asked to refresh (ISO 8601)."""

    @property
    def lasts(self) -> bool:
        """Whether its message does not expire while the app is stopped."""
        return self.trigger == "manual"

    def to_json(self) -> str:
        """Return the text of the queue message, which earlier versions of Rekey read as well."""
        return text_of(self, _OF_A_TASK, {})

    @classmethod
    def from_json(cls, text: str | bytes) -> FollowUp:
        """Read a message; raises NeedsHuman that lists every problem in it."""
        return cls(**fields_of(text, _OF_A_TASK, {"action": Task, "trigger": Trigger}))


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What came of a task."""

    task: FollowUp
    result: TaskResult
    reason: str
    fix: str = ""
    version: str | None = None
    """The version that the task found current."""


def read(text: str | bytes) -> WorkItem | FollowUp:
    """Read a message of the queue `rotations`; raises NeedsHuman that lists every problem in it."""
    is_task = _object(text).get("action") in get_args(Task)
    return FollowUp.from_json(text) if is_task else WorkItem.from_json(text)
