"""How the demo's output fits a terminal of usual width."""

from __future__ import annotations

import shutil
import textwrap
import time

WIDEST = 100
STARTED = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start; a long one is wrapped, but a command."""
    line = f"{time.monotonic() - STARTED:5.1f} s  {text}"
    print(line if text.startswith("$") else wrapped(line, 13), flush=True)


def width() -> int:
    """Return how many columns a line may take: those of the terminal, and no more than 100."""
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 0)).columns)


def wrapped(text: str, indent: int) -> str:
    """Return a line broken between words; those that follow its first begin after `indent`.

    A word that is longer than a line is broken, too.
    """
    lines = textwrap.wrap(
        text,
        width(),
        subsequent_indent=" " * indent,
        drop_whitespace=True,
        break_on_hyphens=False,
    )
    return "\n".join(lines)
