"""What each trigger asks for: one method a trigger, free of the Functions runtime."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.decide import Confirm, Decision, Park, Restore, Retire, Rotate, Skip, Wait, due_at
from engine.errors import AccessDenied, LeaseUnavailable, NotFound, PermanentError, RekeyError, TransientError
from engine.events import parse_event
from engine.ports import WorkQueue
from engine.rotation import Engine
from engine.secret import NAME, SecretRef, SecretVersion
from engine.sweep import Sweeper
from engine.sweep_order import SweepOrder
from engine.workitem import Action, WorkItem

log = logging.getLogger("rekey")

MAX_TRIES = 5
"""How often a message is tried: maxDequeueCount in host.json. The last try parks the secret with its real error."""
MAX_DEFERRALS = 10
"""How often a work item is put off because Azure asked for it."""
BUSY_SECONDS = 300.0
"""How long a work item is put off when other workers have held its source all the time."""
MAX_BODY = 16 * 1024
"""Bytes of a request's body that are looked at."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, a JSON object, and whether that is a problem (RFC 9457)."""

    status: int
    body: Mapping[str, Any]
    problem: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """The body's media type."""
        return "application/problem+json" if self.problem else "application/json"

    def to_json(self) -> str:
        """Write the body."""
        return json.dumps(self.body)


@dataclass(frozen=True)
class Service:
    """Rekey as its triggers see it."""

    engine: Engine
    queue: WorkQueue

    async def on_event(self, text: str | bytes) -> None:
        """Turn a Key Vault event into a work item; an event that cannot be read raises, and is dead-lettered."""
        event = parse_event(text)
        if event is None:
            return
        if not self.engine.policy.manages(event.ref.vault):
            log.warning("event %s is about %s, which is not in REKEY_VAULTS: ignored", event.event_id, event.ref.vault)
            return
        await self.queue.post_rotation(
            WorkItem(event.ref, version=event.version, trigger="event", requested_by="event grid", reason=event.kind)
        )

    async def sweep(self, status: Mapping[str, str], *, past_due: bool) -> None:
        """Ask for every vault to be swept; `status` is the timer's ScheduleStatus."""
        if past_due:
            log.warning("this sweep is late: the app was not running when it was due")
        for vault in self.engine.policy.scopes:
            await self.queue.post_sweep(SweepOrder.by_schedule(vault, status, self.engine.clock.now()))

    async def sweep_vault(self, text: str | bytes) -> None:
        """Sweep one vault."""
        order = SweepOrder.from_json(text, self.engine.clock.now())
        if not self.engine.policy.manages(order.vault):
            log.warning("a sweep of %s was asked for, which is not in REKEY_VAULTS: ignored", order.vault[:200])
            return
        await Sweeper(self.engine, self.queue).sweep(order)

    async def rotate(self, text: str | bytes, tries: int) -> None:
        """Work on one item. What may pass is raised, so that the queue tries again; the last try parks instead."""
        item = WorkItem.from_json(text)
        try:
            await self.engine.handle(item, tries)
        except TransientError as error:
            problem = error
        else:
            return
        # Azure said when to come back: asking before that would only prolong it. And a busy source is no broken one.
        busy = isinstance(problem, LeaseUnavailable) and tries >= MAX_TRIES
        later = problem.retry_after or (BUSY_SECONDS if busy else 0.0)
        if later and item.deferred < MAX_DEFERRALS:
            log.warning("%s comes back in %.0f s: %s", item.ref, later, problem)
            await self.queue.post_rotation(replace(item, deferred=item.deferred + 1), later)
        elif tries < MAX_TRIES:
            log.warning("try %d of %d for %s: %s", tries, MAX_TRIES, item.ref, problem)
            raise problem
        else:
            await self.engine.park(item, problem)

    async def park(self, text: str | bytes, message_id: str) -> None:
        """Mark the secret of a message that the queue gave up on: its worker died each time, or it cannot be read."""
        try:
            item = WorkItem.from_json(text)
        except PermanentError as error:
            log.error("message %s on rotations-poison: %s", message_id, error)
            return
        await self.engine.park(
            item,
            PermanentError(
                f"gave up after {MAX_TRIES} tries, none of which came to an end",
                fix="see the log of operation " + (item.operation or "(version unknown)") + ", then rotate by hand",
            ),
        )

    async def by_hand(self, action: Action, vault: str, name: str, body: bytes, *, dry_run: str, caller: str) -> Answer:
        """Act on one secret by hand: 202 with the operation, 200 for a dry run, or a problem that says what to do."""
        where = f"/api/secrets/{vault[:64]}/{name[:127]}/{action}"
        try:
            item = self._manual(action, vault, name, body, caller)
            secret, decision = await self.engine.preview(item)
            item = item.about(secret.version)
            if _flag("dry_run", dry_run):
                return _forecast(secret, item, decision)
            if not isinstance(decision, Rotate | Retire | Restore):
                return _refusal(decision, where)
            await self.queue.post_rotation(item)
        except RekeyError as error:
            return _error(error, where)
        return Answer(202, {**_subject(secret, item), "status": "queued", "reason": decision.reason})

    def _manual(self, action: Action, vault: str, name: str, body: bytes, caller: str) -> WorkItem:
        urls = [url for url in self.engine.policy.scopes if SecretRef(url, name).vault_name == vault.lower()]
        if not urls:
            raise NotFound(f"vault {vault[:64]!r} is not served here", fix="name a vault of REKEY_VAULTS")
        if not NAME.fullmatch(name):
            raise NotFound(f"{name[:127]!r} is not a secret's name", fix="letters, digits and dashes, 127 at most")
        asked = _body(body)
        return WorkItem(SecretRef(urls[0], name), action, trigger="manual", requested_by=caller, **asked)


