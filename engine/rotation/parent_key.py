"""Derived secrets: what a key has made, and the key behind it.

A tag is a wish. Whoever may edit a derived secret names its key with `DerivedFrom`, and nothing is
made before the key's own secret consents with `MayDerive`, to this very secret and to exactly what
is asked for. Consent and key are read in one answer of the vault, each time one is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from engine.contract import Derived, Issued, Job, Parent
from engine.errors import NeedsHuman, TransientError
from engine.parts import Parts
from engine.planning.decision import crowded
from engine.rotation.source_lease import NOBODY
from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.state.decision import Acting, Confirm, Decision, Rotate, Wait
from engine.state.record import Record
from engine.state.request import WorkItem
from engine.state.tags import DERIVED_FROM, MAY_DERIVE, Malformed, Managed

GAIN = timedelta(hours=1)
"""How much longer a new version must last, or there is no use in making one."""
BEING_REPLACED_SECONDS = 60.0
"""How long a derived secret waits for a compromised key before it looks again."""
REFUSED_SECONDS = 300.0
"""How long it waits for a key that the source refuses, and that its own secret must heal."""
KEY_COMPROMISED = "KeyCompromised"
"""The code of an error that waits for a compromised key to be replaced."""
KEY_REFUSED = "KeyRefused"
"""The code of an error that waits for a key to be healed which the source refuses."""


@dataclass(frozen=True)
class ParentKey:
    """Where the credential of one derived secret comes from."""

    parts: Parts
    managed: Managed

    @classmethod
    def of(cls, parts: Parts, managed: Managed) -> ParentKey | None:
        """Return the key of a secret whose kind is derived; None for every other kind."""
        return cls(parts, managed) if managed.derived_from else None

    async def parent(self, ref: SecretRef) -> Parent:
        """Return the key, as its secret holds it and lets this one use it.

        Raises NeedsHuman that says what is wrong, and TransientError while the key is replaced.
        """
        named = self.managed.derived_from
        assert named  # noqa: S101 - tags without it are malformed
        holder = await self._read(named)
        owner = self._parsed(holder)
        if owner.derived_from:
            what = "is derived itself, and signs nothing"
            raise _wrong(
                holder.ref, what, f"name the secret with the key in the tag {DERIVED_FROM}"
            )
        self._consents(ref, holder, owner)
        self._refuse_others(holder, owner)
        record = await self._record(holder, owner)
        shown = record.believed(holder) if record else holder
        key = self.parts.held(holder, owner)
        if key is None:
            raise _wrong(
                holder.ref, "does not follow its ValueTemplate", "correct its value or tag"
            )
        credential_id = shown.tags.get("CredentialId", "").strip() or "key"
        return Parent(owner.source, credential_id, key, holder.expires)

    async def keyed(self, ref: SecretRef, job: Job) -> Job:
        """Return a job with the key, for a credential that never outlasts it."""
        parent = await self.parent(ref)
        return replace(job, parent=parent, expires=min(job.expires, parent.expires or job.expires))

    async def judged(self, secret: SecretVersion, item: WorkItem, decision: Acting) -> Decision:
        """Return the decision once the key is known: a derived secret follows it.

        Where the key has moved on, an audit replaces what it made before. A secret that is due
        waits for its key if it could last no longer than now.
        """
        if isinstance(decision, Confirm) and item.action == "audit":
            moved = not self.is_made_from(secret, (await self.parent(secret.ref)).key)
            follow = Rotate(self.managed, "its key has a new version, or never made this value")
            return (crowded(secret) or follow) if moved else decision
        if not isinstance(decision, Rotate) or decision.at_once or item.force:
            return decision
        parent = await self.parent(secret.ref)
        if self.is_made_from(secret, parent.key) and not self._gains(secret, parent):
            ends = parent.expires or self.parts.clock.now()
            return Wait(
                ends,
                f"{decision.reason}, as does its key in {self.managed.derived_from}",
                "rotate the secret with the key: this one follows it",
            )
        return decision

    def made(self, keyed: Job, issued: Issued) -> bool:
        """Return whether the key of a job made a credential, for exactly its source."""
        assert keyed.parent  # noqa: S101 - it was returned by `keyed`
        credential = issued.fields[self.managed.rotator.value_field]
        return self._rotator.is_made_from(keyed.source, credential, keyed.parent.key)

    def is_made_from(self, secret: SecretVersion, key: Sensitive) -> bool:
        """Return whether this key made what a version of the derived secret holds."""
        held = self.parts.held(secret, self.managed)
        return held is not None and self._rotator.is_made_from(self.managed.source, held, key)

    async def refused(self, ref: SecretRef, problem: str) -> TransientError:
        """Have the key's own secret audited; return the error that waits for it to be healed."""
        named = self.managed.derived_from
        assert named  # noqa: S101 - tags without it are malformed
        reason = f"the source refuses what {ref} made from it"
        item = WorkItem(named, "audit", trigger="event", requested_by="rekey", reason=reason)
        await self.parts.queue.post_rotation(item)
        return TransientError(
            f"{problem}: the key in {self.managed.derived_from} is looked at first",
            where=self.managed.source,
            code=KEY_REFUSED,
            retry_after=REFUSED_SECONDS,
        )

    @property
    def _rotator(self) -> Derived:
        rotator = self.parts.rotator(self.managed)
        assert isinstance(rotator, Derived)  # noqa: S101 - only made for such a kind
        return rotator

    def _gains(self, secret: SecretVersion, parent: Parent) -> bool:
        """Return whether a new version would last longer than the current one."""
        now = self.parts.clock.now()
        # What is due ends long before its validity would from now on.
        return parent.expires is None or parent.expires > max(secret.expires or now, now) + GAIN

    async def _read(self, ref: SecretRef) -> SecretVersion:
        holder = await self.parts.existing(ref)
        if holder is None:
            raise _wrong(ref, "does not exist", f"correct the tag {DERIVED_FROM}")
        if self.parts.policy.is_own(ref):
            raise _wrong(ref, "is the policy document", f"correct the tag {DERIVED_FROM}")
        if not holder.enabled:
            raise _wrong(ref, "is disabled", "enable it")
        return holder

    def _refuse_others(self, holder: SecretVersion, owner: Managed) -> None:
        """Raise NeedsHuman if the secret with the key is of another kind, source or scope."""
        kind, kinds = owner.rotator.kind, self._rotator.parents
        if kind not in kinds:
            raise _wrong(
                holder.ref,
                f"is of the kind {kind}, which makes no {self.managed.rotator.kind}",
                f"name one of the kind {', '.join(sorted(kinds))} in the tag {DERIVED_FROM}",
            )
        if owner.source != self._rotator.made_at(self.managed.source):
            raise _wrong(
                holder.ref,
                f"is the key of {owner.source}",
                f"correct the tag ProviderAddress or {DERIVED_FROM}",
            )
        if not self.parts.policy.allows(holder.ref.vault, owner.source):
            raise _wrong(
                holder.ref,
                "is in a vault not bound to its source",
                "see REKEY_SCOPES and the policy",
            )

    def _parsed(self, holder: SecretVersion) -> Managed:
        owner = self.parts.tagged(holder).asks
        if owner is None:
            raise _wrong(
                holder.ref, "is not managed", "give it its tags, so that its key is rotated"
            )
        if isinstance(owner, Malformed):
            raise _wrong(holder.ref, "has malformed tags", "correct them")
        return owner

    def _consents(self, ref: SecretRef, holder: SecretVersion, owner: Managed) -> None:
        """Raise NeedsHuman unless the key's owner lets this very secret hold exactly this."""
        source = self.managed.source
        extent = source.removeprefix(f"{self._rotator.made_at(source)}/")
        if not any(consent.covers(holder.ref, ref, extent) for consent in owner.may_derive):
            name = ref.name if ref.vault == holder.ref.vault else str(ref)
            raise _wrong(
                holder.ref,
                "does not consent",
                f"its owner adds {name}={extent} to its tag {MAY_DERIVE}",
            )

    async def _record(self, holder: SecretVersion, owner: Managed) -> Record | None:
        """Return the record of the key's source if this secret owns it; None if nobody does yet.

        Raises Stale while the vault may still show an older key.
        """
        record = await self.parts.leases.peek(owner.source)
        if record is None or record.owner in ("", NOBODY):
            return None
        if record.owner != str(holder.ref).lower():
            raise _wrong(
                holder.ref,
                f"does not own its source, which {record.owner} rotates",
                f"name that secret in the tag {DERIVED_FROM}",
            )
        seen = record.seen(holder, self.parts.clock.now())
        if holder.version in seen.compromised.versions:
            raise TransientError(
                "its key is compromised and is being replaced",
                where=str(holder.ref),
                code=KEY_COMPROMISED,
                retry_after=BEING_REPLACED_SECONDS,
            )
        return seen


def _wrong(holder: SecretRef, what: str, fix: str) -> NeedsHuman:
    return NeedsHuman(f"the secret with its key {what}", where=str(holder), fix=fix)
