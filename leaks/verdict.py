"""Judge a reported value: whose it is, whether its source accepts it, and what is to be done.

Of a signature, the key that made it is found: that is what must go, since nothing else revokes one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from engine.contract import Derived, Traces
from engine.engine import Engine
from engine.errors import RekeyError, TransientError
from engine.rotation.proof import REFUSALS, TRIED, read_proof
from engine.secret import Sensitive
from engine.state.index import StateIndex
from engine.state.policy import LeakRule, Leaks, owner_key
from engine.state.record import Record
from leaks.index import Index, LeakedVersion, Owner, distinct
from leaks.reading import Reported, read

DRIFTED = "its source refuses it now, but it is in use"
REFUSED = 2
"""The rank of what was proven to be refused before: one more refusal is enough."""
AGAIN, AGAIN_SECONDS = "report it again in two minutes", 120.0
PASSWORD, MOST_REFUSED = "password", 3
"""How many passwords of a source one report has refused, unless more are in use or in an overlap.

A server may lock a login for everybody once it has refused several passwords of it in a row.
"""
type Status = Literal["alive", "refused", "not ours", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reported value is. It holds the value, which no answer, message or record does."""

    status: Status
    reported: Reported
    match: LeakedVersion | None = None
    is_accepted: bool = False
    """Its source has just accepted it. An `alive` one that could not be tried may work, too."""
    untried: str = ""
    """What keeps it from being cut off by itself: it could not be tried, or is in use."""
    refused: datetime | None = None
    proof: str = ""
    was: str = ""
    """The proof that it was refused before: somebody has put it back."""


@dataclass(slots=True)
class Seen:
    """What was looked at for one report so far. What was, is not tried again."""

    tried: list[tuple[str, str]] = field(default_factory=list)
    """The source and version of each credential that was tried, or could not be judged."""
    refused: list[str] = field(default_factory=list)
    """The source of each password that it did not accept."""
    has_more: bool = False
    """Something of the text was not judged."""
    problem: RekeyError | None = None
    """Why, where it was tried."""


async def judge(engine: Engine, index: Index, text: str) -> tuple[Sequence[Verdict], Seen]:
    """Return what each credential of a text is in each secret that has it; what works comes first.

    Prints tell which those are. Raises why one cannot be judged, rather than guess, unless
    something works.
    """
    reported, seen = read(text), Seen()
    with engine.reporter.step("match"):
        matches = await _found(engine, index, reported)
    if not matches:
        return [Verdict("not ours" if reported.kind else "unknown", reported)], seen
    verdicts = [verdict async for verdict in _judged(engine, reported, matches, seen)]
    if not seen.problem and all(verdict.status == "refused" for verdict in verdicts):
        # It may work where it has no print yet.
        verdicts += [verdict async for verdict in elsewhere(engine, index, text, seen)]
    if seen.problem and all(verdict.status == "refused" for verdict in verdicts):
        raise seen.problem
    return sorted(verdicts, key=lambda verdict: verdict.status != "alive"), seen


async def elsewhere(engine: Engine, index: Index, text: str, seen: Seen) -> AsyncIterator[Verdict]:
    """Yield what else a text holds, which reads every version that has no print."""
    reported = read(text)
    with engine.reporter.step("match"):
        matches = await _found(engine, index, reported, everywhere=True)
    others = [match for match in matches if (match.source, match.version) not in seen.tried]
    async for verdict in _judged(engine, reported, others, seen):
        yield verdict


async def _judged(
    engine: Engine, reported: Reported, matches: Sequence[LeakedVersion], seen: Seen
) -> AsyncIterator[Verdict]:
    """Yield what a value is in each secret, the likeliest to work first; note what is not judged."""
    sources = dict.fromkeys(match.source for match in matches)
    records = {source: await engine.leases.peek(source) for source in sources}
    ranked = [(_rank(match, records[match.source]), match) for match in matches]
    for rank, match in sorted(ranked, key=lambda it: it[0]):
        if rank and seen.refused.count(match.source) >= MOST_REFUSED:
            seen.has_more = True
            continue
        seen.tried.append((match.source, match.version))
        tries, verdict = 1 if rank == REFUSED else REFUSALS, None
        try:
            verdict = await _tried_out(engine, reported, match, records[match.source], tries)
        except RekeyError as error:
            seen.has_more, seen.problem = True, seen.problem or error
        if _is_password(engine, match) and not (verdict and verdict.is_accepted):
            seen.refused.append(match.source)
        if verdict:
            yield verdict


