"""One stage a test, and an ear that hears what the app reports."""

import logging
from collections.abc import Iterator

import pytest

from tests.adversary.stage import Ear, Stage
from tests.shared.heard import all_ears


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to what is logged, as in production.

    That is from INFO for the app, and from WARNING for Azure's libraries.
    """
    ear = Ear()
    with all_ears(ear, {"": logging.INFO, "rekey": logging.INFO, "azure": logging.WARNING}):
        yield ear


@pytest.fixture
async def stage(ear: Ear) -> Stage:
    """A fresh world, with the app in it."""
    return Stage(outcomes=ear.outcomes)
