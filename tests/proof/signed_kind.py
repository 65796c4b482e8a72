"""Signatures that are made from a key of another secret, as rotators/shared/derived_signature.py."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from engine.contract import Issued, Job, Recognised
from engine.errors import NeedsHuman
from engine.secret import Sensitive
from tests.proof.kernel import EPOCH
from tests.proof.kinds import DERIVED, TwoSlots, _Kind
from tests.proof.sources import ENDS_WITH_KEY, signature, signed

LEAST_LIFE = timedelta(hours=1)
SPREAD = 600
"""Among so many last seconds those end that are made for incidents, as of Azure's signatures."""


class Signed(_Kind):
    """Made without any call: a source is asked for nothing but a proof."""

    kind = "sas"
    parents: ClassVar[frozenset[str]] = frozenset({TwoSlots.kind})

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        """Return the address of the key's source with what is permitted."""
        del tags
        return address if address.startswith("/two-slots/") and DERIVED in address else None

    @staticmethod
    def made_at(source: str) -> str:
        """Return the source of the key."""
        return source.partition(DERIVED)[0]

    @staticmethod
    def is_made_from(source: str, credential: Sensitive, key: Sensitive) -> bool:
        """Return whether this key made the signature."""
        del source
        return signed(credential.reveal())[0] == key.reveal()

    async def issue(self, job: Job) -> Issued:
        """Sign."""
        if job.parent is None:
            raise NeedsHuman("no key to sign with", fix="set DerivedFrom")
        ends = job.expires.replace(microsecond=0)
        if ends < self.hand.world.kernel.now() + LEAST_LIFE:
            raise NeedsHuman("its key expires, and so would the signature", fix="rotate the key")
        if job.not_before:
            ends -= timedelta(seconds=zlib.crc32(job.operation.encode()) % SPREAD)
        sas = signature(job.parent.key.reveal(), (ends - EPOCH).total_seconds())
        if job.held and sas == job.held.reveal():
            ends -= timedelta(seconds=1)
            sas = signature(job.parent.key.reveal(), (ends - EPOCH).total_seconds())
        named = f"{job.parent.credential_id}/{ends:%Y%m%dT%H%M%SZ}"
        return Issued(named, {"key": Sensitive(sas)}, supersedes=None, expires=ends)

    async def recognise(self, job: Job) -> Recognised:
        """Read the value's own end."""
        key, ends = signed(job.held.reveal() if job.held else "")
        if not key:
            raise NeedsHuman("the value is no signature for this address", fix="write one")
        return Recognised(job.held_id or "sas", EPOCH + timedelta(seconds=ends))

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Raise NeedsHuman: only the end of its key revokes a signature."""
        del credential_id, held, held_id
        raise NeedsHuman(ENDS_WITH_KEY, where=source, fix="rotate the key")
