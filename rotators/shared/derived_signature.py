"""What the signatures that a key makes have in common: how they are made, proven and never revoked.

One is proven by a request that changes nothing. It counts as accepted only if the service knows the
signature: a refusal for any other reason is compared with the answer to a signature that nobody
made.
"""

from __future__ import annotations

import base64
import secrets
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from cloud.azure import Azure
from cloud.rest.data_plane import Answer, DataPlane
from engine.contract import Issued, Job, Lingering, Opens, Parent, Recognised
from engine.errors import NeedsHuman, RekeyError, VerificationFailed
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.key_facts import PROPAGATION

STAMP = "%Y-%m-%dT%H:%M:%SZ"
LEAST_LIFE = timedelta(minutes=10)
"""A signature that would end sooner is not made."""
SPREAD = 600
"""Among so many last seconds those end that are made for incidents."""
ENDS_WITH_KEY = "a shared access signature ends when it expires or with its key, never by itself"
ENDS_FIX = "report the secret that holds its key as compromised: this one follows it"


class DerivedSignature(ABC):
    """A signature made from a key that another secret holds. A kind says how it is written."""

    kind: ClassVar[str]
    value_field: ClassVar[str] = "sas"
    template_fields: ClassVar[frozenset[str]]
    parents: ClassVar[frozenset[str]]
    opens = Opens.PART
    lingers = Lingering(
        "it works until the key that signed it goes: Rekey cuts that off where a vault here holds it",
        "https://learn.microsoft.com/azure/storage/common/storage-sas-overview",
    )

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._clock = clock
        self._plane = DataPlane(azure)

    # What a kind adds.

    @staticmethod
    @abstractmethod
    def made_at(source: str) -> str:
        """Return the source of the key."""

    @abstractmethod
    async def sign(self, source: str, parent: Parent, ends: datetime) -> Sensitive:
        """Return a signature that ends at `ends`; raises NeedsHuman for a wrong address."""

    @abstractmethod
    async def fields(self, source: str) -> dict[str, Sensitive]:
        """Return what a ValueTemplate may use beside the signature."""

    @abstractmethod
    def end_of(self, source: str, credential: Sensitive) -> datetime | None:
        """Return when a signature ends; None if it is none for this source."""

    @abstractmethod
    def is_bare(self, text: str) -> bool:
        """Return whether a text is a signature and nothing else, for whatever source."""

    @abstractmethod
    async def ask(self, source: str, credential: Sensitive) -> Answer:
        """Send one harmless request that the signature alone permits."""

    @abstractmethod
    def forged(self, source: str, credential: Sensitive, nobodys: str) -> Sensitive:
        """Return the same with a signature (base64) that nobody made."""

    @abstractmethod
    def refuses(self, answer: Answer) -> bool:
        """Return whether an answer says that the signature is wrong, and nothing else."""

    def proves(self, answer: Answer) -> bool:
        """Return whether only a good signature gets such an answer."""
        return answer.is_success

    @abstractmethod
    def unproven(self, answer: Answer, source: str) -> RekeyError:
        """Return the error for an answer that any signature would get."""

    # The procedure.

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return that a source accepts any number of signatures."""
        del tags
        return False

    async def issue(self, job: Job) -> Issued:
        """Sign with the key. Nothing is changed at the source, so a crash leaves nothing behind."""
        parent = job.parent
        if parent is None:
            raise NeedsHuman("no key to sign with", where=job.source, fix="set DerivedFrom")
        self._refuse_more_than_a_signature(job)
        ends, soonest = job.expires.replace(microsecond=0), self._clock.now() + LEAST_LIFE
        if ends < soonest:
            raise NeedsHuman(
                f"its key expires at {ends:%Y-%m-%d %H:%M}Z, and so would the signature",
                where=job.source,
                fix="rotate the secret with the key: this one follows it",
            )
        if job.not_before:
            # What ends with its key would be the text again that leaked before the one held.
            earlier = timedelta(seconds=zlib.crc32(job.operation.encode()) % SPREAD)
            ends = max(ends - earlier, soonest.replace(microsecond=0))
        sas = await self.sign(job.source, parent, ends)
        if sas == job.held:
            # The same text again would replace nothing.
            ends -= timedelta(seconds=1)
            sas = await self.sign(job.source, parent, ends)
        fields = {**await self.fields(job.source), self.value_field: sas}
        named = f"{parent.credential_id}/{ends.strftime(STAMP)}"
        return Issued(named, fields, supersedes=None, expires=ends)

    async def preflight(self, job: Job) -> None:
        """Sign without publishing: raises what a rotation would raise."""
        await self.issue(job)

    async def recognise(self, job: Job) -> Recognised:
        """Read the value's own end; raises NeedsHuman if it is no signature for this source."""
        ends = self.end_of(job.source, job.held) if job.held else None
        if ends is None:
            raise NeedsHuman("the value is no signature for this address", where=job.source)
        return Recognised(job.held_id or f"sas/{ends.strftime(STAMP)}", ends)

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Try the signature again and again while its key spreads."""
        del credential_id
        for pause in (*PROPAGATION, None):
            problem = await self._refusal(source, credential)
            if problem is None:
                return
            if pause is None or not isinstance(problem, VerificationFailed):
                raise problem
            await self._clock.sleep(pause)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Try a signature once."""
        del credential_id
        problem = await self._refusal(source, credential)
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return problem is None

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Raise NeedsHuman: only the end of its key revokes a signature."""
        del credential_id, held, held_id
        raise NeedsHuman(ENDS_WITH_KEY, where=source, fix=ENDS_FIX)

    def _refuse_more_than_a_signature(self, job: Job) -> None:
        """Raise NeedsHuman rather than replace a connection string, or a URL, by a signature.

        A value that does not follow its ValueTemplate is any value, and gives way to one that does.
        """
        held = job.held.reveal() if job.held else ""
        if not job.proven and "sig=" in held and not self.is_bare(held):
            raise NeedsHuman(
                "the value is more than a signature",
                where=job.source,
                fix="set the tag ValueTemplate, such as SharedAccessSignature={sas}",
            )

    async def _refusal(self, source: str, credential: Sensitive) -> RekeyError | None:
        """Try a signature once; return what speaks against it."""
        ends = self.end_of(source, credential)
        if ends is None or ends <= self._clock.now():
            what = "has expired" if ends else "is no signature for this address"
            return VerificationFailed(f"the value {what}", where=source, fix="see ValueTemplate")
        answer = await self.ask(source, credential)
        if self.proves(answer):
            return None
        if self.refuses(answer) and not answer.is_page:
            return VerificationFailed(
                "the source refuses the signature", where=source, fix="see whether its key works"
            )
        nobodys = base64.b64encode(secrets.token_bytes(32)).decode()
        control = await self.ask(source, self.forged(source, credential, nobodys))
        if answer.is_page or control.is_page or not self.refuses(control):
            return self.unproven(answer, source)
        return None
