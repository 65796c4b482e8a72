"""`rekey completion`: what completes commands, options and words in a shell."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from cli.arguments import parser
from cli.codes import Exit
from cli.terminal import Terminal

FILES = ("FILE", "file")
"""How an option or argument that takes a file is called."""
CACHE = "${XDG_CACHE_HOME:-$HOME/.cache}/rekey/names"
"""Where cli/names.py keeps what the last answers showed. A line that is no name is passed over."""
NAME = "[0-9A-Za-z-]+/[0-9A-Za-z-]+"
COMPLETES = {"secret": "_rekey_names", "vault": "_rekey_vaults"}
"""Which function completes an argument, by its name."""
PREAMBLES = {
    "bash": f"""
_rekey_names() {{ compgen -W "$(grep -xE '{NAME}' "{CACHE}" 2>/dev/null)" -- "$1"; }}
_rekey_vaults() {{
  compgen -W "$(grep -xE '{NAME}' "{CACHE}" 2>/dev/null | cut -d/ -f1 | sort -u)" -- "$1"
}}
""",
    "zsh": f"""
_rekey_names() {{
  local -a names; names=(${{(f)"$(grep -xE '{NAME}' "{CACHE}" 2>/dev/null)"}}); compadd -a names
}}
_rekey_vaults() {{
  local -a names; names=(${{(f)"$(grep -xE '{NAME}' "{CACHE}" 2>/dev/null | cut -d/ -f1 | sort -u)"}})
  compadd -a names
}}
""",
    "fish": f"""
function _rekey_names
  set -l cache $HOME/.cache
  set -q XDG_CACHE_HOME; and set cache $XDG_CACHE_HOME
  grep -xE '{NAME}' $cache/rekey/names 2>/dev/null
end
function _rekey_vaults
  _rekey_names | cut -d/ -f1 | sort -u
end
""",
}


async def completion(terminal: Terminal, args: Namespace) -> int:
    """Write the shell's own script."""
    import shtab

    root = parser()
    for action in _actions(root):
        if action.metavar in FILES or action.dest in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.dest in COMPLETES:
            action.complete = _kept(COMPLETES[action.dest])  # type: ignore[attr-defined]
    terminal.out.write(shtab.complete(root, args.shell) + "\n")
    return Exit.FINE


def _kept(function: str) -> dict[str, Any]:
    """Return what completes names from those that are kept."""
    return {"bash": function, "zsh": function, "fish": f"({function})", "preamble": PREAMBLES}


def _actions(within: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in within._actions:  # noqa: SLF001 - argparse has no other way to go through them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                yield from _actions(below)
