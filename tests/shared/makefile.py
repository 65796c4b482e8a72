"""The Makefile's targets."""

from __future__ import annotations

import re
from pathlib import Path

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text()


def make_targets() -> set[str]:
    """Return the names of all targets; a rule may have several."""
    heads = re.findall(r"^([a-z][a-z -]*):(?!=)", MAKEFILE, re.MULTILINE)
    return {name for head in heads for name in head.split()}
