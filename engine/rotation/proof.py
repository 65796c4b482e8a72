"""Prove at the source that a credential is accepted, or that it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.contract import Issued, Job, Lists, Readable, Rotator
from engine.errors import PermanentError
from engine.rotation.source_lease import CALL_SECONDS, SourceLease
from engine.secret import Sensitive
from engine.state.record_parts import PROVEN_AT, SAME_VALUE
from engine.state.tags import Managed

RENEW_SECONDS = 20.0
"""How often the lease is renewed while a proof waits for its source."""
REVOKED = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the tries of a revoked credential, until its whole source refuses it.

They add up to one minute.
"""
REFUSALS = 2
"""How many tries in a row must be refused.

A single refusal only proves that one server of the source knows of the revocation.
"""
TRIED = "tried at its source, which refused it twice in a row"
UNLISTED = "its source shows or lists it no more"
IN_PLACE = "its source takes one credential at a time, and accepted the one in its place"


def in_its_place(revoked: Mapping[str, str], version: str) -> str:
    """Return the version that is cut off in place of another one, or else that one itself.

    `revoked`: the proofs of a record.
    """
    passed = set[str]()
    while version not in passed:
        passed.add(version)
        *_, later = revoked.get(version, "").partition(f"{SAME_VALUE}: ")
        version = later or version
    return version


def proof_text(now: datetime, how: str) -> str:
    """Return the text by which a record keeps a proof."""
    return f"{now:{PROVEN_AT}} {how}"


def read_proof(text: str) -> tuple[datetime | None, str]:
    """Return when and how a credential was proven to be refused; None and no words if unknown."""
    time, _, how = text.partition(" ")
    # These words are followed by a version.
    how = SAME_VALUE if how.startswith(SAME_VALUE) else how
    try:
        return datetime.fromisoformat(time).astimezone(UTC), how
    except ValueError:
        return None, ""


@dataclass(frozen=True)
class Proof:
    """Proofs at one source, under its lease."""

    lease: SourceLease

    async def accepted(
        self, managed: Managed, credential_id: str, credential: Sensitive, step: str
    ) -> None:
        """Prove that the source accepts a credential; raises VerificationFailed.

        The lease is renewed meanwhile, because the credential may take long to spread in the
        source.
        """
        with self.lease.parts.reporter.step(step):
            verified = self.lease.parts.rotator(managed).verify(
                managed.source, credential_id, credential
            )
            proof = asyncio.ensure_future(verified)
            try:
                while not (await asyncio.wait({proof}, timeout=RENEW_SECONDS))[0]:
                    await self.lease.ensure(CALL_SECONDS + RENEW_SECONDS)
                await proof
            finally:
                proof.cancel()

    async def issued(self, managed: Managed, issued: Issued) -> Issued:
        """Return what was issued, once the source accepts it and does not end it at once."""
        if issued.expires and issued.expires <= self.lease.parts.clock.now():
            # Its version would be due as soon as it is written.
            what = "the source ends the new credential at once"
            raise PermanentError(what, where=managed.source, fix="correct the expiry that it says")
        credential = issued.fields[managed.rotator.value_field]
        await self.accepted(managed, issued.credential_id, credential, "verify")
        return issued

    async def unlisted(self, rotator: Lists, credential_id: str) -> bool:
        """Return whether the source lists a credential no more, after waiting for it to spread."""
        return await self._is_gone(lambda: rotator.lists(self.lease.source, credential_id))

    async def slot(self, rotator: Rotator, job: Job, credential_id: str) -> str | None:
        """Return a keyed digest of the credential that the source shows under an id.

        None if it does not show its credentials.
        """
        shown = await rotator.read(job, credential_id) if isinstance(rotator, Readable) else None
        if not shown:
            return None
        return self.lease.record.digest(credential_id, shown[rotator.value_field])

    async def is_replaced(self, rotator: Rotator, job: Job | None, version: str) -> bool:
        """Return whether the source shows another credential in the place of a version's.

        `job` is None where no tags say how to ask: nothing is known then.
        """
        past = self.lease.record.history.credential_of(version)
        if job is None or past is None:
            return False
        return await self.slot(rotator, job, past.credential_id) not in (None, past.digest)

    async def refused(self, rotator: Rotator, credential_id: str, credential: Sensitive) -> bool:
        """Return whether the source refuses a credential, after waiting for it to spread."""
        source = self.lease.source
        return await self._is_gone(lambda: rotator.accepts(source, credential_id, credential))

    async def refuses(self, rotator: Rotator, credential: Sensitive, source: str = "") -> bool:
        """Return whether a source refuses a credential now, in as many tries as a proof needs.

        That is the source under lease, if none is given.
        """
        for _ in range(REFUSALS):
            if await rotator.accepts(source or self.lease.source, "", credential):
                return False
        return True

    async def _is_gone(self, is_there: Callable[[], Awaitable[bool]]) -> bool:
        refusals = 0
        with self.lease.parts.reporter.step("disprove"):
            for pause in (*REVOKED, None):
                if await is_there():
                    refusals = 0
                elif (refusals := refusals + 1) >= REFUSALS:
                    return True
                if pause is not None and refusals == 0:
                    await self.lease.ensure(CALL_SECONDS + pause)
                    await self.lease.parts.clock.sleep(pause)
        return False