class BadRequest(PermanentError):  # noqa: N818
    """The caller's request cannot be read."""


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("", "true", "false"):
        raise BadRequest(f"{name} is {text[:40]!r}", fix=f"send {name}=true, or leave it out")
    return text.lower() == "true"


def _body(body: bytes) -> dict[str, Any]:
    expected = {"force": bool, "compromised": bool, "reason": str}
    fix = 'send nothing, or {"force": bool, "compromised": bool, "reason": text}'
    if len(body) > MAX_BODY:
        raise BadRequest(f"the body is longer than {MAX_BODY} bytes", fix=fix)
    try:
        data = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON", fix=fix) from None
    if not isinstance(data, dict):
        raise BadRequest("the body is not a JSON object", fix=fix)
    problems = [f"{key[:40]!r} is unknown" for key in data if key not in expected]
    problems += [
        f"{key} is not a {kind.__name__}"
        for key, kind in expected.items()
        if key in data and not isinstance(data[key], kind)
    ]
    if problems:
        raise BadRequest("; ".join(problems), fix=fix)
    return {**data, "reason": data.get("reason", "")[:200]}


def _subject(secret: SecretVersion, item: WorkItem) -> dict[str, Any]:
    return {
        "operation": item.operation,
        "vault": item.ref.vault,
        "secret": item.ref.name,
        "version": secret.version,
    }


def _forecast(secret: SecretVersion, item: WorkItem, decision: Decision) -> Answer:
    would: dict[str, Any] = {
        **_subject(secret, item),
        "action": type(decision).__name__.lower(),
        "reason": decision.reason,
    }
    if isinstance(decision, Skip | Wait | Park) and decision.fix:
        would["fix"] = decision.fix
    if isinstance(decision, Wait):
        would["until"] = decision.until.isoformat()
    if isinstance(decision, Rotate | Retire | Restore | Confirm):
        managed = decision.managed
        would |= {"rotator": managed.rotator.kind, "source": managed.source, "credential": managed.credential_id}
        would["due"] = due_at(secret, managed).isoformat()
    return Answer(200, would)


def _refusal(decision: Confirm | Skip | Wait | Park, where: str) -> Answer:
    status = 422 if isinstance(decision, Park) else 409
    return _problem(status, decision.reason, getattr(decision, "fix", ""), where)


_STATUS: tuple[tuple[type[RekeyError], int], ...] = (
    (BadRequest, 400),
    (NotFound, 404),
    (AccessDenied, 403),
    (PermanentError, 422),
    (TransientError, 503),
)


def _error(error: RekeyError, where: str) -> Answer:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    detail = f"{error.what} ({error.where})" if error.where else error.what
    answer = _problem(status, error.what, error.fix, where, detail)
    if isinstance(error, TransientError):
        return replace(answer, headers={"Retry-After": str(int(error.retry_after or 30))})
    return answer


def _problem(status: int, what: str, fix: str, where: str, detail: str = "") -> Answer:
    body = {
        "type": "about:blank",
        "title": what,
        "status": status,
        "detail": detail or what,
        "instance": where,
        "fix": fix,
    }
    return Answer(status, body, problem=True)
