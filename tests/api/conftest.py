"""What tests of the pages in a real browser share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.api.visits import Start, visits
from tests.shared.chromium import start_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser) -> Iterator[Start]:
    """Start a visit to a world.

    At the end no visit may have had an error or broken the page's policy.
    """
    with visits(browser) as start:
        yield start
