"""List the secrets of all vaults, a page at a time, and show one with its history.

Nothing here reads a value.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit

from api.answers import Answer
from api.models import Secret, Secrets, SecretWithHistory, view
from api.requests import Request
from api.similar_names import no_such
from engine.engine import Engine
from engine.errors import NotFound, RekeyError, TransientError
from engine.secret import SecretRef, Version
from engine.state.entry import NEEDS_A_PERSON, Entry, State
from engine.state.history import events
from engine.state.incident import TO_AGREE, UNWRITTEN, is_replica
from engine.state.index import StateIndex
from engine.state.phase import PHASES, phase_rule
from engine.state.record import Record
from engine.state.tags import REPLICA_OF, named, names_replica

log = logging.getLogger("rekey.api")

PAGES_AT_ONCE = 40
"""The most calls to Key Vault, 25 secrets each, that one request may cost; what it has not reached
is left to `next`."""
PAGE_PARAMETERS = frozenset({"api-version", "$skiptoken", "maxresults"})
"""What the address of one of Key Vault's pages may hold."""
EXPIRES_WITHIN = "expires_within"
MOST_DAYS = 3650
FILTERS = ("vault", "state", "rotator", "owner", "name", EXPIRES_WITHIN)
UNREAD = "the records of the sources cannot be read, and tags do not tell all: see the app's log"
ATTENTION = "attention"
"""The filter's word for every state that needs a person."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a listing goes on: in which vault, at which of its pages, behind how many of that page's secrets."""

    vault: str
    token: str | None = None
    skip: int = 0

    @property
    def is_amid(self) -> bool:
        """Whether some secrets of the vault come before it."""
        return bool(self.token or self.skip)

    def cursor(self) -> str:
        """Write it for a URL."""
        return (
            base64.urlsafe_b64encode(json.dumps([self.vault, self.token, self.skip]).encode())
            .decode()
            .rstrip("=")
        )

    @classmethod
    def read(cls, cursor: str) -> Cursor:
        """Read what `cursor` wrote; the vault and the token are checked where they are used."""
        try:
            vault, token, skip = json.loads(
                base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            )
        except (ValueError, TypeError, RecursionError):
            raise _bad_cursor() from None
        if not (
            isinstance(vault, str)
            and isinstance(token, str | None)
            and type(skip) is int
            and 0 <= skip <= 25  # noqa: PLR2004
        ):
            raise _bad_cursor()
        if token is not None and not _leads_on(vault, token):
            raise _bad_cursor()
        return cls(vault, token, skip)


def _leads_on(vault: str, token: str) -> bool:
    """Return whether a token may be the address of this vault's next page.

    Source: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets,
    `nextLink`.
    """
    try:
        own, page = urlsplit(vault), urlsplit(token)
        names = [name for name, _ in parse_qsl(page.query, strict_parsing=True)]
        same = (page.scheme, page.hostname, page.port or 443) == (
            "https",
            own.hostname,
            own.port or 443,
        )
    except ValueError:
        return False
    known = (
        len(set(names)) == len(names) and "$skiptoken" in names and set(names) <= PAGE_PARAMETERS
    )
    plain = token.isascii() and token.isprintable() and page.username is None and not page.fragment
    return same and known and plain and page.path == "/secrets"


def _bad_cursor() -> NotFound:
    return NotFound("cursor is none of ours", fix="follow `next` as it came, or leave cursor out")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which secrets are asked for."""

    state: str = ""
    rotator: str = ""
    owner: str = ""
    name: str = ""
    expired_by: datetime | None = None
    """Only what has expired by then, and is not disabled."""

    def lets_pass(self, entry: Entry) -> bool:
        """Tell whether a secret is one of them."""
        states = NEEDS_A_PERSON if self.state == ATTENTION else {self.state}
        return (
            (not self.state or entry.state in states)
            and (
                not self.rotator
                or (entry.managed is not None and entry.managed.rotator.kind == self.rotator)
            )
            and (not self.owner or entry.secret.tags.get("Owner", "").lower() == self.owner.lower())
            and (not self.name or fnmatchcase(entry.secret.ref.name.lower(), self.name.lower()))
            and (self.expired_by is None or self._ends_by(entry.secret, self.expired_by))
        )

    @staticmethod
    def _ends_by(secret: Version, moment: datetime) -> bool:
        return secret.enabled and secret.expires is not None and secret.expires <= moment


def chosen(engine: Engine, request: Request) -> Filter:
    """Read the filter that a request asks for.

    Raises BadRequest for a state that there is not, and NotFound for such a kind.
    """
    return Filter(
        request.choice("state", (*get_args(State), ATTENTION)),
        request.kind(engine.kinds),
        request.query.get("owner", "").strip()[:127],
        request.query.get("name", "").strip()[:127],
        ending(request, engine.clock.now()),
    )


def ending(request: Request, now: datetime) -> datetime | None:
    """Return the end of so many days in which secrets expire; None where none are asked for."""
    days = request.number(EXPIRES_WITHIN, -1, MOST_DAYS)
    return None if days < 0 else now + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the secrets, and where the next ones are."""

    entries: list[Entry]
    rest: Cursor | None
    obstacle: str | None = None
    """What keeps the page from telling all that is known; None if nothing does."""


