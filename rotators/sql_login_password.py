"""Passwords of SQL logins and contained users, set by T-SQL under the app's own identity.

An address that names a server means logins (ALTER LOGIN in master), one that names a database means
users contained in
it (ALTER USER there). One login is a single slot, whose new password replaces the old one at once.
Two logins, named by
the tag Logins, alternate: the one that the vault does not hold gets a fresh password, and the one
it supersedes is retired,
once its overlap has passed, by a password that nobody knows.
Source: https://learn.microsoft.com/azure/azure-sql/database/logins-create-manage
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import unquote

from cloud.azure import Azure
from cloud.sql.errors import NO_PRINCIPAL, REFUSED
from engine.contract import Issued, Job, Recognised
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.sql_identity import described
from rotators.shared.sql_names import Place, alter, checked, logins_of, segment, standing
from rotators.shared.sql_passwords import fresh_password
from rotators.shared.sql_server import SqlAccess
from rotators.shared.sql_values import refuse_more_than_password


class SqlLoginPassword:
    """Rotates the passwords of logins and of contained users."""

    kind: ClassVar[str] = "sql-login-password"
    value_field: ClassVar[str] = "password"
    template_fields: ClassVar[frozenset[str]] = frozenset(
        {"server", "database", "user", "password"}
    )

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._access = SqlAccess(azure, clock)

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the server's or database's id in lower case, with the logins as a further segment."""
        place = Place.parse(address)
        named = tags.get("Rotator", "").strip()
        if place is None or place.logins:
            return None
        if not (
            named == SqlLoginPassword.kind or (not named and (place.database or logins_of(tags)))
        ):
            return None
        names = logins_of(tags) or tuple(filter(None, [tags.get("CredentialId", "").strip()]))
        scope = (
            f"{place.server_id}/databases/{place.database}" if place.database else place.server_id
        )
        return f"{scope}/logins/{segment(*names)}"

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Tell whether there is one login only."""
        return not logins_of(tags)

    async def issue(self, job: Job) -> Issued:
        """Give a fresh password to the only login, or to the one of two that the vault does not hold."""
        place = Place.of(job.source)
        accepted = job.proven or await self._ready(job)
        name, supersedes = await self._chosen(place, job)
        password = fresh_password(name)
        fields = await self._access.fields(place, job.options, name, password)
        await self._set(place, name, password)
        return Issued(name, fields, supersedes, restorable=accepted)

    async def preflight(self, job: Job) -> None:
        """See whether the server can be reached, the logins exist and the app may alter them."""
        await self._ready(job)

    async def _ready(self, job: Job) -> bool:
        """Check all that can be seen beforehand, and tell whether the password held is good."""
        refuse_more_than_password(job)
        place = Place.of(job.source)
        for name in _named(job):
            await self._access.fields(place, job.options, name, Sensitive(""))
            if problem := await self._standing(place, name):
                raise problem
        name, held = await self._chosen(place, job)
        return await self._accepts(place, held or name, job.held)

    async def recognise(self, job: Job) -> Recognised:
        """Name the only login, or find by signing in which of the two it is."""
        refuse_more_than_password(job)
        first, *rest = _named(job)
        if not rest:
            return Recognised(first)
        return Recognised(
            await self._held(Place.of(job.source), replace(job, held_id=None), (first, *rest))
        )

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Sign in with the password, while it spreads."""
        await self._access.prove(Place.of(source), credential_id, credential)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Sign in with the password once, as one login or as each of them."""
        place = Place.of(source)
        names = (
            [credential_id]
            if credential_id
            else [unquote(name) for name in source.rpartition("/")[2].split("+")]
        )
        for name in names:
            if await self._accepts(place, checked(name), credential):
                return True
        return False

    async def undo(self, job: Job, held: Sensitive) -> None:
        """Give the only login the password that the vault holds."""
        await self._set(Place.of(job.source), _named(job)[0], held)

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Give the superseded login a password that nobody knows."""
        del held_id
        place, name = Place.of(source), _of(source, credential_id)
        problem = await self._access.refusal(place, name, held) if held else None
        if problem is None:
            raise NeedsHuman(
                f"the password of {name!r} is to be replaced, but the vault's current version may hold it",
                where=source,
                fix="set the tag CredentialId to the login whose password the value is, and remove the tag RekeyRetire",
            )
        if isinstance(problem, TransientError | AccessDenied):
            raise problem
        try:
            await self._set(place, name, fresh_password(name))
        except NotFound:
            return

    async def _chosen(self, place: Place, job: Job) -> tuple[str, str | None]:
        """Return whose password to set, and whose is superseded by that."""
        first, *rest = _named(job)
        if not rest:
            return first, None
        if job.in_place:
            return _spelt(job.held_id, (first, *rest)), None
        held = (
            _spelt(job.held_id, (first, *rest))
            if job.proven
            else await self._held(place, job, (first, *rest))
        )
        return (rest[0] if held == first else first), held

    async def _held(self, place: Place, job: Job, names: tuple[str, ...]) -> str:
        """Find out by signing in which login's password the vault holds; where it is neither's, the tag decides."""
        for name in names:
            if await self._accepts(place, name, job.held):
                return name
        if job.held_id is None:
            raise NeedsHuman(
                f"the value is the password of neither {names[0]!r} nor {names[1]!r}",
                where=place.server_id,
                fix="set the tag CredentialId to the login that consumers hold, or the value to its password",
            )
        return _spelt(job.held_id, names)

    async def _accepts(self, place: Place, name: str, password: Sensitive | None) -> bool:
        """Tell whether this is the login's password; raises where nobody could sign in with any."""
        problem = (
            await self._access.refusal(place, name, password)
            if password
            else VerificationFailed("no password")
        )
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return problem is None

    async def _set(self, place: Place, name: str, password: Sensitive) -> None:
        try:
            await self._access.execute(place, alter(place, name, password))
        except PermanentError as error:
            problem = await self._explained(place, name, error)
        else:
            return
        raise problem

    async def _explained(self, place: Place, name: str, error: PermanentError) -> RekeyError:
        """Find out what the server does not tell apart: no such login, or no right to alter it."""
        if error.code == REFUSED:
            return await self._denied(place, error.what)
        if error.code != NO_PRINCIPAL:
            return error
        problem = await self._standing(place, name)
        return problem or await self._denied(place, f"the app may alter logins, but not {name!r}")

    async def _standing(self, place: Place, name: str) -> RekeyError | None:
        """Return what stands in the way of altering this login, as the server's own views tell."""
        try:
            permitted, existing = (await self._access.execute(place, standing(place, name))) or (
                0,
                0,
            )
        except AccessDenied as error:
            return await self._denied(place, error.what) if error.code == REFUSED else error
        if not permitted:
            return await self._denied(place, f"the app may not alter {name!r}, or does not see it")
        if existing:
            return None
        what = (
            f"no contained user with a password is called {name!r}"
            if place.database
            else f"no login is called {name!r}"
        )
        return NotFound(
            f"{what} in {place.opened}",
            where=place.server_id,
            fix="correct the tags CredentialId, Logins and ProviderAddress (a login's address is the server, a contained "
            "user's the database), or create it",
        )

    async def _denied(self, place: Place, what: str) -> AccessDenied:
        role = (
            "the permission ALTER ANY USER in that database (CREATE USER [app] FROM EXTERNAL PROVIDER; GRANT ALTER ANY USER "
            "TO [app])"
            if place.database
            else "membership of loginmanager in master (CREATE USER [app] FROM EXTERNAL PROVIDER; ALTER ROLE loginmanager ADD "
            "MEMBER [app]), or make it the server's Entra administrator"
        )
        who = described(await self._access.token())
        return AccessDenied(
            f"{what}: refused to {who}",
            where=f"{place.server_id}, {place.opened}",
            fix=f"grant it {role}",
        )


