"""Incidents on the pages: all of them beside the inventory, one by itself, those of one secret."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from api.answers import Answer
from api.incidents import found, status_of
from api.listing import index_of
from api.page import look, rows
from api.page.timeline import Moment, distance
from api.requests import Request
from api.route import Desk
from engine.engine import Engine
from engine.errors import RekeyError
from engine.secret import SecretRef
from engine.state.entry import Entry
from engine.state.incident import ALL, Incident, IncidentProgress
from leaks.incidents import counted, ended, evidence, of_secret, timeline

log = logging.getLogger("rekey.incident")

SHOWN = 10
"""How many incidents the inventory lists."""
COUNTED = timedelta(days=7)
"""How old an incident may be for its progress to stand beside the inventory.

To count it costs a listing of its vaults. The page of an incident always counts.
"""
COUNT_SECONDS = 20.0
"""How long the inventory waits for that: the secrets come first."""
NAMED = 5
"""How many secrets of an incident the inventory names."""
ENDED = ("ended", "nothing in scope")


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A secret that an incident has not done with, and why."""

    name: str
    vault: str
    href: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Reported:
    """An incident as pages show it."""

    id: str
    href: str
    began: Moment
    by: str
    reason: str
    scope: str
    status: str
    """Empty where its progress was not counted."""
    progress: str
    stuck: tuple[NamedSecret, ...]
    waiting: tuple[NamedSecret, ...]
    unnamed: int = 0
    """How many secrets more it waits for, or needs a person for."""

    @property
    def is_open(self) -> bool:
        """Whether something is left to do, as far as that is known."""
        return bool(self.status) and self.status not in ENDED

    def shortened(self) -> Reported:
        """Return it with as few names as stand beside the inventory."""
        stuck, waiting = self.stuck[:NAMED], self.waiting[: max(0, NAMED - len(self.stuck))]
        left = len(self.stuck) + len(self.waiting) - len(stuck) - len(waiting)
        return replace(self, stuck=stuck, waiting=waiting, unnamed=self.unnamed + left)


@dataclass(frozen=True, slots=True)
class Board:
    """What the inventory shows of incidents: open ones, others, or why they cannot be seen."""

    open: tuple[Reported, ...] = ()
    others: tuple[Reported, ...] = ()
    obstacle: str = ""


async def board(engine: Engine, now: datetime, query: Mapping[str, str]) -> Board:
    """Return the newest incidents, with the progress of those that began lately."""
    if engine.incidents is None:
        return Board()
    try:
        newest = await engine.incidents.newest(SHOWN)
        lately = [incident for incident in newest if now - incident.since <= COUNTED]
        progress = await _progress(engine, lately)
    except RekeyError as error:
        log.warning("the incidents cannot be shown: %s", error)
        return Board(obstacle=str(error))
    reported = [
        _reported(incident, progress.get(incident.id), now, query).shortened()
        for incident in newest
    ]
    return _board(reported)


async def one_incident(at: Desk, request: Request) -> Answer:
    """Answer with the page of one incident; raises NotFound."""
    engine, now = at.engine, at.engine.clock.now()
    incident = await found(engine, request.query["incident"])
    progress, secrets = await evidence(engine, incident)
    over = ended(progress, secrets)
    code = {"code": request.query["code"]} if request.query.get("code") else {}
    return look.drawn(
        "incident.html",
        title=f"incident {incident.id}",
        home="?" + urlencode(code),
        now=now,
        incident=_reported(incident, progress, now, request.query),
        ended=Moment("ended", over, distance(over - now)) if over else None,
        secrets=[
            (secret, _name(ref.name), rows.to_secret(ref.vault_name, ref.name, request.query))
            for secret in secrets
            for ref in (secret.stands.ref,)
        ],
        steps=timeline(incident, secrets, over),
        report=f"incidents/{incident.id}/report?{urlencode(code)}".rstrip("?"),
        lingers=progress.lingers,
        runbook=at.runbook,
    )


