"""A secret's owner has another kind rotate the same source, inside an overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest

from engine.contract import Issued, Job
from engine.engine import Engine
from engine.errors import VerificationFailed
from engine.kinds import Kinds
from engine.secret import Sensitive
from tests.shared.rig import Rig
from tests.shared.scene import NAME, keys_of, scene

KIND = "gateway-token"


@dataclass
class Gateway:
    """Tokens of a gateway in front of a storage account, whose id it uses as its own."""

    accepted: set[str] = field(default_factory=lambda: {"token"})
    kind: ClassVar[str] = KIND
    value_field: ClassVar[str] = "token"
    template_fields: ClassVar[frozenset[str]] = frozenset({"token"})

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        return address.lower() if tags.get("Rotator") == KIND else None

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        del tags
        return False

    async def issue(self, job: Job) -> Issued:
        raise NotImplementedError

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        if not await self.accepts(source, credential_id, credential):
            raise VerificationFailed("the gateway refuses it")

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        del source, credential_id
        return credential.reveal() in self.accepted

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Remove a token; one that is gone already is fine, as is one that never was."""
        del source, held, held_id
        self.accepted.discard(credential_id)


def engine(rig: Rig) -> Engine:
    known = rig.service().engine
    return replace(known, kinds=Kinds({**known.kinds.rotators, KIND: Gateway()}))


@pytest.mark.parametrize("has_leaked", [False, True])
async def test_what_a_former_kind_published_is_revoked_and_proven_by_that_kind(
    *, has_leaked: bool
) -> None:
    rig = scene()
    await rig.handle(NAME)
    first = rig.vault.versions(NAME)[0]
    rig.clock.advance(3600)
    none = {"RekeyOperation": None, "RekeyRetire": None}
    rig.write(NAME, "token", 80, Rotator=KIND, CredentialId="token", **none)
    await engine(rig).handle(rig.item(NAME, action="audit", trigger="sweep"))
    item = rig.item(NAME, version=first.version, compromised=True, trigger="manual")
    if not has_leaked:
        rig.clock.advance(8 * 86400)
        item = rig.item(NAME, action="retire", trigger="sweep")
    outcome = await engine(rig).handle(item)
    assert (outcome.result, outcome.retired) == ("retired", ("key1",))
    assert first.value not in keys_of(rig).values()
