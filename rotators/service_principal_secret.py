"""Client secrets of Entra applications: many may be alive at once, and the vault holds one of them.

A rotation adds a secret whose display name carries the operation, proves it by signing in, and
removes the one that it
supersedes once the overlap has passed. Secrets live on the application and not on its service
principal, whose property
lock would refuse them. Source: https://learn.microsoft.com/graph/api/application-addpassword and
application-removepassword; both take the application by `appId`, so no object id has to be looked
up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from cloud.azure import Azure
from cloud.rest.client import Json
from cloud.rest.graph import GRANT, PERMISSION, Graph
from cloud.rest.signin import SignIn
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
from rotators.shared.application_errors import final, longest_lifetime, refused, signin_problem

GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ADDRESS = re.compile(rf"(?:/?applications\(appid='(?P<key>{GUID})'\)|(?P<bare>{GUID}))")
PREFIX = "rekey "
"""How the display name of every secret that Rekey makes begins; the operation's id follows."""
REPLICATION = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
"""Seconds between the refusals that a new secret may get until every replica knows it: two minutes
in all."""
PROOFS, BETWEEN = 2, 1.0
"""So many sign-ins in a row must succeed, so many seconds apart: one only proves that one replica
knows the secret."""
EARLY = timedelta(minutes=5)
"""How far inside a lifetime cap the end is set, for clocks that differ."""
UNKNOWN_APPLICATION = "AADSTS700016"
EVERY_APPLICATION = frozenset({"Application.ReadWrite.All", "Directory.ReadWrite.All"})
NO_DIRECTORY_ROLE = frozenset(
    {"0997a1d0-0d1d-4acb-b408-d5ca73121e90", "b79fbf4d-3ef9-4689-8143-76b194e85509"}
)
"""What the claim `wids` holds for an application, and for a person, without a directory role."""


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


