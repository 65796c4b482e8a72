"""What every step of the engine needs: the ports, the policy, and the decision made with them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from engine.contract import Job, Rotator
from engine.errors import AccessDenied, NotFound, PermanentError, RekeyError, TransientError
from engine.kinds import Kinds
from engine.planning.decision import Case, Tagged, decided
from engine.ports import (
    Alerts,
    Apps,
    AuditLog,
    Clock,
    Incidents,
    Leases,
    Memory,
    Reporter,
    Requests,
    Vaults,
    Webhooks,
    WorkQueue,
)
from engine.secret import SecretRef, SecretVersion, Sensitive, Version
from engine.state import tags, template
from engine.state.decision import Acting, Decision
from engine.state.history import newest_first
from engine.state.incident import TO_AGREE, UNWRITTEN
from engine.state.index import Listed, StateIndex
from engine.state.policy import Policy
from engine.state.record import Record
from engine.state.record_parts import Prints
from engine.state.request import Work, WorkItem, operation_id
from engine.state.sweep_order import SweepOrder
from engine.state.tags import Managed

log = logging.getLogger("rekey")

GRACE_SECONDS = 60.0
"""How long after its message was due the timer carries out what a person asked for."""
DISABLED = "SecretDisabled"
"""Key Vault's code for a disabled version. Every other refusal means that a right is missing."""


