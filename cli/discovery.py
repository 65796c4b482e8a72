"""`rekey discover`: credentials in reach that no managed secret covers.

It shows the line that would adopt each source, what switches such credentials off instead, what is
covered already, and which kinds nobody can list.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Container, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from api.listing import index_of
from cli import adoption_file
from cli.codes import Exit
from cli.gathering import inventory
from cli.naming import short_name
from cli.plain import plain
from cli.session import Session
from cli.sources import (
    APPLICATIONS,
    CERTIFICATE,
    CERTIFICATES,
    LISTED,
    PLACE,
    Credential,
    owned,
    under,
)
from cli.terminal import iso, moment
from engine.contract import Discover, Seen
from engine.engine import Engine
from engine.errors import RekeyError
from engine.secret import SecretRef
from engine.state.policy import Policy

HEADS = ("age", "kind", "credential", "ends", "or switch off", "source")
NAMED_HERE = LISTED | {
    "sql-admin-password",
    "service-principal-secret",
    "service-principal-certificate",
}
"""Kinds that cli.sources lists."""
UNLISTED = {
    "sql-login-password": "Azure lists neither a server's logins nor its contained users",
    "postgresql-role-password": "Azure does not list the roles of a server",
    "mysql-user-password": "Azure does not list the users of a server",
    **dict.fromkeys(
        ("storage-sas", "service-bus-sas", "event-hubs-sas"),
        "Azure keeps no list of the signatures that a key has made",
    ),
}
OWN = "a kind of your own: only the system that issues its credentials knows what there is"


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A source that no secret covers, by its oldest credential."""

    credential: Credential
    vault: str | None
    """The short name of a vault that may rotate it; None where no scope allows that yet."""

    @property
    def line(self) -> str:
        """The command that adopts it."""
        source = self.credential.source
        if self.credential.kind == CERTIFICATE:
            # A client id alone is that of the application's secrets.
            source = f"{source.removesuffix(CERTIFICATES)} --rotator {CERTIFICATE}"
        return f"rekey adopt {self.vault or 'VAULT'}/NAME --provider {source}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is covered already, and what nobody can say."""

    covered: Mapping[str, tuple[str, SecretRef]]
    """Sources that a secret covers, each with its kind and that secret."""
    unlisted: Mapping[str, str]
    """Kinds whose credentials cannot be listed, each with the reason."""
    problems: int
    """Scopes that could not be read."""


async def discover(session: Session, args: Namespace) -> int:
    """List keys, SQL administrators and credentials of applications that are old enough and nobody's."""
    engine = await session.ready()
    now = engine.clock.now()
    covered = await inventory(session, engine, engine.policy.scopes, await index_of(engine))
    problems: list[tuple[str, RekeyError]] = []
    seen = [credential async for credential in _everything(session, engine, problems)]
    session.terminal.progress("")
    managed = {
        part: entry.secret.ref
        for entry in covered.found
        for part in engine.claims(entry.secret.tags)
        # What a secret may not rotate, it does not look after, whatever its tags say.
        if engine.policy.allows(entry.secret.ref.vault, part)
    }
    settings = session.settings
    own = {storage.account.lower() for storage in (settings.storage, settings.events)}
    uncovered = [
        credential
        for credential in dict.fromkeys(seen)
        if credential.source not in managed and not _is_own(credential, own)
    ]
    old = _older(uncovered, now - timedelta(days=args.older_than_days))
    unmanaged = [
        Uncovered(credential, _vault(engine.policy, credential.source)) for credential in old
    ]
    for problem in _by_scope(problems):
        session.terminal.problem(problem, Exit.AZURE)
    found = dict.fromkeys(credential for credential in seen if credential.source in managed)
    covers = {
        credential.source: (credential.kind, managed[credential.source]) for credential in found
    }
    unread = len({problem.where.lower() for _, problem in problems})
    _show(session, unmanaged, Coverage(covers, _unlisted(engine), unread), now)
    if args.save:
        _save(session, args.save, unmanaged, now)
    return Exit.AZURE if problems else covered.worst(Exit.FOUND if unmanaged else Exit.FINE)


