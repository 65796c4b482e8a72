"""One key being replaced: a change that may outlast its answer, and the process that asked.

While it goes on nobody asks for it again. The process that asked knows the value that is being
replaced; any other one knows it by the mark in the record of the source.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass

from engine.contract import Job
from engine.errors import PermanentError, RekeyError, TransientError, UnderWay
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.key_facts import KeyPlace, Keys, Slot, holds, key_of, missing
from rotators.shared.key_kind import KeyKind
from rotators.shared.key_source import KeySource

UNDER_WAY = "UnderWay"
"""The code of a change that was accepted and goes on."""
WITHIN_CALL = (1.0, 1.0, 1.0, 2.0, 2.0, 3.0)
"""Seconds between the looks at a change that goes on, within the call that began it."""
BUSY_CODES = frozenset({"Conflict", "PreconditionFailed"})
"""What a source answers while an earlier change of its keys goes on."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A key that a source is replacing, without its value: a later try may run in another process."""

    since: float
    """When the source accepted that, in seconds since 1970; 0 where another one's change goes on."""
    key: str
    """The random key (hexadecimal) of the digest."""
    digest: str

    @classmethod
    def of(cls, slot: str, value: Sensitive, since: float = 0.0) -> Mark:
        """Mark what a slot holds now."""
        key = secrets.token_hex(16)
        return cls(since, key, _digest(key, slot, value))

    @classmethod
    def read(cls, text: str) -> Mark | None:
        """Read what `str` wrote; None for anything else."""
        try:
            since, key, digest = text.split(" ")
            bytes.fromhex(key)
            return cls(float(since), key, digest)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.since} {self.key} {self.digest}"

    def is_of(self, slot: str, value: Sensitive) -> bool:
        """Return whether a slot still holds what was marked."""
        return hmac.compare_digest(self.digest.encode(), _digest(self.key, slot, value).encode())


def _digest(key: str, slot: str, value: Sensitive) -> str:
    text = f"{slot}\n{value.reveal()}".encode()
    return hmac.new(bytes.fromhex(key), text, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A change that was accepted and goes on."""

    slot: Slot
    old: Sensitive
    """The value that is being replaced."""
    since: float
    """When it was asked for, by the monotonic clock."""
    mark: Mark


class Replacement:
    """Replaces keys of one kind, each one once."""

    def __init__(self, kind: KeyKind, source: KeySource, clock: Clock) -> None:
        self._kind = kind
        self._source = source
        self._clock = clock
        self._accepted: dict[str, Accepted] = {}

    async def made(self, job: Job, place: KeyPlace, slot: Slot) -> Keys | None:
        """Return the keys where an earlier try's change, which outlasted it, has come meanwhile.

        Raises UnderWay where it has not, and it is too early to ask for it again.
        """
        mark, kind = Mark.read(job.mark), self._kind
        if job.sent and job.asked is None:
            # An incident came after what this process remembers to have asked for.
            self._accepted.pop(job.operation, None)
        if not (mark or (kind.tells_times and job.asked)):
            return None
        keys = await kind.dated(place, await kind.listed(place))
        key = keys.get(slot.name)
        # Without any grace: a key that was there before would be replaced by what is still under
        # way.
        is_new = bool(kind.tells_times and job.asked and key and key.made and key.made > job.asked)
        if key and (is_new or (mark and not mark.is_of(slot.name, key.value))):
            self._accepted.pop(job.operation, None)
            return keys
        if mark and self._clock.now().timestamp() - mark.since < kind.patience:
            raise self._under_way(place, slot, mark)
        return None

    async def replace(
        self, place: KeyPlace, slot: Slot, operation: str, listed: Keys | None = None
    ) -> Keys:
        """Replace one key and return it, once its source lists it.

        Never twice while that goes on. `listed` are the keys where somebody has just listed them.
        """
        accepted = self._accepted.get(operation)
        if accepted and self._clock.monotonic() - accepted.since <= self._kind.patience:
            return await self._awaited(place, operation)
        goes_on = self._goes_on(place)
        before = listed or (await self._kind.listed(place) if goes_on else {})
        if goes_on and slot.name not in before:
            raise await self._kind.explained(place, missing(slot, place))
        keys = await self._begin(place, slot, before)
        if keys is None:
            before = before or await self._kind.listed(place)
        elif slot.name in keys and not holds(before, slot, keys[slot.name].value):
            return keys
        elif not goes_on:
            # Listed now, the key may be the old one: whatever is in between may have answered.
            raise missing(slot, place)
        return await self._begun(place, slot, operation, before)

    async def _begin(self, place: KeyPlace, slot: Slot, keys: Keys) -> Keys | None:
        """Ask for one key to be replaced; None where the change goes on."""
        operation, body = self._kind.request(place, slot, keys)
        problem: RekeyError
        try:
            answer = await self._source.replace(place, slot.name, operation, body)
        except TransientError as error:
            if not self._goes_on(place) or error.code not in BUSY_CODES:
                raise
            mark = Mark.of(slot.name, key_of(keys, slot, place).value)
            problem = self._under_way(place, slot, mark)
            problem.retry_after = max(self._kind.afterwards, error.retry_after or 0)
        except PermanentError as error:
            problem = await self._kind.explained(place, error)
            problem.unsent = True
        else:
            return None if answer is None else self._kind.keys(answer, place)
        raise problem

    async def _begun(self, place: KeyPlace, slot: Slot, operation: str, before: Keys) -> Keys:
        """Remember a change that was accepted, and follow it for as long as this call may."""
        value, now = key_of(before, slot, place).value, self._clock.now().timestamp()
        mark = Mark.of(slot.name, value, now)
        self._accepted[operation] = Accepted(slot, value, self._clock.monotonic(), mark)
        with suppress(PermanentError):
            # Accepted it is, whatever forbids the look: the next one says so.
            return await self._awaited(place, operation)
        raise self._under_way(place, slot, mark)

    async def _awaited(self, place: KeyPlace, operation: str) -> Keys:
        """Return the keys once the new one is among them.

        UnderWay where that takes longer than one call may.
        """
        accepted = self._accepted[operation]
        name = accepted.slot.name
        for pause in WITHIN_CALL:
            await self._clock.sleep(pause)
            keys = await self._kind.listed(place)
            if name in keys and keys[name].value != accepted.old:
                del self._accepted[operation]
                return keys
        raise self._under_way(place, accepted.slot, accepted.mark)

    def _goes_on(self, place: KeyPlace) -> bool:
        """Return whether a replacement may go on after its answer, or needs the keys listed."""
        return self._kind.lists_first and place.kind not in self._kind.facts.at_once

    def _under_way(self, place: KeyPlace, slot: Slot, mark: Mark) -> UnderWay:
        seconds = self._clock.now().timestamp() - mark.since
        what = f"regenerating {slot.name} " + (
            f"was accepted {seconds:.0f} s ago and is under way"
            if mark.since
            else "waits for a change that is under way"
        )
        return UnderWay(
            what,
            where=place.source,
            code=UNDER_WAY,
            retry_after=self._kind.afterwards,
            mark=str(mark),
        )
