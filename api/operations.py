"""How an operation goes, told from the vault alone: there is no journal that could be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat

from api import views
from api.actions import POLL_SECONDS, VERBS
from api.answers import Answer
from api.near import no_such
from api.requests import Request
from api.views import Status, Verb
from engine.engine import Engine
from engine.errors import NotFound
from engine.secret import SecretRef, Version
from engine.state.decision import Park, Skip, Wait
from engine.state.history import newest_first
from engine.state.request import WorkItem, operation_id
from engine.state.tags import OPERATION, REASON, RETIRE, STATE, marked_since

MOST_WAIT = 120
"""Seconds that a request may wait for an operation's end: Azure's load balancer gives up after
230."""
FIRST_PAUSES, PAUSE = (0.5, 1.0), 2.0
"""Seconds between two looks: most rotations take about a second."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What was asked for, as the URL that the 202 named says."""

    ref: SecretRef
    id: str
    verb: Verb
    since: datetime
    force: bool = False
    compromised: bool = False

    @classmethod
    def of(cls, engine: Engine, request: Request) -> Operation:
        """Read the URL; raises BadRequest."""
        action = request.choice("action", VERBS)
        verb = next((name for name in VERBS if name == action), VERBS[0])
        flags = request.flag("force"), request.flag("compromised")
        return cls(
            request.secret(engine.policy),
            request.path.get("operation", ""),
            verb,
            request.moment("since"),
            *flags,
        )

    def item(self, version: str | None) -> WorkItem:
        """Return the work item that was queued."""
        action = "audit" if self.verb == "unpark" else self.verb
        return WorkItem(
            self.ref,
            action,
            version=version,
            trigger="manual",
            force=self.force,
            compromised=self.compromised,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """How an operation stands."""

    status: Status
    version: str | None
    reason: str = ""


async def follow(engine: Engine, operation: Operation, wait: int) -> Answer:
    """Tell how an operation goes; waits so many seconds for its end."""
    ends = engine.clock.monotonic() + wait
    pauses = chain(FIRST_PAUSES, repeat(PAUSE))
    while True:
        versions = newest_first(
            [version async for version in engine.vaults.versions(operation.ref)]
        )
        if not versions:
            raise await no_such(engine, operation.ref)
        progress = look(engine, operation, versions)
        left = ends - engine.clock.monotonic()
        if progress.status != "running" or left <= 0:
            return _answer(operation, progress)
        await engine.clock.sleep(min(next(pauses), left))


def look(engine: Engine, operation: Operation, versions: Sequence[Version]) -> Found:
    """Judge an operation by a secret's versions, newest first.

    NotFound where it is none on this secret.
    """
    if not versions:
        raise NotFound(
            "there is no such secret", where=str(operation.ref), fix="GET /api/secrets lists all"
        )
    current, earlier = versions[0], versions[1:]
    published = current.tags.get(OPERATION) == operation.id
    if published or operation_id(operation.ref, str(current.version)) == operation.id:
        marked = marked_since(engine.policy.applied(current), engine.clock.now())
        if marked and marked >= operation.since:
            return Found("failed", current.version, current.tags.get(REASON, ""))
        return _published(operation, current) if published else _before(engine, operation, current)
    for version in earlier:
        if version.tags.get(OPERATION) == operation.id:
            return Found("succeeded", version.version)
    if any(
        operation_id(operation.ref, str(version.version)) == operation.id for version in earlier
    ):
        return Found(
            "superseded", current.version, "another version was written before this operation began"
        )
    where = str(operation.ref)
    raise NotFound(
        f"this secret has no operation {operation.id[:40]!r}", where=where, fix="see its history"
    )


def _published(operation: Operation, current: Version) -> Found:
    """A credential that was to be cut off must be gone as well."""
    return Found(
        "running" if operation.compromised and RETIRE in current.tags else "succeeded",
        current.version,
    )


def _before(engine: Engine, operation: Operation, current: Version) -> Found:
    """Judge where the version that the operation is about is still the current one.

    What would a worker do now?
    """
    gone = {"retire": RETIRE, "unpark": STATE}.get(operation.verb)
    if gone and gone not in current.tags:
        return Found("succeeded", current.version)
    decision = engine.decide(current, operation.item(current.version))
    if operation.compromised and isinstance(decision, Park):
        # A worker takes a leak up all the same, and marks the secret.
        return Found("running", current.version)
    if isinstance(decision, Skip | Wait | Park):
        return Found(
            "failed" if isinstance(decision, Park) else "skipped", current.version, decision.reason
        )
    return Found("running", current.version)


def _answer(operation: Operation, progress: Found) -> Answer:
    shown = views.Operation(
        operation=operation.id,
        vault=operation.ref.vault_name,
        secret=operation.ref.name,
        action=operation.verb,
        status=progress.status,
        version=progress.version,
        reason=progress.reason,
    )
    running = progress.status == "running"
    return Answer.of(
        202 if running else 200, shown, {"Retry-After": str(POLL_SECONDS)} if running else {}
    )
