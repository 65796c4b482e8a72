"""What the tests of telemetry share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shared.collected import Collected, providers


@pytest.fixture
def sent() -> Iterator[Collected]:
    """Collect what the app sends during a test."""
    collected = providers()
    with collected.on():
        yield collected
