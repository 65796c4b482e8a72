"""`rekey`: read the command line and the settings, run one command, end with its exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence

from cli import settings_file
from cli.arguments import parser
from cli.codes import Exit, exit_of
from cli.session import Parts, opened, signed_in
from cli.terminal import Terminal
from cloud.settings import Settings
from engine.errors import RekeyError


def run() -> int:
    """Run as the installed command."""
    logging.basicConfig(level=logging.WARNING, format="rekey: %(message)s")
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # What an SDK warns of comes again as an error.
    return main(sys.argv[1:], os.environ)


def main(argv: Sequence[str], env: Mapping[str, str], parts: Parts | None = None) -> int:
    """Run one command; `parts` take the place of the real Azure. Returns the exit code; SystemExit for wrong usage."""
    args = parser().parse_args(argv)
    terminal = Terminal(sys.stdout, sys.stderr, as_json=args.json, plain=bool(env.get("NO_COLOR")))
    code: int = Exit.FINE
    try:
        values = settings_file.read(args.settings, env)
        run = (
            _before(args, values, parts or Parts(), terminal)
            if args.before
            else _run(args, values, parts or Parts(), terminal)
        )
        code = asyncio.run(run)
        sys.stdout.flush()
    except RekeyError as error:
        code = exit_of(error)
        terminal.problem(error, code)
    except KeyboardInterrupt:
        terminal.progress("")
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has read enough; Python must not complain when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


async def _before(args: Namespace, values: Mapping[str, str], parts: Parts, terminal: Terminal) -> int:
    """Run a command that comes before there is an app, and so before there are settings."""
    async with signed_in(values, parts) as azure:
        code: int = await args.before(azure, terminal, parts.person, args)
        return code


async def _run(args: Namespace, values: Mapping[str, str], parts: Parts, terminal: Terminal) -> int:
    async with opened(Settings.read(values), parts, terminal) as session:
        code: int = await args.run(session, args)
        return code
