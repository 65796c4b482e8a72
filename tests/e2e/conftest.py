"""The option with which the end-to-end tests write histories: see docs/history.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.witness import HISTORIES


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--histories", type=Path, metavar="DIR", help="write what happens into DIR")


def pytest_configure(config: pytest.Config) -> None:
    if folder := config.getoption("histories", None):
        folder.mkdir(parents=True, exist_ok=True)
        HISTORIES[:] = [folder]
