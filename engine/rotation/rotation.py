"""One work item under the lease of its source: what every step of its rotation shares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.errors import NeedsHuman
from engine.parts import Parts
from engine.rotation.observed import Observed
from engine.rotation.progress import Progress
from engine.rotation.source_lease import LOST, SourceLease
from engine.rotation.vault_writer import VaultWriter
from engine.secret import SecretVersion
from engine.state.decision import Park
from engine.state.record import Record
from engine.state.request import WorkItem
from engine.state.tags import Malformed, Managed, parse


@dataclass
class Rotation:
    """One work item under the lease of its source, and what was done for it so far."""

    lease: SourceLease
    item: WorkItem
    tries: int = 1
    progress: Progress = field(init=False)
    vault_writer: VaultWriter = field(init=False)
    observed: Observed = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(self.item, self.tries)
        self.vault_writer = VaultWriter(self.lease)
        self.observed = Observed(self.lease, self.item)

    @property
    def parts(self) -> Parts:
        """The ports, and the policy."""
        return self.lease.parts

    @property
    def record(self) -> Record:
        """What is known of the source."""
        return self.observed.record

    async def look(self) -> SecretVersion:
        """Read the secret, and return what Rekey believes of it; raises Stale while the vault lags."""
        secret = await self.observed.look()
        item = self.progress.item
        if not (item.compromised and item.began):
            self.progress.item = item.about(secret.version)
        elif item.version == secret.version and self.observed.made_since(secret, item.began):
            # Whoever posted it went by the clock of the vault. The record knows better.
            self.progress.item = replace(item, version=None)
        if item.recheck and not (self._may_be_late or self.observed.is_forgotten):
            # It finds nothing that may take effect late: it is an audit like any other.
            self.progress.item = replace(self.progress.item, recheck=False)
        published = self.record.published
        if self.record.unreported and published and self.progress.result is None:
            self.progress.publishes_earlier(published.version)
        return secret

    @property
    def _may_be_late(self) -> bool:
        return self.record.is_uncertain or self.record.change.in_progress_since is not None

    @property
    def carries_on(self) -> bool:
        """Return whether a look finds its source at what a rotation of this version asked for."""
        item, change = self.progress.item, self.record.change
        is_look = item.recheck and item.action == "audit" and self.observed.has_read
        goes_on = change.in_progress_since and change.requested_at
        return bool(is_look and goes_on and change.version == self.observed.shown.version)

    def asked(self) -> WorkItem:
        """Return what is asked for: an incident that the record knows of comes before everything else."""
        compromised, item = self.record.compromised.versions, self.progress.item
        if not compromised and item.compromised and item.began and item.version is None:
            return replace(item, action="audit", compromised=False)
        if not compromised:
            return replace(item, action="rotate", force=True) if self.carries_on else item
        earlier = self.record.retirement
        is_restorable = earlier and earlier.version not in compromised
        item = replace(item, compromised=True, version=self.first_compromised)
        return (
            item if item.action == "restore" and is_restorable else replace(item, action="rotate")
        )

    @property
    def first_compromised(self) -> str:
        """The compromised version that comes next; one that a person must settle holds up no other."""
        compromised = self.record.compromised.versions
        return next(
            (it for it in compromised if it not in self.progress.left_to_a_person), compromised[0]
        )

    def leave_to_a_person(self, error: NeedsHuman) -> None:
        """Go on with the next compromised version; raises why the first needs a person if none is left."""
        left = self.progress.left_to_a_person
        left.setdefault(self.first_compromised, error)
        if left.keys() >= set(self.record.compromised.versions):
            raise next(iter(left.values()))

    def is_single(self, managed: Managed) -> bool:
        """Return whether the source accepts one credential at a time."""
        return self.parts.rotator(managed).single_slot(managed.settings)

    @property
    def leaves_unknown(self) -> bool:
        """Return whether this run has left the source with a password that nobody knows."""
        return self.lease.is_lost and not self.progress.has_published

    def warned(self, parked: Park) -> Park:
        """Return why a secret is parked, and whether this run leaves a password that nobody knows.

        Who was overtaken after it had changed the source ends with something else.
        """
        if not self.leaves_unknown or LOST in parked.reason:
            return parked
        return replace(parked, reason=f"{parked.reason}; {LOST}")

    def managed_here(self, secret: SecretVersion) -> Managed | None:
        """Return what a secret's tags ask for at this source; None if they name another one."""
        shown = self.parts.policy.applied(secret)
        if "ProviderAddress" not in shown.tags:
            return None
        managed = parse(shown.tags, self.parts.policy, self.parts.kinds)
        if isinstance(managed, Malformed) or managed.source != self.lease.source:
            return None
        return managed
