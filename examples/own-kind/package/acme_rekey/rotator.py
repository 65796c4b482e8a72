"""The kind acme-token: two tokens of a project, of which the vault holds one.

What a crash leaves behind: a fresh token in the slot that the vault does not hold. The next try
replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from acme_rekey.client import Send, over_https
from cloud.azure import Azure
from engine.contract import Issued, Job, Recognised
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.ports import Clock
from engine.secret import Sensitive

HOST = "https://api.acme.example"
AUDIENCE = "api://acme/.default"
OTHER = {"blue": "green", "green": "blue"}
ADDRESS = re.compile(r"/kinds/acme-token/([a-z0-9-]{1,40})")
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the tries of a proof: a minute in all."""


class AcmeToken:
    """Rotates the tokens of projects at Acme."""

    kind: ClassVar[str] = "acme-token"
    value_field: ClassVar[str] = "token"
    template_fields: ClassVar[frozenset[str]] = frozenset({"token", "project"})

    def __init__(self, azure: Azure, clock: Clock, send: Send | None = None) -> None:
        self._azure, self._clock, self._send = azure, clock, send or over_https(HOST)

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return /kinds/acme-token/<project> in lower case."""
        del tags
        source = address.strip().rstrip("/").lower()
        return source if ADDRESS.fullmatch(source) else None

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return False: there are two tokens, so the old one keeps working."""
        del tags
        return False

    async def issue(self, job: Job) -> Issued:
        """Replace the token that the vault does not hold."""
        held = await self._held(job)
        slot = held if job.in_place else OTHER[held]
        token = await self._replace(job.source, slot)
        fields = {"token": Sensitive(token), "project": Sensitive(_project(job.source))}
        return Issued(slot, fields, None if job.in_place else held)

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Use the token until Acme accepts it; raises VerificationFailed after a minute."""
        for pause in (*PAUSES, None):
            if await self.accepts(source, credential_id, credential):
                return
            if pause is not None:
                await self._clock.sleep(pause)
        raise VerificationFailed("Acme refuses the token", where=source, fix="see Acme's log")

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Ask Acme whose token it is, signed in with that very token."""
        if not credential.reveal().isascii() or not credential.reveal().strip():
            return False
        status, body = await self._call("GET", "/me", credential.reveal(), source)
        if status == 401:
            return False
        if status != 200:
            raise _problem(status, source)
        ours = body.get("project") == _project(source)
        return ours and credential_id in ("", body.get("slot"))

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Replace the token by one that nobody knows, unless the vault may hold it."""
        if credential_id not in OTHER:
            what = f"CredentialId is {credential_id[:40]!r}, which is neither blue nor green"
            raise NeedsHuman(what, where=source, fix="correct the tag")
        try:
            if held_id == credential_id or await self._is_held(source, credential_id, held):
                what = f"{credential_id} was not revoked: the vault may hold it"
                raise NeedsHuman(what, where=source, fix="revoke it by hand")
            await self._replace(source, credential_id)
        except NotFound:
            return

    async def recognise(self, job: Job) -> Recognised:
        """Return which of the two tokens the vault holds."""
        for slot in OTHER:
            if job.held and await self.accepts(job.source, slot, job.held):
                return Recognised(slot)
        fix = "write one of the project's tokens to the secret"
        raise NeedsHuman("the value is no token of the project", where=job.source, fix=fix)

    async def preflight(self, job: Job) -> None:
        """See whether a rotation would know which token to keep."""
        await self._held(job)

    async def _held(self, job: Job) -> str:
        """Return the slot that the vault holds. A tag alone is no evidence."""
        if (job.proven or job.in_place) and job.held_id in OTHER:
            return job.held_id
        return (await self.recognise(job)).credential_id

    async def _is_held(self, source: str, credential_id: str, held: Sensitive | None) -> bool:
        return held is None or await self.accepts(source, credential_id, held)

    async def _replace(self, source: str, slot: str) -> str:
        signed_in = await self._azure.credential.get_token(AUDIENCE)
        path = f"/projects/{_project(source)}/tokens/{slot}"
        status, body = await self._call("POST", path, signed_in.token, source)
        token = body.get("token")
        if status != 201 or not isinstance(token, str):
            raise _problem(status, source)
        return token

    async def _call(
        self, method: str, path: str, bearer: str, source: str
    ) -> tuple[int, Mapping[str, Any]]:
        try:
            return await self._send(method, path, bearer)
        except OSError:
            problem = TransientError("Acme does not answer", where=source, code="NoAnswer")
        raise problem


def _project(source: str) -> str:
    return source.rpartition("/")[2]


def _problem(status: int, source: str) -> RekeyError:
    match status:
        case 404:
            fix = "correct the tag ProviderAddress"
            return NotFound("Acme knows no such project", where=source, fix=fix)
        case 401 | 403:
            fix = "let the app's identity manage the project's tokens at Acme"
            return AccessDenied("Acme refuses the app", where=source, fix=fix)
        case _:
            return TransientError(f"Acme answers {status}", where=source)
