"""A secret has left a source by hand, where Rekey had published what it held, and nothing is owed.

Nobody has revoked that credential. It is in a version that whoever reads the vault can read.
"""

from __future__ import annotations

import pytest

from tests.adversary.stage import Stage
from tests.adversary.test_left_sources import moved


@pytest.mark.parametrize("is_named", [False, True])
async def test_an_incident_does_not_pass_over_what_rekey_made_at_a_source_that_was_left(
    stage: Stage, *, is_named: bool
) -> None:
    secret = await stage.rotated("storage")
    leaked = secret.current.value
    await stage.run_past_overlap()
    await moved(stage, secret)
    await stage.run_a_day()
    assert secret.accepts(leaked), "what a person replaces is left to them"
    name = {"name": secret.name} if is_named else {}
    location = await stage.report_incident(vault="prod", **name)
    await stage.run_for(hours=3)
    status = (await stage.incident(location))["status"]
    assert (status, secret.accepts(leaked)) in (("ended", False), ("needs a person", True))
