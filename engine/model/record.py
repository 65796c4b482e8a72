"""What Rekey must be able to believe about one source: the record that lies under its lease. Pure.

Tags are written by whoever may write a secret, so nothing is revoked or published on their word. The record is read and
written under the lease only, in storage that is strongly consistent. It names the owner, the version that Rekey published
last, the one that it is about to publish, what is to be retired, and a change that is under way.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import NeedsHuman, TransientError
from engine.model.tags import CREDENTIAL, OPERATION, OURS, RETIRE, STATE, Pending
from engine.secret import SecretVersion, Sensitive

FORMAT = 1
"""The layout of the text. A record with a higher number was written by a newer Rekey and is left alone."""
SETTLE = timedelta(seconds=60)
"""How long after a write was announced the vault may still show what was there before: Key Vault promises no
read-after-write."""
LATE = timedelta(minutes=30)
"""How long after it was sent a change is expected to take effect at last. Looks follow until then."""
MOST_LOST = 5
"""How many writes that never came are remembered: a vault may still show one of them at last."""
MOST_EARLIER = 10
"""How many replaced versions are remembered, to recognise a vault that lags by more than one."""
FIX = "read docs/runbook.md, section 'The record of a source', then move the blob aside"


class Stale(TransientError):  # noqa: N818 - the name says what is the case
    """The vault shows less than the record knows: it is asked again later."""


@dataclass(frozen=True, slots=True)
class Write:
    """One version that Rekey wrote to its owner's secret, or is about to write."""

    operation: str
    credential_id: str
    digest: str
    """Keyed, of the credential's id and the whole value."""
    replaces: str
    at: datetime
    """When it was announced, by the app's clock."""
    retire: Pending | None = None
    """What is to be retired once this version is published."""
    version: str = ""
    """The version's id; empty until the vault has shown it."""
    created: datetime | None = None
    """When the vault says that the version was created."""
    born: datetime | None = None
    """When its credential was made, where that was earlier: a restored one is as old as the version that held it."""

    original: str = ""
    """The version that held its value before, where it is a restored one."""
    dead: bool = False
    """Its source refuses what the replaced version holds, so that version is disabled next."""

    @property
    def made(self) -> datetime:
        """When its credential was made."""
        return self.born or self.at


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one source."""

    source: str = ""
    owner: str = ""
    """The URL (lower case) of the secret that may rotate the source; empty where none does yet."""
    kind: str = ""
    """The kind of credential that the owner was last rotated as."""
    key: str = ""
    """The random key (hexadecimal) of the digests here."""
    published: Write | None = None
    ahead: Write | None = None
    """What is about to be published. Whoever comes later compares the vault with it."""
    lost: tuple[Write, ...] = ()
    """What was announced and has not been seen in time, the newest first."""
    pending: Pending | None = None
    """The superseded credential that must go once its overlap has passed."""
    compromised: tuple[str, ...] = ()
    """Versions whose credentials must be proven to be refused before anything else is said of them."""
    unused: tuple[str, ...] = ()
    """Versions that hold dead values and are still to be disabled."""
    gone: tuple[str, ...] = ()
    """Versions whose credentials were proven to be refused, the newest first."""
    changing: datetime | None = None
    """When a change was begun whose end has not been noted."""
    open_until: datetime | None = None
    """Until when an earlier change may still take effect."""
    look_at: datetime | None = None
    """For when a look at the source has been posted."""
    audited: datetime | None = None
    """When the current version was last proven."""
    begun: datetime | None = None
    """When a change was last sent."""
    asked: datetime | None = None
    """When the source was first asked for the credential that is to replace `touched`: some take hours to make it."""
    touched: str = ""
    """The version that was current when a change was last sent: what refuses it since may be that change."""
    healed: datetime | None = None
    """When the source was last seen to refuse what Rekey had published."""
    proven: str = ""
    """The version that its source accepted last."""
    untold: bool = False
    """The version published last has not been noted as reported."""
    created: datetime | None = None
    """When the version was created, as the vault says, that was seen last."""
    earlier: tuple[str, ...] = ()
    """Versions that were replaced, the newest first."""
    twins: Mapping[str, str] = field(default_factory=dict)
    """Restored version → the one that held its value before: both are disabled together."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The owner's own tags on the version published last, so that they can be given back."""

    def to_json(self) -> str:
        """Write the record."""
        return json.dumps({"format": FORMAT, **asdict(self)}, default=_plain)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Record:
        """Read a record; raises NeedsHuman where it is damaged or comes from a newer Rekey."""
        try:
            data = json.loads(text)
            newer = data["format"] > FORMAT
            if not newer:
                return cls(**{name: _READ.get(name, _same)(data[name]) for name in cls.__slots__ if name in data})
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise NeedsHuman("the record of the source is damaged", where=where, fix=FIX) from None
        raise NeedsHuman(
            f"the record of the source was written by a newer Rekey (format {str(data['format'])[:20]})",
            where=where,
            fix="deploy that version again",
        )

    @property
    def is_open(self) -> bool:
        """Return whether something was begun of which no end has been noted."""
        begun = self.ahead or self.changing or self.open_until
        return bool(begun or self.compromised or self.unused or self.untold)

    def wrote(self, secret: SecretVersion) -> bool:
        """Return whether Rekey published exactly this version."""
        return bool(self.published and secret.version and self.published.version == secret.version)

    def digest(self, credential_id: str, value: Sensitive) -> str:
        """Return the keyed digest of a value with its credential's id."""
        text = f"{credential_id}\n{value.reveal()}".encode()
        return hmac.new(bytes.fromhex(self.key), text, hashlib.sha256).hexdigest()

    def fits(self, write: Write | None, credential_id: str, value: Sensitive | None) -> bool:
        """Return whether a value is the one that was announced."""
        return bool(
            write
            and value is not None
            and credential_id == write.credential_id
            and hmac.compare_digest(write.digest, self.digest(credential_id, value))
        )

    def announced(self, write: Write, kind: str) -> Record:
        """Return the record with what is about to be published."""
        return replace(self.lose(), ahead=write, kind=kind, changing=None)

    def lose(self) -> Record:
        """Return the record once what was announced is not expected any more: it is recognised if it comes at last."""
        if self.ahead is None:
            return self
        return replace(self, ahead=None, lost=(self.ahead, *self.lost)[:MOST_LOST])

    def keyed(self) -> Record:
        """Return the record with a key for its digests."""
        return self if self.key else replace(self, key=secrets.token_hex(32))

    def landed(self, secret: SecretVersion, late: Write | None = None) -> Record:
        """Return the record once the vault holds what was announced, or what was announced earlier and comes late."""
        announced = late or self.ahead
        assert announced and secret.version  # noqa: S101, PT018 - only called for what was announced and seen
        written = replace(announced, version=secret.version, created=secret.created)
        own = {tag: text for tag, text in secret.tags.items() if tag not in OURS}
        twins = {**self.twins, **({secret.version: written.original} if written.original else {})}
        earlier = (written.replaces, *(one for one in self.earlier if one != written.replaces))[:MOST_EARLIER]
        return replace(
            self,
            published=written,
            ahead=None,
            unused=(written.replaces, *self.unused) if written.dead else self.unused,
            lost=tuple(write for write in self.lose().lost if write != announced),
            pending=written.retire,
            earlier=earlier,
            tags=own,
            twins=twins,
            proven=secret.version,
            untold=True,
            created=secret.created,
        )

    def without(self, version: str) -> Record:
        """Return the record once the credential of a version has been proven to be refused."""
        left = tuple(one for one in self.compromised if one != version)
        gone = (version, *(one for one in self.gone if one != version))[:MOST_EARLIER]
        return replace(self, compromised=left, gone=gone).discarded(version)

    def discarded(self, *versions: str) -> Record:
        """Return the record with versions that hold dead values."""
        new = tuple(version for version in versions if version and version not in self.unused)
        return replace(self, unused=(*new, *self.unused))

    def seen(self, secret: SecretVersion, now: datetime) -> Record:
        """Compare the vault's current version with what is known; raises Stale where the vault shows less."""
        if not (secret.enabled and secret.version):
            return self
        ahead, published = self.ahead, self.published
        if ahead and secret.version == ahead.replaces:
            if now < ahead.at + SETTLE:
                raise _stale(secret, ahead.at + SETTLE - now)
            # The write was lost, or comes late: until that is certain the source is looked at again and again.
            late = ahead.at + LATE
            return replace(self, open_until=max(self.open_until or late, late)) if now < late else self
        if write := self._recognised(secret):
            return self.landed(secret, write)
        if published and not self.wrote(secret):
            if self.fits(published, published.credential_id, secret.value):
                # The same value once more: an announced write that came late, or a copy made by hand.
                again = replace(published, version=str(secret.version), created=secret.created)
                return replace(self, published=again, created=secret.created)
            if self._older(secret, published):
                raise _stale(secret, SETTLE)
        return self

    def _recognised(self, secret: SecretVersion) -> Write | None:
        """Return the announced write that a version is, which has not been seen before."""
        if self.wrote(secret):
            return None
        announced = (write for write in (self.ahead, *self.lost) if write)
        return next((write for write in announced if self.fits(write, write.credential_id, secret.value)), None)

    def _older(self, secret: SecretVersion, published: Write) -> bool:
        behind = published.created is not None and secret.created < published.created
        return secret.version in self.earlier or behind

    def believed(self, secret: SecretVersion) -> SecretVersion:
        """Return a version with what is known of it in place of what its tags claim."""
        tags = {tag: text for tag, text in secret.tags.items() if tag not in (OPERATION, RETIRE)}
        if self.published and self.wrote(secret):
            tags |= {CREDENTIAL: self.published.credential_id, OPERATION: self.published.operation}
        if self.pending:
            tags[RETIRE] = str(self.pending)
        word, _, rest = tags.get(STATE, "").partition(" ")
        if word == "compromised" and not self.compromised:
            tags[STATE] = f"parked {rest}"
        return replace(secret, tags=tags)


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing of all records shows of one."""

    source: str
    owner: str
    pending: Pending | None = None
    """The superseded credential that must go once its overlap has passed."""
    is_open: bool = False
    audited: datetime | None = None
    created: datetime | None = None
    """When the version was created that was seen last."""
    published: datetime | None = None
    """When the version was created that Rekey published last."""
    made: datetime | None = None
    """When the credential was made that it holds."""

    @property
    def due(self) -> datetime | None:
        """When what is to be retired is due."""
        return self.pending.at if self.pending else None

    @classmethod
    def of(cls, record: Record) -> Listed:
        """Return what a listing shows of this record."""
        last = record.published
        return cls(
            record.source,
            record.owner,
            record.pending,
            record.is_open,
            record.audited,
            record.created,
            last.created if last else None,
            last.made if last else None,
        )


def _stale(secret: SecretVersion, wait: timedelta) -> Stale:
    return Stale(
        f"the vault shows version {secret.version}, which Rekey has replaced or is replacing: asked again",
        where=str(secret.ref),
        fix="where the secret was restored from a backup, write its value anew; else wait",
        code="Stale",
        retry_after=max(1.0, wait.total_seconds()),
    )


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _same(value: Any) -> Any:
    return value


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _pending(data: Mapping[str, str] | None) -> Pending | None:
    return Pending(datetime.fromisoformat(data["at"]), data["version"], data["credential_id"]) if data else None


def _write(data: Mapping[str, Any] | None) -> Write | None:
    if data is None:
        return None
    fields = {name: data[name] for name in ("operation", "credential_id", "digest", "replaces", "version", "original")}
    fields["dead"] = data.get("dead", False)
    at, created, born = datetime.fromisoformat(data["at"]), _time(data["created"]), _time(data["born"])
    return Write(**fields, at=at, created=created, born=born, retire=_pending(data["retire"]))


def _writes(rows: list[Mapping[str, Any]]) -> tuple[Write | None, ...]:
    return tuple(_write(row) for row in rows)


_READ: Mapping[str, Any] = {
    "published": _write,
    "lost": _writes,
    "ahead": _write,
    "pending": _pending,
    "compromised": tuple,
    "unused": tuple,
    "earlier": tuple,
    "gone": tuple,
    "changing": _time,
    "open_until": _time,
    "look_at": _time,
    "audited": _time,
    "begun": _time,
    "asked": _time,
    "healed": _time,
    "created": _time,
    "tags": dict,
    "twins": dict,
}
