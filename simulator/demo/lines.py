"""How the demo's output fits a terminal of usual width."""

from __future__ import annotations

import textwrap

WIDTH = 100


def wrapped(text: str, indent: int) -> str:
    """Return a line broken between words; those that follow its first begin after `indent`."""
    lines = textwrap.wrap(
        text,
        WIDTH,
        subsequent_indent=" " * indent,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)
