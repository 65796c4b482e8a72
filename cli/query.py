"""`--query` and the forms for programs: JSON, and tables of tabs or commas.

Https://jmespath.org.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.answers import BadRequest

FORMULA = tuple("=+-@|%＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide ones, too
BEGINS = re.compile(rf'(^|[;,\t])(?=[\s"]*[{re.escape("".join(FORMULA))}])')
"""Where a formula may begin: a spreadsheet parts at what its reader's country parts at."""


@dataclass(frozen=True, slots=True)
class Query:
    """What picks a part of a result."""

    text: str
    pick: Callable[[Any], Any]

    def __call__(self, data: Any) -> Any:
        """Return the part; None where there is none."""
        return self.pick(data)

    def __str__(self) -> str:
        """Return it as it was typed."""
        return f"--query {self.text}"


def compiled(text: str | None) -> Query | None:
    """Return what picks a part of a result; raises BadRequest for what is no JMESPath."""
    if not text:
        return None
    import jmespath

    try:
        expression = jmespath.compile(text)
    except jmespath.exceptions.JMESPathError as error:
        problem = str(error).splitlines()[0].rstrip(": ")
        raise BadRequest(
            f"--query cannot be read: {problem}", fix="see https://jmespath.org/tutorial.html"
        ) from None

    def pick(data: Any) -> Any:
        try:
            return expression.search(data)
        except jmespath.exceptions.JMESPathError as error:
            problem = str(error).splitlines()[0]
            raise BadRequest(
                f"--query does not fit the result: {problem}", fix="look at it with -o json"
            ) from None

    return Query(text, pick)


def rows(data: Any) -> tuple[list[str], list[list[Any]]]:
    """Return heads and rows of whatever a result or a query is.

    Heads are empty for what has no names.
    """
    entries = data if isinstance(data, list) else [] if data is None else [data]
    if entries and all(isinstance(entry, Mapping) for entry in entries):
        heads = list(dict.fromkeys(name for entry in entries for name in entry))
        return heads, [[entry.get(name) for name in heads] for entry in entries]
    return [], [list(entry) if isinstance(entry, list) else [entry] for entry in entries]


def cell(value: Any) -> str:
    """Write one value as text: nothing for null, JSON for what has parts.

    It holds no line end and no tab.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def as_tsv(data: Any) -> str:
    """Write values separated by tabs, without heads, as az does."""
    return "".join("\t".join(map(cell, row)) + "\n" for row in rows(data)[1])


def as_csv(data: Any) -> str:
    """Write comma-separated values (RFC 4180), with heads, that a spreadsheet takes for nothing but text."""
    heads, body = rows(data)
    return csv_text([heads] if heads else [], [[cell(value) for value in row] for row in body])


def csv_text(heads: Sequence[Sequence[str]], body: Sequence[Sequence[str]]) -> str:
    """Write heads and rows; no cell of a row is ever a formula."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerows(heads)
    writer.writerows([harmless(text) for text in row] for row in body)
    return written.getvalue()


def harmless(text: str) -> str:
    """Keep a cell from being taken for a formula, also where it is parted at another separator.

    Https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return BEGINS.sub(r"\1'", text)
