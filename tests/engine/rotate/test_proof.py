"""A proof lasts no longer than the lease under which it was begun."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import LeaseUnavailable
from engine.rotate import proof
from engine.rotate.proof import Proof
from engine.rotate.under_lease import CALL_SECONDS
from engine.secret import Sensitive


class Endless:
    """A source that has not made up its mind."""

    def __init__(self) -> None:
        self.asking = False

    async def verify(self, *_: object) -> None:
        self.asking = True
        try:
            await asyncio.Event().wait()
        finally:
            self.asking = False


class Lost:
    """A lease that another worker has taken."""

    def __init__(self, source: Endless) -> None:
        self._source = source

    async def ensure(self, seconds: float) -> None:
        del seconds
        assert self._source.asking
        raise LeaseUnavailable("taken")


async def test_who_loses_the_lease_asks_the_source_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proof, "RENEW_SECONDS", 0)
    source = Endless()
    managed: Any = SimpleNamespace(source="a source")
    parts: Any = SimpleNamespace(
        reporter=SimpleNamespace(step=lambda _: nullcontext()), rotator=lambda _: source
    )
    lease: Any = Lost(source)
    with pytest.raises(LeaseUnavailable):
        await Proof(parts, lease).accepted(managed, "key1", Sensitive("value"), "verify")
    await asyncio.sleep(0)
    assert not source.asking


class Slow:
    """A source that accepts what was revoked, for a while."""

    def __init__(self, accepted: int) -> None:
        self._accepted = accepted

    async def accepts(self, *_: object) -> bool:
        self._accepted -= 1
        return self._accepted >= 0


class Kept:
    """A lease that is renewed, and a clock that goes on."""

    source = "a source"

    def __init__(self) -> None:
        self.renewed, self.slept = 0, 0.0

    async def ensure(self, seconds: float) -> None:
        assert seconds >= CALL_SECONDS
        self.renewed += 1

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.mark.parametrize(
    ("accepted", "is_refused", "pauses"),
    [
        (0, True, 0),
        (1, True, 1),
        (len(proof.REVOKED) - 1, True, len(proof.REVOKED) - 1),
        (99, False, len(proof.REVOKED)),
    ],
)
async def test_while_a_revocation_spreads_the_lease_is_renewed(
    accepted: int, *, is_refused: bool, pauses: int
) -> None:
    kept, source = Kept(), Slow(accepted)
    parts: Any = SimpleNamespace(
        reporter=SimpleNamespace(step=lambda _: nullcontext()),
        rotators={"a kind": source},
        clock=kept,
    )
    lease: Any = kept
    refused = await Proof(parts, lease).refused("a kind", "key1", Sensitive("value"))
    assert refused is is_refused
    assert (kept.renewed, kept.slept) == (pauses, sum(proof.REVOKED[:pauses]))
