"""What Rekey believes of a secret: its current version, compared with its source's record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from engine.contract import LATE, Rewrites, Undo
from engine.errors import RekeyError
from engine.parts import Parts
from engine.rotation.proof import proof_text
from engine.rotation.source_lease import SourceLease
from engine.secret import SecretRef, SecretVersion, Version
from engine.state.record import Record
from engine.state.record_parts import Announced, Change, Published
from engine.state.request import DAY, DONE, OFTEN, PUBLISHED, UNMARKED, Outcome, WorkItem
from engine.state.tags import OPERATION, STATE, Malformed

ANOTHER = "another recheck of the source follows"


@dataclass
class Observed:
    """The secret of one work item, seen together with the record of its source."""

    lease: SourceLease
    item: WorkItem
    _before: SecretVersion | None = None
    """The secret as it was read before its source was under lease; None once it was observed."""
    in_vain: bool = False
    """The item is a recheck that settles nothing: a later one follows."""
    noted: bool = False
    """What the item's incident means stands in the record: it comes back to that by itself."""
    audited: bool = False
    """This run has proven the current version."""
    was_marked: bool = False
    """The secret bore a mark that tells people, as this run has found it."""
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
    def has_read(self) -> bool:
        """Whether the vault has shown the secret."""
        return self._shown is not None

    @property
    def recheck_follows(self) -> bool:
        """Whether a change that may take effect late is rechecked, and later than now."""
        return self.lease.found.owner == self._owner and self.lease.recheck_follows

    @property
    def is_enabled(self) -> bool:
        """Whether the vault showed the secret, and it is not disabled."""
        return self._shown is not None and self._shown.enabled

    @property
    def is_unmarked(self) -> bool:
        """Whether the secret could bear a mark that tells people, and bears none."""
        return self.is_enabled and not self.was_marked and STATE not in self.shown.tags

    async def observe(self) -> SecretVersion:
        """Read the current version and return what Rekey believes of it.

        Raises Stale if the vault lags behind the record.
        """
        shown = await self._read()
        # What was proven is not what somebody has written since.
        self.audited &= self._shown is not None and shown.version == self._shown.version
        self.was_marked |= not self.has_read and STATE in shown.tags
        self._show(shown, self.parts.printed(shown))
        self.in_vain = self.item.recheck and self.recheck_follows
        if self.record.owner and not self.in_vain:
            await self._compare(shown)
            await self.lease.recheck()
        return self.record.believed(shown)

    async def _read(self) -> SecretVersion:
        """Read the secret. What was read to find its source is enough where that has not changed since.

        Every write is preceded by a read of its own.
        """
        before, self._before = self._before, None
        if before and self.record.wrote(before) and not self.record.is_open:
            return before
        with self.parts.reporter.step("read"):
            return await self.parts.vaults.read(self.item.ref)

    def _show(self, version: SecretVersion, prints: str) -> None:
        self._shown = version
        if self.record.owner and prints:
            self.lease.prints[str(version.version)] = prints

    @property
    def may_have_replaced(self) -> bool:
        """Whether a late change of ours may have cut off what another deployment has published."""
        is_late = self.record.change.uncertain_until is not None and not self.record.wrote(
            self.shown
        )
        return is_late and self.parts.is_anothers(self.shown)

    @property
    def may_come_back(self) -> bool:
        """Whether what is revoked may come back: an earlier request may still land.

        It brings a whole list, as it was, or sets a single slot back.
        """
        until = self.record.change.uncertain_until
        brings = isinstance(self.parts.rotators.get(self.record.kind), Rewrites | Undo)
        return brings and until is not None and self.parts.clock.now() < until

    async def _compare(self, shown: SecretVersion) -> None:
        seen = self.record.seen(shown, self.parts.clock.now())
        if last := self.record.overtaken(seen):
            seen = self._superseding(shown, last, seen)
        write = seen.pending_write
        if write and shown.enabled and shown.version != write.replaces:
            # Somebody wrote a newer version. Was the announced one written before it?
            seen = await self._beneath(seen, write, shown)
        self.lease.learn(seen)

    def _superseding(self, shown: SecretVersion, last: Published, seen: Record) -> Record:
        """Return the record once an earlier write has come over the last one.

        What was published last is superseded now, unless both are in one place.
        """
        if seen.published and last.credential_id == seen.published.credential_id:
            return replace(seen, to_retire=self.record.to_retire)
        managed = self.parts.tagged(shown).managed
        # Nobody comes back to it: with tags that cannot be followed, the usual overlap counts.
        overlap = managed.overlap if managed else self.parts.policy.overlap
        at = self.parts.clock.now() + overlap + timedelta(seconds=1)
        return seen.superseding(last, at)

    async def _beneath(self, record: Record, write: Announced, shown: SecretVersion) -> Record:
        versions = [version async for version in self.parts.vaults.versions(shown.ref)]
        known = (it.created for it in versions if it.version == write.replaces)
        replaced_at = next(known, write.at)
        for version in versions:
            # What came with the version to be replaced, or before it, may hold the same by chance.
            is_later = version.created > replaced_at
            is_ours = is_later or version.tags.get(OPERATION) == write.operation
            if not is_ours or version.version in (None, shown.version, write.replaces):
                continue
            whole = await self.parts.earlier(shown.ref, str(version.version))
            if whole and record.fits(write, whole.value):
                return record.landed(whole)
        # It may still come: what was made for it is removed after that.
        return replace(record.lose(), change=record.change.uncertain_for(write.at + LATE))

    def is_announced(self, secret: Version) -> bool:
        """Return whether a rotation has announced what it will publish in place of this version."""
        write = self.record.pending_write
        if write is None or write.replaces != secret.version:
            return False
        return not (write.dead or write.original)

    @property
    def is_forgotten(self) -> bool:
        """Return whether the record knows nothing of the change that a recheck is about.

        It was lost, or went back: a failover of its storage loses the last writes. Whoever makes a
        credential notes its kind. To a derived secret's source nothing is sent.
        """
        record = self.record
        is_known = record.kind or record.change.started_at or record.published
        return self.item.recheck and not is_known

    @property
    def needless(self) -> str:
        """Return why a recheck has nothing left to do; empty if it has, or if this is none."""
        if self.in_vain:
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
        """Note that the announced version is published; return what Rekey believes of it.

        It comes without its value: who needs that once more reads it. `prints`: of what it holds.

        The record is written after the outcome was reported. If the worker dies before, the next
        one finds the announced value in the vault.
        """
        self.lease.learn(self.lease.record.landed(version))
        self._show(version, prints)
        return self.record.believed(version)

    def retagged(self, version: SecretVersion) -> SecretVersion:
        """Note new tags; return what Rekey believes of the version."""
        self._shown = version
        return self.record.believed(version)

    def made_before(self, secret: SecretVersion, moment: datetime) -> bool:
        """Return whether Rekey published this version, with a credential made before an incident.

        What was published under that very incident was not, whatever the clocks say.
        """
        published = self.record.published
        return bool(published and self.record.wrote(secret) and not published.made_since(moment))

    def made_since(self, secret: SecretVersion, moment: datetime) -> bool:
        """Return whether Rekey published this version since an incident began, or under it."""
        return self.record.wrote(secret) and not self.made_before(secret, moment)

    def may_be_under(self, item: WorkItem) -> bool:
        """Return whether the version that an incident's item names may be its own replacement."""
        began, record = item.began, self.record
        writes = (write for write in (record.pending_write, record.published) if write)
        return began is not None and any(write.made_since(began) for write in writes)

    async def note_compromised(self, *versions: str) -> None:
        """Note that the credentials of these versions must go.

        One that was proven to be refused is proven anew, where it was reported after that.
        """
        record, reported = self.record, self.item.reported_at
        known = record.compromised
        new = tuple(version for version in versions if not known.knows(version, reported))
        if new:
            incident = self.item.began or known.incident
            noted = replace(known, versions=(*known.versions, *new), incident=incident)
            change = record.change.under(self.item.began)
            await self.lease.write(replace(record, compromised=noted, change=change))
        self.noted = True

    async def settle(self, version: str, how: str) -> None:
        """Note that the credential of a compromised version is proven to be refused, and how."""
        self.report_refused(version)
        await self.lease.write(self.record.without(version, self.proof(how)))

    def proof(self, how: str) -> str:
        """Return what a record keeps of a proof; it is no older than the report that it answers.

        The clock of whoever took the report may be ahead.
        """
        now = self.parts.clock.now()
        return proof_text(max(now, self.item.reported_at or now), how)

    def report_refused(self, version: str) -> None:
        """Report how long after its report what leaked is refused, if the item says when that was."""
        seconds = self.item.seconds_since_report(self.parts.clock.now())
        is_leak = self.item.compromised and version in self.record.compromised.versions
        if is_leak and seconds is not None:
            self.parts.reporter.refused(self.item, self.record.kind, seconds)

    async def note_left(self) -> bool:
        """Note what can take effect no more at a source that the secret has left.

        Return whether that holds for an earlier change.
        """
        record, now = self.record, self.parts.clock.now()
        if not record.owner:
            return False
        until, write = record.change.uncertain_until, record.pending_write
        is_over = until is not None and until <= now
        if is_over:
            record = replace(record, change=record.change.settled())
        if write and write.at + LATE <= now:
            record = record.lose()
        await self.lease.write(record)
        return is_over

    def is_notified(self, reason: str) -> bool:
        """Return whether people were notified lately of what a recheck has found.

        That is within a day, or of a new incident within two hours. A mark may not say so: none can
        be made, or the secret needs them for something else, too.
        """
        verified, now = self.record.verified, self.parts.clock.now()
        known = self.record.compromised
        is_new = known.versions and known.incident and now - known.incident <= DAY
        often = OFTEN if is_new else DAY
        is_recent = verified.notified_at is not None and now < verified.notified_at + often
        if not (self.item.recheck and is_recent):
            return False
        # A secret that can bear a mark gets it, and people hear of that.
        is_bare = self.is_unmarked and self.lease.covers(self.parts.tagged(self.shown).source)
        texts = [f"{reason}; {UNMARKED}"] if is_bare else [reason, f"{reason}; {UNMARKED}"]
        return verified.notified_of in map(self._digest_of, texts)

    def _digest_of(self, reason: str) -> str:
        """Return what the record keeps of a reason that people were given. A leak is another one."""
        what, unmarked, _ = reason.partition(f"; {UNMARKED}")
        text = f"{bool(self.record.compromised.versions)} {what}{unmarked}"
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def unrepeated(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a recheck as one that waits, where people were notified of it."""
        is_notified = outcome.result == "parked" and self.is_notified(outcome.reason)
        return replace(outcome, result="waiting") if is_notified else outcome

    def reported(self, outcome: Outcome) -> None:
        """Note that an outcome was reported: only then is the version that it names told of."""
        if self.announces(outcome):
            self.lease.learn(replace(self.record, unreported=False))
        verified = self.record.verified
        if outcome.result == "parked":
            digest = self._digest_of(outcome.reason)
            verified = replace(verified, notified_at=self.parts.clock.now(), notified_of=digest)
        elif outcome.result in DONE:
            # What needs people after that is something else: they hear of it.
            verified = replace(verified, notified_at=None, notified_of="")
        if self.record.owner:
            self.lease.learn(replace(self.record, verified=verified))

    def announces(self, outcome: Outcome) -> bool:
        """Return whether an outcome announces the version published last."""
        published, version = self.record.published, outcome.new_version
        is_ours = published is not None and published.version == version
        return is_ours and outcome.result in PUBLISHED

    def _is_over(self, change: Change, now: datetime) -> bool:
        """Return whether a recheck has seen that nothing of a change can take effect any more.

        It sees nothing while tags are malformed, or this app lacks the kind.
        """
        is_blind = self.is_enabled and isinstance(self.parts.tagged(self.shown).asks, Malformed)
        until = change.uncertain_until
        return until is not None and until <= now and not is_blind

    async def note_reported(self) -> None:
        """Write what was reported, and when the version was proven; ignores failure."""
        record = self.record
        if not record.owner:
            return
        now = self.parts.clock.now()
        record = record if self.has_read else record.rechecked(now)
        change = record.change
        # It was a recheck that ran to its end.
        has_rechecked = not self.in_vain and (self.audited or self.item.recheck)
        if has_rechecked and self._is_over(change, now):
            record = replace(record, change=change.settled())
        if self.audited and self._shown:
            record = record.proven(self._shown, now)
        try:
            await self.lease.write(
                record.after_recheck(now) if has_rechecked else record.scheduled(now)
            )
        except RekeyError:
            # The next recheck finds it not noted, and reports it once more.
            return
