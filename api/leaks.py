"""Take reports of leaks by value. The value is in memory for one call and written nowhere.

Whoever may start incidents is told what the value is. Anybody else learns that the report was
received. A report must not serve to check guesses, so the answer comes after a multiple of five
seconds; a hit whose source is slow may take a step more than a miss, several hits some more.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import quote, unquote

from api import incidents, models
from api.access import Caller, Role, demand
from api.answers import Answer, BadRequest, TooMany
from api.idempotency import Queued
from api.request_models import MAX_REASON, LeakBody
from api.requests import Request, stamp
from engine.engine import Engine
from engine.errors import NeedsHuman, RekeyError, TransientError
from engine.kinds import lingering
from engine.ports import Vaults
from engine.secret import SecretRef, Sensitive
from engine.state.incident import LEAD, Incident, danger
from engine.state.record import SELDOM
from engine.state.request import REPORTED_LEAK, Cause, FollowUp, WorkItem
from leaks.index import Index, LeakedVersion
from leaks.reading import LEAST, plain, read
from leaks.verdict import AGAIN, AGAIN_SECONDS, Verdict, acts, elsewhere, is_bare, judge

log = logging.getLogger("rekey.leak")

MOST, SECONDS = 30, 60.0
"""How many reports of one caller an instance judges, in so many seconds."""
KEPT_SECONDS = 300.0
"""How long what signs and reads GitHub's alerts is kept."""
DOUBTED_SECONDS = 10.0
"""How long the webhook's secret is kept where a delivery does not fit it: it may be a new one."""
STEP_SECONDS = 5.0
"""The answer to whoever learns nothing comes after a multiple of this."""
BLIND = (
    "the policy names no leaks.keySecret, so what people wrote and Rekey has retired since is not "
    "recognised: see docs/leaks.md, 'How a value is found'"
)
BARE = (
    "a signature that does not say where it leads is found if a secret here holds such a one: "
    "report it with its URL"
)
CUT = "the text is too long to be looked up as a whole: report its parts by themselves"
MORE = f"what else it holds was not judged: {AGAIN}, each credential by itself"
ELSEWHERE = f"; whether another secret holds it cannot be seen now: {AGAIN}"
QUOTED = re.compile("%[0-9A-Fa-f]{2}")
VARIES = re.compile(r"[\s=+/_-]")
"""What may be missing or another sign where base 64 is wrapped, cut or put into a URL."""
OPENS = re.compile(
    r"(://)[^\s/?#@…]+(?=@)|((?:sig|code|key|token|secret|password)=)[^\s&#…]+", re.IGNORECASE
)
"""What opens a place to whoever reads it: who signs in there, a signature, a token."""
ROUNDS = 10
"""So often quotes and escapes are undone."""
RECEIVED = Answer.of(202, models.Leak(status="received"))
SHAPE = '{"value": text, "location": text, "act": bool}'


@dataclass
class Reports:
    """What one process remembers of reports: where values are looked up, and when some came."""

    index: Index = field(default_factory=Index)
    _times: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    """When the reports of each caller came: who sends many keeps out nobody else's."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who asks an owner: of several reports at once, the first does."""
    _kept: dict[SecretRef, tuple[float, Sensitive]] = field(default_factory=dict)

    async def kept(
        self, now: float, vaults: Vaults, ref: SecretRef, seconds: float = KEPT_SECONDS
    ) -> Sensitive:
        """Return what a secret holds, read every five minutes: anybody may knock at the webhook.

        Whoever says so takes none that was read more than so many seconds ago.
        """
        read, value = self._kept.get(ref, (now, None))
        if value is None or read + seconds <= now:
            value = (await vaults.read(ref)).value
            if value is None:
                raise NeedsHuman("the secret is disabled", where=str(ref), fix="enable it")
            self._kept[ref] = (now, value)
        return value

    def let_in(self, now: float, caller: str, most: int = MOST) -> None:
        """Count a report; raises TooMany if there were too many of this caller just now."""
        times = self._times[caller]
        while times and times[0] <= now - SECONDS:
            times.popleft()
        if len(times) >= most:
            raise TooMany(
                f"this instance takes {most} reports of a caller in {SECONDS:.0f} s",
                fix="wait as many seconds as Retry-After says, then send it again",
                retry_after=times[0] + SECONDS - now,
            )
        times.append(now)


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


