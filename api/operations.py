"""How an operation goes, told from the vault and the records: there is no journal that could be wrong.

Anybody may edit a tag. Tags tell only where no record can.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat

from api import models
from api.actions import POLL_SECONDS, VERBS
from api.answers import Answer
from api.models import Status, Verb
from api.requests import Request
from api.similar_names import no_such
from engine.engine import Engine
from engine.errors import NotFound, PermanentError
from engine.secret import SecretRef, Version
from engine.state.decision import Park, Skip, Wait
from engine.state.record import Record
from engine.state.request import Leak, WorkItem, operation_id
from engine.state.tags import OPERATION, REASON, RETIRE, STATE, marked_since

log = logging.getLogger("rekey.api")

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
            force=self.force,
            leak=Leak() if self.compromised else None,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """How an operation stands."""

    status: Status
    version: str | None
    reason: str = ""


async def follow(engine: Engine, operation: Operation, wait: float) -> Answer:
    """Tell how an operation goes; waits so many seconds for its end."""
    ends = engine.clock.monotonic() + wait
    pauses = chain(FIRST_PAUSES, repeat(PAUSE))
    while True:
        versions = await engine.versions(operation.ref)
        if not versions:
            raise await no_such(engine, operation.ref)
        progress = look(engine, operation, versions, await _records(engine, operation.ref))
        left = ends - engine.clock.monotonic()
        if progress.status != "running" or left <= 0:
            return _answer(operation, progress)
        await engine.clock.sleep(min(next(pauses), left))


async def _records(engine: Engine, ref: SecretRef) -> list[Record]:
    """Return the records of a secret; none where nobody here may read them."""
    try:
        index = await engine.index()
        records = [await engine.leases.peek(listed.source) for listed in index.of(ref)]
    except PermanentError as error:
        log.warning("how an operation goes is told by tags: %s", error)
        return []
    return [record for record in records if record]


def look(
    engine: Engine, operation: Operation, versions: Sequence[Version], records: Sequence[Record]
) -> Found:
    """Judge an operation by a secret's versions, newest first, and the records of its sources.

    NotFound where it is none on this secret.
    """
    current = versions[0]
    ids = [operation_id(operation.ref, str(version.version)) for version in versions]
    if operation.id not in ids:
        what = f"this secret has no operation {operation.id[:40]!r}"
        raise NotFound(what, where=str(operation.ref), fix="see its history")
    place = ids.index(operation.id)
    made = _made(operation, versions[:place], records)
    is_restored = made and any(made.version in record.history.copies for record in records)
    failed = _failed(engine, operation, current)
    if operation.verb == "retire" and place and not is_restored:
        older = {version.version for version in versions[place + 1 :]}
        is_left = older & _owed(current, records)
        going = failed or Found("running", current.version)
        return going if is_left else Found("succeeded", current.version)
    if failed and (made is current or not place):
        return failed
    if not place:
        return _before(engine, operation, current, records)
    # What the version tells of: a restore only where it is one, a retirement never.
    is_its_own = {"restore": is_restored or not records, "retire": False}.get(operation.verb, True)
    if made and is_its_own:
        # A credential that was to be cut off must be gone as well.
        is_owed = operation.compromised and versions[place].version in _owed(made, records)
        return Found("running" if is_owed else "succeeded", made.version)
    if any(it.pending_write and it.pending_write.operation == operation.id for it in records):
        return Found("running", current.version)
    return Found(
        "superseded", current.version, "another version was written before this operation began"
    )


def _failed(engine: Engine, operation: Operation, current: Version) -> Found | None:
    """Return that a secret has been marked since; None if it has not."""
    policy = engine.policy
    marked = marked_since(policy.applied(current), engine.clock.now(), policy.narrowed)
    if not marked or marked < operation.since:
        return None
    return Found("failed", current.version, current.tags.get(REASON, ""))


def _made(
    operation: Operation, later: Sequence[Version], records: Sequence[Record]
) -> Version | None:
    """Return the version that an operation made, of those after the one that it replaces."""
    if not later:
        return None
    made = later[-1]
    if not records:
        return made if made.tags.get(OPERATION) == operation.id else None
    is_ours = any(made.version in record.history.published for record in records)
    return made if is_ours else None


def _owed(shown: Version, records: Sequence[Record]) -> set[str | None]:
    """Return the versions whose credentials are still to be revoked; `shown` says it by its tag."""
    if not records:
        return {*shown.tags.get(RETIRE, "").split(" ")[1:2]}
    return {
        version
        for record in records
        for version in (*record.compromised.versions, *(it.version for it in record.to_retire))
    }


def _before(
    engine: Engine, operation: Operation, current: Version, records: Sequence[Record]
) -> Found:
    """Judge where the version that the operation is about is still the current one.

    What would a worker do now?
    """
    is_left = {"retire": bool(_owed(current, records)), "unpark": STATE in current.tags}
    if not is_left.get(operation.verb, True):
        return Found("succeeded", current.version)
    believed = next((it.believed(current) for it in records if it.wrote(current)), current)
    decision = engine.decide(believed, operation.item(current.version))
    if operation.compromised and isinstance(decision, Park):
        # A worker takes a leak up all the same, and marks the secret.
        return Found("running", current.version)
    if isinstance(decision, Skip | Wait | Park):
        return Found(
            "failed" if isinstance(decision, Park) else "skipped", current.version, decision.reason
        )
    return Found("running", current.version)


def _answer(operation: Operation, progress: Found) -> Answer:
    shown = models.Operation(
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
