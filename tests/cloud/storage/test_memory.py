"""The answers to earlier requests: whoever comes second gets the first one's."""

from __future__ import annotations

import pytest

from cloud.storage.blobs import BlobMemory
from tests.shared.rig import Rig
from tests.shared.scene import refuse


@pytest.fixture
def rig() -> Rig:
    return Rig()


def memory(rig: Rig) -> BlobMemory:
    """Return the memory as a fresh process has it."""
    return BlobMemory(rig.settings.storage, rig.azure())


async def test_what_was_remembered_first_is_recalled(rig: Rig) -> None:
    assert await memory(rig).recall("key") is None
    assert await memory(rig).remember("key", "first") == "first"
    assert await memory(rig).remember("key", "second") == "first"
    assert await memory(rig).recall("key") == "first"


async def test_a_text_whose_forerunner_is_deleted_meanwhile_counts_itself(rig: Rig) -> None:
    """The account's own rules delete what is a week old."""
    await memory(rig).remember("key", "first")
    refuse(rig, 404, "BlobNotFound", lambda request: request.method == "GET")
    assert await memory(rig).remember("key", "second") == "second"
