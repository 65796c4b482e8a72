"""Kusto queries on rows, evaluated by ClickHouse's Kusto dialect.

The dialect refuses by name what it does not know.

Two things are rewritten. That dialect has no dynamic values: a member of a property bag, `bag.name`
or `bag['name']`, becomes `bag_text(bag, 'name')`, and `parse_json(text)` the text itself. Its
`arg_max` answers one column and ranks by its second argument: `arg_max(time, a, b)` becomes
`time = max(time), a = arg_max(a, time), b = arg_max(b, time)`. Everything else goes to the engine as
it is deployed, and Microsoft's parser has seen the original. What the dialect is known to get wrong
is refused here. Two differences stay, and no scene may depend on them: its percentile lies between
two values where Kusto takes the nearest, and what an outer join does not find is 0, or the year
1970, where it is null in Kusto.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from chdb import session

from simulator.telemetry.tables import Row
from simulator_tests.telemetry.kusto import SCHEMA

TYPES = {
    "datetime": "DateTime64(7, 'UTC')",
    "dynamic": "String",
    "string": "String",
    # Never null in these tables, and a sum of nulls is null there where it is 0 in Kusto.
    "real": "Float64",
    "int": "Nullable(Int32)",
}
BAG_TEXT = """
CREATE FUNCTION bag_text AS (bag, name) -> multiIf(
    JSONType(bag, name) = 'String', JSONExtractString(bag, name),
    JSONType(bag, name) = 'Null', '',
    JSONExtractRaw(bag, name))
"""
TOKEN = re.compile(
    r"""
    (?P<kept> '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | //[^\n]* )
    | (?<![\w.$]) (?P<bag> [A-Za-z_]\w* ) (?: \.(?P<member> [A-Za-z_]\w* ) | \[ (?P<key> '[^']*' | "[^"]*" ) \] )
    | \b (?P<parsed> parse_json | todynamic ) (?=\()
    """,
    re.VERBOSE,
)
PART = r"(?:[^(),'*]|\([^()]*\))+"
RANKED = re.compile(rf"\barg_(max|min)\((\w+), ({PART}(?:, ?{PART})*)\)")
WRONG = re.compile(r"\barg_(?:max|min)\b|\bto typeof\b")
"""What is left of arg_max is not understood here; `to typeof` ends the statement there."""


def rewritten(query: str) -> str:
    """Return the query without dynamic values, and with a column for each answer of arg_max.

    ValueError for what the engine is known to get wrong.
    """
    if match := WRONG.search(RANKED.sub("", query)):
        raise ValueError(f"the engine gets {match[0]} wrong: say it in another way")
    return TOKEN.sub(_plain, RANKED.sub(_single, query))


def _single(match: re.Match[str]) -> str:
    which, rank, rest = match.groups()
    parts = (part.strip().partition(" = ") for part in re.findall(PART, rest))
    columns = (f"{name} = arg_{which}({text or name}, {rank})" for name, _, text in parts)
    return ", ".join((f"{rank} = {which}({rank})", *columns))


def _plain(match: re.Match[str]) -> str:
    if match["kept"]:
        return match["kept"]
    if match["parsed"]:
        return "tostring"
    return f"bag_text({match['bag']}, {match['key'] or repr(match['member'])})"


class Workspace:
    """Tables that are filled and asked.

    A process has one engine: there is one workspace at a time.
    """

    def __init__(self) -> None:
        self._session = _engine()
        self._session.query(
            "SET allow_experimental_kusto_dialect = 1, date_time_input_format = 'best_effort', "
            # In Kusto a name in an expression is that of a column that comes in.
            "prefer_column_name_to_alias = 1"
        )
        self._session.query(BAG_TEXT)
        for name, columns in SCHEMA.items():
            listed = ", ".join(f"`{column}` {TYPES[kind]}" for column, kind in columns.items())
            self._session.query(f"CREATE TABLE {name} ({listed}) ENGINE = Memory")

    def fill(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Replace what the tables hold."""
        self._session.query("SET dialect = 'clickhouse'")
        lines: dict[str, list[str]] = {name: [] for name in SCHEMA}
        for table, row in rows:
            named = {_column(name, table): _written(value) for name, value in row.items()}
            assert named.keys() <= SCHEMA[table].keys(), (
                table,
                named.keys() - SCHEMA[table].keys(),
            )
            lines[table].append(json.dumps(named))
        for table, written in lines.items():
            self._session.query(f"TRUNCATE TABLE {table}")
            if written:
                self._session.query(f"INSERT INTO {table} FORMAT JSONEachRow " + "\n".join(written))

    def ask(self, query: str) -> list[Row]:
        """Evaluate a query; RuntimeError with the engine's words where it cannot."""
        self._session.query("SET dialect = 'kusto'")
        answer = json.loads(self._session.query(rewritten(query), "JSON").bytes())
        return list(answer["data"])

    def close(self) -> None:
        """Give the engine up, so that another workspace can have it."""
        self._session.close()


def _engine() -> Any:
    return session.Session()  # type: ignore[no-untyped-call]


def _column(name: str, table: str) -> str:
    """Return a column's name.

    Outside of Application Insights the time of a row is TimeGenerated.
    """
    return "TimeGenerated" if name == "timestamp" and "timestamp" not in SCHEMA[table] else name


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
