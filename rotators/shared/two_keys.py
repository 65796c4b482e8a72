"""Two keys of one resource, of which the vault holds one.

One procedure for every kind that Azure has. A rotation replaces the key that the vault does not
hold, so the live key is never touched. The one it supersedes is revoked, once its overlap has
passed, by replacing it too and throwing the new value away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

from cloud.azure import Azure
from cloud.rest.client import Json
from engine.contract import Issued, Job, Recognised, Seen
from engine.errors import (
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    UnderWay,
    VerificationFailed,
)
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.key_facts import Facts, Key, Place, Slot, text_of
from rotators.shared.key_mark import Mark
from rotators.shared.key_source import KeySource

type Keys = Mapping[str, Key]

OTHER_KEY_FIX = "Let whoever uses it change to the key that the vault holds first"
RESOLUTION = timedelta(seconds=2)
"""Key Vault tells whole seconds, and a source tells fractions of them."""
UNDER_WAY = "UnderWay"
"""The code of a change that was accepted and goes on."""
WITHIN_CALL = (1.0, 1.0, 1.0, 2.0, 2.0, 3.0)
"""Seconds between the looks at a change that goes on, within the call that began it."""
BUSY_CODES = frozenset({"Conflict", "PreconditionFailed"})
"""What a source answers while an earlier change of its keys goes on."""


@dataclass(frozen=True, slots=True)
class Replacing:
    """A change that was accepted and goes on."""

    slot: Slot
    old: Sensitive
    """The value that is being replaced."""
    since: float
    """When it was asked for, by the monotonic clock."""
    mark: Mark


class TwoKeys(ABC):
    """Rotates one of two keys. A kind adds its facts, its fields, and how a key is proven."""

    kind: ClassVar[str]
    value_field: ClassVar[str] = "key"
    template_fields: ClassVar[frozenset[str]]
    facts: ClassVar[Facts]

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._azure = azure
        self._clock = clock
        self._source = KeySource(azure, self.facts)
        self._replacing: dict[str, Replacing] = {}

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        """Return the resource's id in lower case, as Resource Manager compares ids."""
        return cls.facts.canonical(address, tags)

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return that there are two keys."""
        del tags
        return False

    # What a kind adds.

    @abstractmethod
    async def fields(
        self, place: Place, slot: Slot, key: Sensitive, options: Mapping[str, str]
    ) -> dict[str, Sensitive]:
        """Return what a ValueTemplate may use.

        NeedsHuman where the template asks for what there is not.
        """

    @abstractmethod
    async def prove(self, place: Place, key: Sensitive) -> RekeyError | None:
        """Try a key once, changing nothing; return what speaks against it.

        VerificationFailed may pass while it spreads.
        """

    def keys(self, answer: Json, place: Place) -> Keys:
        """Read the keys out of an answer, by their names."""
        texts = {slot.name: text_of(answer, slot.name) for slot in place.pair.slots}
        return {name: Key(Sensitive(text)) for name, text in texts.items() if text}

    def request(self, place: Place, slot: Slot, keys: Keys) -> tuple[str, Json | None]:
        """Return the operation that replaces a key, and its body.

        `keys` are listed only where `lists_first` is set.
        """
        del place, keys
        return self.facts.replaces, {self.facts.names_it: slot.sent or slot.name}

    async def ready(self, place: Place) -> None:
        """Raise NeedsHuman where keys are switched off."""
        await self._source.refuse_keyless(place)

    async def explained(self, place: Place, error: RekeyError) -> RekeyError:
        """Return why a request was refused: keys are switched off, or what the service said."""
        return await self._source.explained(place, error)

    patience: ClassVar[float] = 900.0
    """Seconds after which a change that has not come is asked for again: it may have failed without
    a word."""
    afterwards: ClassVar[float] = 60.0
    """Seconds after which a change is looked at again that outlasts the call which began it."""

    lists_first: ClassVar[bool] = False
    """The keys must be listed before one is replaced: a change that goes on is known by the value
    that it replaces."""

    # The procedure.

    async def seen(self, subscription: str, group: str | None) -> AsyncIterator[Seen]:
        """Stream the resources that take keys, of every type before a type's error is raised."""
        scope = f"/subscriptions/{subscription}" + (f"/resourcegroups/{group}" if group else "")
        problems: list[RekeyError] = []
        for top in self.facts.tops:
            try:
                async for resource in self._source.resources(scope, f"providers/{top}"):
                    async for holder in self._holders(resource, top):
                        source = self.canonical(text_of(holder, "id"), {})
                        if source and not self._source.switch(holder):
                            switched = holder if self.facts.switched_below else resource
                            way_off = self._source.way_off(switched)
                            yield Seen(source, self.facts.pairs[0].first.name, way_off)
            except RekeyError as error:
                problems.append(error)
        for problem in problems:
            raise problem

    async def _holders(self, resource: Json, top: str) -> AsyncIterator[Json]:
        """Stream what of a resource at the top has two keys, where it takes keys at all.

        Rules of a namespace's entities are many, and seldom used by an app alone.
        """
        part = self.facts.parts.get(top.lower())
        if part is None:
            yield resource
        elif not self._source.switch(resource):
            async for holder in self._source.resources(text_of(resource, "id"), part):
                yield holder

    async def issue(self, job: Job) -> Issued:
        """Replace the key that the vault does not hold; in place, read the one it ought to hold."""
        place = self.facts.place(job.source)
        if job.in_place:
            slot = place.pair.slot(job.held_id)
            return await self._issued(job, place, slot, await self._list(place), supersedes=None)
        held = place.pair.slot(job.held_id) if job.proven else await self._held_slot(job, place)
        slot = place.pair.other(held)
        keys = await self._made(job, place, slot) or await self._replace(place, slot, job.operation)
        return await self._issued(job, place, slot, keys, supersedes=held.name)

    async def preflight(self, job: Job) -> None:
        """Find out which key the vault holds and whether keys can be used; change nothing."""
        await self._held_slot(job, self.facts.place(job.source))

    async def forewarn(self, job: Job) -> str:
        """Say how old the other key is, which the first rotation replaces, and what logs know of it.

        Azure does not tell by itself whether somebody uses it.
        """
        if job.proven or job.written is None:
            return ""
        place = self.facts.place(job.source)
        keys = await self.dated(place, await self._list(place))
        held = next(
            (slot for slot in place.pair.slots if _holds(keys, slot, job.held)),
            place.pair.find(job.held_id),
        )
        if held is None:
            return ""
        other = place.pair.other(held)
        made = keys[other.name].made if other.name in keys else None
        since = f"there since {made:%Y-%m-%d %H:%M}Z" if made else "there already"
        warning = (
            f"{other.name}, {since}, is regenerated by the first rotation: it may be in use "
            "elsewhere"
        )
        parts = (warning, await self.use(place, other), OTHER_KEY_FIX)
        return ". ".join(part for part in parts if part)

    async def use(self, place: Place, slot: Slot) -> str:
        """Return what logs say of a key's use, without the last full stop; never raises.

        Empty where no log can be asked.
        """
        del place, slot
        return ""

    async def recognise(self, job: Job) -> Recognised:
        """Compare the value with both keys, whatever its tags say."""
        return Recognised(
            (await self._held_slot(replace(job, held_id=None), self.facts.place(job.source))).name
        )

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Try the key again and again while it spreads."""
        del credential_id
        place = self.facts.place(source)
        if not self.facts.shape.fullmatch(credential.reveal()):
            raise VerificationFailed(
                f"the value does not look like a key of the {self.facts.noun}",
                where=source,
                fix="write the bare key, or describe the value in the tag ValueTemplate",
            )
        for tries, pause in enumerate((*self.facts.spread, None)):
            problem = await self.prove(place, credential)
            if problem is None:
                return
            if isinstance(problem, VerificationFailed) and tries == 0:
                problem = await self.explained(place, problem)
            if pause is None or not isinstance(problem, VerificationFailed):
                raise problem
            await self._clock.sleep(pause)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Try the key once. A refusal counts only if it would last."""
        del credential_id
        if not self.facts.shape.fullmatch(credential.reveal()):
            return False
        place = self.facts.place(source)
        problem = await self.prove(place, credential)
        if isinstance(problem, VerificationFailed):
            problem = await self._lasting(place, credential, problem)
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return problem is None

    async def _lasting(
        self, place: Place, credential: Sensitive, refusal: VerificationFailed
    ) -> RekeyError:
        """Return a refusal, or that keys are switched off and this one works once they are not."""
        keyless = await self.explained(place, refusal)
        if isinstance(keyless, VerificationFailed):
            return refusal
        try:
            keys = await self._list(place)
        except PermanentError:
            return keyless
        complete = all(slot.name in keys for slot in place.pair.slots)
        is_gone = complete and not any(_holds(keys, slot, credential) for slot in place.pair.slots)
        return refusal if is_gone else keyless

    async def read(self, job: Job, credential_id: str) -> Mapping[str, Sensitive] | None:
        """List the keys and return the fields of one."""
        place = self.facts.place(job.source)
        slot = place.pair.find(credential_id)
        if slot is None:
            return None
        return (
            await self._issued(job, place, slot, await self._list(place), supersedes=None)
        ).fields

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Replace the superseded key and throw its new value away."""
        del held_id
        place = self.facts.place(source)
        slot = place.pair.slot(credential_id)
        try:
            keys = await self._list(place)
        except NotFound:
            return
        if held is None or (slot.name in keys and keys[slot.name].value.reveal() in held.reveal()):
            raise NeedsHuman(
                f"{slot.name} is to be revoked, but the vault's current version may hold it",
                where=source,
                fix=(
                    "set the tag CredentialId to the key that the value holds, and remove the "
                    "tag RekeyRetire"
                ),
            )
        operation = f"retire {slot.name} {source}"
        await self._replace(place, slot, operation, keys)

    async def _held_slot(self, job: Job, place: Place) -> Slot:
        """Prove which key the vault holds by comparing values, and that it can be used."""
        if job.held is None:
            raise NeedsHuman(
                (
                    "the value does not follow the tag ValueTemplate, so Rekey cannot tell which "
                    "key it holds"
                ),
                where=job.source,
                fix="correct ValueTemplate to what the value looks like now",
            )
        await self.ready(place)
        keys = await self.dated(place, await self._list(place))
        slot = self._matching(job, place, keys, job.held)
        key = _of(keys, slot, place)
        if problem := await self.prove(place, key.value):
            raise problem
        await self.fields(place, slot, key.value, job.options)
        _check_unused(job, keys, place.pair.other(slot))
        return slot

    def _matching(self, job: Job, place: Place, keys: Keys, held: Sensitive) -> Slot:
        slots = [
            slot
            for slot in place.pair.slots
            if slot.name in keys and keys[slot.name].value.reveal() in held.reveal()
        ]
        if slots and keys[slots[0].name].value != held:
            others = ", ".join(
                f"{{{name}}}" for name in sorted(self.template_fields - {self.value_field})
            )
            raise NeedsHuman(
                f"the value is more than the bare {self.value_field.replace('_', ' ')}",
                where=job.source,
                fix=(
                    f"set ValueTemplate to the value with {{{self.value_field}}} (and "
                    f"{others}) in place of its parts"
                ),
            )
        if not slots and job.held_id is None:
            first, second = place.pair.slots
            raise NeedsHuman(
                f"the value is neither {first.name} nor {second.name} of the {self.facts.noun}",
                where=job.source,
                fix=self.unknown_fix,
            )
        return slots[0] if slots else place.pair.slot(job.held_id)

    unknown_fix: ClassVar[str] = (
        "set the value to one of them, or the tag CredentialId to the key that consumers hold"
    )
    """What to do where the value is none of the keys."""

    async def _list(self, place: Place) -> Keys:
        try:
            return self.keys(await self._source.list(place), place)
        except PermanentError as error:
            problem = await self.explained(place, error)
        raise problem

    async def _begin(self, place: Place, slot: Slot, keys: Keys) -> Keys | None:
        """Ask for one key to be replaced; None where the change goes on."""
        operation, body = self.request(place, slot, keys)
        problem: RekeyError
        try:
            answer = await self._source.replace(place, slot.name, operation, body)
        except TransientError as error:
            if not self._goes_on(place) or error.code not in BUSY_CODES:
                raise
            problem = self._under_way(place, slot, Mark.of(slot.name, _of(keys, slot, place).value))
        except PermanentError as error:
            problem = await self.explained(place, error)
        else:
            return None if answer is None else self.keys(answer, place)
        raise problem

    async def _made(self, job: Job, place: Place, slot: Slot) -> Keys | None:
        """Return the keys where an earlier try's change, which outlasted it, has come meanwhile.

        Raises UnderWay where it has not, and it is too early to ask for it again.
        """
        mark = Mark.read(job.mark)
        if not (mark or (self.tells_times and job.asked)):
            return None
        keys = await self.dated(place, await self._list(place))
        key = keys.get(slot.name)
        # Without any grace: a key that was there before would be replaced by what is still under
        # way.
        is_new = bool(self.tells_times and job.asked and key and key.made and key.made > job.asked)
        if key and (is_new or (mark and not mark.is_of(slot.name, key.value))):
            self._replacing.pop(job.operation, None)
            return keys
        if mark and self._clock.now().timestamp() - mark.since < self.patience:
            raise self._under_way(place, slot, mark)
        return None

    async def dated(self, place: Place, keys: Keys) -> Keys:
        """Add when each key was made, where a listing does not tell and the resource does."""
        del place
        return keys

    tells_times: ClassVar[bool] = False
    """A key's age tells whether an earlier try made it: for changes that may take hours."""

    def _goes_on(self, place: Place) -> bool:
        """Return whether a replacement may go on after its answer, or needs the keys listed."""
        return self.lists_first and place.kind not in self.facts.at_once

    async def _replace(
        self, place: Place, slot: Slot, operation: str, listed: Keys | None = None
    ) -> Keys:
        """Replace one key and return it, once its source lists it.

        Never twice while that goes on.
        """
        begun = self._replacing.get(operation)
        if begun is None or self._clock.monotonic() - begun.since > self.patience:
            goes_on = self._goes_on(place)
            before = listed or (await self._list(place) if goes_on else {})
            if goes_on and slot.name not in before:
                raise await self.explained(place, _missing(slot, place))
            keys = await self._begin(place, slot, before)
            if keys is not None:
                return keys if slot.name in keys else await self._list(place)
            value, now = _of(before, slot, place).value, self._clock.now().timestamp()
            mark = Mark.of(slot.name, value, now)
            begun = Replacing(slot, value, self._clock.monotonic(), mark)
            self._replacing[operation] = begun
            with suppress(PermanentError):
                # Accepted it is, whatever forbids the look: the next one says so.
                return await self._awaited(place, operation)
            raise self._under_way(place, slot, mark)
        return await self._awaited(place, operation)

    async def _awaited(self, place: Place, operation: str) -> Keys:
        """Return the keys once the new one is among them.

        UnderWay where that takes longer than one call may.
        """
        begun = self._replacing[operation]
        name = begun.slot.name
        for pause in WITHIN_CALL:
            await self._clock.sleep(pause)
            keys = await self._list(place)
            if name in keys and keys[name].value != begun.old:
                del self._replacing[operation]
                return keys
        raise self._under_way(place, begun.slot, begun.mark)

    def _under_way(self, place: Place, slot: Slot, mark: Mark) -> UnderWay:
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
            retry_after=self.afterwards,
            mark=str(mark),
        )

    async def _issued(
        self, job: Job, place: Place, slot: Slot, keys: Keys, supersedes: str | None
    ) -> Issued:
        key = _of(keys, slot, place).value
        return Issued(slot.name, await self.fields(place, slot, key, job.options), supersedes)


