"""Kinds that an HTTPS endpoint looks after: it issues, tries and retires; Rekey keeps the promises.

docs/write-a-rotator.md describes the requests. What a crash leaves behind: two slots, a new value
in the slot that is not held, which the next try replaces; a single slot, a password that nobody
knows, which the next try replaces; many, a credential that `tidy` removes by its operation. A
retried `issue` carries the same `request`, so an endpoint may answer with what it made already;
an incident asks for what was made since.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from typing import Any, ClassVar

import msgspec

from cloud.azure import Azure
from cloud.endpoints import SLOT, Endpoint
from cloud.rest.signed_requests import SignedRequests
from cloud.rest.signing import SigningKey
from engine.contract import Issued, Job, Recognised, Rotator
from engine.errors import (
    NeedsHuman,
    NotFound,
    PermanentError,
    TransientError,
    VerificationFailed,
)
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.own.answers import CORRECT, Done, Made, Revoked, Tried, decoded, refusal
from rotators.own.sandbox import is_value, shows

type KeyOf = Callable[[], Awaitable[SigningKey]]

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the tries of a proof: a minute in all."""
SEGMENT = r"""(?!\.{1,2}(?:/|\Z))[!"$&-*,\-.0-9:;<=>@\[\]^_`a-z{|}~]+"""
"""Printable characters, in lower case, but `%`, `\\`, `?`, `#` and `+`."""
NAME = re.compile(rf"(?=.{{1,200}}\Z){SEGMENT}(/{SEGMENT})*")
"""What follows the kind in an address. An endpoint may read `..` as the segment above it, and so
leave the scope that its source seems to be in."""
VERSION = 1
"""The version of the requests and answers."""
SAME = uuid.UUID("0f3b8f0e-6f0f-4f0d-9b52-5f2f2f6d7a11")
"""The namespace of the ids of requests."""