def _is_password(engine: Engine, match: LeakedVersion) -> bool:
    rotator = engine.rotators.get(match.kind)
    return rotator is not None and rotator.value_field == PASSWORD


def _rank(match: LeakedVersion, record: Record | None) -> int:
    """Return 0 for what is in use or in its overlap, and REFUSED for what was proven to be dead."""
    overlaps = {pending.version for pending in record.to_retire} if record else set[str]()
    if match.is_current or not match.version or match.version in overlaps:
        return 0
    return REFUSED if record and record.compromised.revoked.get(match.version) else 1


async def _tried_out(
    engine: Engine, reported: Reported, match: LeakedVersion, before: Record | None, tries: int
) -> Verdict:
    with engine.reporter.step("prove"):
        is_accepted, untried = await _tried(engine, match, tries)
    if not match.version and (is_accepted or untried):
        # An incident is about versions: nothing but what it will be published as can be cut off.
        what = "it is the credential of a rotation that is in progress"
        raise TransientError(what, where=str(match.ref), fix=AGAIN, retry_after=AGAIN_SECONDS)
    if untried:
        return Verdict("alive", reported, match, untried=untried)
    record = await engine.leases.peek(match.source)
    proof = record.compromised.revoked.get(match.version, "") if record else ""
    if is_accepted:
        return Verdict("alive", reported, match, is_accepted=True, was=proof)
    if match.is_current:
        # Rekey heals what is drifted, and a new credential takes its time to spread.
        return Verdict("alive", reported, match, untried=DRIFTED)
    if _was_amid(before, record):
        what = "its source is in the midst of a change, which may be taken back"
        raise TransientError(what, where=str(match.ref), fix=AGAIN, retry_after=AGAIN_SECONDS)
    refused, how = read_proof(proof)
    now = engine.clock.now().replace(microsecond=0)
    return Verdict("refused", reported, match, refused=refused or now, proof=how or TRIED)


def _was_amid(before: Record | None, after: Record | None) -> bool:
    """Return whether a source may have been amid a change between two looks at its record.

    A single slot may accept again a password that it refuses during a change.
    """
    known = [record for record in (before, after) if record]
    began = {record.change.started_at for record in known}
    return len(began) > 1 or any(record.is_unknown for record in known)


async def _found(
    engine: Engine, index: Index, reported: Reported, *, everywhere: bool = False
) -> Sequence[LeakedVersion]:
    """Return which versions hold the credentials of a text.

    Of a signature that is the key that made it. See Index.find for `everywhere`.
    """
    matches = await index.find(engine, reported.parts, everywhere=everywhere)
    leaked = [
        (await key_of(engine, match) if match.kind in engine.kinds else None) or match
        for match in matches
    ]
    if everywhere or not (matches and engine.prints.keys):
        leaked += await signing_keys(engine, reported.parts, index.turns)
    return distinct(leaked)


async def _tried(engine: Engine, match: LeakedVersion, tries: int) -> tuple[bool | None, str]:
    """Return whether the source accepts the value; None, and why, where it could not be tried.

    Only refusals in a row count as one, so many as `tries`.
    """
    rotator = engine.rotators.get(match.kind)
    if rotator is None:
        return None, f"the kind {match.kind or 'of its secret'} is not known here"
    try:
        for _ in range(tries):
            if await rotator.accepts(match.source, match.credential_id, match.credential):
                return True, ""
    except RekeyError as error:
        return None, error.what
    return False, ""


def acts(leaks: Leaks, verdict: Verdict, feed: str, *, asked: bool) -> bool:
    """Return whether a report cuts the value off: a person has asked for it, or the policy lets it.

    Without a rule the policy does only where the source has just accepted the value, and the feed
    is trusted.
    """
    match = verdict.match
    if match is None or verdict.status != "alive":
        return False
    if asked:
        return True
    for rule in leaks.rules:
        if _fits(rule, verdict, match, feed):
            return rule.acts
    return verdict.is_accepted and feed in leaks.trusted


def _fits(rule: LeakRule, verdict: Verdict, match: LeakedVersion, feed: str) -> bool:
    return (
        (rule.match is None or rule.match.covers(match.ref))
        and rule.kind in ("", match.kind)
        and owner_key(rule.owner) in ("", owner_key(match.owner))
        and rule.feed in ("", feed)
        and (verdict.is_accepted or not rule.accepted)
    )