def _named(job: Job) -> tuple[str, ...]:
    """Return the one login, or the two that alternate; NeedsHuman for anything else."""
    names = logins_of(job.options)
    if not names:
        if not job.held_id:
            raise NeedsHuman(
                "no login is named", where=job.source, fix="set the tag CredentialId to the login"
            )
        return (checked(job.held_id),)
    if len({name.casefold() for name in names}) != len(names) or len(names) != 2:  # noqa: PLR2004
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
    return tuple(checked(name) for name in names)


def _of(source: str, credential_id: str) -> str:
    """Return a login's name if it is one of the source's; NeedsHuman for any other, whose password is not to be touched."""
    if segment(credential_id) not in source.rpartition("/")[2].split("+"):
        raise NeedsHuman(
            f"the login {credential_id[:40]!r} is to be retired, but neither Logins nor CredentialId names it",
            where=source,
            fix="name it in the tag Logins, or remove the tag RekeyRetire",
        )
    return checked(credential_id)


def _spelt(held_id: str | None, names: tuple[str, ...]) -> str:
    """Return the login that the tag CredentialId names, as the tag Logins spells it."""
    for name in names:
        if name.casefold() == (held_id or "").casefold():
            return name
    raise NeedsHuman(
        f"the tag CredentialId is {(held_id or '')[:40]!r}, which the tag Logins does not name",
        fix="set CredentialId to the login whose password the value holds",
    )
