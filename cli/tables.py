"""Tables: plain and aligned where a program reads, by rich where a person does.

No word is ever broken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TextIO

type Rows = Sequence[Sequence[str]]
GAP = 2
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\dZ|in \d+ (?:min|h|d)|\d+ (?:min|h|d) ago")
"""A cell that holds nothing but a time."""


def aligned(heads: Sequence[str], rows: Rows, least: Sequence[int] = ()) -> list[str]:
    """Return lines with aligned columns, which are at least so wide."""
    widths = _widths(heads, rows, least)
    return [_joined(cells, widths) for cells in ((heads, *rows) if heads else rows)]


def fitted(heads: Sequence[str], rows: Rows, room: int) -> list[int] | None:
    """Return the columns' widths in so much room, the widest column narrowed first.

    None where a word would break.
    """
    widths = _widths(heads, rows, ())
    least = [max(map(_longest_word, column)) for column in zip(heads, *rows, strict=True)]
    excess = sum(widths) + GAP * (len(widths) - 1) - room
    while excess > 0:
        spare, index = max(
            (width - word, place)
            for place, (width, word) in enumerate(zip(widths, least, strict=True))
        )
        if spare <= 0:
            return None
        cut = min(spare, excess)
        widths[index] -= cut
        excess -= cut
    return widths


def narrowed(
    heads: Sequence[str], rows: Rows, spare: Sequence[str], room: int
) -> tuple[Sequence[str], Rows]:
    """Leave out columns that can be spared, one after the other, until the others fit.

    All stay where that never helps.
    """
    left = list(range(len(heads)))
    for name in (None, *spare):
        left = [place for place in left if heads[place] != name]
        kept = [heads[place] for place in left], [[row[place] for place in left] for row in rows]
        if fitted(*kept, room):
            return kept
    return heads, rows


def paint(
    out: TextIO,
    heads: Sequence[str],
    rows: Rows,
    colours: Mapping[str, str],
    *,
    spare: Sequence[str] = (),
    plain: bool = False,
) -> None:
    """Write a table onto a terminal: side by side where it fits, else record by record."""
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=out, force_terminal=True, highlight=False, color_system=None if plain else "standard"
    )
    heads, rows = narrowed(heads, rows, spare, console.width)
    widths = fitted(heads, rows, console.width)
    if widths:
        _side_by_side(console, heads, rows, widths, colours)
        return
    names = max(map(len, heads))
    for row in rows:
        for place, (head, text) in enumerate(zip(heads, row, strict=True)):
            if text:
                style = _style(colours.get(text, "")) if place == 0 else ""
                console.print(Text(f"{head:{names}}  "), Text(text, style), sep="", soft_wrap=True)
        console.print()


def _side_by_side(
    console: object,
    heads: Sequence[str],
    rows: Rows,
    widths: Sequence[int],
    colours: Mapping[str, str],
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    assert isinstance(console, Console)  # noqa: S101 - `paint` makes it; rich is imported late
    table = Table(
        box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold", show_edge=False
    )
    for head, width in zip(heads, widths, strict=True):
        table.add_column(Text(head), width=width)
    for row in rows:
        first, *others = row
        table.add_row(Text(first, _style(colours.get(first, ""))), *map(Text, others))
    console.print(table)


def _style(code: str) -> str:
    return {"31": "red", "33": "yellow", "32": "green", "2": "dim", "1": "bold"}.get(code, "")


def _widths(heads: Sequence[str], rows: Rows, least: Sequence[int]) -> list[int]:
    columns = zip(heads, *rows, strict=True) if heads else zip(*rows, strict=True)
    longest = [max(map(len, column)) for column in columns]
    return [max(pair) for pair in zip(longest, least, strict=True)] if least else longest


def _longest_word(text: str) -> int:
    """Return the length of what must stay on one line: a word, or a time."""
    if TIME.fullmatch(text):
        return len(text)
    return max(map(len, text.split()), default=0)


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return (
        (" " * GAP)
        .join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        .rstrip()
    )
