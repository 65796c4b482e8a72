"""`rekey`: read the command line.

What takes long to import is imported once it is clear what shall run.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cli.arguments import parser

if TYPE_CHECKING:
    from cli.session import Connections


def run() -> int:
    """Run as the installed command."""
    from cli.log_lines import OwnWords

    logging.basicConfig(level=logging.WARNING, format="rekey: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(OwnWords())
    # What an SDK warns of comes again as an error.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    return main(sys.argv[1:], os.environ)


def main(argv: Sequence[str], env: Mapping[str, str], parts: Connections | None = None) -> int:
    """Run one command; `parts` take the place of the real Azure.

    Returns the exit code; SystemExit for wrong usage.
    """
    args = parser().read(argv)
    if args.run is None:
        args.parser.dead_end()
    from cli.running import carry_out

    return carry_out(args, env, parts)
