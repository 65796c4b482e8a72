"""What tests of the pages in a real browser share; its driver is only there for the part `system`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.api.visits import Start
    from tests.shared.chromium import Chromium


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    from tests.shared.chromium import many_tests

    with many_tests() as running:
        yield running


@pytest.fixture
def browser(chromium: Chromium) -> Browser:
    return chromium.ready()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Start]:
    """Start a visit; at its end none may have had an error or broken the page's policy."""
    from tests.api.visits import visits

    with visits(browser) as start:
        yield start
