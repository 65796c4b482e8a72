"""The command line of this checkout, as a program that an operator of the demo calls."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from simulator.reach.shell import exports

ROOT = Path(__file__).resolve().parents[1]


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