class OwnEndpoint:
    """What all strategies share."""

    kind: ClassVar[str]
    value_field: ClassVar[str]
    template_fields: ClassVar[frozenset[str]]
    endpoint: ClassVar[Endpoint]

    def __init__(self, azure: Azure, clock: Clock, key: KeyOf) -> None:
        self._clock = clock
        self._requests = SignedRequests(azure, clock, self.endpoint.url, key)

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        """Return /kinds/<kind>/<name> in lower case; None for anything else."""
        del tags
        source, prefix = address.strip().rstrip("/").lower(), f"/kinds/{cls.kind}/"
        name = source.removeprefix(prefix)
        return source if source.startswith(prefix) and NAME.fullmatch(name) else None

    @classmethod
    def single_slot(cls, tags: Mapping[str, str]) -> bool:
        """Return what the settings say."""
        del tags
        return cls.endpoint.strategy == "single-slot"

    async def preflight(self, job: Job) -> None:
        """See whether the endpoint answers, and where it is not proven, what is held."""
        held_id = await self._superseded(job)
        if job.held and (job.proven or job.in_place or self.single_slot({})):
            await self.accepts(job.source, held_id or "", job.held)

    async def issue(self, job: Job) -> Issued:
        """Have a credential made in the slot that is not held, or beside those that there are."""
        superseded = await self._superseded(job)
        slot = self._slot(job, superseded)
        made = await self._ask(
            "issue",
            Made,
            job.source,
            # Whoever knows what has leaked may know what an earlier try made, too.
            same=f"{job.operation} {slot} {job.in_place} {job.not_before}",
            operation=job.operation,
            slot=slot,
            expires=job.expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            tags=dict(job.options),
        )
        if problem := self._wrong(made, job, slot):
            what = f"{self.kind} issued {problem}"
            raise PermanentError(what, where=job.source, fix=CORRECT)
        alone = job.in_place or self.single_slot({})
        superseded = None if alone else superseded
        return Issued(made.credential_id, made.fields, superseded, made.expires)

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Prove that the source accepts the credential: several tries, a minute in all."""
        for pause in (*PAUSES, None):
            if await self.accepts(source, credential_id, credential):
                return
            if pause is not None:
                await self._clock.sleep(pause)
        fix = "see whether it was changed by hand just now"
        raise VerificationFailed("the endpoint refuses the credential", where=source, fix=fix)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Try a credential once."""
        tried = await self._ask(
            "verify",
            Tried,
            source,
            credential_id=credential_id,
            credential=credential.reveal(),
        )
        return tried.accepted

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Have a credential revoked, unless it is, or may be, the one held."""
        if not self._names_one(credential_id):
            what = f"the tag CredentialId names {credential_id[:60]!r}, which {self.kind} never has"
            raise NeedsHuman(what, where=source, fix="correct the tag")
        try:
            if await self._is_held(source, credential_id, held, held_id):
                raise self._in_use(source, credential_id)
            revoked = await self._ask("retire", Revoked, source, credential_id=credential_id)
        except NotFound:
            return
        if revoked.outcome == "held":
            raise self._in_use(source, credential_id)

    async def recognise(self, job: Job) -> Recognised:
        """Try what is held under each id that it may have."""
        if job.held is None:
            raise self._unknown(job)
        for candidate in self.endpoint.slots or (job.held_id or "",):
            known = self._names_one(candidate, job.held)
            if known and await self.accepts(job.source, candidate, job.held):
                return Recognised(candidate)
        raise self._unknown(job)

    async def _superseded(self, job: Job) -> str | None:
        """Return the id of what is held; raises NeedsHuman where a tag may name another one."""
        if self.single_slot({}):
            return self.endpoint.slots[0]
        if job.proven or job.in_place:
            if not self._names_one(job.held_id or "", job.held):
                raise self._unknown(job)
            return job.held_id
        return (await self.recognise(job)).credential_id

    def _slot(self, job: Job, held_id: str | None) -> str | None:
        """Return which slot is to be filled; None where the endpoint chooses an id."""
        match self.endpoint.slots:
            case (first, second) if not job.in_place:
                return second if held_id == first else first
            case (alone,):
                return alone
            case ():
                return None
            case _:
                return held_id

    def _names_one(self, credential_id: str, held: Sensitive | None = None) -> bool:
        if slots := self.endpoint.slots:
            return credential_id in slots
        return bool(SLOT.fullmatch(credential_id)) and not shows((credential_id,), held)

    async def _is_held(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None
    ) -> bool:
        """Return whether the credential is, or may be, the one held."""
        if held_id is not None:
            return held_id == credential_id
        return held is None or await self.accepts(source, credential_id, held)

    def _wrong(self, made: Made, job: Job, slot: str | None) -> str:
        """Return what is wrong with an answer to issue; never shows a value."""
        if slot is None and not SLOT.fullmatch(made.credential_id):
            return "a credential without a usable id"
        if (slot or made.credential_id) != made.credential_id or (
            slot is None and made.credential_id == job.held_id
        ):
            return f"another credential than {slot or 'a new one'}"
        if made.expires and (made.expires.tzinfo is None or made.expires <= self._clock.now()):
            return "a credential that has expired, or an expiry without a time zone"
        value = made.fields.get(self.value_field)
        if slot is None and shows((made.credential_id,), value, job.held):
            return "a credential whose id shows a value"
        return self._wrong_value(made.fields, job)

    def _wrong_value(self, fields: Mapping[str, Sensitive], job: Job) -> str:
        if set(fields) != self.template_fields:
            return f"fields other than {', '.join(sorted(self.template_fields))}"
        if not all(map(is_value, fields.values())):
            return "an empty value, or one that is too long"
        if fields[self.value_field] == job.held and not job.in_place:
            return "the very credential that the vault holds"
        return ""

    async def _ask[T](
        self, call: str, shape: type[T], source: str, same: str | None = None, **members: object
    ) -> T:
        """Post one request. `same` makes two of them the same one; without it, each is new.

        Only a repeated `issue` may be answered from memory: a slot is revoked again and again, and
        a try tidies up behind another try of its operation.
        """
        request = uuid.uuid5(SAME, f"{self.kind} {source} {call} {same}") if same else uuid.uuid4()
        name = source.removeprefix(f"/kinds/{self.kind}/")
        body = {
            "version": VERSION,
            "request": str(request),
            "kind": self.kind,
            "source": name,
            **members,
        }
        what = f"{call} of {self.kind}"
        answer = await self._requests.post(call, msgspec.json.encode(body), what, source)
        if answer.status == 200:  # noqa: PLR2004
            return decoded(shape, answer.body, what, source)
        raise refusal(answer.status, answer.body, what, source, answer.retry_after)

    async def _do(self, call: str, source: str, **members: object) -> None:
        """Post a request that has no other answer than that it is done."""
        if not (await self._ask(call, Done, source, None, **members)).done:
            what = f"{call} of {self.kind} was answered that it is not done"
            raise TransientError(what, where=source, fix="see the endpoint's log")

    def _in_use(self, source: str, credential_id: str) -> NeedsHuman:
        what = f"{credential_id} was not revoked: the vault may hold it"
        return NeedsHuman(what, where=source, fix="revoke it by hand")

    def _unknown(self, job: Job) -> NeedsHuman:
        what = f"the endpoint accepts the value under no id that {self.kind} knows"
        fix = "write the id of the credential to the tag CredentialId, and its value to the secret"
        return NeedsHuman(what, where=job.source, fix=fix)


class SingleSlot(OwnEndpoint):
    """One credential, which a new one replaces at once."""

    async def undo(self, job: Job, held: Sensitive) -> None:
        """Have the endpoint set back what the vault holds."""
        slot, credential = self.endpoint.slots[0], held.reveal()
        await self._do("undo", job.source, credential_id=slot, credential=credential)


class Many(OwnEndpoint):
    """Any number of credentials, whose ids the endpoint chooses."""

    rewrites: ClassVar[bool] = True
    """Nobody can see from here how an endpoint keeps them, so what was removed may come back late."""

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        """Have what an operation made removed, except what is kept."""
        await self._do("tidy", source, operation=operation, keep=keep)


STRATEGIES: Mapping[str, type[OwnEndpoint]] = {
    "two-slots": OwnEndpoint,
    "single-slot": SingleSlot,
    "many": Many,
}


def rotator(endpoint: Endpoint, azure: Azure, clock: Clock, key: KeyOf) -> Rotator:
    """Return the rotator of one endpoint: a class of its own, since a kind is a class."""
    facts: dict[str, Any] = {
        "kind": endpoint.kind,
        "value_field": endpoint.fields[0],
        "template_fields": frozenset(endpoint.fields),
        "endpoint": endpoint,
    }
    made: Callable[[Azure, Clock, KeyOf], Rotator] = type(
        "Endpoint", (STRATEGIES[endpoint.strategy],), facts
    )
    return made(azure, clock, key)
