"""What the engine's tests share: the usual rig, and what telemetry was sent."""

from __future__ import annotations

import pytest

from tests.cloud.conftest import sent
from tests.shared.rig import Rig
from tests.shared.scene import scene

__all__ = ["rig", "sent"]


@pytest.fixture
def rig() -> Rig:
    """A rig with the usual secret, which is due."""
    return scene()
