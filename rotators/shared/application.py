"""What the kinds of credentials of an Entra application share: address, rights, sign-in."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from cloud.azure import NONSENSE, NOT_READ, Azure
from cloud.rest.client import Json
from cloud.rest.graph import GRANT, PERMISSION, Graph
from cloud.rest.signin import SignIn
from engine.contract import Lingering, Opens
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.application_errors import final, signin_problem

GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ADDRESS = re.compile(rf"(?:/?applications\(appid='(?P<key>{GUID})'\)|(?P<bare>{GUID}))")
PREFIX = "rekey "
"""How the display name of everything that Rekey makes begins; the operation's id follows."""
REPLICATION = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
"""Seconds between the refusals that a new credential may get until every replica knows it: two
minutes in all."""
PROOFS, BETWEEN = 2, 1.0
"""So many sign-ins in a row must succeed, so many seconds apart: one only proves that one replica
knows the credential."""
EARLY = timedelta(minutes=5)
"""How far inside a lifetime cap the end is set, for clocks that differ."""
CERTIFICATE = "service-principal-certificate"
"""The kind of certificates: its tag tells an application's certificate from its secret."""
EVERY_APPLICATION = frozenset({"Application.ReadWrite.All", "Directory.ReadWrite.All"})
NO_DIRECTORY_ROLE = "0997a1d0-0d1d-4acb-b408-d5ca73121e90"
"""What the claim `wids` holds for an application without a directory role."""


class ApplicationCredential(ABC):
    """One kind of credential of which an application may hold many."""

    opens = Opens.IDENTITY
    lingers = Lingering(
        "tokens that were issued for it work until they end, as a rule after 60 to 90 minutes",
        "https://learn.microsoft.com/entra/identity-platform/access-tokens#token-lifetime",
    )

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._graph = Graph(azure)
        self._signin = SignIn(azure)
        self._clock = clock
        self._tenant = azure.tenant_id

    @classmethod
    def resource_types(cls) -> tuple[str, ...]:
        """Return that an application is no resource of a subscription."""
        return ("",)

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Tell that an application holds many credentials."""
        del tags
        return False

    @abstractmethod
    def _form(self, tenant: str, source: str, credential: Sensitive) -> Mapping[str, Sensitive]:
        """Return how the credential signs in: parameters of the token endpoint's form.

        Raises VerificationFailed for a value that can be no such credential.
        """

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Sign in with the credential while it spreads, until two sign-ins in a row succeed."""
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
            await self._clock.sleep(max(pause, problem.retry_after or 0))

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Sign in with the credential once.

        An application that is gone refuses none: for a month it can be restored, with all of them.
        """
        del credential_id
        problem = await self._prove(source, credential)
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return problem is None

    async def _check_rights(self, source: str) -> None:
        """Raise AccessDenied if the app's token shows that it may not change this application."""
        claims = await self._graph.claims(source)
        roles, directory_roles = (
            set(claims.get("roles", ())),
            set(claims.get("wids", ())) - {NO_DIRECTORY_ROLE},
        )
        if "oid" not in claims or "scp" in claims or directory_roles or roles & EVERY_APPLICATION:
            return
        if PERMISSION not in roles:
            raise AccessDenied(
                f"the app's identity lacks the permission {PERMISSION}", where=source, fix=GRANT
            )
        path, what = f"{path_of(source)}/owners?$select=id", "reading the application's owners"
        async for page in self._graph.pages(path, what, source):
            if claims["oid"] in read_rows(page, "value", source, lambda owner: owner.get("id")):
                return
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

    async def _prove(self, source: str, credential: Sensitive) -> RekeyError | None:
        try:
            tenant = await self._home(source)
            form = self._form(tenant, source, credential)
            code = await self._signin.refusal(tenant, client_of(source), form, source)
        except (TransientError, VerificationFailed) as error:
            return error
        return None if code is None else signin_problem(code, source)


def client_of(source: str) -> str:
    """Return the application's client id: the first segment of a source."""
    return source.partition("/")[0]


def path_of(source: str) -> str:
    """Return where Graph has the application of a source."""
    return f"/applications(appId='{client_of(source)}')"


def rows_of(answer: Json, name: str, source: str) -> list[Json]:
    """Return a list that was asked for by its name; raises TransientError for an answer without it.

    Taken for an empty list, the answer of a proxy would let a credential pass for gone.
    """
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise TransientError(
            f"the answer about the application holds no {name}",
            where=source,
            fix="if it persists, check for a proxy or firewall between the app and Azure",
            code=NOT_READ,
        )
    return rows


def read_rows[T](answer: Json, name: str, source: str, read: Callable[[Json], T]) -> list[T]:
    """Read each row of a list that was asked for; TransientError where one cannot be read."""
    rows = rows_of(answer, name, source)
    try:
        return [read(row) for row in rows]
    except NONSENSE as error:
        what = f"an entry of the application's {name} cannot be read ({type(error).__name__})"
        problem = TransientError(what, where=source, code=NOT_READ)
    raise problem


def application_of(address: str) -> str | None:
    """Return the client id in an address, in lower case; None if it names no application."""
    match = ADDRESS.fullmatch(address.strip().lower())
    return match["key"] or match["bare"] if match else None


def key_id_of(credential_id: str) -> str:
    """Return a credential's id in lower case; raises NeedsHuman if it can be none."""
    if not re.fullmatch(GUID, credential_id.lower()):
        raise NeedsHuman(
            f"the credential is {credential_id[:60]!r}, which is not the id of a secret",
            fix=(
                "set the tag CredentialId to the id of the secret, as the portal shows it, or "
                "remove the tag"
            ),
        )
    return credential_id.lower()


def moment(text: str | None) -> datetime | None:
    """Return a time as Graph writes it; None if there is none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _flickering(source: str) -> TransientError:
    return TransientError(
        "the credential is accepted and refused in turn: not every replica knows it yet",
        where=source,
        code="Replication",
    )