@dataclass(frozen=True)
class Parts:
    """The ports, and helpers that need nothing else."""

    vaults: Vaults
    leases: Leases
    kinds: Kinds
    """The kinds of credential, by name."""
    policy: Policy
    clock: Clock
    reporter: Reporter
    queue: WorkQueue
    requests: Requests
    """Where what people asked for stands until it is done."""
    apps: Apps | None = None
    """How to reach the apps that use secrets; None if the deployment has none."""
    webhooks: Webhooks | None = None
    """How to notify owners; None if the deployment sends no notices."""
    incidents: Incidents | None = None
    """Where incidents are recorded; None if the deployment keeps none."""
    audit_log: AuditLog | None = None
    """What tells who read a secret; None if nothing does."""
    alerts: Alerts | None = None
    """What reads GitHub's alerts; None if none are expected."""
    memory: Memory | None = None
    """Where it is noted which sweep sends a digest; None if any may."""
    prints: Prints = field(default_factory=Prints)
    """What makes the prints by which a reported leak is found."""

    @property
    def rotators(self) -> Mapping[str, Rotator]:
        """The plug-in of each kind."""
        return self.kinds.rotators

    def tagged(self, secret: Version) -> Tagged:
        """Read the tags of a secret."""
        return Tagged.of(secret, self.policy, self.kinds)

    def tagged_as_read(self, secret: SecretVersion, record: Record) -> Tagged:
        """Read the tags of a secret; its record tells how its present value is read."""
        tagged = self.tagged(secret)
        managed = tagged.managed
        return replace(tagged, asks=record.as_read(managed, secret)) if managed else tagged

    def believed[V: Version](self, secret: V, record: Record) -> V:
        """Return a version with what its record knows of it instead of what its tags claim.

        Its owner's word stays where the tag CredentialId names another source, as it does for kinds
        with a login or a pair of keys each.
        """
        known, word = record.believed(secret), secret.tags.get(tags.CREDENTIAL)
        if word in (None, known.tags.get(tags.CREDENTIAL)):
            return known
        left = replace(known, tags={**known.tags, tags.CREDENTIAL: word})
        return known if self.tagged(left).source == self.tagged(known).source else left

    def decide(self, secret: Version, item: WorkItem) -> Decision:
        """Decide what a work item means for a secret in its present state."""
        return self.decided(self.tagged(secret), item)

    def decided(self, tagged: Tagged, item: WorkItem) -> Decision:
        """Decide what a work item means for a secret whose tags have been read."""
        decision = decided(Case(tagged, item, self.policy, self.clock.now()))
        self.reporter.about(
            item.operation, decision.managed.rotator.kind if isinstance(decision, Acting) else ""
        )
        return decision

    async def existing(self, ref: SecretRef) -> SecretVersion | None:
        """Return the current version of a secret; None if there is no such secret."""
        try:
            return await self.vaults.read(ref)
        except NotFound:
            return None

    async def versions(self, ref: SecretRef) -> list[Version]:
        """Return the versions of a secret without their values, from the newest to the oldest."""
        return newest_first([version async for version in self.vaults.versions(ref)])

    async def earlier(self, ref: SecretRef, version: str) -> SecretVersion | None:
        """Return one version; None if the vault has it no more, or somebody has disabled it.

        Raises AccessDenied where a right is missing: what was not read is not gone.
        """
        try:
            return await self.vaults.read_version(ref, version)
        except NotFound:
            return None
        except AccessDenied as error:
            if error.code != DISABLED:
                raise
            return None

    async def accept(self, work: WorkItem | SweepOrder, delay: float = 0.0) -> None:
        """Store what a person asked for, and post a message that hastens it.

        Whoever is answered after that need not ask again, even if the message is lost.
        """
        await self.keep(work, delay + GRACE_SECONDS)
        await self.post(work, delay)

    async def keep(self, work: WorkItem | SweepOrder, seconds: float) -> None:
        """Store what a person asked for. The timer carries it out after so many seconds."""
        if work.request:
            due = self.clock.now() + timedelta(seconds=seconds)
            await self.requests.keep(work.request, work.to_json(), due)

    async def post(self, work: Work | SweepOrder, delay: float = 0.0) -> None:
        """Post a message, due in `delay` seconds."""
        if isinstance(work, SweepOrder):
            await self.queue.post_sweep(work, delay)
        else:
            await self.queue.post_rotation(work, delay)

    async def close(self, work: WorkItem | SweepOrder) -> None:
        """Forget what is done. If that fails, it is asked for once more, and found done."""
        if not work.request:
            return
        try:
            await self.requests.close(work.request)
        except RekeyError as error:
            log.warning("a request that is done could not be closed: %s", error)

    async def index(self) -> StateIndex:
        """Read what the records say of all secrets.

        Where the app may not list them, the index is marked `unread` and only tags are known.
        """
        try:
            return await StateIndex.read(self.leases.index())
        except PermanentError as error:
            log.error("the records of the sources cannot be listed: %s", error)
            return StateIndex({}, unread=True)

    async def known(self, ref: SecretRef) -> Sequence[Listed]:
        """Return a secret's records, as listed; raises TransientError if they cannot be listed."""
        index = await self.index()
        if index.unread:
            raise TransientError(
                "the records cannot be listed, so the source of the credential is not known",
                where=str(ref),
                fix="see whether the app reaches its own storage account",
            )
        return index.of(ref)

    async def primary(self, copy: Version) -> SecretRef | None:
        """Return the secret whose rotation writes a replica; None if it does not name the replica.

        The tag ReplicaOf alone gives its writer no power over the secret that it names. No value is
        read. Raises what prevents that secret from being read.
        """
        ref = tags.named(copy.tags.get(tags.REPLICA_OF, ""))
        if ref is None or not self.policy.manages(ref.vault):
            return None
        current = (await self.versions(ref))[:1]
        is_named = any(tags.names_replica(self.policy.applied(it), copy.ref) for it in current)
        return ref if is_named else None

    async def unwritten(self, copy: Version) -> tuple[str, str] | None:
        """Return why nothing writes a replica, and the way out; None if its primary names it."""
        try:
            return None if await self.primary(copy) else (UNWRITTEN, TO_AGREE)
        except PermanentError as error:
            return f"its primary cannot be read: {error.what}", error.fix

    def rotator(self, managed: Managed) -> Rotator:
        """Return the rotator of a secret's kind."""
        return self.rotators[managed.rotator.kind]

    @staticmethod
    def held(secret: SecretVersion, managed: Managed) -> Sensitive | None:
        """Return the credential inside the value; None if the value does not match the template."""
        return (template.extract(managed.template, secret.value) or {}).get(
            managed.rotator.value_field
        )

    def printed(self, secret: SecretVersion, record: Record) -> str:
        """Return the prints of a version: of its credential alone, and of the value around it."""
        if not self.prints.keys:
            return ""
        managed = self.tagged_as_read(secret, record).managed
        held = self.held(secret, managed) if managed else None
        texts = [value.reveal() for value in (held, secret.value) if value]
        return self.prints.of(*dict.fromkeys(texts))

    def is_anothers(self, secret: Version) -> bool:
        """Return whether another deployment says that it wrote a version, shown with its tags."""
        writer, own = secret.tags.get(tags.BY, ""), self.policy.deployment
        return bool(writer and own and writer != own)

    def job(
        self,
        secret: SecretVersion,
        managed: Managed,
        *,
        proven: bool = False,
        in_place: bool = False,
    ) -> Job:
        """Describe to a rotator what to issue."""
        assert secret.version is not None  # noqa: S101 - a version that was read has an id
        # This deployment, or a Rekey without deployment names, marked it.
        is_ours = secret.tags.get(tags.BY) == (self.policy.deployment or None)
        return Job(
            source=managed.source,
            operation=operation_id(secret.ref, secret.version),
            held_id=managed.credential_id,
            held=self.held(secret, managed),
            written=None if proven or is_ours or tags.PROOF in secret.tags else secret.created,
            proven=proven,
            in_place=in_place,
            expires=self.clock.now() + managed.validity,
            vault=secret.ref.vault,
            options={key: value for key, value in managed.settings.items() if key not in tags.OURS},
        )
