"""Take reports of leaks by value. The value is in memory for one call and written nowhere.

Whoever may start incidents is told what the value is. Anybody else learns that the report was
received. A report must not serve to check guesses, so the answer comes after a multiple of five
seconds; a hit whose source is slow may take one step more than a miss.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from api import incidents, views
from api.access import Caller, Role, demand
from api.answers import Answer, BadRequest, TooMany
from api.bodies import MAX_REASON, LeakBody
from api.once import Queued
from api.requests import Request, stamp
from engine.engine import Engine
from engine.errors import NeedsHuman
from engine.kinds import lingering
from engine.leak.index import Index
from engine.leak.verdict import Verdict, acts, judge
from engine.model.danger import danger
from engine.model.incident import LEAD, Incident
from engine.model.notice import LEAKED
from engine.model.policy_document import Leaks
from engine.model.workitem import WorkItem
from engine.ports import Vaults
from engine.secret import SecretRef, Sensitive

log = logging.getLogger("rekey.leak")

MOST, SECONDS = 30, 60.0
"""How many reports one instance judges, in so many seconds."""
KEPT_SECONDS = 300.0
"""How long what signs and reads GitHub's alerts is kept."""
STEP_SECONDS = 5.0
"""The answer to whoever learns nothing comes after a multiple of this."""
BLIND = (
    "the policy names no leaks.keySecret, so what people wrote and Rekey has retired since is not "
    "recognised"
)
SHAPE = '{"value": text, "location": text, "act": bool}'


@dataclass
class Reports:
    """What one process remembers of reports: where values are looked up, and when some came."""

    index: Index = field(default_factory=Index)
    _times: deque[float] = field(default_factory=deque)
    _kept: dict[SecretRef, tuple[float, Sensitive]] = field(default_factory=dict)

    async def kept(self, now: float, vaults: Vaults, ref: SecretRef) -> Sensitive:
        """Return what a secret holds, read every five minutes: anybody may knock at the webhook."""
        ends, value = self._kept.get(ref, (now, None))
        if value is None or ends <= now:
            value = (await vaults.read(ref)).value
            if value is None:
                raise NeedsHuman("the secret is disabled", where=str(ref), fix="enable it")
            self._kept[ref] = (now + KEPT_SECONDS, value)
        return value

    def let_in(self, now: float) -> None:
        """Count a report; raises TooMany where there were too many just now."""
        while self._times and self._times[0] <= now - SECONDS:
            self._times.popleft()
        if len(self._times) >= MOST:
            raise TooMany(
                f"this instance takes {MOST} reports in {SECONDS:.0f} s",
                fix="wait as many seconds as Retry-After says, then send it again",
                retry_after=self._times[0] + SECONDS - now,
            )
        self._times.append(now)


@dataclass(frozen=True, slots=True)
class Finding:
    """One reported value, and who found it where."""

    value: str
    feed: str
    location: str
    by: str
    act: bool = False
    """Whoever reports it has the right to start incidents, and wants it cut off."""

    def __repr__(self) -> str:
        return f"Finding({self.feed}, {self.location!r})"


async def report(engine: Engine, reports: Reports, request: Request, caller: Caller) -> Queued:
    """POST /api/leaks: judge a value, and start an incident where the policy or an admin says so."""
    sent = _read(request)
    if sent.act:
        demand(caller, Role.ADMIN)
    begun = engine.clock.monotonic()
    reports.let_in(begun)
    finding = Finding(sent.value, "api", sent.location, str(caller), act=sent.act)
    queued = await taken(engine, reports, finding)
    if caller.role is not None and caller.role >= Role.ADMIN:
        return queued
    passed = engine.clock.monotonic() - begun
    await engine.clock.sleep(STEP_SECONDS - passed % STEP_SECONDS)
    return replace(queued, answer=Answer.of(202, views.Leak(status="received")))


def _read(request: Request) -> LeakBody:
    """Read the body. What is wrong with it is told without a word of it."""
    try:
        sent = request.read(LeakBody)
    except BadRequest:
        raise BadRequest("the body is not what a report holds", fix=f"send {SHAPE}") from None
    if not sent.value.strip():
        raise BadRequest("the value is empty", fix=f"send {SHAPE}")
    return sent


