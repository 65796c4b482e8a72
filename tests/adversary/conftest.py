"""One stage a test, and an ear that hears what the app reports."""

import logging
from collections.abc import Iterator

import pytest

from tests.adversary.stage import Ear, Stage


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to what is logged, as in production.

    That is from INFO for the app, and from WARNING for Azure's libraries.
    """
    ear, levels = Ear(), {"": logging.INFO, "rekey": logging.INFO, "azure": logging.WARNING}
    before = {name: logging.getLogger(name).level for name in levels}
    logging.getLogger().addHandler(ear)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    yield ear
    logging.getLogger().removeHandler(ear)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
async def stage(ear: Ear) -> Stage:
    """A fresh world, with the app in it."""
    return Stage(outcomes=ear.outcomes)
