"""Shell lines that make programs use a loopback cloud instead of Azure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

RESOLVING = Path(__file__).parent / "python"
"""A folder on PYTHONPATH that lets Python resolve the cloud's names."""


def exports(settings: Mapping[str, str]) -> str:
    """Return lines that export the settings, and make Python resolve the cloud's names."""
    lines = [f"export {name}={shlex.quote(text)}" for name, text in settings.items()]
    return "\n".join(
        [*lines, f'export PYTHONPATH={shlex.quote(str(RESOLVING))}"${{PYTHONPATH:+:$PYTHONPATH}}"']
    )
