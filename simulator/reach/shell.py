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
    """Write a file to source: it selects the cloud, and `rekey` runs this checkout."""
    program = folder / "bin" / "rekey"
    program.parent.mkdir()
    start = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cli.main import run; sys.exit(run())"
    )
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -c {shlex.quote(start)} "$@"\n'
    )
    program.chmod(0o755)
    sourced = folder / "rekey.env"
    sourced.write_text(
        f'{exports(settings)}\nexport PATH={shlex.quote(str(program.parent))}:"$PATH"\n'
    )
    return sourced