async def page(
    engine: Engine, start: Cursor | None, chosen: Filter, limit: int, only: str = ""
) -> Page:
    """Gather up to `limit` secrets from `start` on.

    `only` is one vault's URL, all vaults if empty. A vault that cannot be listed does not hide the
    others: it is named as an obstacle. Its error is raised where no vault could be listed, and where
    it may pass amid a vault: the same cursor leads to the rest.
    """
    vaults = [only] if only else list(engine.policy.scopes)
    place = _begin(vaults, start)
    entries, index = list[Entry](), await index_of(engine)
    obstacle = UNREAD if index.unread else None
    # Who knows a later place was shown what comes before it.
    is_listed = place != Cursor(vaults[0])
    for _ in range(PAGES_AT_ONCE):
        try:
            secrets, token = await engine.vaults.page(place.vault, place.token)
            is_listed = True
        except RekeyError as error:
            is_repeated = place.is_amid and isinstance(error, TransientError)
            if is_repeated and place != start:
                return Page(entries, place, obstacle)
            if only or is_repeated or not (is_listed or _first_of_next(vaults, place.vault)):
                raise
            obstacle = "; ".join(filter(None, (obstacle, missing(place, error))))
            log.warning("%s", obstacle)
            secrets, token = [], None
        for skip, secret in enumerate(secrets[place.skip :], place.skip):
            entry = judge(engine, secret, index)
            if not chosen.lets_pass(entry):
                continue
            if len(entries) == limit:
                return Page(entries, Cursor(place.vault, place.token, skip), obstacle)
            entries.append(entry)
        following = Cursor(place.vault, token) if token else _first_of_next(vaults, place.vault)
        if following is None:
            return Page(entries, None, obstacle)
        place = following
    return Page(entries, place, obstacle)


def missing(place: Cursor, error: RekeyError) -> str:
    """Say that the secrets of a vault are missing from a place on, and why."""
    some = "some of the" if place.is_amid else "the"
    return f"{some} secrets of {SecretRef(place.vault, '').vault_name} are missing here: {error}"


def judge(engine: Engine, secret: Version, index: StateIndex) -> Entry:
    """Say how one secret stands now."""
    return engine.inventory.entry(secret, index.of(secret.ref))


async def index_of(engine: Engine) -> StateIndex:
    """Read the records; where they cannot be read, the vaults alone must do."""
    try:
        return await engine.index()
    except RekeyError as error:
        log.warning("%s: %s", UNREAD, error)
        return StateIndex({}, unread=True)


async def seen(engine: Engine, secret: Version, index: StateIndex) -> Entry:
    """Say how one secret stands, and see whether the primary of a replica names it."""
    entry = judge(engine, secret, index)
    if not (secret.enabled and is_replica(entry)):
        return entry
    with suppress(TransientError):
        return parked(entry, await engine.unwritten(secret))
    return entry


def compared(entries: Sequence[Entry], vaults: Collection[str]) -> list[Entry]:
    """Park each replica that its primary does not name: both are seen where all is listed.

    `vaults`: those of which all secrets are here.
    """
    primaries = {str(entry.secret.ref).lower(): entry.secret for entry in entries}

    def is_unwritten(entry: Entry) -> bool:
        ref = named(entry.secret.tags.get(REPLICA_OF, ""))
        if not (ref and ref.vault in vaults and entry.secret.enabled and is_replica(entry)):
            return False
        primary = primaries.get(str(ref).lower())
        return primary is None or not names_replica(primary, entry.secret.ref)

    why = UNWRITTEN, TO_AGREE
    return [parked(entry, why if is_unwritten(entry) else None) for entry in entries]


