"""Derived secrets: the key behind one, and the secrets that a key has made.

A tag is a wish. Everybody who may edit a derived secret may name a key with `DerivedFrom`. Nothing
is made before the key's own secret consents with `MayDerive`, to this very secret and to exactly
this extent. Consent and key are read in one answer of the vault, each time the key is used.

A derived secret moves to a new key before the superseded key is revoked. The retirement waits for a
derived secret that still lives on the superseded key, and for the overlap of one that moved late.
It waits as long as it would for an app, so nobody can keep a key alive for ever. An incident waits
for two minutes at most. A derived secret that is left behind follows its key a minute later, and is
made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from engine.contract import Derived, Issued, Job, Parent
from engine.errors import NeedsHuman, NotFound, PermanentError, RekeyError, TransientError
from engine.follow_up.refresh import timeout_of
from engine.follow_up.tasks import follow_key
from engine.parts import Parts
from engine.planning.decision import AUDITED, crowded
from engine.rotation.source_lease import NOBODY
from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.state.decision import Acting, Confirm, Decision, Park, Retire, Rotate, Wait
from engine.state.due import by_hand, due_reason
from engine.state.record import Record
from engine.state.request import Cause, WorkItem
from engine.state.tags import DERIVED_FROM, MAY_DERIVE, Malformed, Managed, unfinished_incident

GAIN = timedelta(hours=1)
"""How much longer a new version must last, or there is no use in making one."""
BEING_REPLACED_SECONDS = 60.0
"""How long a derived secret waits for a compromised key before it tries again."""
REFUSED_SECONDS = 300.0
"""How long it waits for a key that the source refuses, and that its own secret must heal."""
KEY_COMPROMISED = "KeyCompromised"
"""The code of an error that waits for a compromised key to be replaced."""
KEY_REFUSED = "KeyRefused"
"""The code of an error that waits for a key to be healed which the source refuses."""


@dataclass(frozen=True)
class ParentKey:
    """The key behind one derived secret."""

    parts: Parts
    managed: Managed

    @classmethod
    def of(cls, parts: Parts, managed: Managed) -> ParentKey | None:
        """Return the key of a secret whose kind is derived; None for every other kind."""
        return cls(parts, managed) if managed.derived_from else None

    async def parent(self, ref: SecretRef) -> Parent:
        """Return the key that its own secret holds, with the consent to use it here.

        Raises NeedsHuman that says what is wrong, and TransientError while the key is replaced.
        """
        holder = await self._read(self._named)
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
        key = self.parts.held(holder, record.as_read(owner, holder) if record else owner)
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
        """Return the decision once the key is known, because a derived secret follows its key.

        An audit replaces a credential that the present key has not made, and so does an incident of
        an earlier one. A secret that is due waits for a new key if the present one could not make
        it last longer.
        """
        if isinstance(decision, Confirm) and (item.action == "audit" or item.compromised):
            return await self._followed(secret, decision)
        if not isinstance(decision, Rotate) or decision.at_once or item.force:
            return decision
        parent = await self.parent(secret.ref)
        if self.is_made_from(secret, parent.key) and not self._gains(secret, parent):
            if item.action == "audit":
                return Confirm(self.managed, AUDITED)
            ends = parent.expires or self.parts.clock.now()
            return Wait(
                ends,
                f"{decision.reason}, as does its key in {self.managed.derived_from}",
                "rotate the secret with the key: this one follows it",
            )
        return decision

    async def _followed(self, secret: SecretVersion, decision: Confirm) -> Decision:
        """Return the proof that is decided, or the rotation of what the present key never made.

        A person is notified of one that is left to people, before the superseded key goes.
        """
        if self.is_made_from(secret, (await self.parent(secret.ref)).key):
            return decision
        if by_hand(self.parts.policy.applied(secret).tags):
            what = "its key has a new version, and its owner leaves it to people"
            return Park(what, f"sign anew with the key in {self.managed.derived_from}")
        follow = Rotate(self.managed, "its key has a new version, or never made this value")
        return crowded(secret) or follow

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
        named, reason = self._named, f"the source refuses what {ref} made from it"
        item = WorkItem(named, "audit", cause=Cause("event", "rekey", reason))
        await self.parts.queue.post_rotation(item)
        return TransientError(
            f"{problem}: the key in {named} is audited first",
            where=self.managed.source,
            code=KEY_REFUSED,
            retry_after=REFUSED_SECONDS,
        )

    @property
    def _named(self) -> SecretRef:
        assert self.managed.derived_from  # noqa: S101 - tags without it are malformed
        return self.managed.derived_from

    @property
    def _rotator(self) -> Derived:
        rotator = self.parts.rotator(self.managed)
        assert isinstance(rotator, Derived)  # noqa: S101 - only made for such a kind
        return rotator

    def _gains(self, secret: SecretVersion, parent: Parent) -> bool:
        """Return whether a new version would last longer than the current one."""
        now = self.parts.clock.now()
        # A version without an expiry counts as one that ends now.
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
            what = f"is of the kind {kind}, which makes no {self.managed.rotator.kind}"
            fix = f"name one of the kind {', '.join(sorted(kinds))} in the tag {DERIVED_FROM}"
            raise _wrong(holder.ref, what, fix)
        if owner.source != self._rotator.made_at(self.managed.source):
            fix = f"correct the tag ProviderAddress or {DERIVED_FROM}"
            raise _wrong(holder.ref, f"is the key of {owner.source}", fix)
        if not self.parts.policy.allows(holder.ref.vault, owner.source):
            what = "is in a vault not bound to its source"
            raise _wrong(holder.ref, what, "see REKEY_SCOPES and the policy")

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
            fix = f"its owner adds {name}={extent} to its tag {MAY_DERIVE}"
            raise _wrong(holder.ref, "does not consent", fix)

    async def _record(self, holder: SecretVersion, owner: Managed) -> Record | None:
        """Return the record of the key's source if this secret owns it; None if nobody does yet.

        Raises Stale while the vault may still show an older key.
        """
        record = await self.parts.leases.peek(owner.source)
        if record is None or record.owner in ("", NOBODY):
            return None
        if record.owner != str(holder.ref).lower():
            what = f"does not own its source, which {record.owner} rotates"
            raise _wrong(holder.ref, what, f"name that secret in the tag {DERIVED_FROM}")
        seen = record.seen(holder, self.parts.clock.now())
        if holder.version in seen.compromised.versions:
            raise TransientError(
                "its key is compromised and is being replaced",
                where=str(holder.ref),
                code=KEY_COMPROMISED,
                retry_after=BEING_REPLACED_SECONDS,
            )
        return seen


def _is_made(managed: Managed, holder: SecretRef, source: str) -> bool:
    """Return whether tags ask for what this key makes, in whatever case its name is typed."""
    is_named = str(managed.derived_from).lower() == str(holder).lower()
    return is_named and managed.source == source


def _wrong(holder: SecretRef, what: str, fix: str) -> NeedsHuman:
    return NeedsHuman(f"the secret with its key {what}", where=str(holder), fix=fix)


LONGEST_LAG = timedelta(minutes=2)
"""How long a compromised key is kept at most after the new one was published."""
LAG_PAUSE = 20.0
MOVED_LATE = timedelta(hours=1)
"""A derived secret that moved later than this after its key has an overlap of its own."""
SECOND = timedelta(seconds=1)
LEFT_BEHIND_SECONDS = 60.0
"""How long a derived secret waits to follow a key that is revoked before it has moved.

