"""Passwords of database logins, whatever the engine: one login, or two that alternate.

One login is a single slot, whose new password replaces the old one at once. Two logins, named by
the tag Logins, alternate: the one that the vault does not hold gets a fresh password, and the one
it supersedes is retired, once its overlap has passed, by a password that nobody knows. The app's
identity sets passwords, never the login itself: a password that the login had set would be lost
with the process that knew it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import unquote

from engine.contract import Issued, Job, Opens, Recognised
from engine.errors import (
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    VerificationFailed,
    before_sending,
)
from engine.secret import Sensitive
from rotators.shared.in_doubt import doubt_of
from rotators.shared.sql_passwords import fresh_password
from rotators.shared.sql_values import refuse_more_than_password

type Fields = dict[str, Sensitive]


def logins_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in the tag Logins, in its order."""
    return tuple(name.strip() for name in tags.get("Logins", "").split(",") if name.strip())


def names_in(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the logins that tags name: those that alternate, or the one in CredentialId."""
    return logins_of(tags) or tuple(filter(None, [tags.get("CredentialId", "").strip()]))


class LoginPassword(ABC):
    """What every engine's logins share; an engine fills in how a login is named, set and proven."""

    value_field: ClassVar[str] = "password"
    template_fields: ClassVar[frozenset[str]] = frozenset(
        {"server", "database", "user", "password"}
    )
    opens = Opens.PART

    @staticmethod
    @abstractmethod
    def segment(*names: str) -> str:
        """Return one path segment for one or several logins, whatever their order."""

    @staticmethod
    @abstractmethod
    def checked(name: str) -> str:
        """Return a login's name if a statement can carry it; NeedsHuman otherwise."""

    @staticmethod
    @abstractmethod
    def key(name: str) -> str:
        """Return what two spellings of one login's name have in common."""

    @abstractmethod
    def _server(self, source: str) -> str:
        """Return the server's id."""

    @abstractmethod
    async def _fields(self, job: Job, name: str, password: Sensitive) -> Fields:
        """Return what a ValueTemplate may use; NeedsHuman where a name cannot stand in it."""

    @abstractmethod
    async def _refusal(self, source: str, name: str, password: Sensitive) -> RekeyError | None:
        """Sign in once and return what speaks against it; None if the password is accepted."""

    @abstractmethod
    async def _is_closed(self, source: str, name: str, fields: Fields) -> bool:
        """Sign in once to the database that the fields name, and return whether it is closed.

        False where the answer does not tell: a password that spreads is proven later.
        """

    @abstractmethod
    async def _standing(self, source: str, name: str) -> RekeyError | None:
        """Return what stands in the way of setting this login's password."""

    @abstractmethod
    async def _set(self, source: str, name: str, password: Sensitive) -> None:
        """Set a login's password."""

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return whether there is one login only."""
        return not logins_of(tags)

    async def issue(self, job: Job) -> Issued:
        """Give a fresh password to the only login, or to the one of two that the vault does not hold."""
        with before_sending():
            # In place, the server has refused what the vault holds: perhaps for its login's sake.
            accepted = (job.proven and not job.in_place) or await self._ready(job)
            name, supersedes = await self._chosen(job)
            password = fresh_password(name)
            fields = await self._fields(job, name, password)
        doubt = await doubt_of(self._set(job.source, name, password))
        # A default is not tried: it is the database in which a login needs no rights.
        tags = job.options
        is_named = "Database" in tags and "{database}" in tags.get("ValueTemplate", "")
        if (
            supersedes
            and is_named
            and not doubt
            and await self._is_closed(job.source, name, fields)
        ):
            # No NeedsHuman, which says that nothing was changed.
            raise PermanentError(
                f"{name!r} may not open the database that the value names, so it is not published",
                where=job.source,
                fix="give both logins the same rights, or correct the tag Database",
            )
        return Issued(name, fields, supersedes, restorable=accepted, doubt=doubt)

    async def preflight(self, job: Job) -> None:
        """See whether the server can be reached, the logins exist and the app may alter them."""
        await self._ready(job)

    async def recognise(self, job: Job) -> Recognised:
        """Name the only login, or find by signing in which of the two it is."""
        refuse_more_than_password(job)
        first, *rest = self._named(job)
        if not rest:
            return Recognised(first)
        return Recognised(await self._held(replace(job, held_id=None), (first, *rest)))

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Sign in with the password once, as one login or as each of them."""
        for name in [credential_id] if credential_id else _names(source):
            if await self._accepts(source, self.checked(name), credential):
                return True
        return False

    async def _whose(self, source: str, credential_id: str, credential: Sensitive) -> str:
        """Return as whom to sign in: where no tag says it, as the login whose password it is."""
        if credential_id:
            return credential_id
        *others, last = _names(source)
        for name in others:
            if await self._accepts(source, self.checked(name), credential):
                return name
        return self.checked(last)

    async def undo(self, job: Job, held: Sensitive) -> None:
        """Give the only login the password that the vault holds."""
        await self._set(job.source, self._named(job)[0], held)

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Give the superseded login a password that nobody knows."""
        del held_id
        name = self._of(source, credential_id)
        problem = await self._refusal(source, name, held) if held else None
        if problem is None:
            raise NeedsHuman(
                (
                    f"the password of {name!r} is to be replaced, but the vault's current "
                    "version may hold it"
                ),
                where=source,
                fix=(
                    "set the tag CredentialId to the login whose password the value holds, and "
                    "remove the tag RekeyRetire"
                ),
            )
        if not isinstance(problem, VerificationFailed | NotFound):
            # Only a refused password is surely another login's. A locked login, say, is told from
            # a wrong password after its own password was right.
            raise problem
        try:
            await self._set(source, name, fresh_password(name))
        except NotFound:
            return

    async def _ready(self, job: Job) -> bool:
        """Check all that can be seen beforehand, and return whether the password held is good."""
        refuse_more_than_password(job)
        for name in self._named(job):
            await self._fields(job, name, Sensitive(""))
            if problem := await self._standing(job.source, name):
                raise problem
        name, held = await self._chosen(job)
        return await self._accepts(job.source, held or name, job.held)

    async def _chosen(self, job: Job) -> tuple[str, str | None]:
        """Return whose password to set, and whose is superseded by that."""
        first, *rest = names = self._named(job)
        if not rest:
            return first, None
        if job.in_place:
            return self._spelt(job.held_id, names), None
        held = self._spelt(job.held_id, names) if job.proven else await self._held(job, names)
        return (rest[0] if held == first else first), held

    async def _held(self, job: Job, names: tuple[str, ...]) -> str:
        """Find out by signing in whose password the vault holds; if neither's, the tag decides."""
        for name in names:
            if await self._accepts(job.source, name, job.held):
                return name
        if job.held_id is None:
            raise NeedsHuman(
                f"the value is the password of neither {names[0]!r} nor {names[1]!r}",
                where=self._server(job.source),
                fix=(
                    "set the tag CredentialId to the login that consumers hold, or the value "
                    "to its password"
                ),
            )
        return self._spelt(job.held_id, names)

    async def _accepts(self, source: str, name: str, password: Sensitive | None) -> bool:
        """Return whether this is the login's password.

        Raises where nobody could sign in with any.
        """
        problem = (
            await self._refusal(source, name, password)
            if password
            else VerificationFailed("no password")
        )
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return problem is None

    def _named(self, job: Job) -> tuple[str, ...]:
        """Return the one login, or the two that alternate; NeedsHuman for anything else."""
        names = logins_of(job.options)
        if not names:
            if not job.held_id:
                raise NeedsHuman(
                    "the secret names no login",
                    where=job.source,
                    fix="set the tag CredentialId to the login",
                )
            return (self.checked(job.held_id),)
        if len({self.key(name) for name in names}) != len(names) or len(names) != 2:  # noqa: PLR2004
            raise NeedsHuman(
                "the tag Logins does not name two logins",
                where=job.source,
                fix="set it to two, as in app_a,app_b",
            )
        if "{user}" not in job.options.get("ValueTemplate", ""):
            raise NeedsHuman(
                "two logins alternate, but the value does not say whose password it holds",
                where=job.source,
                fix="set the tag ValueTemplate to a connection string with {user} and {password}",
            )
        return tuple(self.checked(name) for name in names)

    def _of(self, source: str, credential_id: str) -> str:
        """Return a login's name if it is one of the source's.

        NeedsHuman for any other, which is not touched.
        """
        if self.segment(credential_id) not in source.rpartition("/")[2].split("+"):
            raise NeedsHuman(
                (
                    f"the login {credential_id[:40]!r} is to be retired, but neither Logins "
                    "nor CredentialId names it"
                ),
                where=source,
                fix="name it in the tag Logins, or remove the tag RekeyRetire",
            )
        return self.checked(credential_id)

    def _spelt(self, held_id: str | None, names: tuple[str, ...]) -> str:
        """Return the login that the tag CredentialId names, as the tag Logins spells it."""
        for name in names:
            if self.key(name) == self.key(held_id or ""):
                return name
        raise NeedsHuman(
            f"the tag CredentialId is {(held_id or '')[:40]!r}, which the tag Logins does not name",
            fix="set CredentialId to the login whose password the value holds",
        )


def _names(source: str) -> list[str]:
    """Return the logins of a source."""
    return [unquote(name) for name in source.rpartition("/")[2].split("+")]
