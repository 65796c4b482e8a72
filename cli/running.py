"""Run one command that has been read.

With the settings and the sign-in that it needs, to its exit code.
"""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cli import naming, settings_file
from cli.codes import Exit, exit_of
from cli.gathering import NothingRead
from cli.names import Names
from cli.policy_lag import tell_lag
from cli.query import compiled
from cli.session import Connections, Session, opened, signed_in
from cli.signed_in import explained
from cli.terminal import Terminal
from cli.watching import watch
from cloud.settings import Settings
from engine.errors import RekeyError

if TYPE_CHECKING:
    from cloud.azure import Azure


def carry_out(args: Namespace, env: Mapping[str, str], parts: Connections | None = None) -> int:
    """Run the command; `parts` take the place of the real Azure. Returns the exit code."""
    terminal = Terminal(
        sys.stdout, sys.stderr, args.output or "table", plain=bool(env.get("NO_COLOR"))
    )
    code: int = Exit.FINE
    try:
        code = _ended(args, env, parts or Connections(), terminal)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough.
        _drop_output()
    except Exception as error:  # noqa: BLE001 - a traceback ends in 1: "something was found"
        code = Exit.FAILED
        reason = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        what = f"the command failed: {type(error).__name__}{reason}"
        if reason:
            _drop_output()
        with suppress(OSError):
            terminal.problem(RekeyError(what, fix="look at the state, then run it again"), code)
    return code


def _ended(args: Namespace, env: Mapping[str, str], parts: Connections, terminal: Terminal) -> int:
    """Run the command to one of its own ends."""
    try:
        terminal = terminal.asking(compiled(args.query))
        return asyncio.run(_command(args, env, parts, terminal))
    except RekeyError as error:
        code = exit_of(error)
        terminal.problem(error, code)
        return code
    except NothingRead as end:
        return end.code
    except KeyboardInterrupt:
        terminal.progress("")
        return Exit.INTERRUPTED


def _drop_output() -> None:
    """Drop what cannot be written: Python would complain of it when it closes the stream."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _command(
    args: Namespace, env: Mapping[str, str], parts: Connections, terminal: Terminal
) -> Coroutine[Any, Any, int]:
    module, _, name = args.run.partition(":")
    function = getattr(import_module(module), name)
    if args.needs == "nothing":
        result: Coroutine[Any, Any, int] = function(terminal, args)
        return result
    values = settings_file.read(args.settings, env)
    if args.needs == "azure":
        return _before(function, args, values, parts, terminal)
    return _run(function, args, values, parts, terminal, Names.of(env))


async def _before(
    function: Any,
    args: Namespace,
    values: Mapping[str, str],
    parts: Connections,
    terminal: Terminal,
) -> int:
    """Run a command that comes before there is an app, and so before there are settings."""
    async with signed_in(values, parts) as azure, _told(azure):
        code: int = await function(azure, terminal, parts.person, args)
        return code


async def _run(
    function: Any,
    args: Namespace,
    values: Mapping[str, str],
    parts: Connections,
    terminal: Terminal,
    names: Names | None,
) -> int:
    async with (
        opened(Settings.read(values), parts, terminal, names) as session,
        _told(session.azure),
    ):
        await _place(session, args)
        if args.watch is None:
            code: int = await function(session, args)
            await tell_lag(session)
            return code
        return await watch(session, args.watch, lambda framed: function(framed, args))


async def _place(session: Session, args: Namespace) -> None:
    """Find the vault of a secret that is named alone."""
    name, policy = getattr(args, "secret", None), session.deployed
    if isinstance(name, str) and naming.is_bare(policy, name):
        args.secret = await naming.placed(session.service.engine.vaults, policy, name)


@asynccontextmanager
async def _told(azure: Azure) -> AsyncIterator[None]:
    """Say with an error who is signed in where."""
    try:
        yield
    except RekeyError as error:
        raise await explained(error, azure) from None