def parked(replica: Entry, why: tuple[str, str] | None) -> Entry:
    """Return a replica that nothing writes as the sweep reports it; the entry if there is no why."""
    return replace(replica, state="parked", reason=why[0], fix=why[1]) if why else replica


def _begin(vaults: list[str], start: Cursor | None) -> Cursor:
    place = start or Cursor(vaults[0])
    if place.vault not in vaults:
        raise _bad_cursor()
    return place


def _first_of_next(vaults: list[str], vault: str) -> Cursor | None:
    later = vaults[vaults.index(vault) + 1 :]
    return Cursor(later[0]) if later else None


async def every(
    engine: Engine, vaults: list[str], known: StateIndex | None = None
) -> AsyncIterator[Entry]:
    """Stream every secret of these vaults; `known` is the index, if that was read already."""
    index = known or await index_of(engine)
    for vault in vaults:
        async for secret in engine.vaults.list(vault):
            yield judge(engine, secret, index)


async def list_secrets(engine: Engine, request: Request) -> Answer:
    """GET /api/secrets: those that the filter lets pass, and the URL of the next ones."""
    limit = request.number("limit", 100, 1000, least=1)
    only = (
        request.vault(engine.policy, request.query["vault"]) if request.query.get("vault") else ""
    )
    cursor = request.query.get("cursor", "")
    listed = await page(
        engine, Cursor.read(cursor) if cursor else None, chosen(engine, request), limit, only
    )
    secrets = [view(Secret, shown(entry)) for entry in listed.entries]
    following = _next(request, listed.rest, limit)
    return Answer.of(200, Secrets(secrets=secrets, next=following, obstacle=listed.obstacle))


def shown(entry: Entry) -> dict[str, Any]:
    """Return what is shown of a secret, with its vault as a path can hold it."""
    ref = entry.secret.ref
    return {**entry.to_json(), "vault": ref.vault_name, "id": str(ref)}


def _next(request: Request, rest: Cursor | None, limit: int) -> str | None:
    if rest is None:
        return None
    filters = {name: request.query[name] for name in FILTERS if request.query.get(name)}
    return "/api/secrets?" + urlencode({**filters, "limit": limit, "cursor": rest.cursor()})


async def show(engine: Engine, ref: SecretRef) -> Answer:
    """GET /api/secrets/{vault}/{name}: how it stands, and its versions, newest first."""
    versions = await engine.versions(ref)
    if not versions:
        raise await no_such(engine, ref)
    index = await index_of(engine)
    entry, records = await seen(engine, versions[0], index), await _records(engine, index, ref)
    history = _events(engine, versions, records)
    data = {**shown(entry), "version": versions[0].version, **_stage(records), "history": history}
    return Answer.of(200, view(SecretWithHistory, data))


async def told(
    engine: Engine, versions: Sequence[Version], index: StateIndex
) -> list[dict[str, Any]]:
    """Return what a secret's versions, newest first, say of themselves: who wrote each, and why."""
    return _events(engine, versions, await _records(engine, index, versions[0].ref))


def _events(
    engine: Engine, versions: Sequence[Version], records: Sequence[Record]
) -> list[dict[str, Any]]:
    written = [version for record in records for version in record.history.published]
    return events(versions, policy=engine.policy.is_own(versions[0].ref), written=written)


def _stage(records: Sequence[Record]) -> dict[str, Any]:
    """Return the step that is to be taken first, where a secret has left debts at several sources."""
    if not records:
        return {"phase": None, "then": None, "next_check": None}
    first = min(records, key=lambda record: PHASES.index(phase_rule(record)))
    step, at = phase_rule(first), first.next_check
    return {
        "phase": step.phase,
        "then": step.then,
        "next_check": at and at.isoformat(timespec="seconds"),
    }


async def _records(engine: Engine, index: StateIndex, ref: SecretRef) -> list[Record]:
    """Return the records of a secret, as far as they can be read."""
    try:
        records = [await engine.leases.peek(listed.source) for listed in index.of(ref)]
    except RekeyError as error:
        log.warning("who wrote which version is told by tags: %s", error)
        return []
    return [record for record in records if record]
