"""What every step needs: what a rotator learns of the version that is to be replaced."""

from __future__ import annotations

import pytest

from engine.decide.decision import Rotate
from engine.kinds import KindsOf
from engine.model.tags import BY, PROOF
from rotators.storage_key import StorageKey
from tests.shared.scene import NAME, scene


@pytest.mark.parametrize(
    ("marks", "proven", "is_ours"),
    [
        ({}, False, False),
        ({}, True, True),
        ({PROOF: "a digest"}, False, True),
        ({BY: "west"}, False, True),
        ({BY: "east"}, False, False),
        ({BY: "east"}, True, True),
    ],
)
async def test_when_a_version_was_written_matters_only_if_somebody_else_wrote_it(
    marks: dict[str, str], *, proven: bool, is_ours: bool
) -> None:
    rig = scene(tags=marks)
    rig.environment = {"WEBSITE_SITE_NAME": "west"}
    engine = await rig.service().ready()
    item = rig.item(NAME)
    secret = await engine.vaults.read(item.ref)
    decision = engine.decide(secret, item)
    assert isinstance(decision, Rotate)
    job = engine.job(secret, decision.managed, proven=proven)
    assert job.written == (None if is_ours else secret.created)


def test_a_view_of_rotators_shows_the_class_of_each() -> None:
    kinds = KindsOf({"storage-key": StorageKey.__new__(StorageKey)})
    assert dict(kinds) == {"storage-key": StorageKey}
    assert len(kinds) == 1
