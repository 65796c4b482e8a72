"""A secret has left a source by hand, where Rekey had published what it held, and nothing is owed.

Nobody has revoked that credential. It is in a version that whoever reads the vault can read.
"""

from __future__ import annotations

import pytest

from tests.adversary.stage import Stage
from tests.adversary.test_left_sources import moved


@pytest.mark.parametrize("scope", ["vault", "name", "former source", "its group"])
async def test_an_incident_does_not_pass_over_what_rekey_made_at_a_source_that_was_left(
    stage: Stage, scope: str
) -> None:
    secret = await stage.rotated("storage")
    leaked = secret.current.value
    await stage.run_past_overlap()
    await moved(stage, secret)
    await stage.run_a_day()
    assert secret.accepts(leaked), "what a person replaces is left to them"
    theirs, former = secret.current.value, stage.account().resource_id
    located = {
        "vault": {},
        "name": {"name": secret.name},
        "former source": {"source": former},
        "its group": {"source": former.partition("/providers/")[0]},
    }
    location = await stage.report_incident(vault="prod", **located[scope])
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert (progress["status"], secret.accepts(leaked)) == ("ended", False), progress
    assert (secret.current.value == theirs) == (scope == "former source")


@pytest.mark.parametrize("seconds", [0, 12, 60])
async def test_an_incident_of_a_source_ends_there_whenever_its_secret_leaves(
    stage: Stage, seconds: int
) -> None:
    """What a person has written at another source is not in its scope, however young it is."""
    secret = await stage.rotated("storage")
    leaked = secret.current.value
    await stage.run_past_overlap()
    location = await stage.report_incident(vault="prod", source=stage.account().resource_id)
    if seconds:
        await stage.run_for(seconds=seconds)
    await moved(stage, secret)
    theirs = secret.current.value
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert (progress["status"], secret.accepts(leaked)) == ("ended", False), progress
    assert secret.current.value == theirs
    assert not stage.reason(secret)
