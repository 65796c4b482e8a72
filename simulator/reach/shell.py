"""Shell lines that make programs use a loopback cloud instead of Azure."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESOLVING = Path(__file__).parent / "python"
"""A folder on PYTHONPATH that lets Python resolve the cloud's names."""


def exports(settings: Mapping[str, str]) -> str:
    """Return lines that export the settings, and make Python resolve the cloud's names."""
    lines = [f"export {name}={shlex.quote(text)}" for name, text in settings.items()]
    return "\n".join(
        [*lines, f'export PYTHONPATH={shlex.quote(str(RESOLVING))}"${{PYTHONPATH:+:$PYTHONPATH}}"']
    )


def command_line(folder: Path, settings: Mapping[str, str]) -> Path:
    """Write a program `rekey` that runs this checkout against the cloud, and return its path.

    The settings hold for its own process, and what it remembers stays in the folder: whoever calls
    it keeps a shell and a home as they were.
    """
    start = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cli.main import run; sys.exit(run())"
    )
    program = folder / "rekey"
    run = f'exec {shlex.quote(sys.executable)} -P -c {shlex.quote(start)} "$@"'
    own = {**settings, "XDG_CACHE_HOME": str(folder)}
    program.write_text(f"#!/bin/sh\n{exports(own)}\n{run}\n")
    program.chmod(0o700)
    return program
