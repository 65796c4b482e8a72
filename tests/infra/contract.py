"""The names of Rekey's telemetry by docs/telemetry.md, which others hold against what is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.infra.bicep import ROOT

PAGE = (ROOT / "docs" / "telemetry.md").read_text()


def quoted(text: str) -> set[str]:
    """Return what stands in backticks."""
    return set(re.findall(r"`([^`]+)`", text))


def rows(head: str) -> Iterator[list[str]]:
    """Yield the cells of every row of the table whose first column is called that."""
    body = PAGE.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    for line in body.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def values() -> Iterator[tuple[str, set[str]]]:
    """Yield dimensions with the values that they may have; one of two metrics comes twice."""
    for cell, listed, *_ in rows("dimension"):
        yield re.findall(r"`(\w+)`", cell)[0], quoted(listed) - {"what"}


METRICS = {cells[0].strip("`"): quoted(cells[2]) for cells in rows("metric")}
"""Every metric with its dimensions."""
SPAN_ATTRIBUTES = {
    cells[0].strip("`")
    for cells in rows("attribute")
    if cells[1] in ("every span", "`rekey.rotation`")
}
"""What the span rekey.rotation carries."""
VALUES = {
    name: set().union(*(texts for dimension, texts in values() if dimension == name))
    for name in ("outcome", "state", "where")
}
"""The values of the dimensions that have few."""