async def report(
    engine: Engine,
    reports: Reports,
    request: Request,
    caller: Caller,
    note: Callable[[Answer], None],
) -> Answer:
    """POST /api/leaks: judge a value, and start an incident where the policy or an admin says so."""
    sent = _read(request)
    if sent.act:
        demand(caller, Role.ADMIN)
    begun = engine.clock.monotonic()
    reports.let_in(begun, caller.id)
    finding = Finding(sent.value, "api", sent.location, str(caller), act=sent.act)
    if caller.may(Role.ADMIN):
        return await _come_to_all(engine, reports, finding, note)
    problem = None
    try:
        # Posted before the wait: only a hit has something to post, which takes its time.
        queued = await taken(engine, reports, finding)
        note(replace(queued.answer, status=RECEIVED.status))
        await queued.post(engine)
        # A hit is found in memory. It takes as long as a miss, and fails with it.
        async for other in others(engine, reports, finding, queued):
            await other.post(engine)
        await _reach(engine)
        tell_unseen(queued, finding)
    except RekeyError as error:
        problem = unjudged(error, str(caller))
    passed = engine.clock.monotonic() - begun
    await engine.clock.sleep(STEP_SECONDS - passed % STEP_SECONDS)
    if problem:
        raise problem
    return RECEIVED


async def _come_to_all(
    engine: Engine, reports: Reports, finding: Finding, note: Callable[[Answer], None]
) -> Answer:
    """Post what a report comes to, and answer with who else holds the value."""
    queued = await taken(engine, reports, finding)
    note(queued.answer)
    answer = await queued.post(engine)
    try:
        async for other in others(engine, reports, finding, queued):
            answer = _with(answer, await other.post(engine))
    except RekeyError as error:
        log.warning("who else holds what was reported is not known: %s", error)
        answer = _with_reason(answer, ELSEWHERE)
    return whole(answer, queued)


async def _reach(engine: Engine) -> None:
    """Raise what would keep a hit from being stored or posted: so a miss fails where a hit does."""
    await engine.queue.reach()
    if engine.memory:
        today = f"reached {engine.clock.now():%Y-%m-%d}"
        await engine.memory.remember(hashlib.sha256(today.encode()).hexdigest(), today)


def tell_unseen(queued: Queued, finding: Finding) -> None:
    """Log what a report holds that was not looked at, for whoever sent it is told nothing."""
    reason = whole(queued.answer, queued).body["reason"]
    unseen = [why for why in (BARE, CUT, BLIND, MORE) if why in reason]
    if unseen:
        place = scrubbed(finding.location, read(finding.value).parts)
        report = f"a report of {finding.by} ({place or 'reported by value'})"
        log.warning("%s was not looked at as a whole: %s", report, "; ".join(unseen))


def unjudged(error: RekeyError, by: str) -> TransientError:
    """Return what is told of an error to whoever may not learn names: it is in the log."""
    log.warning("a report of %s could not be judged: %s", by, error)
    return TransientError("it could not be judged", fix=AGAIN, retry_after=AGAIN_SECONDS)


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
    """Judge one finding; what it comes to is posted by the caller, before anybody is answered."""
    (first, *rest), seen = await judge(engine, reports.index, finding.value)
    queued = await _come_to(engine, reports, finding, first)
    further = [
        await _come_to(engine, reports, finding, verdict)
        for verdict in rest
        if verdict.status == "alive"
    ]
    answer = queued.answer
    for other in further:
        answer = _with(answer, other.answer)
    return replace(queued, answer=answer, further=tuple(further), seen=seen)


async def others(
    engine: Engine, reports: Reports, finding: Finding, queued: Queued
) -> AsyncIterator[Queued]:
    """Yield what a hit comes to besides, once it is acted on: what is held without a print."""
    if queued.answer.body["status"] != "alive" or not engine.prints.keys:
        # Where nothing has a print, all that there is was looked through for the hit.
        return
    async for verdict in elsewhere(engine, reports.index, finding.value, queued.seen):
        if verdict.status == "alive":
            yield await _come_to(engine, reports, finding, verdict)


def whole(answer: Answer, queued: Queued) -> Answer:
    """Say in an answer if something of the text was not judged, as far as it was looked through."""
    return _with_reason(answer, f"; {MORE}") if queued.seen.has_more else answer