async def taken(engine: Engine, reports: Reports, finding: Finding) -> Queued:
    """Judge one finding; what it comes to is kept and posted before anybody is answered."""
    verdict = await judge(engine, reports.index, finding.value)
    leaks = engine.policy.document.leaks if engine.policy.document else Leaks()
    if verdict.match is None or verdict.status == "refused":
        blind = "" if verdict.match or engine.prints.keys else BLIND
        return Queued((), Answer.of(200, _view(engine, verdict, reason=blind)))
    if not (acts(leaks, verdict, finding.feed) or finding.act):
        question = (_ask(verdict, finding),)
        return Queued(question, Answer.of(200, _view(engine, verdict, command=_confirm(verdict))))
    incident = await _incident(engine, verdict, finding)
    headers = {"Location": f"/api/incidents/{incident.id}"}
    answer = Answer.of(202, _view(engine, verdict, incident), headers)
    match, is_alive = verdict.match, verdict.is_accepted
    kind = engine.kinds.get(match.kind)
    ranked = danger(kind, is_alive=is_alive, is_current=match.is_current)
    return Queued(incidents.messages(incident), answer, incident, engine.incidents, ranked)


async def _incident(engine: Engine, verdict: Verdict, finding: Finding) -> Incident:
    """Return the incident of a version: the same for all reports of one day."""
    match = verdict.match
    assert match  # noqa: S101 - what is cut off is ours
    since = engine.clock.now().replace(microsecond=0) + LEAD
    why = scrubbed(f"leaked: {finding.location or 'reported by value'}", verdict.reported.parts)
    incident = Incident(
        since,
        match.ref.name,
        match.source,
        f"{finding.by} ({finding.feed})",
        why[:MAX_REASON],
        incidents.named(since - LEAD, match.source, match.version),
        (match.ref.vault,),
        match.version,
    )
    if engine.memory is None or engine.incidents is None:
        return incident
    day = f"{since - LEAD:%Y-%m-%d}"
    key = hashlib.sha256(f"leak {match.source} {match.version} {day}".encode()).hexdigest()
    first = await engine.memory.remember(key, incident.id)
    return await engine.incidents.find(first) or replace(incident, id=first)


def _ask(verdict: Verdict, finding: Finding) -> WorkItem:
    """Return the message that tells the owner what leaked, and how to have it cut off."""
    match = verdict.match
    assert match  # noqa: S101 - whoever is asked owns it
    where = f"leaked: {finding.location or 'reported by value'}; {_reason(verdict)}"
    text = f"{scrubbed(where, verdict.reported.parts)}. Fix: {_confirm(verdict)}"
    return WorkItem(
        match.ref, "tell", version=match.version, requested_by="rekey", reason=text, news=LEAKED
    )


def scrubbed(text: str, values: Iterable[str]) -> str:
    """Return a text without any part of a reported value, as one line of printable text."""
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "…")
    return "".join(letter for letter in text if letter.isprintable())


def _view(
    engine: Engine,
    verdict: Verdict,
    incident: Incident | None = None,
    command: str = "",
    reason: str = "",
) -> views.Leak:
    match, kind = verdict.match, verdict.reported.kind
    title = kind.title if kind else None
    if match is None:
        return views.Leak(status=verdict.status, kind=title, reason=reason, command=_find(verdict))
    return views.Leak(
        status=verdict.status,
        kind=match.kind or title,
        vault=match.ref.vault_name,
        secret=match.ref.name,
        version=match.version,
        source=match.source,
        owner=match.owner or None,
        accepted=verdict.is_accepted,
        reason=_reason(verdict),
        refused=stamp(verdict.refused) if verdict.refused else None,
        proof=verdict.proof or None,
        lingers=lingering(engine.kinds.get(match.kind)) or None,
        incident=incident.id if incident else None,
        command=f"rekey incident follow {incident.id}" if incident else command,
    )


def _reason(verdict: Verdict) -> str:
    """Say how the value was proven, or why it was not."""
    if verdict.status == "refused":
        return "its source refuses it"
    if verdict.untried:
        return f"it may work: {verdict.untried}"
    return "its source accepts it"


def _confirm(verdict: Verdict) -> str:
    match = verdict.match
    assert match  # noqa: S101 - for the type
    place = f"--vault {match.ref.vault_name} --name {match.ref.name} --version {match.version}"
    return f"rekey incident begin {place} --reason leaked"


def _find(verdict: Verdict) -> str:
    """Return the command that lists the resources that may have issued a value."""
    reported = verdict.reported
    types: Sequence[str] = reported.kind.types if reported.kind else ()
    if not types:
        return ""
    named = f" and name =~ '{reported.resource}'" if reported.resource else ""
    query = f"resources | where type =~ '{types[0]}'{named} | project id, tags"
    return f'az graph query -q "{query}"'