async def concerning(
    engine: Engine, entry: Entry, now: datetime, query: Mapping[str, str]
) -> Board:
    """Return the incidents that cover one secret, and how far they have come with it."""
    if engine.incidents is None:
        return Board()
    try:
        newest, index = await engine.incidents.newest(SHOWN), await index_of(engine)
        ref = entry.secret.ref
        covering = [
            incident
            for incident in newest
            if ref.vault in incident.vaults and incident.covers(entry, index.of(ref))
        ]
        reported = []
        for incident in covering:
            progress = await of_secret(engine, incident, entry, index)
            if not progress.secrets:
                # There was no such secret yet.
                continue
            shown = _reported(incident, progress, now, query)
            reported.append(replace(shown, progress=_word(progress), stuck=(), waiting=()))
    except RekeyError as error:
        log.warning("the incidents of %s cannot be shown: %s", entry.secret.ref, error)
        return Board(obstacle=str(error))
    return _board(reported)


def _board(reported: Sequence[Reported]) -> Board:
    return Board(
        tuple(incident for incident in reported if incident.is_open),
        tuple(incident for incident in reported if not incident.is_open),
    )


async def _progress(engine: Engine, incidents: Sequence[Incident]) -> dict[str, IncidentProgress]:
    """Return the progress by id; empty where it cannot be had in time."""
    if not incidents:
        return {}
    try:
        async with asyncio.timeout(COUNT_SECONDS):
            progress = await counted(engine, incidents)
    except TimeoutError:
        return {}
    return {incident.id: part for incident, part in zip(incidents, progress, strict=True)}


def _reported(
    incident: Incident, progress: IncidentProgress | None, now: datetime, query: Mapping[str, str]
) -> Reported:
    vaults = ", ".join(SecretRef(url, "").vault_name for url in incident.vaults)
    version = f"version {incident.version}" if incident.version else ""
    parts = (vaults, incident.name, incident.source, version)
    scope = "; ".join(text for text in parts if text)
    kept = {"code": query["code"]} if query.get("code") else {}
    stuck = _places(progress.named, query) if progress else ()
    waiting = _places(progress.waiting_for, query) if progress else ()
    left = progress.needs_a_person + progress.waiting if progress else 0
    return Reported(
        id=incident.id,
        href="?" + urlencode({"incident": incident.id, **kept}),
        began=Moment("reported", incident.reported, distance(incident.reported - now)),
        by=incident.requested_by,
        reason=incident.reason,
        scope=scope,
        status=status_of(progress) if progress else "",
        progress=_words(progress) if progress else "",
        stuck=stuck,
        waiting=waiting,
        unnamed=left - len(stuck) - len(waiting),
    )


def _words(progress: IncidentProgress) -> str:
    parts = [f"{progress.rotated} of {progress.secrets} replaced and cut off"]
    if progress.waiting:
        parts.append(f"{progress.waiting} under way")
    if progress.needs_a_person:
        parts.append(f"{progress.needs_a_person} in need of a person")
    return ", ".join(parts)


def _word(progress: IncidentProgress) -> str:
    """Say how far an incident has come with the one secret that was counted."""
    if progress.needs_a_person:
        return "this secret needs a person: what leaked may still be accepted"
    return "the old credential is not cut off yet" if progress.waiting else "replaced and cut off"


def _name(name: str) -> str:
    return "all secrets" if name == ALL else name


def _places(
    named: Sequence[Mapping[str, str | None]], query: Mapping[str, str]
) -> tuple[NamedSecret, ...]:
    return tuple(
        NamedSecret(
            name=_name(str(secret["secret"])),
            vault=str(secret["vault"]),
            href=rows.to_secret(str(secret["vault"]), str(secret["secret"]), query),
            reason=secret.get("reason") or "",
            fix=secret.get("fix") or "",
        )
        for secret in named
    )
