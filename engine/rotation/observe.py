"""A secret as the vault shows it, compared with the record of its source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from engine.contract import LATE, Derived, Rewrites, Undo
from engine.errors import RekeyError
from engine.follow_up import tasks
from engine.parts import Parts
from engine.rotation.proof import proof_text
from engine.rotation.source_lease import SourceLease
from engine.secret import SecretRef, SecretVersion, Version
from engine.state.record import SETTLE, Record
from engine.state.record_parts import Announced, Change, Published
from engine.state.request import DAY, DONE, OFTEN, PUBLISHED, UNMARKED, Outcome, WorkItem
from engine.state.tags import OPERATION, STATE, Malformed, Pending

ANOTHER = "another recheck of the source follows"


@dataclass
class Observed:
    """The secret of one work item, seen together with the record of its source."""

    lease: SourceLease
    item: WorkItem
    _before: SecretVersion | None = None
    """The secret as it was read before the lease; None once it was observed."""
    settles_nothing: bool = False
    """A later recheck follows: this one ends without a result, or a replica has missed a version."""
    is_leak_noted: bool = False
    """The record names the versions that the item's incident is about: rechecks go on with it."""
    audited: str = ""
    """The template by which this run has proven the current version; empty if it has not."""
    was_marked: bool = False
    """The secret bore a mark for people when this run began."""
    _shown: SecretVersion | None = None

    @property
    def parts(self) -> Parts:
        """The ports, and the policy."""
        return self.lease.parts

    @property
    def record(self) -> Record:
        """The record of the source if this secret owns it, otherwise an empty record."""
        record = self.lease.record
        return record if record.owner == self._owner else Record()

    @cached_property
    def _owner(self) -> str:
        """The secret, as a record names its owner."""
        return str(self.item.ref).lower()

    @property
    def shown(self) -> SecretVersion:
        """The current version as the vault showed it, with its tags as they are there."""
        assert self._shown  # noqa: S101 - asked only once it was read
        return self._shown

    @property
    def believed(self) -> SecretVersion:
        """The same with the record's facts in place of what its tags claim."""
        return self.parts.believed(self.shown, self.record)

    @property
    def has_read(self) -> bool:
        """Whether the vault has shown the secret."""
        return self._shown is not None

    @property
    def recheck_follows(self) -> bool:
        """Whether a change may take effect late, and its recheck comes later than now."""
        before = self.lease.found
        return before.owner == self._owner and before.is_uncertain and self.lease.is_later(before)

    @property
    def is_enabled(self) -> bool:
        """Whether the vault showed the secret, and it is not disabled."""
        return self._shown is not None and self._shown.enabled

    @property
    def is_unmarked(self) -> bool:
        """Whether the secret could bear a mark for people, and bears none."""
        return self.is_enabled and not self.was_marked and STATE not in self.shown.tags

    async def observe(self) -> SecretVersion:
        """Read the current version; return it with the record's facts in place of its tags' claims.

        Raises Stale if the vault lags behind the record.
        """
        shown = await self._read()
        # A version that somebody has written since is not proven.
        if self.has_read and shown.version != self.shown.version:
            self.audited = ""
        self.was_marked |= not self.has_read and STATE in shown.tags
        self._shown = shown
        is_early = self.item.recheck and self.recheck_follows
        self.settles_nothing |= is_early
        if self.record.owner and not is_early:
            await self._compare(shown)
            self._show(shown, self.parts.printed(shown, self.record))
            await self.lease.recheck()
        return self.believed

    async def _read(self) -> SecretVersion:
        """Read the secret, unless the read before the lease shows what the record expects.

        Every write is preceded by a read of its own.
        """
        before, self._before = self._before, None
        if before and self.record.wrote(before) and not self.record.is_open:
            return before
        with self.parts.reporter.step("read"):
            return await self.parts.vaults.read(self.item.ref)

    def _show(self, version: SecretVersion, prints: str) -> None:
        self._shown = version
        if prints:
            self.lease.prints[str(version.version)] = prints

    @property
    def may_have_replaced(self) -> bool:
        """Whether a late change of Rekey's may have replaced another deployment's credential."""
        is_late = self.record.change.uncertain_until is not None
        return is_late and self.parts.is_anothers(self.shown)

    @property
    def may_come_back(self) -> bool:
        """Whether a revoked credential may come back, because an earlier request may still land.

        Such a request sets a single slot, or writes a whole list of credentials as it was before.
        """
        until = self.record.change.uncertain_until
        brings = isinstance(self.parts.rotators.get(self.record.kind), Rewrites | Undo)
        return brings and until is not None and self.parts.clock.now() < until

    async def _compare(self, shown: SecretVersion) -> None:
        seen = self.record.seen(shown, self.parts.clock.now())
        if last := self.record.overtaken(seen):
            await tasks.report_from_record(self.parts, self.record)
            seen = replace(self._superseding(shown, last, seen), unreported_ids=())
        write = seen.pending_write
        if write and shown.enabled and shown.version != write.replaces:
            # Somebody wrote a newer version. The announced one may lie beneath it.
            seen = await self._beneath(seen, write, shown)
        self.lease.learn(seen)

    def _superseding(self, shown: SecretVersion, last: Published, seen: Record) -> Record:
        """Return the record once an earlier write has come over the version published last.

        That version is superseded now, unless both credentials are in one slot, or end with a key.
        """
        slots = {it.credential_id for it in (last, seen.published) if it}
        is_derived = isinstance(self.parts.rotators.get(seen.kind), Derived)
        if len(slots) == 1 or is_derived:
            return replace(seen, to_retire=self.record.to_retire)
        managed = self.parts.tagged(shown).managed
        # This is decided only once. Without tags that can be followed the usual overlap counts.
        overlap = managed.overlap if managed else self.parts.policy.overlap
        at = self.parts.clock.now() + overlap + timedelta(seconds=1)
        return seen.owing(Pending(at, last.version, last.credential_id))

    async def _beneath(self, record: Record, write: Announced, shown: SecretVersion) -> Record:
        versions = [version async for version in self.parts.vaults.versions(shown.ref)]
        known = (it.created for it in versions if it.version == write.replaces)
        # Nothing is there before a first version, and clocks differ.
        replaced_at = next(known, write.at - SETTLE)
        for version in versions:
            # A version no younger than the one to be replaced may hold the same value by chance.
            is_later = version.created > replaced_at
            is_ours = is_later or version.tags.get(OPERATION) == write.operation
            if not is_ours or version.version in (None, shown.version, write.replaces):
                continue
            whole = await self.parts.earlier(shown.ref, str(version.version))
            if whole and record.fits(write, whole.value):
                return record.landed(whole)
        # It may still come. What was made for it is removed after that.
        return record.overdue()

    def is_announced(self, secret: Version) -> bool:
        """Return whether a rotation has announced what replaces this version."""
        write = self.record.pending_write
        if write is None or write.replaces != secret.version:
            return False
        change = self.record.change
        # `adopt --create` announced it for a deleted secret, which somebody has recovered.
        is_first = change.version == write.replaces and change.requested_at is None
        return not (write.dead or write.original or is_first)

    @property
    def is_forgotten(self) -> bool:
        """Return whether the record has lost the change that a recheck is about.

        A failover of its storage loses the last writes. The record of a derived secret has its kind
        alone, because nothing is sent to its source.
        """
        record = self.record
        is_known = record.kind or record.change.started_at or record.published
        return self.item.recheck and not is_known

    @property
    def needless(self) -> str:
        """Return why a recheck has nothing left to do; empty if it has, or if this is none."""
        if self.settles_nothing:
            return ANOTHER
        is_recheck = self.item.recheck and self.item.action == "audit"
        # A person is notified of a change that has no end.
        goes_on = self.record.change.in_progress_since is not None
        is_owed = self.is_forgotten or goes_on or self.record.owes(self.parts.clock.now())
        return "an earlier recheck has settled it" if is_recheck and not is_owed else ""

    async def read_version(self, version: str) -> SecretVersion:
        """Read an earlier version of the secret, or of a former owner of its source."""
        return await self.parts.vaults.read_version(self._ref_of(version), version)

    async def earlier(self, version: str) -> SecretVersion | None:
        """Return the same; None if its vault has it no more, or somebody has disabled it."""
        return await self.parts.earlier(self._ref_of(version), version)

    def _ref_of(self, version: str) -> SecretRef:
        place = self.record.history.place_of(version)
        ref = SecretRef.parse(place) if place else self.item.ref
        return ref if self.parts.policy.manages(ref.vault) else self.item.ref

    def landed(self, version: SecretVersion, prints: str) -> SecretVersion:
        """Note that the announced version is published; return it with the record's facts.

        It comes without its value, which is read again where it is needed. `prints`: of what it
        holds.

        The record is written after the outcome was reported. If the worker dies before, the next
        one finds the announced value in the vault.
        """
        self.lease.learn(self.lease.record.landed(version))
        self._show(version, prints)
        return self.believed

    def retagged(self, version: SecretVersion) -> SecretVersion:
        """Note new tags; return the version with the record's facts."""
        self._shown = version
        return self.believed

    def may_be_under(self, item: WorkItem) -> bool:
        """Return whether the version that an incident's item names may be its own replacement."""
        began, record = item.began, self.record
        writes = (write for write in (record.pending_write, record.published) if write)
        return began is not None and any(write.made_since(began) for write in writes)

    async def note_compromised(self, *versions: str) -> None:
        """Note that these versions are compromised.

        A version that was proven to be refused is noted again if it was reported after the proof.
        """
        record, reported, began = self.record, self.item.reported_at, self.item.began
        known = record.compromised
        new = tuple(version for version in versions if not known.knows(version, reported))
        dates = (known.leaked_before, began or reported)
        before = max(filter(None, dates), default=self.parts.clock.now())
        if new or (known.versions and before != known.leaked_before):
            versions, incident = (*known.versions, *new), began or known.incident
            noted = replace(known, versions=versions, incident=incident, leaked_before=before)
            change = record.change.under(began)
            await self.lease.write(replace(record, compromised=noted, change=change))
        self.is_leak_noted = True

    async def settle(self, version: str, how: str, *, keeps: bool = False) -> None:
        """Note that the credential of a version is proven to be refused, and how.

        For a leak, report how long that took, if the item says when it was reported. `keeps`:
        another source is still to be asked about the version, so it is not disabled yet.
        """
        item, record, now = self.item, self.record, self.parts.clock.now()
        seconds = item.seconds_since_report(now)
        is_leak = item.compromised and version in record.compromised.versions
        if is_leak and seconds is not None:
            self.parts.reporter.refused(item, record.kind, seconds)
        # The clock of the instance that took the report may be ahead: no proof is older than that.
        proof = proof_text(max(now, item.reported_at or now), how)
        settled = record.without(version, proof)
        await self.lease.write(replace(settled, stale=record.stale) if keeps else settled)

    async def note_left(self) -> bool:
        """Note, at a source that the secret has left, which requests cannot take effect any more.

        Return whether an earlier change is among them.
        """
        record, now = self.record, self.parts.clock.now()
        if not record.owner:
            return False
        write, is_over = record.pending_write, record.change.is_over(now)
        if is_over:
            record = replace(record, change=record.change.settled())
        if write and write.at + LATE <= now:
            record = record.lose()
        await self.lease.write(record)
        return is_over

    def is_notified(self, reason: str) -> bool:
        """Return whether people were notified lately of what a recheck has found.

        Lately means within a day, or within two hours in the first day of an incident. The mark
        cannot tell: there may be no room for one, or it names something else that needs people.
        """
        verified, now = self.record.verified, self.parts.clock.now()
        known = self.record.compromised
        is_new = known.versions and known.incident and now - known.incident <= DAY
        often = OFTEN if is_new else DAY
        is_recent = verified.notified_at is not None and now < verified.notified_at + often
        if not (self.item.recheck and is_recent):
            return False
        # A secret that could not be marked before, and can be now, gets its mark and is reported.
        is_bare = self.is_unmarked and self.lease.covers(self.parts.tagged(self.shown).source)
        texts = [f"{reason}; {UNMARKED}"] if is_bare else [reason, f"{reason}; {UNMARKED}"]
        return verified.notified_of in map(self._digest_of, texts)

    def _digest_of(self, reason: str) -> str:
        """Return the digest by which the record knows a reason. A leak makes it another reason."""
        what, unmarked, _ = reason.partition(f"; {UNMARKED}")
        text = f"{bool(self.record.compromised.versions)} {what}{unmarked}"
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def unrepeated(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a recheck as one that waits, where people were notified of it."""
        is_notified = outcome.result == "parked" and self.is_notified(outcome.reason)
        return replace(outcome, result="waiting") if is_notified else outcome

    def reported(self, outcome: Outcome) -> None:
        """Note that an outcome was reported, and with it the version that it names."""
        if self.announces(outcome):
            self.lease.learn(replace(self.record, unreported=False))
        verified = self.record.verified
        if outcome.result == "parked":
            digest = self._digest_of(outcome.reason)
            verified = replace(verified, notified_at=self.parts.clock.now(), notified_of=digest)
        elif outcome.result in DONE:
            # A later need is another one, and people are notified of it.
            verified = replace(verified, notified_at=None)
        if self.record.owner:
            record = self.record.reported(outcome.retired)
            self.lease.learn(replace(record, verified=verified))

    def announces(self, outcome: Outcome) -> bool:
        """Return whether an outcome announces the version published last."""
        published, version = self.record.published, outcome.new_version
        is_ours = published is not None and published.version == version
        return is_ours and outcome.result in PUBLISHED

    def _is_over(self, change: Change, now: datetime) -> bool:
        """Return whether a recheck has seen that a change cannot take effect any more.

        It cannot see that while tags are malformed, or this app lacks the kind.
        """
        is_blind = self.is_enabled and isinstance(self.parts.tagged(self.shown).asks, Malformed)
        return change.is_over(now) and not is_blind

    async def note_reported(self) -> None:
        """Write what was reported, and when the version was proven; ignores failure."""
        record = self.record
        if not record.owner:
            return
        now = self.parts.clock.now()
        record = record if self.has_read else record.rechecked(now)
        change = record.change
        has_rechecked = not self.settles_nothing and (self.audited or self.item.recheck)
        if has_rechecked and self._is_over(change, now):
            record = replace(record, change=change.settled())
            # A secret that is deleted will not show what was written to it.
            record = record if self.has_read else record.lose()
        if self.audited and self._shown:
            record = record.proven(self._shown, now, self.audited)
        try:
            await self.lease.write(
                record.after_recheck(now) if has_rechecked else record.scheduled(now)
            )
        except RekeyError:
            # The next recheck finds the outcome unreported, and reports it once more.
            return