def _save(session: Session, path: str, uncovered: Iterable[Uncovered], now: datetime) -> None:
    rows: dict[str, dict[str, str]] = {}
    for row in uncovered:
        name = _name(row.credential.source, rows)
        rows[name] = _line(row, name, now)
    adoption_file.save(path, list(rows.values()))
    session.terminal.note(f"written: {path}. Edit it, then rekey adopt --from {path} --dry-run")


async def _everything(
    session: Session, engine: Engine, problems: list[tuple[str, RekeyError]]
) -> AsyncIterator[Credential]:
    """Stream what can be listed; what cannot is a problem of its scope, and no reason to stop."""
    scopes = dict.fromkeys(scope for bound in session.deployed.scopes.values() for scope in bound)
    outer = [
        scope for scope in scopes if not any(scope.startswith(f"{other}/") for other in scopes)
    ]
    listings = [
        listing
        for scope in outer
        for listing in (*under(session.azure, scope).items(), *_listable(engine, scope))
    ]
    for kind, listing in (*listings, (APPLICATIONS, owned(session.azure))):
        try:
            async for credential in listing:
                session.terminal.progress(f"found {credential.source}")
                yield credential
        except RekeyError as error:
            problems.append((kind, plain(error)))


def _by_scope(problems: Iterable[tuple[str, RekeyError]]) -> list[RekeyError]:
    """Return one problem for each scope and reason, which names the kinds that are missing."""
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    first: dict[tuple[str, str], RekeyError] = {}
    for kind, problem in problems:
        reason = problem.where.lower(), problem.code
        first.setdefault(reason, problem)
        kinds[reason].append(kind)
    for reason, problem in first.items():
        problem.add(f"kinds that are missing: {', '.join(kinds[reason])}")
    return list(first.values())


def _listable(engine: Engine, scope: str) -> Iterator[tuple[str, AsyncIterator[Credential]]]:
    """Yield one stream for each kind that lists its sources itself, with its name.

    How old their credentials are is not told.
    """
    place = PLACE.fullmatch(scope)
    for kind, rotator in engine.rotators.items():
        if place and isinstance(rotator, Discover) and kind not in LISTED:
            yield kind, _within(scope, kind, rotator.seen(place[1], place[2]))


def _unlisted(engine: Engine) -> dict[str, str]:
    """Return the kinds whose credentials cannot be listed, each with the reason."""
    return {
        kind: UNLISTED.get(kind, OWN)
        for kind, rotator in engine.rotators.items()
        if kind not in NAMED_HERE and not isinstance(rotator, Discover)
    }


async def _within(scope: str, kind: str, seen: AsyncIterator[Seen]) -> AsyncIterator[Credential]:
    async for credential in seen:
        if f"{credential.source}/".startswith(f"{scope}/"):
            yield Credential(
                kind,
                credential.source,
                credential.credential_id,
                created=None,
                way_off=credential.way_off,
            )


def _older(seen: Iterable[Credential], since: datetime) -> list[Credential]:
    """Keep each source's oldest credential, if it is old, or its age cannot be told."""
    oldest: dict[str, Credential] = {}
    for credential in seen:
        known = oldest.get(credential.source)
        if known is None or (
            credential.created and known.created and credential.created < known.created
        ):
            oldest[credential.source] = credential
    old = [
        credential
        for credential in oldest.values()
        if credential.created is None or credential.created <= since
    ]
    return sorted(
        old,
        key=lambda credential: (credential.created is None, credential.created, credential.source),
    )


def _is_own(credential: Credential, accounts: AbstractSet[str]) -> bool:
    """Return whether it is a key of a storage account of the app's own.

    Their names are unique in all of Azure. The app signs in there with its identity, or with a
    connection string among its settings: no vault holds the key.
    """
    place, _, name = credential.source.rpartition("/")
    return place.endswith("/microsoft.storage/storageaccounts") and name in accounts


