"""The context of a rotation: one work item under the lease of its source, and its progress."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime

from engine.contract import Job, Recognise, Rotator
from engine.errors import MayComeBack, NeedsHuman, PermanentError, RekeyError, TransientError
from engine.follow_up import tasks
from engine.parts import Parts
from engine.rotation.derived import ParentKey
from engine.rotation.observe import Observed
from engine.rotation.proof import Proof
from engine.rotation.source_lease import LOST, SourceLease
from engine.rotation.vault_writer import Errors, Replicas, VaultWriter
from engine.secret import SecretVersion, Sensitive, Version
from engine.state.record import Record, parts_of
from engine.state.request import PUBLISHED, Leak, Result, WorkItem
from engine.state.tags import STATE, Managed

STILL_THERE_FIX = "see whether that source is still there, or has moved; revoke it there by hand"


@dataclass
class Progress:
    """One work item, and what has come of it so far."""

    item: WorkItem
    result: Result | None = None
    reason: str = ""
    managed: Managed | None = None
    """What the secret's tags asked for when the result was reached."""
    old_version: str | None = None
    """The current version when the work began."""
    new_version: str | None = None
    """The version that was published, by this run or by an earlier one that did not report it."""
    proven: str | None = None
    """The version that its source has accepted in this run. It is not proven again."""
    restores: Version | None = None
    """The earlier version whose credential is published again."""
    drifted: bool = False
    """The source refuses the current version, and that is not repaired yet."""
    unsettled: dict[str, PermanentError | MayComeBack] = field(default_factory=dict)
    """Compromised versions that this run could not settle, and why."""
    unmade: PermanentError | None = None
    """Why no signature takes the place of the current one while an incident is open."""

    @property
    def has_published(self) -> bool:
        """Return whether a version was published whose report is still to come."""
        return self.result in PUBLISHED

    def goes_on(self, record: Record) -> None:
        """Note what an earlier try has published, or retired, whose outcome nobody has reported."""
        if record.unreported and record.published and not self.has_published:
            self.result, self.reason = record.published_as, tasks.EARLIER
            self.new_version = record.published.version
        elif record.unreported_ids and self.result is None:
            self.result, self.reason = "retired", tasks.REVOKED_EARLIER

    def done(self, result: Result, reason: str, managed: Managed) -> None:
        """Note what was done. A reason noted before, for something left undone, stays in front."""
        left = self.reason if self.result is None else ""
        self.reason = "; ".join(filter(None, (left, reason)))
        self.result, self.managed = result, managed


