"""Where Microsoft's published contracts and recorded traffic lie on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "AZURE_SPECS"


def folder() -> Path | None:
    """Return the folder that AZURE_SPECS names, or None where it names none."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def require() -> Path:
    """Return the folder; without it skip the test, or fail it where CI is set."""
    published = folder()
    if published is None:
        reason = (
            f"{VARIABLE} does not name the folder with Microsoft's published contracts "
            "and recordings"
        )
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return published


def load(relative: str) -> Any:
    """Return a JSON document of the folder, or skip as `require` does."""
    return json.loads((require() / relative).read_text())
