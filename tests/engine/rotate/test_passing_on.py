"""What a source's owner has published is reported before somebody else owns the source, or nobody."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

import pytest

from tests.engine.rotate.test_retiring import source
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene


async def unreported() -> Rig:
    """Rotate, as a worker that dies before its outcome is noted as reported; no message is left."""
    rig = scene(tags={"OverlapHours": "0"})
    await rig.service().rotate(rig.item(NAME).to_json(), 1)
    await rig.service().rotate(rig.item(NAME, action="retire").to_json(), 1)
    await rig.note(source(rig), NAME, untold=True, changing=None, open_until=None)
    return rig


async def renamed(rig: Rig) -> None:
    rig.clock.advance(3600)
    tags, value = rig.tags(NAME), rig.latest(NAME).value
    rig.vault.delete(NAME)
    rig.vault.put("renamed", str(value), tags=tags)
    await rig.service().rotate(rig.item("renamed", action="audit").to_json(), 1)


async def released(rig: Rig) -> None:
    ref = rig.item(NAME).ref
    await rig.service().engine.release(ref, None, {}, lambda _: None)


@pytest.mark.parametrize("passes", [renamed, released])
async def test_what_was_published_is_reported_before_its_source_passes_on(
    passes: Callable[[Rig], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    rig = await unreported()
    version = rig.latest(NAME).version
    with caplog.at_level(logging.INFO, "rekey"):
        await passes(rig)
    outcomes = [
        json.loads(text) for text in caplog.messages if "published by an earlier try" in text
    ]
    assert [(it["secret"], it["result"], it["new_version"]) for it in outcomes] == [
        (NAME, "rotated", version)
    ]
    assert not (await rig.known(source(rig))).unreported
