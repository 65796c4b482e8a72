"""The commands of a parser, as a tree."""

from __future__ import annotations

import argparse
from collections.abc import Iterator


def commands(
    within: argparse.ArgumentParser, path: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command that can be run, by its whole name."""
    below = [action for action in within._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield path, within
    for name, command in (pair for action in below for pair in action.choices.items()):
        yield from commands(command, f"{path} {name}".strip())