def _with(answer: Answer, other: Answer) -> Answer:
    """Name in an answer what else works: elsewhere, or of the same text."""
    body = other.body
    how = f"incident {body['incident']}" if body["incident"] else body["command"]
    held = f"{body['vault']}/{body['secret']}, version {body['version'][:8]}"
    return _with_reason(answer, f"; found in {held}, too: {how}")


def _with_reason(answer: Answer, text: str) -> Answer:
    return replace(answer, body={**answer.body, "reason": answer.body["reason"] + text})


async def _come_to(engine: Engine, reports: Reports, finding: Finding, verdict: Verdict) -> Queued:
    """Return what is done about a value in one secret."""
    leaks = engine.policy.document.leaks
    unseen = _unseen(engine, reports.index, verdict)
    if verdict.match is None or verdict.status == "refused":
        return Queued((), Answer.of(200, _view(engine, verdict, unseen)))
    if not acts(leaks, verdict, finding.feed, asked=finding.act):
        async with reports.asking:
            await _ask_once(engine, verdict, finding)
        return Queued((), Answer.of(200, _view(engine, verdict, unseen, command=_confirm(verdict))))
    incident, is_known = await _incident(engine, verdict, finding)
    headers = {"Location": f"/api/incidents/{incident.id}"}
    answer = Answer.of(202, _view(engine, verdict, unseen, incident), headers)
    match, is_alive = verdict.match, verdict.is_accepted
    kind = engine.kinds.get(match.kind)
    ranked = danger(kind, is_alive=is_alive, is_current=match.is_current)
    work = incident.exact()
    messages = () if is_known and await _is_tried(engine, work, match) else (work,)
    return Queued(messages, answer, incident, danger=ranked)


async def _is_tried(engine: Engine, work: WorkItem, match: LeakedVersion) -> bool:
    """Return whether it is cut off, or tried again, by itself: one more message tells its owner again.

    It stands in the record as soon as that can be written, and until then it is stored.
    """
    record = await engine.leases.peek(match.source)
    if record and match.version in record.compromised.versions and record.next_check:
        return engine.clock.now() < record.next_check + SELDOM
    return await engine.requests.read(work.request) is not None


def _unseen(engine: Engine, index: Index, verdict: Verdict) -> str:
    """Return what a verdict does not tell of; empty where it does of all."""
    is_miss, kept = verdict.match is None, timedelta(seconds=STEP_SECONDS)
    reasons = [BARE] if is_miss and is_bare(engine, verdict.reported.parts) else []
    reasons += [CUT] if verdict.reported.is_cut else []
    reasons += [BLIND] if is_miss and not engine.prints.keys else []
    if is_miss and index.listed_at and index.listed_at + kept < engine.clock.now():
        reasons.append(f"what was written after {stamp(index.listed_at)} is seen a minute later")
    return "; ".join(reasons)


async def _incident(engine: Engine, verdict: Verdict, finding: Finding) -> tuple[Incident, bool]:
    """Return the incident of a version, and whether it is stored already.

    It is the same for all reports of one day, until the version is refused.
    """
    match = verdict.match
    assert match  # noqa: S101 - what is cut off is ours
    since = engine.clock.now().replace(microsecond=0) + LEAD
    incident = Incident(
        since,
        match.ref.name,
        match.source,
        f"{finding.by} ({finding.feed})",
        _why(verdict, finding),
        incidents.named(since - LEAD, match.source, match.version),
        (match.ref.vault,),
        match.version,
    )
    if engine.memory is None or engine.incidents is None:
        return incident, False
    first = await engine.memory.remember(
        _today(f"leak {verdict.was}".strip(), match, since - LEAD), incident.id
    )
    stored = await engine.incidents.find(first)
    return stored or replace(incident, id=first), stored is not None


def _today(what: str, match: LeakedVersion, now: datetime) -> str:
    """Return under which name it is remembered what was done about a version on this day."""
    text = f"{what} {match.source} {match.version} {now:%Y-%m-%d}"
    return hashlib.sha256(text.encode()).hexdigest()


