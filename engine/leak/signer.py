"""Find the key that made a reported signature: it is what must go, since nothing else revokes one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

from engine.contract import Derived, Traces
from engine.engine import Engine
from engine.leak.owner import Match, Owner, read
from engine.rotation import leaked
from engine.secret import Sensitive
from engine.state.index import StateIndex
from engine.state.record import Record


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


async def signing_key(
    engine: Engine, parts: Sequence[str], turns: asyncio.Semaphore
) -> Match | None:
    """Return the version with the key that made one of these signatures; None if none is ours.

    Each place is read once, however many signatures a text holds. Those that do not say whose key
    made them are tried at all places, and only if no other is ours: a URL's query is one.
    `turns`: how many secrets the process reads together.
    """
    if not [*_signatures(engine, parts, ())]:
        return None
    places = [place async for place in _places(engine)]
    signatures = [*_signatures(engine, parts, [source for _, source in places])]
    named = [each for each in signatures if each.name]
    bare = [each for each in signatures if not each.name]
    made = await _made_by(engine, named, places, turns) if named else None
    return made or (await _made_by(engine, bare, places, turns) if bare else None)


async def _made_by(
    engine: Engine,
    signatures: Sequence[Signature],
    places: Sequence[tuple[str, str]],
    turns: asyncio.Semaphore,
) -> Match | None:
    async def one(owner: str, source: str) -> Match | None:
        suspects = [each for each in signatures if _may_sign(engine, each, source)]
        if not suspects:
            return None
        async with turns:
            async for match in _keys(engine, owner, source):
                if any(each.is_signed_by(source, match.credential) for each in suspects):
                    return replace(match, signs=True)
        return None

    matches = await asyncio.gather(*(one(*place) for place in places))
    return next(filter(None, matches), None)


async def key_of(engine: Engine, signature: Match) -> Match | None:
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
            if not index.of(secret.ref) and (managed := engine.entry(secret).managed):
                yield str(secret.ref), managed.source


def _may_sign(engine: Engine, signature: Signature, source: str) -> bool:
    """Return whether a source may have signed: its kind signs so, and its name is in its id."""
    name, named = signature.name, signature.kind.parents
    parents = [engine.kinds[parent] for parent in named if parent in engine.kinds]
    is_kind = any(parent.canonical(source, {}) == source for parent in parents)
    return is_kind and (not name or f"/{name}/" in f"{source}/")


async def _keys(engine: Engine, owned_by: str, source: str) -> AsyncIterator[Match]:
    """Yield each key that the versions of a secret hold, as far as they can be read."""
    record = await engine.leases.peek(source) or Record(source, owned_by)
    owner = await Owner.of(engine, record)
    if owner.held:
        yield owner.match(record, owner.version, owner.held)
    async for version in engine.vaults.versions(owner.ref):
        if version.version == owner.version:
            continue
        if old := await read(engine, owner.ref, str(version.version)):
            for key in leaked.credentials_in(old, owner.field, owner.shape, record).values():
                yield owner.match(record, str(version.version), key.reveal())