def _vault(policy: Policy, source: str) -> str | None:
    return next(
        (
            SecretRef(vault, "").vault_name
            for vault in policy.scopes
            if policy.allows(vault, source)
        ),
        None,
    )


def _show(session: Session, uncovered: list[Uncovered], coverage: Coverage, now: datetime) -> None:
    if session.terminal.data(_answer(uncovered, coverage), "uncovered"):
        return
    problems = coverage.problems
    missing = f"; scopes that could not be read: {problems}" if problems else ""
    switchable = sum(bool(row.credential.way_off) for row in uncovered)
    instead = f", of which can be switched off instead: {switchable}" if switchable else ""
    session.terminal.line(f"sources that no secret covers: {len(uncovered)}{instead}{missing}")
    counts = Counter(kind for kind, _ in coverage.covered.values())
    by_kind = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    session.terminal.line(f"covered: {by_kind or 'none'}")
    for kind, reason in coverage.unlisted.items():
        session.terminal.line(f"not listed: {kind} ({reason})")
    if not uncovered:
        return
    session.terminal.line()
    session.terminal.table(HEADS, [_row(row.credential, now) for row in uncovered])
    session.terminal.line()
    for row in uncovered:
        if row.vault is None:
            session.terminal.line(
                f"first bind {row.credential.source} to a vault in REKEY_SCOPES, then"
            )
        session.terminal.line(row.line)


def _answer(uncovered: list[Uncovered], coverage: Coverage) -> dict[str, Any]:
    covered = [
        {"kind": kind, "source": source, "vault": short_name(ref.vault), "secret": ref.name}
        for source, (kind, ref) in sorted(coverage.covered.items())
    ]
    unlisted = [{"kind": kind, "reason": reason} for kind, reason in coverage.unlisted.items()]
    return {
        "uncovered": [_json(row) for row in uncovered],
        "covered": covered,
        "not_listed": unlisted,
        "problems": coverage.problems,
    }


def _row(credential: Credential, now: datetime) -> tuple[str, ...]:
    # Azure does not tell when a SQL password was set.
    age = f"{(now - credential.created).days} d" if credential.created else "unknown"
    return (
        age,
        credential.kind,
        credential.name,
        moment(credential.ends) if credential.ends else "",
        credential.way_off,
        credential.source,
    )


def _name(source: str, taken: Container[str]) -> str:
    """Return a secret's name that no other source has.

    It is what a resource and those around it are called, or an application's id.
    """
    names = source.removesuffix(CERTIFICATES).rpartition("/providers/")[2].split("/")
    # A secret's name takes letters, digits and hyphens: 127 of them.
    name = re.sub(r"[^0-9a-zA-Z-]+", "-", "-".join(names[2::2] or names))[:120]
    numbered = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def _line(uncovered: Uncovered, name: str, now: datetime) -> dict[str, str]:
    """Return a line of the file that a person edits: one secret for one source."""
    credential = uncovered.credential
    is_certificate = credential.kind == CERTIFICATE
    source = credential.source.removesuffix(CERTIFICATES) if is_certificate else credential.source
    return {
        # Without a vault that may rotate it the line is left out, until a scope allows that.
        "secret": f"{uncovered.vault}/{name}" if uncovered.vault else "",
        "provider": source,
        "validity_days": "90",
        "rotator": CERTIFICATE if is_certificate else "",
        "kind": credential.kind,
        "credential": credential.name,
        "age_days": str((now - credential.created).days) if credential.created else "",
        "ends": iso(credential.ends) or "",
        "switch_off": credential.way_off,
    }


def _json(uncovered: Uncovered) -> dict[str, str | None]:
    credential = uncovered.credential
    return {
        "kind": credential.kind,
        "source": credential.source,
        "credential": credential.name,
        "created": iso(credential.created),
        "ends": iso(credential.ends),
        "vault": short_name(uncovered.vault) if uncovered.vault else None,
        "adopt": uncovered.line,
        "switch_off": credential.way_off or None,
    }