async def _ask_once(engine: Engine, verdict: Verdict, finding: Finding) -> None:
    """Tell the owner what leaked, once a day, however often and by whomever it is reported."""
    match, now = verdict.match, engine.clock.now()
    assert match  # noqa: S101 - whoever is asked owns it
    key = _today("asked", match, now)
    if engine.memory and await engine.memory.recall(key):
        return
    await engine.queue.post_rotation(replace(_ask(verdict, finding), since=now.isoformat()))
    if engine.memory:
        # Only now: whoever dies before that is told nothing, and reports again.
        await engine.memory.remember(key, stamp(now))


def _ask(verdict: Verdict, finding: Finding) -> FollowUp:
    """Return the message that tells the owner what leaked, and how to have it cut off."""
    match = verdict.match
    assert match  # noqa: S101 - whoever is asked owns it
    text = f"{_why(verdict, finding)}; {_reason(verdict)}. Fix: {_confirm(verdict)}"
    return FollowUp(
        *(match.ref, "tell"),
        version=match.version,
        cause=Cause(reason=text),
        news=REPORTED_LEAK,
    )


def _why(verdict: Verdict, finding: Finding) -> str:
    """Return where it was found, as far as that shows no value and is short."""
    place = scrubbed(finding.location, verdict.reported.parts)
    return f"leaked: {place or 'reported by value'}"[:MAX_REASON]


def scrubbed(text: str, values: Iterable[str]) -> str:
    """Return a text without any part of a reported value, quoted or not, as one printable line.

    What opens the place where it was found is left out, too. A text that holds one in yet another
    form, such as wrapped at a space, is not shown at all.
    """
    text = _line(OPENS.sub(r"\1\2…", text))
    undone = _undone(text)
    # The longest first: what is left of it once a part of it is cut out would not be known any more.
    for value in sorted({*values}, key=len, reverse=True):
        before = text
        for form in map(_line, (value, quote(value), quote(value, safe=""))):
            text = text.replace(form, "…") if form else text
        undone = undone if text == before else _undone(text)
        bare = VARIES.sub("", _undone(value) or value)
        if undone is None or (len(bare) > LEAST // 2 and bare in VARIES.sub("", undone)):
            return "…"
    return "…" if undone is None or OPENS.search(undone) else text


def _line(text: str) -> str:
    """Return a text as one printable line. Some quote in lower case: here all is upper case."""
    line = "".join(letter for letter in text if letter.isprintable())
    return QUOTED.sub(lambda match: match[0].upper(), line)


def _undone(text: str) -> str | None:
    """Return a text without quotes and escapes; None where they are within others for too long."""
    for _ in range(ROUNDS):
        before, (*_, text) = text, plain(unquote(text))
        if text == before:
            return text
    return None


def _view(
    engine: Engine,
    verdict: Verdict,
    unseen: str,
    incident: Incident | None = None,
    command: str = "",
) -> models.Leak:
    match, kind = verdict.match, verdict.reported.kind
    title = kind.title if kind else None
    if match is None:
        return models.Leak(status=verdict.status, kind=title, reason=unseen, command=_find(verdict))
    return models.Leak(
        status=verdict.status,
        kind=match.kind or title,
        vault=match.held_by.vault_name,
        secret=match.held_by.name,
        version=match.version or None,
        source=match.source,
        owner=match.owner or None,
        accepted=verdict.is_accepted,
        reason="; ".join(filter(None, (_reason(verdict), unseen))),
        refused=stamp(verdict.refused) if verdict.refused else None,
        proof=verdict.proof or None,
        lingers=lingering(engine.kinds.get(match.kind)) or None,
        incident=incident.id if incident else None,
        command=f"rekey incident follow {incident.id}" if incident else command,
    )


def _reason(verdict: Verdict) -> str:
    """Say how the value was proven, or why it was not."""
    match = verdict.match
    heir = f", and has passed on to {match.ref}" if match and match.former else ""
    it = "the key that signed it" if match and match.signs else "it"
    if verdict.status == "refused":
        return f"its source refuses {it}{heir}"
    if verdict.untried:
        return f"it may work: {verdict.untried}{heir}"
    ends = ", and whatever that key signed ends with it" if it != "it" else ""
    again = " again, which had refused it before" if verdict.was else ""
    return f"its source accepts {it}{again}{ends}{heir}"


def _confirm(verdict: Verdict) -> str:
    """Return the command that cuts it off."""
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
