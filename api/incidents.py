"""Rotate and cut off everything in a scope at once, and tell how far that has come."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from api import models
from api.access import Caller
from api.answers import Answer, BadRequest, Flaw
from api.idempotency import HEADER, Queued, need_key
from api.request_models import IncidentBody
from api.requests import Request, stamp
from api.similar_names import no_such_version
from engine.engine import Engine
from engine.errors import NotFound, RekeyError
from engine.secret import SECRET_NAME, VERSION_ID, SecretRef
from engine.state.incident import A_COPY, COPY_FIX, LEAD, Incident, IncidentProgress, is_replica
from engine.state.policy import SCOPE
from engine.state.request import WorkItem
from engine.state.sweep_order import SweepOrder
from leaks.incidents import (
    Evidence,
    Milestone,
    counted,
    ended,
    evidence,
    timeline,
    unreached,
)
from leaks.index import in_primary, read

log = logging.getLogger("rekey.incident")

NARROWING = ("vault", "name", "source")
NAME = re.compile(r"[0-9A-Za-z*-]{0,127}")
POLL_SECONDS = 15
NAMING_SECONDS = 8.0
"""How long the answer waits for what is only to be named or checked: what leaked must not."""
REPORT = "rekey-incident-report/1"
"""The shape of a report. A field may be added to it; another shape gets another number."""
MOST = 50
"""How many incidents a listing shows."""


async def begin(engine: Engine, request: Request, caller: Caller) -> Queued | Answer:
    """POST /api/incidents: one order a vault; a dry run names what would be cut off."""
    sent = request.read(IncidentBody)
    incident = _incident(engine, request, sent, caller)
    await _known(engine, incident)
    incident = await _placed(engine, incident)
    if request.flag("dry_run"):
        (progress,) = await counted(engine, [incident])
        return Answer.of(
            200, models.view(models.IncidentForecast, {**vars(progress), "status": "dry run"})
        )
    need_key(request, "sent again, it would replace everything a second time")
    incident = replace(incident, id=_id(incident.reported, caller, request.headers[HEADER]))
    headers = {"Location": f"/api/incidents/{incident.id}", "Retry-After": str(POLL_SECONDS)}
    named = await _unreached(engine, incident)
    shown = {**_shown(incident).body(), "named": named, "status": "queued"}
    answer = Answer.of(202, models.view(models.IncidentQueued, shown), headers)
    return Queued(messages(incident), answer, incident)


async def _known(engine: Engine, incident: Incident) -> None:
    """Refuse a version that its secret never had: nobody could prove that it is refused.

    Its secret would wait for that proof for good. A leak itself waits for nothing: where nobody can
    tell, it is accepted.
    """
    if not incident.version:
        return
    ref, unknown = SecretRef(incident.vaults[0], incident.name), None
    try:
        async with asyncio.timeout(NAMING_SECONDS):
            unknown = await no_such_version(engine, ref, incident.version)
    except (TimeoutError, RekeyError) as error:
        log.warning("whether %s has version %s is not known: %s", ref, incident.version, error)
    if unknown:
        raise unknown


async def _placed(engine: Engine, incident: Incident) -> Incident:
    """Name the source of a single version: it tells of that also once the secret is gone.

    Of a replica's version, name what it copies. Raises BadRequest where nobody can tell.
    """
    if not incident.version or incident.source:
        return incident
    ref = SecretRef(incident.vaults[0], incident.name)
    match = None
    try:
        known = (await engine.index()).of(ref)
        shown = None if known else await engine.existing(ref)
        if shown is None or not is_replica(engine.inventory.entry(shown)):
            source = await engine.held_at(ref, incident.version, known)
            return await _passed_on(engine, replace(incident, source=source))
        if primary := await engine.primary(shown):
            copy = await read(engine, ref, incident.version)
            match = await in_primary(engine, copy, primary) if copy else None
    except RekeyError as error:
        # What leaked must not wait: its worker finds that out, too, or its progress says it.
        log.warning(
            "where version %s of %s leaked is found later: %s", incident.version, ref, error
        )
        return incident
    if match is None:
        fix = COPY_FIX.format(primary=primary or "the secret that it copies")
        raise BadRequest(A_COPY, fix=fix, flaws=[Flaw(A_COPY, pointer="#/version")])
    return replace(
        incident,
        name=match.ref.name,
        source=match.source,
        reason=f"{incident.reason}; reported of its replica {ref}",
        vaults=(match.ref.vault,),
        version=match.version,
    )


async def _passed_on(engine: Engine, incident: Incident) -> Incident:
    """Name the secret that holds what leaked now, if its source has passed to that since."""
    ref = SecretRef(incident.vaults[0], incident.name)
    try:
        later = await engine.passed_to(incident.exact())
    except RekeyError as error:
        log.warning("who holds version %s of %s is found later: %s", incident.version, ref, error)
        return incident
    if later.ref == ref:
        return incident
    return replace(
        incident,
        name=later.ref.name,
        reason=f"{incident.reason}; reported of {ref}, which has left its source",
        vaults=(later.ref.vault,),
        version=str(later.version),
    )


def messages(incident: Incident) -> tuple[WorkItem | SweepOrder, ...]:
    """Return what sets an incident to work: its only version, or an order for each vault."""
    if incident.version:
        return (incident.exact(),)
    return tuple(SweepOrder.for_incident(vault, incident) for vault in incident.vaults)


async def _unreached(engine: Engine, incident: Incident) -> Sequence[Mapping[str, str]]:
    """Name what the incident does not reach; nothing where that takes long: its progress does."""
    try:
        async with asyncio.timeout(NAMING_SECONDS):
            return await unreached(engine, incident)
    except (TimeoutError, RekeyError) as error:
        log.warning("what the incident %s does not reach cannot be named: %s", incident.id, error)
        return ()


async def newest(engine: Engine) -> Answer:
    """GET /api/incidents: those that there were, the newest first, and how far each has come."""
    incidents = await engine.incidents.newest(MOST) if engine.incidents else ()
    try:
        progress: Sequence[IncidentProgress | None] = await counted(engine, incidents)
    except RekeyError as error:
        log.warning("how far the incidents have come cannot be counted: %s", error)
        progress = [None] * len(incidents)
    pairs = zip(incidents, progress, strict=True)
    return Answer.of(200, models.Incidents(incidents=[_listed(*pair) for pair in pairs]))


def _listed(incident: Incident, progress: IncidentProgress | None) -> models.IncidentListed:
    known = {**vars(progress), "status": status_of(progress)} if progress else {}
    return models.view(models.IncidentListed, {**_shown(incident).body(), **known})


async def report(engine: Engine, request: Request) -> Answer:
    """GET /api/incidents/{incident}/report: what it did with each secret, as evidence."""
    incident = await found(engine, request.path.get("incident", ""))
    progress, secrets = await evidence(engine, incident)
    over = ended(progress, secrets)
    data = {
        "format": REPORT,
        "made": stamp(engine.clock.now()),
        "incident": _shown(incident).body(),
        "status": status_of(progress),
        "ended": stamp(over) if over else None,
        "steps": [_step(step) for step in timeline(incident, secrets, over)],
        "secrets": [reported(evident) for evident in secrets],
    }
    return Answer.of(200, models.view(models.IncidentReport, data))


def _step(step: Milestone) -> dict[str, Any]:
    return {
        "at": stamp(step.at),
        "step": step.what,
        "vault": step.place.vault_name if step.place else None,
        "secret": step.place.name if step.place else None,
        "version": step.version or None,
        "detail": step.detail,
    }


def reported(evident: Evidence) -> dict[str, Any]:
    """Return what a report says of one secret."""
    stands = evident.stands
    return {
        "vault": stands.ref.vault_name,
        "secret": stands.ref.name,
        "owner": stands.owner or None,
        "sources": list(evident.sources),
        "status": stands.standing,
        "reason": stands.reason,
        "fix": stands.fix,
        "replica_of": stands.primary or None,
        "replaced_by": evident.replaced_by or None,
        "replaced": stamp(evident.replaced) if evident.replaced else None,
        "refused": stamp(evident.refused) if evident.refused else None,
        "cut_off": [
            {
                "version": old.version,
                "credential": old.credential or None,
                "refused": stamp(old.refused) if old.refused else None,
                "proof": old.proof or None,
            }
            for old in evident.revoked
        ],
        "lingers": stands.lingers or None,
    }


async def follow(engine: Engine, request: Request) -> Answer:
    """GET /api/incidents/{incident}: how far it has come, as vaults and records show it."""
    incident = await found(engine, request.path.get("incident", ""))
    (progress,) = await counted(engine, [incident])
    data = {**_shown(incident).body(), **vars(progress), "status": status_of(progress)}
    return Answer.of(
        200, models.view(models.IncidentProgress, data), {"Retry-After": str(POLL_SECONDS)}
    )


async def found(engine: Engine, incident_id: str) -> Incident:
    """Return the incident with this id; raises NotFound."""
    incident = await engine.incidents.find(incident_id) if engine.incidents else None
    if incident is None:
        raise NotFound(
            f"there is no incident {incident_id[:40]!r}",
            fix="GET /api/incidents lists them",
        )
    return incident


def status_of(progress: IncidentProgress) -> models.IncidentStatus:
    """Return how an incident stands."""
    if not progress.secrets:
        return "nothing in scope"
    if progress.waiting or progress.is_ordered:
        return "running"
    return "ended" if progress.is_over else "needs a person"


def _shown(incident: Incident) -> models.Incident:
    return models.Incident(
        id=incident.id,
        since=stamp(incident.reported),
        requested_by=incident.requested_by,
        reason=incident.reason,
        vaults=[SecretRef(url, "").vault_name for url in incident.vaults],
        name=incident.name,
        source=incident.source,
        version=incident.version,
    )


def named(reported: datetime, *what: str) -> str:
    """Name an incident: the same for what is reported again in the same second."""
    letters = uuid.uuid5(uuid.NAMESPACE_URL, "/".join((*what, stamp(reported)))).hex[:8]
    return f"{reported:%Y%m%dT%H%M%SZ}-{letters}"


def _id(reported: datetime, caller: Caller, key: str) -> str:
    return named(reported, caller.id, key)


def _incident(engine: Engine, request: Request, sent: IncidentBody, caller: Caller) -> Incident:
    if flaws := [*_flaws(sent)]:
        fix = (
            'send {"vault": …, "name": …, "source": …, "reason": …}, or {"everything": true, '
            '"reason": …}'
        )
        raise BadRequest("; ".join(flaw.detail for flaw in flaws), fix=fix, flaws=flaws)
    vaults = (
        (request.vault(engine.policy, sent.vault),)
        if sent.vault.strip()
        else tuple(engine.policy.scopes)
    )
    since = engine.clock.now().replace(microsecond=0) + LEAD
    name, source = _name(sent.name), _source(sent.source)
    return Incident(
        since, name, source, str(caller), sent.reason.strip(), vaults=vaults, version=sent.version
    )


def _flaws(sent: IncidentBody) -> Iterator[Flaw]:
    if not sent.reason.strip():
        yield Flaw("reason is missing: say why, for the audit record", pointer="#/reason")
    if sent.version and not (sent.vault.strip() and SECRET_NAME.fullmatch(sent.name)):
        yield Flaw(
            "a version needs the vault and the whole name of its secret", pointer="#/version"
        )
    if sent.version and not VERSION_ID.fullmatch(sent.version):
        yield Flaw("version is not a version's id", pointer="#/version")
    narrowed = [name for name in NARROWING if getattr(sent, name).strip()]
    if sent.everything:
        for name in narrowed:
            yield Flaw(
                f"everything together with {name}: which of them is meant?", pointer=f"#/{name}"
            )
    elif not narrowed:
        yield Flaw("no scope: send vault, name or source, or everything: true", pointer="#")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        # Never cut or guessed at: it would mean other secrets. Nor shown: it may be a value.
        what, fix = (
            "name is no pattern of names",
            "letters, digits, dashes, and * for any characters, 127 at most",
        )
        raise BadRequest(what, fix=fix, flaws=[Flaw(what, pointer="#/name")])
    return text


def _source(text: str) -> str:
    source = text.strip().rstrip("/").lower()
    if text.strip() and not SCOPE.fullmatch(source):
        what, fix = (
            "source is no source's id",
            "send /subscriptions/<id>…, the id of an Entra application, or /kinds/<kind>",
        )
        raise BadRequest(what, fix=fix, flaws=[Flaw(what, pointer="#/source")])
    return source
