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
