"""Kinds whose tag CredentialId names the source: one login of a server, or one of its pairs.

Its owner moves such a secret by that tag alone, with the same ProviderAddress.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from engine.contract import Issued, Job
from engine.errors import NeedsHuman
from engine.secret import Sensitive
from tests.proof.kinds import OneSlot, TwoSlots
from tests.proof.sources import source_named


class OneLogin(OneSlot):
    """As a server's login: its password replaces itself, and other logins are other sources."""

    kind = "one-login"

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        return _canonical(cls.kind, address, tags)

    def _name(self, source: str) -> str:
        return source.rpartition("/")[2]


class TwoPairs(TwoSlots):
    """As an account with two pairs of keys: each pair is a source."""

    kind = "two-pairs"
    other: ClassVar[Mapping[str, str]] = {
        "app1": "app2",
        "app2": "app1",
        "other1": "other2",
        "other2": "other1",
    }

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        return _canonical(cls.kind, address, tags)

    async def issue(self, job: Job) -> Issued:
        _refuse_anothers(job.source, job.held_id or "")
        return await super().issue(job)

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        _refuse_anothers(source, credential_id)
        await super().retire(source, credential_id, held, held_id)


def _canonical(kind: str, address: str, tags: Mapping[str, str]) -> str | None:
    source = source_named({**tags, "ProviderAddress": address})
    is_named = tags.get("CredentialId") and source != address
    return source if is_named and address == f"/{kind}" else None


def _refuse_anothers(source: str, credential_id: str) -> None:
    if source_named({"ProviderAddress": "/two-pairs", "CredentialId": credential_id}) != source:
        raise NeedsHuman(f"{credential_id} is none of {source}", fix="name one of its keys")
