"""Find the secret that a reported value is of, among all that sources hold and held.

The records are the index. A listing of them shows the prints of every version, so a hit costs one
digest and a look-up in memory. A miss is never believed at once: the records are listed again, and
what has no prints yet is read: a version by hand, or all there is where no key is configured.
A match counts once the vault, or the record under its own key, confirms it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from engine.engine import Engine
from engine.rotation import leaked
from engine.rotation.source_lease import NOBODY
from engine.secret import SecretRef, SecretVersion, Sensitive, Version
from engine.state import template
from engine.state.index import Listed, StateIndex
from engine.state.record import Record
from engine.state.record_parts import SEPARATOR
from leaks.reading import read as taken_apart

READ_AT_ONCE = 20
"""How many secrets a process reads together: no flood of reports takes up a vault's limit."""
NO_TIME = datetime.min.replace(tzinfo=UTC)
"""The date of a version of which only the value is known."""
KEPT_SECONDS = 60.0
"""How long it is remembered which versions there are: a miss then lists no vault."""


@dataclass(frozen=True, slots=True)
class LeakedVersion:
    """A version of a managed secret that holds, or held, a reported credential."""

    ref: SecretRef
    source: str
    kind: str
    """The kind in the tag Rotator; empty if nobody knows it any more."""
    version: str
    """Empty where Rekey is about to publish it."""
    credential_id: str
    credential: Sensitive
    """What its source takes; of a reported signature, the key that made it."""
    owner: str = ""
    is_current: bool = False
    """It is in the current version."""
    former: SecretRef | None = None
    """The secret that held it, where its source has passed on to `ref` since."""
    signs: bool = False
    """A signature was reported, and this is the key that made it."""

    @property
    def held_by(self) -> SecretRef:
        """The secret that the version is of."""
        return self.former or self.ref


@dataclass(frozen=True, slots=True)
class Owner:
    """The secret that owns a record, as its vault shows it now. Empty parts are not known."""

    ref: SecretRef
    kind: str
    field: str
    """The field of a template that is the credential."""
    shape: str
    source: str = ""
    version: str = ""
    credential_id: str = ""
    held: Sensitive | None = None
    name: str = ""
    """Whom its tags name, as they count under the policy."""

    @classmethod
    async def of(cls, engine: Engine, record: Record) -> Owner:
        """Read the current version. The record tells of one that nobody can read any more."""
        ref, known = SecretRef.parse(record.owner), record.verified.tags
        current = await read(engine, ref)
        # The vault shows no tags of what is disabled.
        tags = current.tags if current and current.enabled else known
        name = engine.policy.document.tags_for(ref, tags).get("Owner", "")
        managed = engine.inventory.entry(current).managed if current else None
        if current is None or managed is None:
            kind = record.kind or _kind_before(engine, ref, record)
            field = engine.rotators[kind].value_field if kind in engine.rotators else ""
            return cls(ref, kind, field, known.get(template.TAG, f"{{{field}}}"), name=name)
        managed = record.as_read(managed, current)
        return cls(
            ref=current.ref,
            kind=managed.rotator.kind,
            field=managed.rotator.value_field,
            shape=managed.template,
            source=managed.source,
            version=current.version or "",
            credential_id=managed.credential_id or "",
            held=engine.held(current, managed),
            name=name,
        )

    async def credentials(
        self, engine: Engine, record: Record, version: str
    ) -> Iterable[Sensitive]:
        """Return what another version may hold; nothing if it cannot be read."""
        old = await read(engine, self.ref, version)
        return leaked.credentials_in(old, self.field, self.shape, record) if old else ()

    def credentials_of(
        self, old: SecretVersion | None, record: Record, version: str, value: str
    ) -> Iterable[Sensitive]:
        """Return what a version may hold that has this value, as its own template reads it first.

        `old`: the version, if it can be read. The present template may be another one by now.
        """
        tags = old.tags if old else record.verified.tags
        known = Version(self.ref, version, enabled=True, created=NO_TIME, expires=None, tags=tags)
        shown = known.holding(Sensitive(value))
        return leaked.credentials_in(shown, self.field, self.shape, record)

    def leaked(
        self,
        record: Record | None,
        version: str,
        credential: Sensitive,
        former: SecretRef | None = None,
    ) -> LeakedVersion:
        """Return a version of this secret, or of a former owner, that holds a credential."""
        is_current = version == self.version
        past_id = record.id_of(version) if record else ""
        return LeakedVersion(
            ref=self.ref,
            source=record.source if record else self.source,
            kind=self.kind,
            version=version,
            credential_id=self.credential_id if is_current else past_id,
            credential=_alone(credential),
            owner=self.name,
            is_current=is_current,
            former=former,
        )


def _kind_before(engine: Engine, ref: SecretRef, record: Record) -> str:
    """Return the kind that the tags had asked for at a source; empty if they name another one.

    An audit keeps those tags. The kind itself is noted by a rotation alone.
    """
    tags = record.verified.tags
    before = Version(ref, None, enabled=True, created=NO_TIME, expires=None, tags=tags)
    managed = engine.inventory.entry(before).managed
    return managed.rotator.kind if managed and managed.source == record.source else ""