@dataclass(frozen=True, slots=True)
class Signature:
    """A part of a reported text that is a signature of some kind."""

    kind: type[Traces]
    text: str
    name: str
    """The resource whose key signed; empty if the text does not say."""
    alike: Sequence[str] = ()
    """The managed signatures of its kind, if so: what one of them is for, this one may be for."""

    def is_signed_by(self, source: str, key: Sensitive) -> bool:
        """Return whether this key of this source made it."""
        return self.kind.is_signed_by(self.text, source, key) or any(
            self.kind.made_at(managed) == source
            and self.kind.is_made_from(managed, Sensitive(self.text), key)
            for managed in self.alike
        )


async def signing_keys(
    engine: Engine, parts: Sequence[str], turns: asyncio.Semaphore
) -> Sequence[LeakedVersion]:
    """Return the versions with the keys that made these signatures.

    Each place is read once, however many signatures a text holds. Those that do not say whose key
    made them are tried at all places, and only if no other is ours: a URL's query is one.
    `turns`: how many secrets the process reads together.
    """
    if not [*_signatures(engine, parts, ())]:
        return ()
    places = [place async for place in _places(engine)]
    signatures = [*_signatures(engine, parts, [source for _, source in places])]
    named = [each for each in signatures if each.name]
    bare = [each for each in signatures if not each.name]
    made = await _made_by(engine, named, places, turns)
    return made or await _made_by(engine, bare, places, turns)


async def _made_by(
    engine: Engine,
    signatures: Sequence[Signature],
    places: Sequence[tuple[str, str]],
    turns: asyncio.Semaphore,
) -> Sequence[LeakedVersion]:
    async def at(owner: str, source: str) -> Sequence[LeakedVersion]:
        suspects = [each for each in signatures if _may_sign(engine, each, source)]
        if not suspects:
            return ()
        async with turns:
            return [
                replace(match, signs=True)
                async for match in _keys(engine, owner, source)
                if any(each.is_signed_by(source, match.credential) for each in suspects)
            ]

    matches = await asyncio.gather(*(at(*place) for place in places))
    return [*itertools.chain.from_iterable(matches)]


async def key_of(engine: Engine, signature: LeakedVersion) -> LeakedVersion | None:
    """Return the version with the key that made a managed signature; None if it is gone."""
    kind = engine.kinds[signature.kind]
    if not isinstance(kind, Derived):
        return None
    made_at = kind.made_at(signature.source)
    async for owner, source in _places(engine):
        if source == made_at:
            async for match in _keys(engine, owner, source):
                if kind.is_made_from(signature.source, signature.credential, match.credential):
                    return replace(match, signs=True)
    return None


def is_bare(engine: Engine, parts: Sequence[str]) -> bool:
    """Return whether these are signatures that do not say whose key made them."""
    names = [signature.name for signature in _signatures(engine, parts, ())]
    return bool(names) and not any(names)


def _signatures(
    engine: Engine, parts: Sequence[str], sources: Sequence[str]
) -> Iterator[Signature]:
    for kind in engine.kinds.values():
        if not isinstance(kind, Traces):
            continue
        for part in parts:
            if (name := kind.signer(part)) is not None:
                alike = [] if name else [it for it in sources if kind.canonical(it, {}) == it]
                yield Signature(kind, part, name, alike)


async def _places(engine: Engine) -> AsyncIterator[tuple[str, str]]:
    """Yield each secret with its source: of the records, then of what has no record yet."""
    index = await StateIndex.read(engine.leases.index())
    for owner, records in index.records.items():
        for listed in records:
            yield owner, listed.source
    for vault in engine.policy.scopes:
        async for secret in engine.vaults.list(vault):
            if not index.of(secret.ref) and (managed := engine.inventory.entry(secret).managed):
                yield str(secret.ref), managed.source


def _may_sign(engine: Engine, signature: Signature, source: str) -> bool:
    """Return whether a source may have signed: its kind signs so, and its name is in its id."""
    name, named = signature.name, signature.kind.parents
    parents = [engine.kinds[parent] for parent in named if parent in engine.kinds]
    is_kind = any(parent.canonical(source, {}) == source for parent in parents)
    return is_kind and (not name or f"/{name}/" in f"{source}/")


async def _keys(engine: Engine, owned_by: str, source: str) -> AsyncIterator[LeakedVersion]:
    """Yield each key that the versions of a secret hold, as far as they can be read."""
    record = await engine.leases.peek(source) or Record(source, owned_by)
    owner = await Owner.of(engine, record)
    if owner.held:
        yield owner.leaked(record, owner.version, owner.held)
    async for version in engine.vaults.versions(owner.ref):
        if version.version == owner.version:
            continue
        for key in await owner.credentials(engine, record, str(version.version)):
            yield owner.leaked(record, str(version.version), key)
