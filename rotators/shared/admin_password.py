"""The password of a server's administrator, whatever the engine.

One slot, set through Resource Manager. A new password replaces the old one at once, so nothing
overlaps, and every try sets a fresh one: the app's identity, not the old password, is the
authority. Open connections stay signed in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

from engine.contract import Issued, Job, Opens, Recognised
from engine.errors import NeedsHuman, RekeyError, VerificationFailed, before_sending
from engine.secret import Sensitive
from rotators.shared.long_change import AFTERWARDS, PATIENCE, LongChange, Server
from rotators.shared.sql_passwords import fresh_password
from rotators.shared.sql_values import refuse_more_than_password


class Access[P](Protocol):
    """A server as a client reaches it."""

    async def fields(
        self, place: P, tags: Mapping[str, str], user: str, password: Sensitive
    ) -> dict[str, Sensitive]:
        """Return what a ValueTemplate may use; NeedsHuman where a name cannot stand in it."""
        ...

    async def refusal(self, place: P, user: str, password: Sensitive) -> RekeyError | None:
        """Sign in once and return what speaks against it; None if the password is accepted."""
        ...

    async def prove(self, place: P, user: str, password: Sensitive) -> None:
        """Sign in, again and again while the password spreads; raises what it ends in."""
        ...


class AdminPassword[P: Server](ABC):
    """Rotates an administrator's password.

    An engine fills in where a server is and how it is changed.
    """

    value_field: ClassVar[str] = "password"
    template_fields: ClassVar[frozenset[str]] = frozenset(
        {"server", "database", "user", "password"}
    )
    opens = Opens.IDENTITY
    login_kind: ClassVar[str]
    """The kind that rotates what is no administrator."""
    access: Access[P]
    change: LongChange[P]

    @staticmethod
    @abstractmethod
    def place_of(source: str) -> P:
        """Read a source; NeedsHuman where it is none."""

    @staticmethod
    @abstractmethod
    def checked(name: str) -> str:
        """Return a login's name if it can be rotated; NeedsHuman otherwise."""

    @abstractmethod
    async def _name_of(self, place: P) -> str:
        """Return the administrator's name as the server has it."""

    @abstractmethod
    async def _refuse_unready(self, place: P) -> None:
        """Raise what stands in the way of a sign-in with any password."""

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return that there is one slot."""
        del tags
        return True

    async def issue(self, job: Job) -> Issued:
        """Set a fresh password; the first time, all that can be checked beforehand is checked first."""
        place = self.place_of(job.source)
        known = job.proven and job.held_id
        with before_sending():
            user, accepted = (self.checked(known), True) if known else await self._ready(job, place)
            password = fresh_password(user)
            fields = await self.access.fields(place, job.options, user, password)
        # What is refused already is tried anew soon. A password that works is set back late.
        patience = AFTERWARDS if job.in_place else PATIENCE
        doubt = await self.change.begin(place, user, password, patience=patience)
        return Issued(user, fields, supersedes=None, restorable=accepted, doubt=doubt)

    async def preflight(self, job: Job) -> None:
        """Read who the administrator is and how to sign in, and reach the server."""
        await self._ready(job, self.place_of(job.source))

    async def recognise(self, job: Job) -> Recognised:
        """Name the server's administrator, whose password it must be."""
        user, _ = await self._ready(job, self.place_of(job.source))
        return Recognised(user)

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Wait for the end of the change, and sign in with the password while it spreads."""
        place = self.place_of(source)
        await self.change.settle(place)
        user = await self._named(place, credential_id)
        while True:
            try:
                return await self.access.prove(place, user, credential)
            except VerificationFailed:
                if not self.change.may_come(place):
                    raise

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Sign in with the password once."""
        place = self.place_of(source)
        user = await self._named(place, credential_id)
        problem = await self.access.refusal(place, user, credential)
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return problem is None

    async def undo(self, job: Job, held: Sensitive) -> None:
        """Set the password that the vault holds, and follow that change to its end."""
        place = self.place_of(job.source)
        user = self.checked(job.held_id) if job.held_id else await self._administrator(job, place)
        if doubt := await self.change.begin(place, user, held):
            raise doubt
        await self.change.settle(place)

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Raise NeedsHuman: only a new password revokes the one that works.

        One that was replaced is revoked already, and nobody asks for that.
        """
        del held, held_id
        raise NeedsHuman(
            f"only a new password revokes the one of {credential_id or 'the administrator'}",
            where=source,
            fix="rotate the secret, or set another password there",
        )

    async def _named(self, place: P, credential_id: str) -> str:
        """Return as whom to sign in; where no tag says it, the server does."""
        return self.checked(credential_id or await self._name_of(place))

    async def _ready(self, job: Job, place: P) -> tuple[str, bool]:
        """Return the administrator's name, and whether the vault's password is good.

        Raises what stands in the way of a rotation.
        """
        refuse_more_than_password(job)
        # A server for Entra identities only may have no administrator with a password.
        await self._refuse_unready(place)
        user = await self._administrator(job, place)
        await self.access.fields(place, job.options, user, Sensitive(""))
        problem = await self.access.refusal(place, user, job.held or fresh_password(user))
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return user, problem is None

    async def _administrator(self, job: Job, place: P) -> str:
        """Return the administrator's name as the server has it.

        NeedsHuman where it is not the one to be rotated.
        """
        name = await self._name_of(place)
        if job.held_id and job.held_id.casefold() != name.casefold():
            raise NeedsHuman(
                (
                    f"the tag CredentialId is {job.held_id[:40]!r}, but the server's "
                    f"administrator is {name!r}"
                ),
                where=place.server_id,
                fix=(
                    f"remove the tag CredentialId, or set the tag Rotator to {self.login_kind} "
                    f"for {job.held_id[:40]!r}"
                ),
            )
        return self.checked(name)