def _of(keys: Keys, slot: Slot, place: Place) -> Key:
    if slot.name not in keys:
        raise _missing(slot, place)
    return keys[slot.name]


def _missing(slot: Slot, place: Place) -> TransientError:
    return TransientError(f"the answer holds no {slot.name}", where=place.source)


def _holds(keys: Keys, slot: Slot, held: Sensitive | None) -> bool:
    return held is not None and slot.name in keys and keys[slot.name].value == held


def _check_unused(job: Job, keys: Keys, slot: Slot) -> None:
    """Raise NeedsHuman if the key to be replaced is younger than the vault's version.

    Whoever made it uses it: a second deployment of Rekey, or a person. An answer does not say who
    holds a key, but where it
    has each key's creation time, that time is looked at.
    """
    made = keys[slot.name].made if slot.name in keys else None
    if job.written is None or made is None or job.in_place or job.may_have_made(made):
        return
    if made > job.written + RESOLUTION:
        raise NeedsHuman(
            f"{slot.name} was made at {made:%Y-%m-%d %H:%M}Z, after this version was written: "
            "somebody else uses it, "
            "perhaps another deployment",
            where=job.source,
            fix=(
                "let one deployment rotate it; if nobody uses that key, write this "
                "secret's value anew"
            ),
        )
