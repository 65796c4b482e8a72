"""Find the key that made a reported signature: it is what must go, since nothing else revokes one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from engine.contract import Derived, Traces
from engine.engine import Engine
from engine.leak.match import Match
from engine.leak.owner import Owner, read
from engine.model.ledger import Ledger
from engine.model.record import Record
from engine.rotate import earlier


async def signing_key(engine: Engine, parts: Sequence[str]) -> Match | None:
    """Return the version with the key that made one of these signatures; None if none is ours."""
    for kind in engine.kinds.values():
        if not isinstance(kind, Traces):
            continue
        for part in parts:
            name = kind.signer(part)
            if name is not None and (match := await _traced(engine, kind, part, name)):
                return match
    return None


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
                    return match
    return None


async def _traced(engine: Engine, kind: type[Traces], text: str, name: str) -> Match | None:
    async for owner, source in _places(engine):
        if _may_sign(engine, kind, source, name):
            async for match in _keys(engine, owner, source):
                if kind.is_signed_by(text, source, match.credential):
                    return match
    return None


async def _places(engine: Engine) -> AsyncIterator[tuple[str, str]]:
    """Yield each secret with its source: of the records, then of what has no record yet."""
    ledger = await Ledger.read(engine.leases.index())
    for owner, records in ledger.records.items():
        for listed in records:
            yield owner, listed.source
    for vault in engine.policy.scopes:
        async for secret in engine.vaults.list(vault):
            if not ledger.of(secret.ref) and (managed := engine.entry(secret).managed):
                yield str(secret.ref), managed.source


def _may_sign(engine: Engine, kind: type[Traces], source: str, name: str) -> bool:
    """Return whether a source may have signed: its kind signs so, and its name is in its id."""
    parents = [engine.kinds[parent] for parent in kind.parents if parent in engine.kinds]
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
            for key in earlier.credentials(old, owner.field, owner.shape, record).values():
                yield owner.match(record, str(version.version), key.reveal())
