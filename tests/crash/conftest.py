"""An ear that hears every logger at DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.shared.heard import all_ears
from tests.shared.promises import Ear

LOGGERS = ("", "azure", "azure.core", "azure.identity", "rekey", "msal", "asyncio", "urllib3")


@pytest.fixture
def ear() -> Iterator[Ear]:
    handler = Ear()
    with all_ears(handler, dict.fromkeys((*LOGGERS, "aiohttp"), logging.DEBUG)):
        yield handler
