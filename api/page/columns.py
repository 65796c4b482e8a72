"""The columns that a reader can sort the inventory by. Pure; the script sorts by the same rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from api.page.rows import Row

COLUMNS = ("secret", "owner", "vault", "kind", "due", "expires")
DOWN = "-"
"""Before a column's name: the last first."""
SORTS = (*COLUMNS, *(DOWN + column for column in COLUMNS))


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column: where it leads, and how rows are sorted by it now."""

    column: str
    href: str
    sorted: str


def arranged(rows: Iterable[Row], sort: str) -> tuple[Row, ...]:
    """Return rows sorted by a column, those without a text last; else the most urgent first."""
    urgent, column = sorted(rows, key=lambda row: row.sort_key), sort.removeprefix(DOWN)
    if not column:
        return tuple(urgent)
    filled = [row for row in urgent if row.texts[column]]
    filled.sort(key=lambda row: row.texts[column].lower(), reverse=sort.startswith(DOWN))
    return (*filled, *(row for row in urgent if not row.texts[column]))


def heads(query: Mapping[str, str], sort: str) -> dict[str, Head]:
    """Return the heads by column; that of the column sorted by turns the order round."""
    by_column = {}
    for column in COLUMNS:
        order = {column: "ascending", DOWN + column: "descending"}.get(sort, "")
        turned = DOWN + column if sort == column else column
        by_column[column] = Head(column, "?" + urlencode({**query, "sort": turned}), order)
    return by_column
