"""An incident ends an overlap that began after its report, whatever becomes of the tag that shows it."""

from __future__ import annotations

import pytest

from tests.api.test_incidents import begin, carry_out, progress
from tests.shared.rig import Rig
from tests.shared.scene import NAME, keys_of, scene


@pytest.mark.parametrize("tagged", [True, False], ids=["tag kept", "tag taken away"])
async def test_what_leaked_does_not_live_on_in_an_overlap_that_no_tag_shows(
    *, tagged: bool
) -> None:
    """The record tells of the overlap: a template that rewrites the tags takes nothing out of it."""
    rig: Rig = scene()
    rig.clock.advance(60)
    leaked = rig.latest(NAME).value
    accepted = await begin(rig.api(), everything=True)
    rig.clock.advance(30)
    # A sweep was faster than the incident's order.
    await rig.work(NAME, trigger="sweep")
    assert leaked in keys_of(rig).values()
    if not tagged:
        rig.tag(NAME, RekeyRetire=None)
    rig.clock.advance(60)
    await carry_out(rig)
    shown = await progress(rig.api(), accepted)
    assert (shown["status"], leaked in keys_of(rig).values()) == ("ended", False)
