"""The password of a SQL server's administrator: one slot, set through Resource Manager.

A new password replaces the old one at once, so nothing overlaps, and every try sets a fresh one:
the app's identity, not
the old password, is the authority. Open connections stay signed in.
Source: https://learn.microsoft.com/rest/api/sql/servers/update
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cloud.azure import Azure
from engine.contract import Issued, Job, Recognised
from engine.errors import NeedsHuman, VerificationFailed
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.sql_names import Place, checked, logins_of
from rotators.shared.sql_operation import PasswordChange
from rotators.shared.sql_passwords import fresh_password
from rotators.shared.sql_server import SqlAccess
from rotators.shared.sql_values import refuse_more_than_password


class SqlAdminPassword:
    """Rotates the password of a logical server's administrator."""

    kind: ClassVar[str] = "sql-admin-password"
    value_field: ClassVar[str] = "password"
    template_fields: ClassVar[frozenset[str]] = frozenset(
        {"server", "database", "user", "password"}
    )

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._access = SqlAccess(azure, clock)
        self._change = PasswordChange(azure, self._access, clock)

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the server's resource id in lower case.

        A server whose tags name logins belongs to the other kind.
        """
        place = Place.parse(address)
        named = tags.get("Rotator", "").strip()
        mine = named == SqlAdminPassword.kind if named else not logins_of(tags)
        return (
            place.server_id if place and mine and not place.database and not place.logins else None
        )

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Tell that there is one slot."""
        del tags
        return True

    async def issue(self, job: Job) -> Issued:
        """Set a fresh password; before the first one, check all that can be checked."""
        place = Place.of(job.source)
        known = job.proven and job.held_id
        user, accepted = (checked(known), True) if known else await self._ready(job, place)
        password = fresh_password(user)
        fields = await self._access.fields(place, job.options, user, password)
        await self._change.begin(place, user, password)
        return Issued(user, fields, supersedes=None, restorable=accepted)

    async def preflight(self, job: Job) -> None:
        """Read who the administrator is and how to sign in, and whether the server can be reached."""
        await self._ready(job, Place.of(job.source))

    async def recognise(self, job: Job) -> Recognised:
        """Name the server's administrator, whose password it must be."""
        user, _ = await self._ready(job, Place.of(job.source))
        return Recognised(user)

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Wait for the end of the change; sign in to master with the password while it spreads."""
        place = Place.of(source)
        await self._change.settle(place)
        await self._access.prove(place, credential_id, credential)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Sign in to master with the password once."""
        place = Place.of(source)
        user = checked(credential_id or (await self._access.read(place)).administrator_login or "")
        problem = await self._access.refusal(place, user, credential)
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return problem is None

    async def undo(self, job: Job, held: Sensitive) -> None:
        """Set the password that the vault holds, and follow that change to its end."""
        place = Place.of(job.source)
        user = checked(job.held_id) if job.held_id else await self._administrator(job, place)
        await self._change.begin(place, user, held)
        await self._change.settle(place)

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Do nothing: a new password has replaced the old one already."""

    async def _ready(self, job: Job, place: Place) -> tuple[str, bool]:
        """Return the administrator's name, and whether the vault's password is good.

        Raises what stands in the way of a rotation.
        """
        refuse_more_than_password(job)
        user = await self._administrator(job, place)
        await self._access.refuse_entra_only(place)
        await self._access.fields(place, job.options, user, Sensitive(""))
        problem = await self._access.refusal(place, user, job.held or fresh_password(user))
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return user, problem is None

    async def _administrator(self, job: Job, place: Place) -> str:
        """Return the administrator's name as the server has it.

        NeedsHuman where it is not the one to be rotated.
        """
        server = await self._access.read(place)
        name = server.administrator_login or ""
        if job.held_id and job.held_id.casefold() != name.casefold():
            raise NeedsHuman(
                (
                    f"the tag CredentialId is {job.held_id[:40]!r}, but the server's "
                    f"administrator is {name!r}"
                ),
                where=place.server_id,
                fix=(
                    "remove the tag CredentialId, or set the tag Rotator to "
                    f"sql-login-password for {job.held_id[:40]!r}"
                ),
            )
        return checked(name)
