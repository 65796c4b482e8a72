"""`rekey completion`: what completes commands, options and words in a shell."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator

from cli.arguments import parser
from cli.codes import Exit
from cli.terminal import Terminal

FILES = ("FILE", "file")
"""How an option or argument that takes a file is called."""


async def completion(terminal: Terminal, args: Namespace) -> int:
    """Write the shell's own script."""
    import shtab

    root = parser()
    for action in _actions(root):
        if action.metavar in FILES or action.dest in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    terminal.out.write(shtab.complete(root, args.shell) + "\n")
    return Exit.FINE


def _actions(within: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in within._actions:  # noqa: SLF001 - argparse has no other way to go through them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                yield from _actions(below)