@dataclass
class Rotation:
    """One work item under the lease of its source, and its progress."""

    lease: SourceLease
    item: WorkItem
    here: Managed | None = None
    """What the secret's tags ask for at this source; None if they name another one, or none."""
    before: InitVar[SecretVersion | None] = None
    """The secret as it was read to find its source, before the lease."""
    elsewhere: Sequence[str] = ()
    """The other sources at which the version that the item names may work, unless it has here."""
    parts: Parts = field(init=False)
    progress: Progress = field(init=False)
    vault_writer: VaultWriter = field(init=False)
    observed: Observed = field(init=False)
    proof: Proof = field(init=False)
    """Tries credentials at the source."""

    def __post_init__(self, before: SecretVersion | None) -> None:
        self.parts = self.lease.parts
        self.progress = Progress(self.item)
        self.vault_writer = VaultWriter(self.lease)
        self.observed = Observed(self.lease, self.item, before)
        self.proof = Proof(self.lease)

    @property
    def now(self) -> datetime:
        """What time it is."""
        return self.parts.clock.now()

    @property
    def record(self) -> Record:
        """What is known of the source."""
        return self.observed.record

    @property
    def incident(self) -> datetime | None:
        """The date of the present incident; None if there is none, or it has no date."""
        known = self.record.compromised
        return self.progress.item.began or (known.incident if known.versions else None)

    @property
    def leaked_before(self) -> datetime | None:
        """Until when what was made may have leaked, too; None if nothing has."""
        item, known = self.progress.item, self.record.compromised
        if known.versions:
            # The record of an earlier Rekey may not say it.
            return known.leaked_before or self.incident or self.now
        return (item.began or item.reported_at or self.now) if item.compromised else None

    def may_work_elsewhere(self, version: str | None = None) -> bool:
        """Return whether a leaked version, that of the item at first, may work at another source."""
        leaked = self.item.version
        is_meant = bool(self.elsewhere) and version in (None, leaked)
        return is_meant and not self.record.has_proven(str(leaked))

    @property
    def is_bound(self) -> bool:
        """Whether the secret's vault is bound to the source by the scopes as they are now."""
        return self.lease.is_bound(self.item.ref)

    @property
    def managed(self) -> Managed:
        """What the secret's tags ask for, in a step that needs tags for this source."""
        assert self.here  # noqa: S101 - planned for such a secret alone
        return self.here

    @property
    def rotator(self) -> Rotator:
        """The plug-in for its kind."""
        return self.parts.rotator(self.managed)

    @property
    def replicas(self) -> Replicas:
        """Its copies."""
        leaks = self.record.compromised.versions
        outrun: Errors = PermanentError if leaks or self.progress.item.compromised else ()
        # After a leak, what may pass is tried once more: a replica's readers would be cut off.
        is_news = leaks and not self.lease.found.compromised.versions
        if self.progress.drifted or (outrun and not is_news):
            outrun = RekeyError
        return Replicas(self.vault_writer, self.managed, outrun)

    @property
    def parent_key(self) -> ParentKey | None:
        """The key that it is derived from; None if it is derived from none."""
        return ParentKey.of(self.parts, self.managed)

    async def observe(self) -> SecretVersion:
        """Read the secret; return it with the record's facts. Raises Stale while the vault lags."""
        secret = await self.observed.observe()
        item = self.progress.item
        is_named = item.version == secret.version and self.record.wrote(secret)
        if item.began is None:
            self.progress.item = item.about(secret.version)
        elif is_named and not self.record.is_older(secret, item.began):
            # The item was posted by the clock of the vault. The record knows better.
            self.progress.item = replace(item, version=None)
        change, stale = self.record.change, self.record.stale
        is_owed = self.record.is_uncertain or change.in_progress_since or stale
        if item.recheck and not (is_owed or self.observed.is_forgotten):
            # Nothing is owed here, so it is an audit like any other.
            self.progress.item = replace(self.progress.item, hint=None)
        if self.progress.result is None:
            self.progress.goes_on(self.record)
        return secret

    @property
    def carries_on(self) -> bool:
        """Return whether this rechecks a change that a rotation of this version has requested."""
        item, change = self.progress.item, self.record.change
        is_recheck = item.recheck and item.action == "audit" and self.observed.has_read
        goes_on = change.in_progress_since and change.requested_at
        return bool(is_recheck and goes_on and change.version == self.observed.shown.version)

    def effective_item(self) -> WorkItem:
        """Return what is done first: an incident that the record knows of comes before the item."""
        item, compromised = self.progress.item, self.record.compromised.versions
        if compromised:
            earlier = self.record.retirement
            is_restorable = earlier and earlier.version not in compromised
            return replace(
                item,
                action="restore" if item.action == "restore" and is_restorable else "rotate",
                leak=item.leak or Leak(),
                version=self.first_compromised,
            )
        if item.began and item.version is None:
            # Nothing here is as old as the incident, so nothing has leaked.
            return replace(item, action="audit", leak=None)
        return replace(item, action="rotate", force=True) if self.carries_on else item

    @property
    def only_proves(self) -> bool:
        """Whether this rechecks an only password that was set back: its mark says why, and stays."""
        if not self.may_come_after_all:
            return False
        item, is_marked = self.effective_item(), STATE in self.observed.shown.tags
        return is_marked and item.recheck and not item.compromised

    @property
    def may_come_after_all(self) -> bool:
        """Whether what was sent may still replace an only password that was set back."""
        return self.record.is_set_back and self.here is not None and self.here.is_single

    @property
    def first_compromised(self) -> str:
        """The next compromised version. A version that cannot be settled holds up no other."""
        compromised = self.record.compromised.versions
        unsettled = self.progress.unsettled
        return next((it for it in compromised if it not in unsettled), compromised[0])

    def leave_unsettled(self, version: str, error: PermanentError | MayComeBack) -> None:
        """Note why a version cannot be settled.

        Raises the reason once all versions are tried: first one that a person must deal with. What
        keeps a signature from following its key comes before that, with its fix.
        """
        unsettled, unmade = self.progress.unsettled, self.progress.unmade
        unsettled[version] = error
        if unsettled.keys() >= set(self.record.compromised.versions):
            why = min(unsettled.values(), key=lambda it: isinstance(it, MayComeBack))
            if unmade and isinstance(why, PermanentError):
                unmade.add(why.what)
                raise unmade
            raise why

    @property
    def has_done(self) -> bool:
        """Return whether this run has done something that is not reported yet."""
        return bool(self.progress.result and (self.progress.managed or self.record.unreported_ids))

    @property
    def leaves_unknown(self) -> bool:
        """Return whether this run has left the source with a password that nobody knows."""
        return self.lease.is_lost and not self.progress.has_published

    def warned(self, reason: str) -> str:
        """Return why a secret is parked, with a warning if nobody may know its password."""
        is_unknown = self.record.is_unknown and self.progress.proven is None
        is_lost = self.leaves_unknown or is_unknown
        return f"{reason}; {LOST}" if is_lost and LOST not in reason else reason

    @property
    def has_left(self) -> bool:
        """Whether the secret's tags name another source now."""
        return self.observed.has_read and self.is_left_by(self.observed.shown)

    def is_left_by(self, secret: SecretVersion) -> bool:
        """Return whether the tags of a secret, as its vault shows it, name another source."""
        source = self.parts.tagged(self.parts.believed(secret, self.record)).source
        return source is not None and not self.lease.covers(source)

    def managed_here(self, secret: SecretVersion) -> Managed | None:
        """Return what a secret's tags ask for at this source; None if they name another one."""
        tagged = self.parts.tagged_as_read(secret, self.record)
        return tagged.managed if self.lease.covers(tagged.source) else None

    def parts_with(self, managed: Managed | None, credential_id: str) -> tuple[str, ...]:
        """Return the parts under lease that hold a credential; empty if that is unknown."""
        names = parts_of(managed.source_of(credential_id)) if managed else ()
        return names if {*names} <= {*parts_of(self.lease.source)} else ()

    @property
    def is_unparked(self) -> bool:
        """Whether a person asks for an audit, as `rekey unpark` does."""
        item = self.progress.item
        return item.action == "audit" and item.cause.is_persons and not item.hint

    def job(self, secret: SecretVersion, *, in_place: bool = False) -> Job:
        """Return the job for the plug-in, with what the record knows of earlier tries."""
        record, change = self.record, self.record.change
        proven = record.wrote(secret)
        job = self.parts.job(secret, self.managed, proven=proven, in_place=in_place)
        # An incident skips the cool-down for external changes. So does a person who unparks.
        leaked = self.leaked_before
        job = replace(
            job,
            changed=change.started_at if proven and not (leaked or self.is_unparked) else None,
            # A credential that was restored since is in use again.
            revoked=record.revoked_ids - {job.held_id or ""},
            not_before=leaked,
        )
        if change.version != secret.version:
            return job
        return replace(
            job,
            asked=change.requested_at,
            sent=change.started_at,
            under_way=change.in_progress_since is not None,
            mark=change.marker,
        )

    async def revoke(
        self, secret: SecretVersion, rotator: Rotator, credential_id: str, held: Sensitive | None
    ) -> None:
        """Have the source revoke a credential other than the one held; noted before it is sent."""
        # Only of what Rekey published is the id certain.
        held_id = self.record.id_of(secret.version) if self.record.wrote(secret) else None
        await self.lease.begin(self.observed.item, secret)
        async with self.lease.sending("retire"):
            await rotator.retire(self.lease.source, credential_id, held, held_id)

    def not_revoked(
        self, credential_id: str, still: str = "accepted", *, is_lasting: bool
    ) -> RekeyError:
        """Return the error for a credential that its source still has after it was revoked.

        The revocation may spread slowly. A person hears of one that lasts.
        """
        what, where = f"{credential_id} was revoked, but is still {still}", self.lease.source
        if is_lasting:
            return NeedsHuman(what, where=where, fix=STILL_THERE_FIX, code="NotRevoked")
        return TransientError(what, where=where, code="NotRevoked")

    async def is_refused(self, secret: SecretVersion) -> bool:
        """Return whether the source refuses what the current version holds, from one try."""
        held = self.parts.held(secret, self.managed)
        source, held_id = self.managed.source, self.managed.credential_id or ""
        if held is None:
            return False
        accepted = await self.rotator.accepts(source, held_id, held)
        if accepted and self.record.verified.version == secret.version:
            # The retirement needs these tags, and somebody may remove them before it is due.
            self.lease.learn(self.record.following(self.observed.shown, self.managed.template))
        return not accepted

    async def recognised(self, secret: SecretVersion) -> str | None:
        """Return which credential a version holds, as its source has it; None if nobody can tell."""
        rotator = self.rotator
        if not isinstance(rotator, Recognise):
            return None
        job = replace(self.parts.job(secret, self.managed), held_id=None)
        with suppress(NeedsHuman):
            return (await rotator.recognise(job)).credential_id
        return None

    async def out_of_use(self, secret: SecretVersion) -> None:
        """Disable the versions that hold dead values, also those of replicas."""
        await self.vault_writer.out_of_use(secret)
        await self.replicas.out_of_use(secret.ref)

    async def tidy(self, operation: str, keep: str | None) -> None:
        """Remove what an operation left at the source, except the credential to keep."""
        await self.lease.tidy(self.managed.rotator.kind, operation, keep)
