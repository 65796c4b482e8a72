"""`rekey`: read the command line.

What takes long to import is imported once it is clear what shall run.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from cli.arguments import parser

if TYPE_CHECKING:
    from cli.session import Connections


def run() -> int:
    """Run as the installed command."""
    from cli.log_lines import OwnWords

    _open_streams()
    logging.basicConfig(level=logging.WARNING, format="rekey: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(OwnWords())
    # What an SDK warns of comes again as an error.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    return main(sys.argv[1:], os.environ)


def _open_streams() -> None:
    """Put something in place of closed streams, and end no run for a letter that one lacks."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r+", encoding="utf-8"))  # noqa: SIM115 - until the end
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def main(argv: Sequence[str], env: Mapping[str, str], parts: Connections | None = None) -> int:
    """Run one command; `parts` take the place of the real Azure.

    Returns the exit code; SystemExit for wrong usage.
    """
    args = parser().read(argv)
    if args.run is None:
        args.parser.dead_end()
    from cli.running import carry_out

    return carry_out(args, env, parts)