The new key is usually published by then.
"""


type Lag = Literal["behind", "late"]
"""Why a derived secret still needs the superseded key: its current version lives on it, or it moved
late, and its earlier version is inside its overlap."""


type Limits = Mapping[Lag, datetime]
"""Until when a retirement waits for derived secrets."""


@dataclass(frozen=True)
class Dependents:
    """The derived secrets of one key."""

    parts: Parts
    managed: Managed
    """What the tags of the secret with the key ask for."""
    since: datetime | None = None
    """When Rekey published the present key; None if nobody knows."""

    async def delay(self, secret: SecretVersion, item: WorkItem, decision: Decision) -> Wait | None:
        """Return until when a retirement waits, if it does; changes nothing."""
        if not isinstance(decision, Retire):
            return None
        limits = self._limits(secret, item, decision)
        if self._goes(limits, secret, item):
            return None
        return self._delay(decision, limits, await self._lagging(secret))

    async def hold_back(
        self, secret: SecretVersion, item: WorkItem, decision: Decision
    ) -> Wait | None:
        """Have lagging secrets follow their key; return until when a retirement waits for them.

        Raises TransientError to come back within seconds if the key is to be revoked at once; an
        audit does not. A derived secret whose key is refused asks for such an audit itself. It is
        not told to follow then, because it would ask again.
        """
        if not isinstance(decision, Retire):
            return None
        limits = self._limits(secret, item, decision)
        if self._goes(limits, secret, item):
            # Nothing may keep the key alive now. So nothing is read here, and the message is only a
            # hint, which may fail to be posted.
            refs = [ref for ref, _ in self.served(secret)]
            with suppress(RekeyError):
                await self._follow(refs, LEFT_BEHIND_SECONDS)
            return None
        lagging = await self._lagging(secret)
        behind = [ref for ref, lag in lagging.items() if lag == "behind"]
        wait = self._delay(decision, limits, lagging)
        if wait is None:
            await self._follow(behind, LEFT_BEHIND_SECONDS)
            return None
        is_short = wait.until == secret.created + LONGEST_LAG
        if not (item.cause.trigger == "event" and item.cause.requested_by == "rekey"):
            await self._follow(behind, parked=is_short)
        if is_short and item.action != "audit":
            raise TransientError(wait.reason, code="Followed", retry_after=LAG_PAUSE)
        return wait

    def _goes(self, limits: Limits, secret: SecretVersion, item: WorkItem) -> bool:
        """Return whether the superseded key is revoked now, whatever lags.

        It is if the current key is compromised itself: nothing can move to that.
        """
        leads_nowhere = item.compromised and item.version == secret.version
        return leads_nowhere or self.parts.clock.now() >= max(limits.values())

    async def _follow(
        self, refs: Iterable[SecretRef], delay: float = 0.0, *, parked: bool = True
    ) -> None:
        """Have derived secrets follow their key, before that is revoked: this worker may die."""
        for ref in refs:
            await self.parts.queue.post_rotation(follow_key(ref, parked=parked), delay)

    def _limits(self, secret: SecretVersion, item: WorkItem, decision: Retire) -> Limits:
        soon = secret.created + LONGEST_LAG
        # Compared with when the key was published: a tag may have been copied onto a later version.
        is_immediate = decision.pending.at <= (self.since or secret.created) + SECOND
        if item.compromised or item.force or unfinished_incident(secret) or is_immediate:
            # A secret that moved late has no overlap of its own then.
            return {"behind": soon, "late": secret.created}
        patient = timeout_of(decision, self._began(secret))
        if not due_reason(secret, self.managed, self.parts.clock.now()):
            return {"behind": patient, "late": patient}
        # The key's next rotation waits for this retirement. It may wait for an overlap, but not for
        # a secret that does not follow.
        late = min(patient, secret.expires - MOVED_LATE) if secret.expires else patient
        return {"behind": soon, "late": late}

    def _delay(
        self, decision: Retire, limits: Limits, lagging: Mapping[SecretRef, Lag]
    ) -> Wait | None:
        now = self.parts.clock.now()
        waits = {ref: limits[lag] for ref, lag in lagging.items() if now < limits[lag]}
        if not waits:
            return None
        until = max(waits.values())
        credential, names = decision.pending.credential_id, ", ".join(map(str, waits))
        holds = "holds" if any(lagging[ref] == "behind" for ref in waits) else "held before"
        reason = f"{credential} is kept until {until:%Y-%m-%d %H:%M}Z: it made what {names} {holds}"
        return Wait(until, reason, "see why that secret has not followed, or send force")

    def _began(self, secret: SecretVersion) -> datetime:
        """Return since when the secret holds its key, also if somebody wrote the key again."""
        return min(self.since or secret.created, secret.created)

    def served(self, secret: SecretVersion) -> list[tuple[SecretRef, str]]:
        """Return the secrets that may hold what the key makes, each with its source."""
        refs = [
            (consent.ref(secret.ref.vault), f"{self.managed.source}/{consent.extent}")
            for consent in self.managed.may_derive
        ]
        return [(ref, source) for ref, source in refs if self.parts.policy.manages(ref.vault)]

    def holders(self, secret: SecretVersion) -> list[SecretRef]:
        """Return the secrets whose apps need the key: its own, its replicas and what it has made."""
        return [secret.ref, *self.managed.replicas, *(ref for ref, _ in self.served(secret))]

    async def _lagging(self, secret: SecretVersion) -> dict[SecretRef, Lag]:
        key = self.parts.held(secret, self.managed)
        if key is None:
            return {}
        lags = {
            ref: await self._lag(ref, source, secret, key) for ref, source in self.served(secret)
        }
        return {ref: lag for ref, lag in lags.items() if lag}

    async def _lag(
        self, ref: SecretRef, source: str, secret: SecretVersion, key: Sensitive
    ) -> Lag | None:
        try:
            copy = await self.parts.vaults.read(ref)
        except NotFound:
            return None
        except PermanentError:
            # A secret that cannot be read may still live on the key.
            return "behind"
        managed = await self._asked_of(copy)
        held = self.parts.held(copy, managed) if managed else None
        if not (managed and held and _is_made(managed, secret.ref, source)):
            return None
        try:
            has_moved = ParentKey(self.parts, managed).is_made_from(copy, key)
        except RekeyError:
            # The value is no signature of this kind, so it keeps no key alive.
            return None
        if has_moved:
            in_time = self._began(secret) + MOVED_LATE
            moved = await self._moved(copy, managed, key, in_time)
            goes_on = self.parts.clock.now() < moved + managed.overlap
            return "late" if moved > in_time and goes_on else None
        return "behind" if await self._lives(managed, held) else None

    async def _moved(
        self, copy: SecretVersion, managed: Managed, key: Sensitive, in_time: datetime
    ) -> datetime:
        """Return when a derived secret moved to a key, although it was made anew since."""
        record = await self.parts.leases.peek(managed.source) if copy.created > in_time else None
        with suppress(PermanentError):
            for version in record.history.replaced if record else ():
                before = await self.parts.earlier(copy.ref, version)
                if not (before and ParentKey(self.parts, managed).is_made_from(before, key)):
                    break
                copy = before
        return copy.created

    async def _asked_of(self, copy: SecretVersion) -> Managed | None:
        """Return what a derived secret's tags ask for; its record tells how its value is read."""
        managed = self.parts.tagged(copy).managed
        record = await self.parts.leases.peek(managed.source) if managed else None
        return record.as_read(managed, copy) if managed and record else managed

    async def _lives(self, managed: Managed, held: Sensitive) -> bool:
        """Return whether a value works. One that does not keeps no key alive, whoever wrote it."""
        try:
            return await self.parts.rotator(managed).accepts(managed.source, "", held)
        except TransientError as error:
            if error.retry_after is not None:
                raise
            return True
        except RekeyError:
            return True
