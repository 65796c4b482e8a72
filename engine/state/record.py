"""The record of one source: what Rekey believes about it. It is stored under the source's lease.

Everybody who may write a secret may write its tags. So Rekey revokes and publishes nothing because
of a tag alone. The record is read and written only under the lease, in storage that is strongly
consistent. It names the owner, the version that Rekey published last, the one that it is about to
publish, what is to be retired, and a change in progress. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.contract import LATE, LONGEST_CHANGE
from engine.errors import TransientError
from engine.secret import SecretRef, SecretVersion, Sensitive, Version
from engine.state import template
from engine.state.codec import read, text_of
from engine.state.record_parts import (
    MOST_PRINTS,
    MOST_TEMPLATES,
    Announced,
    Change,
    Compromised,
    History,
    Past,
    Published,
    Verified,
    Write,
)
from engine.state.request import Result, nothing_of, operation_id
from engine.state.tags import CREDENTIAL, OPERATION, OURS, RETIRE, STATE, Managed, Pending

SETTLE = timedelta(seconds=60)
"""How long after a write was announced the vault may still show what was there before.

Key Vault promises no read-after-write consistency.
"""
RECHECK_EVERY = timedelta(minutes=3)
"""How often the timer `recheck` of function_app.py asks for what is due."""
MOST_REQUESTS = 200
"""For how many requests it asks at a time."""
RECHECK, SOONEST = timedelta(seconds=30), timedelta(seconds=21)
"""How long after a change, or a recheck that leaves something open, the next recheck is due; and
how long at least, so that no recheck is taken for the next one."""
SELDOM = timedelta(minutes=15)
"""The pause between two rechecks of what could not be done, where nothing can take effect late."""
RARELY = timedelta(days=1)
"""The same where nothing is owed but a retirement, which every sweep asks for."""
NO_TIME = timedelta()
RECHECKED_FOR = timedelta(days=7)
"""How long rechecks go on at a source that cannot be reached. After that only the audit remains."""
SPACING, LONGEST_SPACING = timedelta(seconds=45), timedelta(minutes=2)
"""How long a single slot is left alone, at least and at most, after a change of unknown effect. The
pause grows while no change can be proven. With the timer's three minutes it stays within five."""
LONGEST_REST = timedelta(minutes=4)
"""The same at most for any other source. It is left alone only while no change can be proven, and
has another credential in use meanwhile."""
MOST_UNPUBLISHED = 6
"""How many announced writes are remembered. A vault may show a lost one later."""


def parts_of(source: str) -> tuple[str, ...]:
    """Return the parts of a source. Each has a lease. `+` joins their names in the last segment."""
    head, slash, names = source.rpartition("/")
    return tuple(f"{head}{slash}{name}" for name in names.split("+"))


def covers(whole: str, source: str | None) -> bool:
    """Return whether the record of `whole` is also the record of `source`.

    That is so where both begin with the same part, which the record is stored under, and `whole`
    has every part of `source`.
    """
    parts, others = parts_of(whole), parts_of(source or "")
    return parts[0] == others[0] and {*others} <= {*parts}