class ServicePrincipalSecret:
    """Rotates the client secrets of Entra applications."""

    kind: ClassVar[str] = "service-principal-secret"
    value_field: ClassVar[str] = "secret"
    template_fields: ClassVar[frozenset[str]] = frozenset({"client_id", "secret", "tenant_id"})

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._graph = Graph(azure)
        self._signin = SignIn(azure)
        self._clock = clock
        self._tenant = azure.tenant_id

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the application (client) id in lower case, as REKEY_SCOPES lists it."""
        del tags
        match = ADDRESS.fullmatch(address.strip().lower())
        return match["key"] or match["bare"] if match else None

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Tell that an application holds many secrets."""
        del tags
        return False

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
        return Issued(added["keyId"].lower(), fields, superseded, _moment(added.get("endDateTime")))

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

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Sign in with the secret while it spreads, until two sign-ins in a row succeed."""
        del credential_id
        pauses, accepted, ever = iter(REPLICATION), 0, False
        while accepted < PROOFS:
            problem = await self._prove(source, credential)
            if problem is None:
                accepted, ever = accepted + 1, True
                if accepted < PROOFS:
                    await self._clock.sleep(BETWEEN)
                continue
            pause = next(pauses, None)
            if final(problem) or pause is None:
                raise _flickering(source) if ever and not final(problem) else problem
            accepted = 0
            await self._clock.sleep(max(pause, getattr(problem, "retry_after", None) or 0))

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Sign in with the secret once; an application that is gone accepts none."""
        del credential_id
        problem = await self._prove(source, credential)
        if (
            problem
            and not isinstance(problem, VerificationFailed)
            and problem.code != UNKNOWN_APPLICATION
        ):
            raise problem
        return problem is None

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Remove the superseded secret, unless the vault's current version may hold it."""
        doomed_id = _key_id(credential_id)
        if held_id is None or _key_id(held_id) == doomed_id:
            await self._check_not_held(source, doomed_id, held)
        try:
            await self._remove(source, doomed_id)
        except NotFound:
            return

    async def _check_not_held(self, source: str, doomed_id: str, held: Sensitive | None) -> None:
        """Compare what is to go with what the vault holds, by the characters that Graph shows."""
        try:
            listed = await self._passwords(source)
        except NotFound:
            return
        if any(
            password.key_id == doomed_id and (held is None or password.begins(held))
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
        held = job.held or Sensitive("")
        problem = await self._prove(job.source, held)
        if isinstance(problem, NeedsHuman | TransientError):
            raise problem

    async def recognise(self, job: Job) -> Recognised:
        """Find the one secret whose beginning the value has: Graph keeps no more of it."""
        passwords = await self._passwords(job.source)
        _check_adopted(job, passwords)
        named = _key_id(job.held_id) if job.held_id else None
        fitting = [
            password
            for password in passwords
            if named in (None, password.key_id) and job.held and password.begins(job.held)
        ]
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
        held_id = _key_id(job.held_id) if job.held_id else None
        if job.proven and not look:
            return held_id
        passwords = await self._passwords(job.source)
        if not job.proven:
            _check_adopted(job, passwords)
        return held_id if held_id in {password.key_id for password in passwords} else None

    async def _check_rights(self, source: str) -> None:
        """Raise AccessDenied if the app's token shows that it may not change this application."""
        claims = await self._graph.claims(source)
        roles, directory_roles = (
            set(claims.get("roles", ())),
            set(claims.get("wids", ())) - NO_DIRECTORY_ROLE,
        )
        if "oid" not in claims or "scp" in claims or directory_roles or roles & EVERY_APPLICATION:
            return
        if PERMISSION not in roles:
            raise AccessDenied(
                f"the app's identity lacks the permission {PERMISSION}", where=source, fix=GRANT
            )
        answer = await self._graph.read(
            f"{_path(source)}/owners?$select=id", "reading the application's owners", source
        )
        if claims["oid"] not in {owner.get("id") for owner in answer.get("value", ())}:
            raise AccessDenied(
                f"the app's identity (object {claims['oid']}) does not own the application",
                where=source,
                fix=GRANT,
            )

    async def _home(self, source: str) -> str:
        """Return the tenant: an identity can manage applications of its own tenant only."""
        if not self._tenant:
            self._tenant = (await self._graph.claims(source)).get("tid")
        if not self._tenant:
            raise NeedsHuman(
                "the app's token does not name its tenant", where=source, fix="set AZURE_TENANT_ID"
            )
        return self._tenant

    async def _prove(self, source: str, secret: Sensitive) -> RekeyError | None:
        try:
            code = await self._signin.refusal(await self._home(source), source, secret, source)
        except TransientError as error:
            return error
        return None if code is None else signin_problem(code, source)

    async def _add(self, source: str, name: str, end: datetime) -> Json:
        """Add a secret; where a policy says how long it may live, add one that lives so long."""
        try:
            return await self._add_until(source, name, end)
        except PermanentError as error:
            lifetime, problem = longest_lifetime(error), refused(error, source)
        if lifetime is None or lifetime <= EARLY:
            raise problem
        return await self._add_until(source, name, min(end, self._clock.now() + lifetime - EARLY))

    async def _add_until(self, source: str, name: str, end: datetime) -> Json:
        description = {
            "displayName": name,
            "endDateTime": f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        path = f"{_path(source)}/addPassword"
        answer = await self._graph.change(
            path, {"passwordCredential": description}, "adding a secret", source
        )
        if not (answer.get("keyId") and answer.get("secretText")):
            raise TransientError("the answer to addPassword holds no secret", where=source)
        return answer

    async def _remove(self, source: str, key_id: str) -> None:
        await self._graph.change(
            f"{_path(source)}/removePassword", {"keyId": key_id}, "removing a secret", source
        )

    async def _passwords(self, source: str) -> list[Password]:
        path = f"{_path(source)}?$select=id,appId,passwordCredentials"
        try:
            answer = await self._graph.read(path, "reading the application", source)
        except NotFound as error:
            problem = refused(error, source)
        else:
            return [_password(entry) for entry in answer.get("passwordCredentials", ())]
        raise problem


def _path(source: str) -> str:
    return f"/applications(appId='{source}')"


def _password(listed: Json) -> Password:
    name, hint = listed.get("displayName") or "", listed.get("hint") or ""
    return Password(str(listed["keyId"]).lower(), name, hint, _moment(listed.get("endDateTime")))


def _key_id(credential_id: str) -> str:
    if not re.fullmatch(GUID, credential_id.lower()):
        raise NeedsHuman(
            f"the credential is {credential_id[:60]!r}, which is not the id of a secret",
            fix=(
                "set the tag CredentialId to the id of the secret, as the portal shows it, or "
                "remove the tag"
            ),
        )
    return credential_id.lower()


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
    named = _key_id(job.held_id) if job.held_id else None
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
        raise NeedsHuman(
            f"the value is not the secret {named}"
            if named
            else "the value is none of the application's secrets",
            where=job.source,
            fix="set CredentialId to the id of the secret that the value holds; where the value is "
            "more than the bare "
            "secret, set ValueTemplate to it with {secret} in place of the secret",
        )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _flickering(source: str) -> TransientError:
    return TransientError(
        "the secret is accepted and refused in turn: not every replica knows it yet",
        where=source,
        code="Replication",
    )
