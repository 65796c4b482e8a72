"""Prove a key by one request that it signs, and that changes nothing.

An acceptance must be one for certain. Some services answer a good key, too, with a refusal: a rule
may not read what is asked for, an account has no such interface. Some answer it with nothing at
all. Then a key that somebody made up is tried beside it: where that one is refused as a key, and the
other is not, the other is accepted.
Where both get the same answer, nothing is proven.
"""

from __future__ import annotations

import secrets
import string
from abc import abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from cloud.azure import NO_ANSWER, Azure
from cloud.rest.data_plane import Answer, DataPlane, Signed
from engine.errors import NeedsHuman, RekeyError, TransientError, VerificationFailed
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.key_facts import KeyPlace, Slot
from rotators.shared.two_keys import TwoKeys

ALPHABET = string.ascii_letters + string.digits


class ProvenByRequest(TwoKeys):
    """Two keys that are used over HTTPS."""

    template_fields: ClassVar[frozenset[str]] = frozenset({"host", "key", "name"})
    unproven_fix: ClassVar[str] = (
        "let the app's network reach {host}, so that a key can be proven there"
    )
    """What to do where a made-up key gets the same answer."""

    def __init__(self, azure: Azure, clock: Clock) -> None:
        super().__init__(azure, clock)
        self._plane = DataPlane(azure)

    @abstractmethod
    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Return the request that tries a key."""

    def proves(self, answer: Answer) -> bool:
        """Return whether only a good key gets such an answer."""
        return answer.is_success

    def refuses(self, answer: Answer) -> bool:
        """Return whether an answer says that the key is wrong."""
        return answer.status == HTTPStatus.UNAUTHORIZED

    def made_up(self, key: str) -> str:
        """Return a key of the same form that nobody has."""
        return made_up(key)

    async def fields(
        self, place: KeyPlace, slot: Slot, key: Sensitive, options: Mapping[str, str]
    ) -> dict[str, Sensitive]:
        """Return the key, the host at which it is used, and the resource's name."""
        del slot, options
        host = Sensitive(await self._source.host(place))
        return {"host": host, self.value_field: key, "name": Sensitive(place.name)}

    async def prove(self, place: KeyPlace, key: Sensitive) -> RekeyError | None:
        """Try the key, and where the answer may mean anything a made-up one beside it."""
        try:
            answer = await self._try(place, key.reveal())
        except VerificationFailed as malformed:
            return malformed
        if self.proves(answer):
            return None
        if self._is_refusal(answer):
            fix = "see whether its keys were changed by hand just now"
            return VerificationFailed(
                f"the {self.facts.noun} refuses the key", where=place.source, fix=fix
            )
        control = await self._try(place, self.made_up(key.reveal()))
        if self._is_refusal(control) and not answer.is_page:
            return None
        unproven = NeedsHuman(
            (
                f"the {self.facts.noun} answers {answer.status} to its key and "
                f"{control.status} to a made-up one"
            ),
            where=place.source,
            fix=self.unproven_fix.format(host=await self._source.host(place)),
        )
        return await self.explained(place, unproven)

    def _is_refusal(self, answer: Answer) -> bool:
        """Return whether the service, and nothing in between, says that the key is wrong."""
        return self.refuses(answer) and not answer.is_page

    async def _try(self, place: KeyPlace, key: str) -> Answer:
        signed = await self.signed(place, await self._source.host(place), key)
        try:
            return await self._plane.send(signed, place.source)
        except TransientError as error:
            if error.code == NO_ANSWER:
                self._source.forget(place)
            raise


def made_up(key: str) -> str:
    """Return a text with other letters and digits."""
    return "".join(
        secrets.choice(ALPHABET) if character in ALPHABET else character for character in key
    )
