"""What was made from a key moves on before the key's predecessor is revoked.

A retirement waits for a derived secret that still lives on the superseded key, and for its overlap
where it moved late. It waits as long as it would for an app, so nobody keeps a key alive by leaving
a derived secret behind. An incident waits for two minutes at most. What is left behind then is
healed by its own audit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.contract import Derived
from engine.decide.decision import Decision, Retire, Wait, due_reason
from engine.errands.consumers import patience
from engine.errands.errand import follow_key
from engine.errors import NotFound, PermanentError, RekeyError, TransientError
from engine.model.tags import Malformed, Managed, parse, to_cut_off, unfinished_incident
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.secret import SecretRef, SecretVersion, Sensitive

HURRY = timedelta(minutes=2)
"""How long after the new key was published a compromised one is kept, at most."""
HURRY_SECONDS = 20.0
LATE = timedelta(hours=1)
"""A derived secret that moved later than this after its key has an overlap of its own."""


@dataclass(frozen=True, slots=True)
class Delay:
    """A retirement that waits for derived secrets."""

    wait: Wait
    lagging: tuple[SecretRef, ...]
    hurried: bool
    """The key is to go at once, so it waits for minutes at most."""


@dataclass(frozen=True)
class Descendants:
    """The derived secrets of one key."""

    parts: Parts
    managed: Managed
    """What the tags of the secret with the key ask for."""
    since: datetime | None = None
    """When the record says that Rekey wrote the current key; None if it does not say."""

    async def delay(
        self, secret: SecretVersion, item: WorkItem, decision: Decision
    ) -> Delay | None:
        """Return until when a retirement waits, and for which secrets; changes nothing."""
        return None if _leads_nowhere(secret, item) else await self._delay(secret, item, decision)

    async def _delay(
        self, secret: SecretVersion, item: WorkItem, decision: Decision
    ) -> Delay | None:
        if not isinstance(decision, Retire) or not self.managed.may_derive:
            return None
        hurried = self._is_hurried(secret, item)
        until = secret.created + HURRY if hurried else patience(decision, self._began(secret))
        lagging = await self._lagging(secret) if self.parts.clock.now() < until else []
        if not lagging:
            return None
        credential, names = decision.pending.credential_id, ", ".join(map(str, lagging))
        reason = f"{credential} is kept until {until:%Y-%m-%d %H:%M}Z: it made what {names} holds"
        fix = "see why that secret has not followed, or send force"
        return Delay(Wait(until, reason, fix), tuple(lagging), hurried=hurried)

    async def hold_back(
        self, secret: SecretVersion, item: WorkItem, decision: Decision
    ) -> Wait | None:
        """Have what lags look at its key; return until when a retirement waits for it, if it does.

        Raises TransientError to come back within seconds where the key is to go at once. An audit
        does not wait: a derived secret asks for one where its key is refused, and would ask again.
        """
        delay = await self._delay(secret, item, decision)
        if delay is None:
            return None
        is_audit = item.action == "audit"
        for ref in () if is_audit and item.trigger == "event" else delay.lagging:
            await self.parts.queue.post_rotation(follow_key(ref, parked=delay.hurried))
        if _leads_nowhere(secret, item):
            return None
        if delay.hurried and not is_audit:
            raise TransientError(delay.wait.reason, code="Followed", retry_after=HURRY_SECONDS)
        return delay.wait

    def _is_hurried(self, secret: SecretVersion, item: WorkItem) -> bool:
        """Return whether the key gets no overlap, or its next rotation waits for this retirement."""
        at_once = item.compromised or item.force
        at_once |= unfinished_incident(secret) or to_cut_off(secret)
        return at_once or bool(due_reason(secret, self.managed, self.parts.clock.now()))

    def _began(self, secret: SecretVersion) -> datetime:
        """Return since when the secret holds its key: somebody may have written it once more."""
        return min(self.since or secret.created, secret.created)

    async def _lagging(self, secret: SecretVersion) -> list[SecretRef]:
        key = self.parts.held(secret, self.managed)
        if key is None:
            return []
        refs = [
            (consent.ref(secret.ref.vault), f"{self.managed.source}/{consent.extent}")
            for consent in self.managed.may_derive
        ]
        served = [(ref, source) for ref, source in refs if self.parts.policy.manages(ref.vault)]
        return [ref for ref, source in served if await self._lags(ref, source, secret, key)]

    async def _lags(
        self, ref: SecretRef, source: str, secret: SecretVersion, key: Sensitive
    ) -> bool:
        try:
            copy = await self.parts.vaults.read(ref)
        except NotFound:
            return False
        except PermanentError:
            # What cannot be read may still live on the key.
            return True
        managed = self._derived(copy)
        held = self.parts.held(copy, managed) if managed else None
        if not (managed and held) or (managed.derived_from, managed.source) != (secret.ref, source):
            return False
        try:
            has_moved = self._is_made_from(managed, held, key)
        except RekeyError:
            # No such signature exists, whatever its owner writes: it keeps no key alive.
            return False
        if has_moved:
            moved_late = copy.created > self._began(secret) + LATE
            return moved_late and self.parts.clock.now() < copy.created + managed.overlap
        return await self._lives(managed, held)

    def _is_made_from(self, managed: Managed, held: Sensitive, key: Sensitive) -> bool:
        rotator = self.parts.rotator(managed)
        assert isinstance(rotator, Derived)  # noqa: S101 - it is parsed as such
        return rotator.is_made_from(managed.source, held, key)

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

    def _derived(self, copy: SecretVersion) -> Managed | None:
        shown = self.parts.policy.applied(copy)
        if not copy.enabled or "ProviderAddress" not in shown.tags:
            return None
        managed = parse(shown.tags, self.parts.policy, self.parts.kinds)
        return None if isinstance(managed, Malformed) or not managed.derived_from else managed


def _leads_nowhere(secret: SecretVersion, item: WorkItem) -> bool:
    """Return whether the current key is compromised itself: nothing moves to it, so none waits."""
    return item.compromised and item.version == secret.version
