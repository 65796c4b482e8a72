"""Nothing may change in a world while a block runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.shared.rig import Rig
from tests.shared.scene import state


@contextmanager
def unchanged(rig: Rig) -> Iterator[None]:
    """Demand that the block changes nothing that a rotation could change."""
    before = state(rig)
    yield
    assert state(rig) == before, "something was changed"