async def read(engine: Engine, ref: SecretRef, version: str = "") -> SecretVersion | None:
    """Return a version, or the current one; None if it is purged or disabled, or out of reach.

    Raises AccessDenied if a right is missing: a version that was not read is no miss.
    """
    if not engine.policy.manages(ref.vault):
        return None
    return await (engine.earlier(ref, version) if version else engine.existing(ref))


@dataclass
class Index:
    """What one process remembers between reports. It holds no value and may be lost at any time."""

    _sources: dict[str, set[str]] = field(default_factory=dict)
    """Print → sources."""
    _listed: Sequence[Version] = ()
    """The current versions, with the tags that count."""
    listed_at: datetime | None = None
    """When the vaults were listed: of what was written since, no miss tells."""
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READ_AT_ONCE))
    """Who reads many secrets takes one for each."""
    _index: StateIndex | None = None
    """What the last look has shown; None while it is at it, or if it has failed."""
    _looks: int = 0
    """How many looks at the records have begun."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(
        self, engine: Engine, parts: Sequence[str], *, everywhere: bool = False
    ) -> Sequence[LeakedVersion]:
        """Return which versions hold these texts, by their prints; those without one are read.

        Each source is named once for each of its credentials. `everywhere`: what has no print is
        read for a hit as well. Raises TransientError if one cannot be read, rather than report a
        miss.
        """
        if not everywhere and (matches := await self._confirmed(engine, parts)):
            return matches
        index = await self._look(engine, self._looks)
        matches = await self._confirmed(engine, parts)
        if matches and not everywhere:
            return matches
        async with self._turn:
            await self._list(engine)

        async def compared(ref: SecretRef) -> list[LeakedVersion]:
            async with self.turns:
                return [match async for match in _in_secret(engine, ref, index.of(ref), parts)]

        unprinted = _unprinted(engine, index, self._listed)
        held = await asyncio.gather(*map(compared, unprinted))
        return distinct(itertools.chain(matches, *held))

    async def _look(self, engine: Engine, seen: int) -> StateIndex:
        """List the records, unless a listing that began after the first `seen` ones has done so.

        So many misses at once take two listings, not one each.
        """
        async with self._turn:
            if self._looks == seen or self._index is None:
                self._looks, self._index = self._looks + 1, None
                self._index = await StateIndex.read(engine.leases.index())
                self._sources = sources_of(self._index)
            return self._index

    async def _confirmed(self, engine: Engine, parts: Sequence[str]) -> Sequence[LeakedVersion]:
        """Return what the prints tell of these texts."""
        texts, matches = _by_print(engine, parts), list[LeakedVersion]()
        sources = (source for it in texts for source in sorted(self._sources.get(it, set())))
        for source in dict.fromkeys(sources):
            if record := await engine.leases.peek(source):
                matches += [match async for match in _printed(engine, record, texts)]
        return distinct(matches)

    async def _list(self, engine: Engine) -> None:
        now = engine.clock.now()
        if self.listed_at is None or now >= self.listed_at + timedelta(seconds=KEPT_SECONDS):
            self._listed = [
                engine.policy.applied(secret)
                for vault in engine.policy.scopes
                async for secret in engine.vaults.list(vault)
            ]
            self.listed_at = now


def distinct(matches: Iterable[LeakedVersion]) -> Sequence[LeakedVersion]:
    """Return each source once for each of its credentials, with the version that came first."""
    first = dict[tuple[str, Sensitive], LeakedVersion]()
    for match in matches:
        first.setdefault((match.source, match.credential), match)
    return [*first.values()]


def sources_of(index: StateIndex) -> dict[str, set[str]]:
    """Return the sources whose secrets hold, or held, the credential of a print."""
    sources: dict[str, set[str]] = {}
    for records in index.records.values():
        for listed in records:
            for print_ in listed.prints:
                sources.setdefault(print_, set()).add(listed.source)
    return sources


def _unprinted(
    engine: Engine, index: StateIndex, secrets: Sequence[Version]
) -> Iterator[SecretRef]:
    """Yield each secret of which a version may have no print under a key that is there."""
    seen = set[str]()
    for secret in secrets:
        seen.add(str(secret.ref).lower())
        records = index.of(secret.ref)
        current = [listed for listed in records if listed.created == secret.created]
        is_ours = records or "ProviderAddress" in secret.tags
        if is_ours and not (current and _are_whole(engine, records)):
            yield secret.ref
    for owner, records in index.records.items():
        # What is deleted, or in a vault that is not served any more, only its records know. A
        # record of a released secret names no owner, nor does one that is being claimed.
        if owner not in ("", NOBODY, *seen) and not _are_whole(engine, records):
            yield SecretRef.parse(owner)


def _are_whole(engine: Engine, records: Iterable[Listed]) -> bool:
    """Return whether every version that records know has a print under a key that is there.

    The record of a further login of a source knows of no version.
    """
    telling = [it for it in records if it.prints or it.created or it.published or it.pending]
    return bool(telling) and all(
        listed.is_printed and listed.prints and all(map(engine.prints.knows, listed.prints))
        for listed in telling
    )


def _by_print(engine: Engine, parts: Iterable[str]) -> dict[str, str]:
    texts = (text for part in parts for text in (part, f"{part}\n"))
    return {print_: text for text in texts for print_ in engine.prints.each(text)}


def _alone(credential: Sensitive) -> Sensitive:
    """Return a credential without the line break that a file or an editor has left behind it."""
    return Sensitive(credential.reveal().rstrip("\r\n"))


async def _printed(
    engine: Engine, record: Record, texts: Mapping[str, str]
) -> AsyncIterator[LeakedVersion]:
    """Yield the newest version of a record with each credential that a print is of, or is in."""
    held = {version: prints.split(SEPARATOR) for version, prints in record.history.prints.items()}
    alone = dict.fromkeys(it[0] for it in held.values() if not texts.keys().isdisjoint(it))
    if not alone:
        return
    owner = await Owner.of(engine, record)
    for print_ in alone:
        same = [version for version, prints in held.items() if prints[0] == print_]
        reported = [texts[it] for version in same for it in held[version] if it in texts]
        if match := await _shown(engine, owner, record, print_, same[0], reported):
            yield match


async def _shown(
    engine: Engine, owner: Owner, record: Record, print_: str, known: str, texts: Sequence[str]
) -> LeakedVersion | None:
    """Return the version that a record knows by a print, if it holds the credential.

    None if the vault denies it. The present owner may hold the credential in another form, or in a
    version that has no print yet.
    """
    place, _, version = known.rpartition("/")
    former = SecretRef.parse(place) if place else None
    old = await read(engine, former or owner.ref, version)
    read_as = (owner.credentials_of(old, record, version, text) for text in texts)
    within = (it.reveal() for it in itertools.chain.from_iterable(read_as))
    may_be = itertools.chain(texts, within)
    credential = next((it for it in may_be if print_ in engine.prints.each(it)), "")
    is_denied = old is not None and old.value is not None and credential not in old.value.reveal()
    if is_denied or not credential:
        return None
    if owner.source == record.source and owner.held == Sensitive(credential):
        return owner.leaked(record, owner.version, owner.held)
    return owner.leaked(record, version, Sensitive(credential), former)


async def _in_secret(
    engine: Engine, ref: SecretRef, known: Iterable[Listed], parts: Sequence[str]
) -> AsyncIterator[LeakedVersion]:
    """Compare every version that can be read, and what the records know, with the texts.

    The records come last: they tell what a rotation has superseded since the version was read.
    """
    owner = await Owner.of(engine, Record(owner=str(ref)))
    if owner.held and _alone(owner.held).reveal() in parts:
        yield owner.leaked(None, owner.version, owner.held)
    sources = dict.fromkeys((*(listed.source for listed in known), owner.source))
    for source in filter(None, sources):
        record = await engine.leases.peek(source)
        # It may have been released, or claimed by nobody yet, since the records were listed.
        if record and record.owner not in ("", NOBODY):
            async for match in _in_record(engine, record, parts):
                yield match


async def _in_record(
    engine: Engine, record: Record, parts: Sequence[str]
) -> AsyncIterator[LeakedVersion]:
    """Compare what a record knows, and the versions that were replaced and may work on."""
    async for match in _printed(engine, record, _by_print(engine, parts)):
        yield match
    owner = await Owner.of(engine, record)
    for version, credential_id, digest in _digests(record):
        for part in map(Sensitive, parts):
            if record.digest(credential_id, part) == digest:
                # Of what was published, the digest is of the whole value.
                old = await read(engine, owner.ref, version) if version else None
                read_as = owner.credentials_of(old, record, version, part.reveal())
                yield owner.leaked(record, version, next(iter(read_as), part))
    superseded = (
        *(pending.version for pending in record.to_retire),
        *record.left_alive,
        record.pending_write.replaces if record.pending_write else "",
    )
    for version in filter(None, superseded):
        # It works on, and what it holds may be noted nowhere.
        for credential in await owner.credentials(engine, record, version):
            if _alone(credential).reveal() in parts:
                yield owner.leaked(record, version, credential)


async def in_primary(
    engine: Engine, copy: SecretVersion, primary: SecretRef
) -> LeakedVersion | None:
    """Return the version of a primary that holds its replica's credential; None if none does."""
    if copy.value is None:
        return None
    known, parts = (await engine.index()).of(primary), taken_apart(copy.value.reveal()).parts
    matches = [match async for match in _in_secret(engine, primary, known, parts)]
    return next((match for match in matches if match.version), None)


def _digests(record: Record) -> Iterator[tuple[str, str, str]]:
    """Yield the version, id and digest of each credential that a record knows."""
    for held in record.history.credentials:
        yield held.version, held.credential_id, held.digest
    if last := record.published:
        yield last.version, last.credential_id, last.digest
    # What is announced has no version yet.
    for write in record.unpublished:
        yield "", write.credential_id, write.digest
