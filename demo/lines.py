"""How the demo's output fits a terminal of usual width."""

from __future__ import annotations

import textwrap
import time

WIDTH = 100
STARTED = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start; a long one is wrapped, but a command."""
    line = f"{time.monotonic() - STARTED:5.1f} s  {text}"
    print(line if text.startswith("$") else wrapped(line, 13), flush=True)


def wrapped(text: str, indent: int) -> str:
    """Return a line broken between words; those that follow its first begin after `indent`.

    A word that is longer than a line is broken, too.
    """
    lines = textwrap.wrap(
        text,
        WIDTH,
        subsequent_indent=" " * indent,
        drop_whitespace=True,
        break_on_hyphens=False,
    )
    return "\n".join(lines)
