"""What was made from a key moves on before the key's predecessor is revoked.

A retirement waits for a derived secret that still lives on the superseded key, and for its overlap
where it moved late. It waits as long as it would for an app, so nobody keeps a key alive by leaving
a derived secret behind. An incident waits for two minutes at most. What is left behind then looks
at its key a minute later, and is made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeIs

from engine.errors import NotFound, PermanentError, RekeyError, TransientError
from engine.follow_up.refresh import timeout_of
from engine.follow_up.tasks import follow_key
from engine.parts import Parts
from engine.rotation.parent_key import ParentKey
from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.state.decision import Decision, Retire, Wait
from engine.state.due import due_reason
from engine.state.request import WorkItem
from engine.state.tags import Managed, unfinished_incident

LONGEST_LAG = timedelta(minutes=2)
"""How long after the new key was published a compromised one is kept, at most."""
LAG_PAUSE = 20.0
LATE = timedelta(hours=1)
"""A derived secret that moved later than this after its key has an overlap of its own."""
SECOND = timedelta(seconds=1)
LEFT_BEHIND_SECONDS = 60.0
"""When a derived secret looks at its key that goes before it has moved.

The new key is usually there by then, or whoever makes it has died.
"""


type Lag = Literal["behind", "late"]
"""Why a derived secret still needs the superseded key: its current version lives on it, or it moved
late, so that what it superseded is inside its overlap."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Until when a retirement waits for derived secrets."""

    until: Mapping[Lag, datetime]
    is_short: bool = True
    """It waits for minutes at most for those that are behind."""


@dataclass(frozen=True)
class Dependents:
    """The derived secrets of one key."""

    parts: Parts
    managed: Managed
    """What the tags of the secret with the key ask for."""
    since: datetime | None = None
    """When Rekey published a key last, which the secret holds since; None if nobody knows."""

    async def delay(self, secret: SecretVersion, item: WorkItem, decision: Decision) -> Wait | None:
        """Return until when a retirement waits, if it does; changes nothing."""
        if not self._concerns(decision):
            return None
        limits = self._limits(secret, item, decision)
        if self._goes(limits, secret, item):
            return None
        return self._delay(decision, limits, await self._lagging(secret))

    async def hold_back(
        self, secret: SecretVersion, item: WorkItem, decision: Decision
    ) -> Wait | None:
        """Have what lags look at its key; return until when a retirement waits for it, if it does.

        Raises TransientError to come back within seconds where the key is to go at once. An audit
        does not wait. Where a derived secret has asked for one, as its key is refused, it is not
        told to look: it would ask again.
        """
        if not self._concerns(decision):
            return None
        limits = self._limits(secret, item, decision)
        if self._goes(limits, secret, item):
            # What cannot be asked for keeps no key alive, so nothing is read here.
            refs = [ref for ref, _ in self._served(secret)]
            await self._follow(refs, LEFT_BEHIND_SECONDS)
            return None
        lagging = await self._lagging(secret)
        behind = [ref for ref, lag in lagging.items() if lag == "behind"]
        wait = self._delay(decision, limits, lagging)
        if wait is None:
            await self._follow(behind, LEFT_BEHIND_SECONDS)
            return None
        is_short = limits.is_short and wait.until == limits.until["behind"]
        if not (item.trigger == "event" and item.requested_by == "rekey"):
            await self._follow(behind, parked=is_short)
        if is_short and item.action != "audit":
            raise TransientError(wait.reason, code="Followed", retry_after=LAG_PAUSE)
        return wait

    def _concerns(self, decision: Decision) -> TypeIs[Retire]:
        return isinstance(decision, Retire) and bool(self.managed.may_derive)

    def _goes(self, limits: Limits, secret: SecretVersion, item: WorkItem) -> bool:
        """Return whether a key goes now, whatever lags.

        Where the current key is compromised itself, nothing can move to it.
        """
        leads_nowhere = item.compromised and item.version == secret.version
        return leads_nowhere or self.parts.clock.now() >= max(limits.until.values())

    async def _follow(
        self, refs: Iterable[SecretRef], delay: float = 0.0, *, parked: bool = True
    ) -> None:
        """Have derived secrets look at their key; before it goes, as this worker may die then."""
        for ref in refs:
            await self.parts.queue.post_rotation(follow_key(ref, parked=parked), delay)

    def _limits(self, secret: SecretVersion, item: WorkItem, decision: Retire) -> Limits:
        soon = secret.created + LONGEST_LAG
        # A tag that somebody copied onto a later version does not tell that there is no overlap.
        is_cut_off = decision.pending.at <= (self.since or secret.created) + SECOND
        if item.compromised or item.force or unfinished_incident(secret) or is_cut_off:
            # What moved late has no overlap of its own then.
            return Limits({"behind": soon, "late": secret.created})
        patient = timeout_of(decision, self._began(secret))
        if not due_reason(secret, self.managed, self.parts.clock.now()):
            return Limits({"behind": patient, "late": patient}, is_short=False)
        # The key's next rotation waits for this retirement: for an overlap that goes on, and not
        # for a secret that does not follow.
        late = min(patient, secret.expires - LATE) if secret.expires else patient
        return Limits({"behind": soon, "late": late})

    def _delay(
        self, decision: Retire, limits: Limits, lagging: Mapping[SecretRef, Lag]
    ) -> Wait | None:
        now = self.parts.clock.now()
        waits = {ref: limits.until[lag] for ref, lag in lagging.items() if now < limits.until[lag]}
        if not waits:
            return None
        until = max(waits.values())
        credential, names = decision.pending.credential_id, ", ".join(map(str, waits))
        reason = f"{credential} is kept until {until:%Y-%m-%d %H:%M}Z: it made what {names} holds"
        return Wait(until, reason, "see why that secret has not followed, or send force")

    def _began(self, secret: SecretVersion) -> datetime:
        """Return since when the secret holds its key: somebody may have written it once more."""
        return min(self.since or secret.created, secret.created)

    def _served(self, secret: SecretVersion) -> list[tuple[SecretRef, str]]:
        """Return the secrets that may hold what the key makes, each with its source."""
        refs = [
            (consent.ref(secret.ref.vault), f"{self.managed.source}/{consent.extent}")
            for consent in self.managed.may_derive
        ]
        return [(ref, source) for ref, source in refs if self.parts.policy.manages(ref.vault)]

    async def _lagging(self, secret: SecretVersion) -> dict[SecretRef, Lag]:
        key = self.parts.held(secret, self.managed)
        if key is None:
            return {}
        lags = {
            ref: await self._lag(ref, source, secret, key) for ref, source in self._served(secret)
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
            # What cannot be read may still live on the key.
            return "behind"
        managed = self.parts.tagged(copy).managed
        held = self.parts.held(copy, managed) if managed else None
        if not (managed and held) or (managed.derived_from, managed.source) != (secret.ref, source):
            return None
        try:
            has_moved = ParentKey(self.parts, managed).is_made_from(copy, key)
        except RekeyError:
            # No such signature exists, whatever its owner writes: it keeps no key alive.
            return None
        if has_moved:
            moved_late = copy.created > self._began(secret) + LATE
            goes_on = self.parts.clock.now() < copy.created + managed.overlap
            return "late" if moved_late and goes_on else None
        return "behind" if await self._lives(managed, held) else None

    async def _lives(self, managed: Managed, held: Sensitive) -> bool:
        """Return whether a value works; one that does not, whoever wrote it, keeps no key alive."""
        try:
            return await self.parts.rotator(managed).accepts(managed.source, "", held)
        except TransientError as error:
            if error.retry_after is not None:
                raise
            return True
        except RekeyError:
            return True