class Stale(TransientError):  # noqa: N818 - the name says what is the case
    """The vault shows an older state than the record, so it is read again later."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one source."""

    source: str = ""
    owner: str = ""
    """The URL (lower case) of the secret that may rotate the source; empty if none may yet."""
    kind: str = ""
    """The kind of credential that a rotation for the owner asked for last."""
    key: str = ""
    """The random key (hexadecimal) of the digests in this record."""
    published: Published | None = None
    unpublished: tuple[Announced, ...] = ()
    """Announced writes that the vault has not shown, the newest first. One at most is not lost.

    A write without a digest stands for a credential that was requested, and that nobody has seen.
    """
    change: Change = field(default_factory=Change)
    """What was sent to the source, and whether it may still take effect."""
    to_retire: tuple[Pending, ...] = ()
    """The superseded credentials to retire once their overlaps have passed, in this order."""
    compromised: Compromised = field(default_factory=Compromised)
    """What has leaked, until and after it was proven to be refused."""
    stale: tuple[str, ...] = ()
    """Versions that hold dead values and must still be disabled; a replica's by its URL.

    One that ends in `/` names no version: that replica has missed one, and is still to be written.
    """
    verified: Verified = field(default_factory=Verified)
    """What was seen last of the current version."""
    history: History = field(default_factory=History)
    """What the secret held before."""
    unreported: bool = False
    """The outcome of the version published last has not been noted as reported."""
    unreported_ids: tuple[str, ...] = ()
    """The ids of retired credentials whose outcomes have not been noted as reported."""

    def to_json(self) -> str:
        """Return the text of the record."""
        return text_of(self)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Record:
        """Parse a record; raises NeedsHuman if it is damaged or a newer Rekey wrote it."""
        return read(cls, text, where)

    @property
    def is_uncertain(self) -> bool:
        """Return whether a request was sent that may not have taken effect yet."""
        change = self.change
        return bool(change.open_since or change.uncertain_until or self.pending_write)

    @property
    def is_open(self) -> bool:
        """Return whether a step was begun whose end was not noted."""
        owed = self.compromised.versions or self.stale or self.unreported or self.unreported_ids
        return self.is_uncertain or bool(owed)

    @property
    def next_check(self) -> datetime | None:
        """When the source is rechecked; None if nothing is owed there, or no time is noted."""
        if self.change.recheck_at or self.is_open:
            return self.change.recheck_at
        return self.retirement.at if self.retirement else None

    def whole(self, source: str) -> str:
        """Return a source, joined with the former parts of this record while something is owed.

        Rekey must still revoke what it made there, so these parts are held under lease, too.
        """
        is_owed = self.is_uncertain or self.to_retire or self.compromised.versions
        return self._joined(source) if is_owed or self.change.in_progress_since else source

    def named(self, source: str) -> str:
        """Return a source, joined with the former parts where what Rekey made may work on.

        A person has replaced that, or has revoked it since: an incident there is about it. A
        credential whose login is not plainly one of `source` counts as well.
        """
        names = {part.rpartition("/")[2] for part in parts_of(source)}
        versions = {*self.history.published, *self.kept_alive} - {*self.history.replaced}
        is_left = any(self.id_of(version).casefold() not in names for version in versions)
        return self._joined(source) if is_left else source

    def _joined(self, source: str) -> str:
        parts, others = parts_of(self.source), parts_of(source)
        if covers(source, self.source) or parts[0] != others[0]:
            return source
        more = (part.rpartition("/")[2] for part in others if part not in parts)
        return "+".join((self.source, *more))

    def owes(self, now: datetime) -> bool:
        """Return whether something is due at the source, or may still take effect there."""
        is_due = self.retirement is not None and self.retirement.at <= now
        return self.is_open or is_due or self.goes_on(now)

    def goes_on(self, now: datetime) -> bool:
        """Return whether a change is in progress. After LONGEST_CHANGE it is left to a person."""
        since = self.change.in_progress_since
        return since is not None and now < since + LONGEST_CHANGE

    def scheduled(self, now: datetime) -> Record:
        """Return the record with the time of the next recheck, as it is written.

        A noted time stays, unless it has passed, or more is owed now than when it was noted.
        """
        noted = self.change.recheck_at
        if not self.owes(now):
            return self.with_recheck(None)
        if noted is None or noted <= now or self.comes_too_late(noted - now):
            return self.with_recheck(now + self.pause(now))
        return self

    def after_recheck(self, now: datetime) -> Record:
        """Return the record after a recheck. What only a person can end is rechecked seldom."""
        noted = self.change.recheck_at
        # Without a new time the source was not asked: the secret is disabled, or left to people.
        is_awaited = self.goes_on(now) and noted is not None and noted > now
        if self.is_pressing(now) or is_awaited or not self.owes(now):
            return self.scheduled(now)
        is_more = self.is_open or self.change.in_progress_since
        return self.with_recheck(now + (SELDOM if is_more else RARELY))

    def with_recheck(self, moment: datetime | None) -> Record:
        """Return the record with the time of the next recheck, if there is to be one."""
        return replace(self, change=replace(self.change, recheck_at=moment))

    def comes_too_late(self, pause: timedelta) -> bool:
        """Return whether the next recheck, after a pause, comes too late for what is open.

        It was noted for a retirement alone (RARELY), or by a clock that was ahead. The recheck of a
        change in progress keeps its time, which the source has named.
        """
        return self.is_open and not self.change.in_progress_since and pause > 2 * SELDOM

    def rest(self, now: datetime, least: timedelta = SPACING) -> timedelta:
        """Return for how long a source is left alone after a change of unknown effect.

        That is at least `least`, for a single slot, and longer the longer none can be proven. A
        change that is noted for later was sent by a clock that was ahead, so nobody waits for it.
        """
        started = self.change.started_at
        if not (started and self.is_uncertain):
            return NO_TIME
        vain = self.vain_for
        longer = min(vain / 10, LONGEST_SPACING) if least else min(vain / 2, LONGEST_REST)
        span = max(least, longer)
        return started + span - now if started <= now + span else NO_TIME

    def pause(self, now: datetime) -> timedelta:
        """Return how long to wait for the next recheck.

        A single slot that is left alone is rechecked as soon as it may be changed again.
        """
        return max(self.rest(now), SOONEST) if self.rests(now) else RECHECK

    def rests(self, now: datetime) -> bool:
        """Return whether a single slot, whose password may be unknown, is left alone for now."""
        is_awaited = self.is_unknown and not self.change.in_progress_since
        return is_awaited and self.rest(now) > NO_TIME

    def rechecked(self, now: datetime) -> Record:
        """Return the record as a recheck finds it: it says until when a change may take effect."""
        change, write = self.change, self.pending_write
        if change.open_since:
            change = change.uncertain_for(max(now, change.open_since + LATE))
            change = replace(change, open_since=None)
        if write and now < write.at + LATE:
            change = change.uncertain_for(write.at + LATE)
        # Nothing was sent to the source of a derived secret, so nothing takes effect there later.
        tried_for = RECHECKED_FOR if change.started_at else timedelta()
        if change.uncertain_until and change.uncertain_until + tried_for <= now:
            change = change.settled()
        return replace(self, change=change)

    def is_pressing(self, now: datetime) -> bool:
        """Return whether a request that was sent may still take effect."""
        change, write = self.change, self.pending_write
        until = (change.uncertain_until, write.at + LATE if write else None)
        return bool(change.open_since) or any(moment and moment > now for moment in until)

    @property
    def is_unknown(self) -> bool:
        """Return whether the source may hold a password that nobody knows."""
        return self.change.password_unknown and self.is_uncertain

    @property
    def is_set_back(self) -> bool:
        """Return whether the password is known, and what was sent may still replace it."""
        change = self.change
        return bool(change.uncertain_until) and not change.password_unknown

    @property
    def vain_for(self) -> timedelta:
        """For how long changes have been sent without one that could be proven."""
        started, requested = self.change.started_at, self.change.requested_at
        return started - requested if self.is_uncertain and started and requested else timedelta()

    def unknown_for(self, now: datetime) -> timedelta:
        """Return for how long nobody may have known the password of a single slot."""
        requested = self.change.requested_at
        return now - requested if self.is_unknown and requested else timedelta()

    @property
    def abandoned(self) -> tuple[str, ...]:
        """The operations that requested a credential, and never replaced their version.

        Nobody uses what they made. An operation may be a former owner's.
        """
        latest, made = self.change.version, dict[str, str]()
        if latest:
            made[latest] = operation_id(SecretRef.parse(self.owner), latest)
        # A replica may hold a value that was announced for an earlier version.
        writes = (it for it in self.unpublished[::-1] if it.replaces == latest or not it.digest)
        made |= {write.replaces: write.operation for write in writes}
        replaced = self.history.replaced
        return tuple(made[version] for version in made if version not in replaced)

    @property
    def revoked_ids(self) -> frozenset[str]:
        """The ids of the remembered credentials that were proven to be refused."""
        past, revoked = self.history.credentials, self.compromised.revoked
        return frozenset(known.credential_id for known in past if known.version in revoked)

    @property
    def kept_alive(self) -> list[str]:
        """The versions to retire, and the one that Rekey published last: what they hold may work."""
        return [it.version for it in (*self.to_retire, self.published) if it]

    @property
    def left_alive(self) -> list[str]:
        """Earlier versions that a person replaced: nobody has revoked what they hold."""
        known = {*self.history.replaced, *self.compromised.revoked, *self.kept_alive}
        return [version for version in self.history.published if version not in known]

    def alive_before(
        self, incident: datetime, secret: Version, older: Collection[str]
    ) -> list[str]:
        """Return Rekey's versions from before an incident that nobody has revoked or is to revoke.

        A person has replaced them, which is left to people until everything has leaked; or they are
        a former owner's; or one is the current version, `secret`. `older`: what the vault lists
        from before the incident. Of the version published last the record tells the age better.
        """
        last, place_of = self.published, self.history.place_of
        left = [version for version in self.left_alive if version in older or place_of(version)]
        if last is None or last.made_since(incident):
            return left
        is_alive = self.wrote(secret) or last.version not in self.compromised.revoked
        return [last.version, *left] if is_alive else left

    @property
    def may_accept(self) -> list[str]:
        """The versions of Rekey's that the source may still accept."""
        return [*self.kept_alive, *self.left_alive]

    def knows(self, version: str) -> bool:
        """Return whether this source has seen a version of its owner, or of a former owner."""
        noted = (*self.history.replaced, *self.history.prints, *self.compromised.versions)
        seen = {known.rpartition("/")[2] for known in (*noted, *self.compromised.revoked)}
        return version in seen or self.has_accepted(version)

    def has_proven(self, version: str) -> bool:
        """Return whether a proof is remembered that the source accepted what a version holds."""
        held = (self.published, *self.history.credentials)
        return version == self.verified.version or version in {it.version for it in held if it}

    def has_accepted(self, version: str) -> bool:
        """Return the same, or whether it is to be retired here, as the version's tags had it."""
        return self.has_proven(version) or version in {it.version for it in self.to_retire}

    @property
    def accepted_a_leak(self) -> bool:
        """Return whether something has leaked that its source has accepted."""
        return any(map(self.has_accepted, self.compromised.versions))

    def wrote(self, secret: Version) -> bool:
        """Return whether Rekey published exactly this version."""
        return self.published is not None and self.published.version == secret.version

    @property
    def published_as(self) -> Result:
        """The result of the work that announced the version published last, whoever reports it."""
        last = self.published
        if last and last.original:
            return "restored"
        return "healed" if last and last.at == self.verified.repaired_at else "rotated"

    def is_older(self, secret: Version, incident: datetime) -> bool:
        """Return whether what a version holds is older than an incident.

        The vault's clock may be behind, so the record tells that of what Rekey published last. A
        credential made for that very incident is not older, whatever the clocks say.
        """
        if self.published and self.wrote(secret):
            return not self.published.made_since(incident)
        return secret.created < incident

    def may_be_hit(self, secret: Version) -> bool:
        """Return whether a late change may have replaced or made the credential published last."""
        return self.change.uncertain_until is not None and self.wrote(secret)

    def digest(self, credential_id: str, value: Sensitive) -> str:
        """Return the keyed digest of a value with its credential's id."""
        text = f"{credential_id}\n{value.reveal()}".encode()
        return hmac.new(bytes.fromhex(self.key), text, hashlib.sha256).hexdigest()

    def fits(self, write: Write, value: Sensitive | None) -> bool:
        """Return whether a value is that of a write."""
        # As bytes: texts are compared only where both are ASCII, and a damaged one may not be.
        return value is not None and hmac.compare_digest(
            write.digest.encode(), self.digest(write.credential_id, value).encode()
        )

    @property
    def is_blank(self) -> bool:
        """Return whether only the owner is known, and its secret as it claimed the source."""
        tags, prints = self.verified.tags, self.history.prints
        blank = Record(self.source, self.owner, key=self.key, verified=Verified(tags=tags))
        return self == replace(blank, history=History(prints=prints))

    @property
    def pending_write(self) -> Announced | None:
        """The write that is expected to be published. The next worker searches for it."""
        return next((write for write in self.unpublished if not write.lost), None)

    @property
    def retirement(self) -> Pending | None:
        """The superseded credential that must be retired next."""
        return next(iter(self.to_retire), None)

    @property
    def is_printed(self) -> bool:
        """Return whether the latest known credentials, and all that may work, have a print."""
        # There are fewer prints than remembered credentials.
        known = {past.version for past in self.history.credentials[: MOST_PRINTS // 2]}
        known |= {*self.may_accept, *self.compromised.versions}
        prints = self.history.prints.items()
        printed = {version.rpartition("/")[2] for version, text in prints if text}
        return known <= printed and not self.unpublished

    def passed(self, owner: str, secret: SecretVersion, prints: str = "") -> Record:
        """Return the record as it passes to the next owner, with `secret` as its current version.

        The next owner owes what is owed at the source. The former owner's tags are kept, as they
        say what its credentials look like. Its versions are not disabled any more, and its
        operations made nothing that the next owner holds. `prints` are those of the current
        version: a reported value is then found there first, and not in a version that the next
        owner does not have.
        """
        published, compromised, change = self.published, self.compromised, self.change
        if change.password_unknown:
            # The request may have replaced the credential that the next owner's version holds.
            change = replace(change, version=str(secret.version))
        # What these hold may still work.
        owed = (*self.compromised.versions, *self.may_accept)
        history = self.history.passed(self.owner, owed)
        if published and self.fits(published, secret.value):
            compromised = compromised.passed(published, str(secret.version))
            history = history.without(published.version)
        return replace(
            self.put_aside(""),
            owner=owner,
            published=published and replace(published, created=None, operation=""),
            change=replace(change, recheck_at=None),
            compromised=compromised,
            stale=(),
            verified=replace(
                self.verified,
                at=None,
                created=None,
                notified_at=None,
                notified_of="",
                tags=self.verified.tags or owners_tags(secret),
            ),
            history=history.printed({str(secret.version): prints}),
            unreported=False,
            unreported_ids=(),
        )

    def announced(self, write: Announced, kind: str, held: Past | None = None) -> Record:
        """Return the record with an announced write. `held`: by the version that it replaces."""
        # The recheck of the change stays as it was noted.
        recheck_at = self.change.recheck_at
        change = replace(self.change.arrived(), open_since=None, recheck_at=recheck_at)
        unpublished = (write, *self.lose().unpublished)[:MOST_UNPUBLISHED]
        history = self.history.knowing(held) if held else self.history
        return replace(self, unpublished=unpublished, kind=kind, change=change, history=history)

    def withdrawn(self) -> Record:
        """Return the record without the announced write, which was never sent."""
        return replace(self, unpublished=tuple(write for write in self.unpublished if write.lost))

    def proven(self, shown: Version, now: datetime, shape: str) -> Record:
        """Return the record once the current version has been proven, as a template reads it."""
        change, write = self.change, self.pending_write
        if change.password_unknown:
            # The only slot holds what the vault holds, so no earlier change waits for its proof.
            change = replace(change, requested_at=None)
        record = self.lose() if write and write.at + LATE <= now else self
        verified = replace(record.following(shown, shape).verified, at=now)
        return replace(record, change=change, verified=verified)

    def following(self, shown: Version, shape: str) -> Record:
        """Return the record with a version, its owner's tags and the template that it follows.

        The earlier tags are kept where the version has lost its address: only they say how to
        revoke what is owed here. An earlier Rekey noted no other template than the one they name.
        """
        before, tags = self.verified, owners_tags(shown)
        if "ProviderAddress" in {*before.tags} - {*tags}:
            tags = {**before.tags}
        earlier = filter(None, (*before.templates, before.tags.get(template.TAG)))
        templates = tuple(dict.fromkeys((shape, *earlier)))[:MOST_TEMPLATES]
        version, created = str(shown.version), shown.created
        verified = replace(before, version=version, created=created, tags=tags, templates=templates)
        return replace(self, verified=verified)

    def template_of(self, secret: Version) -> str:
        """Return the template that this version is known to follow; empty if none is known."""
        is_known = self.verified.version == secret.version
        return next(iter(self.verified.templates), "") if is_known else ""

    def as_read(self, managed: Managed, secret: SecretVersion) -> Managed:
        """Return what tags ask for, with the template that this version is known to follow.

        Its owner or the policy may name another one since. That is for the next version.
        """
        shape = self.template_of(secret)
        fields = template.extract(shape, secret.value)
        is_read = managed.rotator.value_field in (fields or {})
        return replace(managed, template=shape) if is_read else managed

    def owing(self, going: Pending | None) -> Record:
        """Return the record where `going`, if anything, is to be retired before all else.

        Earlier retirements stay, but for those in its slot, or in that of what was published: each
        slot holds one credential, so nothing else is left to retire there.
        """
        slots = {it.credential_id for it in (going, self.published) if it}
        before = (owed for owed in self.to_retire if owed.credential_id not in slots)
        return replace(self, to_retire=(*filter(None, (going,)), *before))

    def forgotten(self, going: Pending) -> Record:
        """Return the record where something is not to be retired any more."""
        return replace(self, to_retire=tuple(owed for owed in self.to_retire if owed != going))

    def retired(self, going: Pending) -> Record:
        """Return the record once a credential is retired. People are still to hear of it."""
        ids = (*self.unreported_ids, going.credential_id)
        return replace(self.forgotten(going), unreported_ids=ids)

    def reported(self, ids: Collection[str]) -> Record:
        """Return the record once people have heard that credentials are retired."""
        left = tuple(it for it in self.unreported_ids if it not in ids)
        return replace(self, unreported_ids=left)

    def put_aside(self, version: str) -> Record:
        """Return the record before a change for another version is begun, or the source passes on.

        The credential requested before may still be made. It is remembered as a lost write, because
        the change is about to forget which version it was for.
        """
        replaces, since = self.change.version, self.change.requested_at
        is_open = self.change.open_since or self.change.uncertain_until
        others = {version, *self.history.replaced, *(it.replaces for it in self.unpublished)}
        if not (since and is_open) or replaces in others:
            return self
        operation = operation_id(SecretRef.parse(self.owner), replaces)
        lost = Announced(
            operation, credential_id="", digest="", replaces=replaces, at=since, lost=True
        )
        writes = sorted((lost, *self.unpublished), key=lambda write: write.lost)
        return replace(self, unpublished=tuple(writes[:MOST_UNPUBLISHED]))

    def reopened(self, now: datetime) -> Record:
        """Return the record with its change open again: the write that had closed it was not sent."""
        return replace(self, change=replace(self.change, open_since=self.change.open_since or now))

    def unremoved(self) -> Record:
        """Return the record where what was announced last could not be removed at its source.

        It is remembered as a credential that nobody has seen, too: the next change may be for
        another version, and no replica holds it.
        """
        writes = [it for it in self.unpublished if it.replaces == self.change.version]
        if not (writes and all(it.digest for it in writes)):
            return self
        left = replace(writes[0], credential_id="", digest="", lost=True)
        return replace(self, unpublished=(*self.unpublished, left)[:MOST_UNPUBLISHED])

    def lose(self) -> Record:
        """Return the record with the announced write, if any, among the lost writes.

        Rekey does not expect a lost write any more, but recognises it if it arrives after all.
        """
        lost = tuple(replace(write, lost=True) for write in self.unpublished)
        return replace(self, unpublished=lost)

    def overdue(self) -> Record:
        """Return the record once the vault does not show the announced write, if there is one.

        The change stays open until the write cannot come any more, and a recheck has seen that. It
        may have set an only password, which nobody knows then.
        """
        write = self.pending_write
        change = self.change.uncertain_for(write.at + LATE) if write else self.change
        return replace(self.lose(), change=change)

    def keyed(self) -> Record:
        """Return the record with a key for its digests."""
        return self if self.key else replace(self, key=secrets.token_hex(32))

    def landed(self, secret: Version, late: Announced | None = None) -> Record:
        """Return the record once the vault holds an announced write.

        `late` is an earlier write that arrived after all. Without it the latest one has arrived.
        """
        write = late or self.pending_write
        assert write and secret.version  # noqa: S101, PT018 - only called for what was announced and seen
        published = write.landed(secret.version, secret.created)
        # A former owner announced this value, and somebody has copied it: that is not reported.
        is_ours = write.operation == operation_id(secret.ref, write.replaces)
        published = published if is_ours else replace(published, operation="")
        dead = self.history.same_as(write.replaces) if write.dead else ()
        others = tuple(other for other in self.unpublished if other != write)
        return replace(
            replace(self, unpublished=others).lose(),
            published=published,
            # The requested credential has come. Pauses between tries begin anew.
            change=replace(self.change, requested_at=None, recheck_at=None),
            stale=(*dead, *self.stale),
            verified=self.following(secret, write.template).verified,
            history=self.history.after(published),
            # Whoever had a secret's first version written was told of it.
            unreported=is_ours and write.replaces != nothing_of(secret.ref),
        ).owing(write.due(secret.created))

    def id_of(self, version: str | None) -> str:
        """Return the id of the credential in a version; empty if it is not known."""
        known = (self.published, *self.history.credentials, *self.to_retire)
        return next((it.credential_id for it in known if it and it.version == version), "")

    def without(self, version: str, proof: str = "") -> Record:
        """Return the record once the credential of a version has been proven to be refused."""
        compromised = self.compromised.without(version, proof)
        change, dead = self.change.arrived(), self.history.same_as(version)
        return replace(self, change=change, compromised=compromised).discarded(*dead)

    def discarded(self, *versions: str) -> Record:
        """Return the record with further versions that hold dead values."""
        new = tuple(version for version in versions if version and version not in self.stale)
        return replace(self, stale=(*new, *self.stale))

    def cleared(self, *entries: str) -> Record:
        """Return the record without entries of `stale` that are dealt with."""
        return replace(self, stale=tuple(it for it in self.stale if it not in entries))

    def seen(self, secret: SecretVersion, now: datetime) -> Record:
        """Return the record once the vault has shown its current version.

        Raises Stale if the vault shows an older state than the record.
        """
        if not (secret.enabled and secret.version):
            return self
        since = self.change.in_progress_since
        if since and secret.version != self.change.version:
            # Somebody wrote a version while a change was in progress. The change may still replace
            # the credential that they use.
            beside = self.change.arrived().uncertain_for(since + LONGEST_CHANGE)
            return replace(self, change=beside).seen(secret, now)
        write = self.pending_write
        if write and secret.version == write.replaces:
            return self._awaiting(write, secret, now)
        if secret.version in self.history.replaced:
            # An announced write may restore the same value, so this comes before the comparison.
            raise self._older(secret, now)
        if self.wrote(secret):
            return self
        known = next((it for it in self.unpublished if self._is_written(it, secret)), None)
        if known is None:
            return self._beside(secret, now)
        # The worker that wrote it has died. A recheck proves once that it is still accepted.
        landed = self.landed(secret, known)
        return replace(landed, change=landed.change.uncertain_for(now))

    def _is_written(self, write: Announced, secret: SecretVersion) -> bool:
        """Return whether a version is an announced write.

        A restored value is known in the vault, so somebody else may have written it: the tag
        decides.
        """
        is_news = not write.original or secret.tags.get(OPERATION) == write.operation
        return is_news and self.fits(write, secret.value)

    def _beside(self, secret: SecretVersion, now: datetime) -> Record:
        """Return the record where the vault shows another version than the one published last."""
        published = self.published
        if published and self.fits(published, secret.value):
            # The same value again: the announced write came twice, or a person made a copy.
            again = replace(published, version=str(secret.version), created=secret.created)
            # `created` stays: a copy without tags took the secret out of management.
            return replace(self, published=again)
        if published and published.created and secret.created < published.created:
            raise self._older(secret, now)
        return self

    def _older(self, secret: Version, now: datetime) -> Stale:
        """Return the error for a vault that shows an older version than the one published last.

        The vault lags, or somebody has restored the secret from a backup.
        """
        is_new = self.published is not None and now < self.published.at + LATE
        return _stale(secret, SETTLE if is_new else SELDOM)

    def _awaiting(self, write: Announced, secret: Version, now: datetime) -> Record:
        """Return the record while the vault still shows the version that is to be replaced."""
        # A clock that was ahead has noted what is to come. The lease of its worker has ended since.
        if abs(now - write.at) < SETTLE:
            raise _stale(secret, write.at + SETTLE - now)
        # The write is lost or late. Until that is certain, the source is rechecked.
        late = write.at + LATE
        return replace(self, change=self.change.uncertain_for(late)) if now < late else self

    def overtaken(self, seen: Record) -> Published | None:
        """Return the version published last, where an earlier write has come over it; else None.

        The version that the earlier write was to replace is replaced already.
        """
        last, late = self.published, seen.published
        if not (last and late) or last.version == late.version:
            return None
        # The clocks of two apps may differ, so the times alone do not decide.
        is_earlier = late.at < last.at or late.replaces in self.history.replaced
        return last if is_earlier else None

    def believed[V: Version](self, secret: V) -> V:
        """Return a version with what the record knows of it instead of what its tags claim."""
        tags = {tag: text for tag, text in secret.tags.items() if tag not in (OPERATION, RETIRE)}
        if self.published and self.wrote(secret):
            tags[CREDENTIAL] = self.published.credential_id
            if self.published.operation:
                tags[OPERATION] = self.published.operation
        if self.retirement:
            tags[RETIRE] = str(self.retirement)
        word, _, rest = tags.get(STATE, "").partition(" ")
        if word == "compromised" and not self.compromised.versions:
            tags[STATE] = f"parked {rest}"
        return replace(secret, tags=tags)


def owners_tags(secret: Version) -> dict[str, str]:
    """Return the tags of a version that are its owner's own."""
    return {tag: text for tag, text in secret.tags.items() if tag not in OURS}


def _stale(secret: Version, wait: timedelta) -> Stale:
    return Stale(
        f"the vault shows version {secret.version}, which is replaced or being replaced",
        where=str(secret.ref),
        fix="if the secret was restored from a backup, write its value again; otherwise wait",
        code="Stale",
        retry_after=max(1.0, wait.total_seconds()),
    )
