"""What one kind of resource with two keys adds to the procedure that all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from cloud.azure import Azure
from cloud.rest.client import Json
from engine.errors import PermanentError, RekeyError
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.key_facts import Facts, Key, KeyPlace, Keys, Slot, text_of
from rotators.shared.key_source import KeySource
from rotators.shared.rights import Rights


class KeyKind(ABC):
    """A kind's facts, its fields, and how a key of it is proven."""

    kind: ClassVar[str]
    value_field: ClassVar[str] = "key"
    template_fields: ClassVar[frozenset[str]]
    facts: ClassVar[Facts]
    role: ClassVar[str] = ""
    """The role to grant where a request is refused; the template's if left out."""
    unknown_fix: ClassVar[str] = (
        "set the value to one of them, or the tag CredentialId to the key that consumers hold"
    )
    """What to do where the value is none of the keys."""

    lists_first: ClassVar[bool] = False
    """The keys must be listed before one is replaced: a change that goes on, or whose answer holds no
    key, is known by the value that it replaces."""
    patience: ClassVar[float] = 900.0
    """Seconds after which a change that has not come is asked for again: it may have failed without
    a word."""
    afterwards: ClassVar[float] = 60.0
    """Seconds after which a change is looked at again that outlasts the call which began it."""
    tells_ages: ClassVar[bool] = False
    """The source tells when each key was made, so a key that somebody else made is not replaced."""
    tells_times: ClassVar[bool] = False
    """A key's age tells whether an earlier try made it: for changes that may take hours."""

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._azure = azure
        self._clock = clock
        self._source = KeySource(azure, self.facts, self.role or f"{self.kind}s")

    @classmethod
    def resource_types(cls) -> tuple[str, ...]:
        """Return the types of the resources at the top."""
        return cls.facts.tops

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        """Return the resource's id in lower case, as Resource Manager compares ids."""
        return cls.facts.canonical(address, tags)

    @classmethod
    def rights(cls) -> Rights:
        """Return what the template's role permits, and at what."""
        return Rights(cls.facts.tops, cls.facts.actions)

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return that there are two keys."""
        del tags
        return False

    @abstractmethod
    async def fields(
        self, place: KeyPlace, slot: Slot, key: Sensitive, options: Mapping[str, str]
    ) -> dict[str, Sensitive]:
        """Return what a ValueTemplate may use.

        NeedsHuman where the template asks for what there is not.
        """

    @abstractmethod
    async def prove(self, place: KeyPlace, key: Sensitive) -> RekeyError | None:
        """Try a key once, changing nothing; return what speaks against it.

        VerificationFailed may pass while it spreads.
        """

    def keys(self, answer: Json, place: KeyPlace) -> Keys:
        """Read the keys out of an answer, by their names."""
        texts = {slot.name: text_of(answer, slot.name) for slot in place.pair.slots}
        return {name: Key(Sensitive(text)) for name, text in texts.items() if text}

    def request(self, place: KeyPlace, slot: Slot, keys: Keys) -> tuple[str, Json | None]:
        """Return the operation that replaces a key, and its body.

        `keys` are listed only where `lists_first` is set.
        """
        del place, keys
        return self.facts.replaces, {self.facts.names_it: slot.sent or slot.name}

    async def ready(self, place: KeyPlace) -> None:
        """Raise NeedsHuman where keys are switched off."""
        await self._source.refuse_keyless(place)

    async def explained(self, place: KeyPlace, error: RekeyError) -> RekeyError:
        """Return why a request was refused: keys are switched off, or what the service said."""
        return await self._source.explained(place, error)

    async def dated(self, place: KeyPlace, keys: Keys) -> Keys:
        """Add when each key was made, where a listing does not tell and the resource does."""
        del place
        return keys

    async def use(self, place: KeyPlace, slot: Slot) -> str:
        """Return what logs say of a key's use, without the last full stop; never raises.

        Empty where no log can be asked.
        """
        del place, slot
        return ""

    async def listed(self, place: KeyPlace) -> Keys:
        """List the keys; raises why that is refused."""
        try:
            return self.keys(await self._source.list(place), place)
        except PermanentError as error:
            problem = await self.explained(place, error)
        raise problem
