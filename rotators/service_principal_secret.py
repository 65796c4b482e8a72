"""Client secrets of Entra applications: many may be alive at once, and the vault holds one of them.

A rotation adds a secret whose display name carries the operation, proves it by signing in, and
removes the one that it supersedes once the overlap has passed. Secrets live on the application and
not on its service principal, whose property lock would refuse them. Source:
https://learn.microsoft.com/graph/api/application-addpassword and application-removepassword; both
take the application by `appId`, so no object id has to be looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from cloud.rest.client import Json
from engine.contract import Issued, Job, Recognised
from engine.errors import NeedsHuman, NotFound, PermanentError, TransientError
from engine.secret import Sensitive
from rotators.shared.application import (
    CERTIFICATE,
    EARLY,
    PREFIX,
    ApplicationCredential,
    application_of,
    key_id_of,
    moment,
    path_of,
    read_rows,
)
from rotators.shared.application_errors import longest_lifetime, refused


@dataclass(frozen=True, slots=True)
class Password:
    """One secret of an application, as Graph lists it: a hint in place of its text."""

    key_id: str
    name: str
    hint: str
    ends: datetime | None

    def begins(self, value: Sensitive) -> bool:
        """Return whether the value may be this secret: Graph keeps its first three characters."""
        return bool(self.hint) and value.reveal().startswith(self.hint)


class ServicePrincipalSecret(ApplicationCredential):
    """Rotates the client secrets of Entra applications."""

    kind: ClassVar[str] = "service-principal-secret"
    value_field: ClassVar[str] = "secret"
    template_fields: ClassVar[frozenset[str]] = frozenset({"client_id", "secret", "tenant_id"})

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the application (client) id in lower case, as REKEY_SCOPES lists it."""
        if tags.get("Rotator", "").strip() == CERTIFICATE:
            return None
        return application_of(address)

    def _form(self, tenant: str, source: str, credential: Sensitive) -> Mapping[str, Sensitive]:
        del tenant, source
        return {"client_secret": credential}

    async def issue(self, job: Job) -> Issued:
        """Add a secret; to bring back one that the application refuses, just add another."""
        superseded = None if job.in_place else await self._superseded(job)
        tenant = await self._home(job.source)
        added = await self._add(job.source, f"{PREFIX}{job.operation}", job.expires)
        fields = {
            "client_id": Sensitive(job.source),
            "tenant_id": Sensitive(tenant),
            "secret": Sensitive(added["secretText"]),
        }
        return Issued(added["keyId"].lower(), fields, superseded, moment(added.get("endDateTime")))

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        """Remove the secrets that this operation made, except the one to keep."""
        for password in await self._passwords(source):
            if password.name == f"{PREFIX}{operation}" and password.key_id != (keep or "").lower():
                try:
                    await self._remove(source, password.key_id)
                except NotFound as error:
                    # A replica lists what another does not know: seen for seconds after a change.
                    problem = TransientError(
                        f"Graph lists a secret but {error.what}", where=source, code=error.code
                    )
                else:
                    continue
                raise problem

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Remove the superseded secret, unless the vault's current version may hold it."""
        doomed_id = key_id_of(credential_id)
        if held_id is None or key_id_of(held_id) == doomed_id:
            await self._check_not_held(source, doomed_id, held)
        try:
            await self._remove(source, doomed_id)
        except NotFound:
            return

    async def lists(self, source: str, credential_id: str) -> bool:
        """Return whether the application has a secret of this id; a replica may lag behind."""
        doomed_id = key_id_of(credential_id)
        return any(password.key_id == doomed_id for password in await self._passwords(source))

    async def _check_not_held(self, source: str, doomed_id: str, held: Sensitive | None) -> None:
        """Compare what is to go with what the vault holds, by the characters that Graph shows."""
        try:
            listed = await self._passwords(source)
        except NotFound:
            return
        if any(
            password.key_id == doomed_id
            and (held is None or not password.hint or password.begins(held))
            for password in listed
        ):
            raise NeedsHuman(
                (
                    f"the secret {doomed_id} is to be removed, but the vault's current version "
                    "may hold it"
                ),
                where=source,
                fix=(
                    "set the tag CredentialId to the id of the secret that the value holds, "
                    "and remove the tag RekeyRetire"
                ),
            )

    async def preflight(self, job: Job) -> None:
        """Find out whether the application exists, is ours to change, and can sign in."""
        await self._check_rights(job.source)
        await self._superseded(job, look=True)
        # Entra answers a wrong secret as it answers one that is gone, and an empty one otherwise.
        held = job.held or Sensitive("none-yet")
        problem = await self._prove(job.source, held)
        if isinstance(problem, NeedsHuman | TransientError):
            raise problem

    async def recognise(self, job: Job) -> Recognised:
        """Find the one secret whose beginning the value has: Graph keeps no more of it.

        Of one that Graph lists without its beginning only the id can tell, and does unless the value
        begins as another one.
        """
        passwords = await self._passwords(job.source)
        _check_adopted(job, passwords)
        named = key_id_of(job.held_id) if job.held_id else None
        alike = [password for password in passwords if job.held and password.begins(job.held)]
        alike = alike or [password for password in passwords if named and not password.hint]
        fitting = [password for password in alike if named in (None, password.key_id)]
        if not fitting:
            raise _unlike(job, named)
        if len(fitting) != 1:
            raise NeedsHuman(
                (
                    f"the value may be any of {len(fitting)}: "
                    f"{', '.join(password.key_id for password in fitting)}"
                ),
                where=job.source,
                fix="set the tag CredentialId to the id of the one that the value holds, as the portal shows it",
            )
        return Recognised(fitting[0].key_id, fitting[0].ends)

    async def _superseded(self, job: Job, *, look: bool = False) -> str | None:
        """Return the id of the secret that the vault holds.

        What Rekey did not write itself is compared first.
        """
        held_id = key_id_of(job.held_id) if job.held_id else None
        if job.proven and not look:
            return held_id
        passwords = await self._passwords(job.source)
        if not job.proven:
            _check_adopted(job, passwords)
        listed = next((password for password in passwords if password.key_id == held_id), None)
        if held_id is None or (listed and (look or self._has_ended(listed))):
            return held_id
        is_accepted = job.held and not look and await self.accepts(job.source, held_id, job.held)
        if listed:
            # Whoever may read the application knows its id and how it begins. Only a sign-in tells
            # that this is the secret that the value holds: another team's would be removed.
            return held_id if is_accepted else None
        if is_accepted:
            # Passed over, it would outlive its overlap, and nobody would know.
            raise TransientError(
                f"Graph does not list the secret {held_id}, though what the vault holds is accepted",
                where=job.source,
                fix="it lags for some minutes after a change; if it persists, set CredentialId to "
                "the id of the secret that the value holds",
            )
        return None

    def _has_ended(self, password: Password) -> bool:
        return password.ends is not None and password.ends <= self._clock.now()

    async def _add(self, source: str, name: str, end: datetime) -> Json:
        """Add a secret; where a policy says how long it may live, add one that lives so long."""
        try:
            return await self._add_until(source, name, end)
        except PermanentError as error:
            lifetime, problem = longest_lifetime(error), refused(error, source)
        if not lifetime:
            raise problem
        return await self._add_until(source, name, min(end, self._clock.now() + lifetime - EARLY))

    async def _add_until(self, source: str, name: str, end: datetime) -> Json:
        description = {
            "displayName": name,
            "endDateTime": f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        path = f"{path_of(source)}/addPassword"
        answer = await self._graph.change(
            path, {"passwordCredential": description}, "adding a secret", source
        )
        # It was made by now: the next try finds it by its name, and removes it.
        with suppress(TypeError, ValueError):
            moment(answer.get("endDateTime"))
            texts = [answer.get(name) for name in ("keyId", "secretText")]
            if all(isinstance(text, str) and text for text in texts):
                return answer
        raise TransientError("the answer to addPassword holds no secret", where=source)

    async def _remove(self, source: str, key_id: str) -> None:
        await self._graph.change(
            f"{path_of(source)}/removePassword", {"keyId": key_id}, "removing a secret", source
        )

    async def _passwords(self, source: str) -> list[Password]:
        path = f"{path_of(source)}?$select=id,appId,passwordCredentials"
        try:
            answer = await self._graph.read(path, "reading the application", source)
        except NotFound as error:
            problem = refused(error, source)
        else:
            return read_rows(answer, "passwordCredentials", source, _password)
        raise problem


def _password(listed: Json) -> Password:
    name, hint = listed.get("displayName") or "", listed.get("hint") or ""
    return Password(listed["keyId"].lower(), name, hint, moment(listed.get("endDateTime")))


def _check_adopted(job: Job, passwords: list[Password]) -> None:
    """Raise NeedsHuman where what the vault holds is not what its owner's tags say."""
    if job.held is None:
        raise NeedsHuman(
            "the value does not follow the tag ValueTemplate",
            where=job.source,
            fix=(
                "set ValueTemplate to the value with {secret} (and {client_id}, {tenant_id}) "
                "in place of its parts"
            ),
        )
    named = key_id_of(job.held_id) if job.held_id else None
    others = [
        password
        for password in passwords
        if password.hint and password.name != f"{PREFIX}{job.operation}"
    ]
    known = [password for password in others if named in (None, password.key_id)]
    alive = [password.key_id for password in others if password.begins(job.held)]
    if named and alive and named not in {password.key_id for password in passwords}:
        # Else what the value holds would outlive its overlap, and nobody would know.
        raise NeedsHuman(
            f"CredentialId names no secret of the application: the value may be {', '.join(alive)}",
            where=job.source,
            fix="set CredentialId to the id of the secret that the value holds",
        )
    if known and not any(password.begins(job.held) for password in known):
        raise _unlike(job, named)


def _unlike(job: Job, named: str | None) -> NeedsHuman:
    """Return the error for a value that is no secret of the application, or not the one named."""
    return NeedsHuman(
        f"the value is not the secret {named}"
        if named
        else "the value is none of the application's secrets",
        where=job.source,
        fix="set CredentialId to the id of the secret that the value holds; where the value is "
        "more than the bare "
        "secret, set ValueTemplate to it with {secret} in place of the secret",
    )
