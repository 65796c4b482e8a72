"""The template language's functions that depend only on their arguments.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import ip_network
from itertools import chain
from typing import Any, NoReturn

from isodate import parse_duration  # type: ignore[import-untyped]

from simulator.arm.deployments.expressions import ExpressionError
from simulator.arm.deployments.unique import guid, unique_string

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_MOMENT_FORMAT = "yyyy-MM-ddTHH:mm:ssZ"


class TemplateError(Exception):
    """The template called `fail()`: the message is the template's own."""


def _fail(message: str) -> NoReturn:
    raise TemplateError(message)


def _format(pattern: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: _text(values[int(match[1])]), pattern)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _union(*parts: Any) -> Any:
    """Return objects merged deeply, or arrays without duplicates."""
    if isinstance(parts[0], Mapping):
        merged: dict[str, Any] = {}
        for part in parts:
            merged = _merged(merged, part)
        return merged
    unique: list[Any] = []
    for value in chain(*parts):
        if value not in unique:
            unique.append(value)
    return unique


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(below[key], value)
        for key, value in above.items()
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
    }
    return {**below, **above, **both}


def _concat(*parts: Any) -> Any:
    if all(isinstance(part, list) for part in parts):
        return list(chain(*parts))
    return "".join(map(_text, parts))


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, Mapping):
        return part.lower() in {key.lower() for key in whole}
    return bool(part in whole)


def _index_of(whole: Any, part: Any) -> int:
    if isinstance(whole, str):
        return whole.lower().find(part.lower())
    return whole.index(part) if part in whole else -1


def member(of: Any, key: Any) -> Any:
    """Return a property or an item; the case of a property's name does not matter."""
    if isinstance(of, Mapping):
        for name, value in of.items():
            if name.lower() == str(key).lower():
                return value
    elif isinstance(of, list) and isinstance(key, int) and 0 <= key < len(of):
        return of[key]
    raise ExpressionError(f"there is no {key!r} in {json.dumps(of)[:200]}")


def _try_get(of: Any, *keys: Any) -> Any:
    for key in keys:
        try:
            of = member(of, key)
        except ExpressionError:
            return None
    return of


def _create_object(*parts: Any) -> dict[str, Any]:
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _items(of: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": of[key]} for key in sorted(of, key=str.upper)]


def _flatten(parts: list[list[Any]]) -> list[Any]:
    return list(chain(*parts))


def _cidr_subnet(network: str, prefix: int, index: int) -> str:
    return str(list(ip_network(network).subnets(new_prefix=prefix))[index])


def _date_time_add(base: str, duration: str, pattern: str) -> str:
    if pattern != _MOMENT_FORMAT:
        raise ExpressionError(f"dateTimeAdd: the format {pattern} is not known here")
    moment = datetime.strptime(base, _MOMENT) + parse_duration(duration)  # noqa: DTZ007 - UTC
    return str(moment.strftime(_MOMENT))


def _to_object(values: list[Any], key: Callable[..., Any], value: Any = None) -> dict[str, Any]:
    return {key(item): value(item) if value else item for item in values}


def _mapped(values: list[Any], function: Callable[..., Any]) -> list[Any]:
    return [function(*parts) for parts in _indexed(values, function)]


def _filtered(values: list[Any], function: Callable[..., Any]) -> list[Any]:
    return [parts[0] for parts in _indexed(values, function) if function(*parts)]


def _indexed(values: list[Any], function: Any) -> list[tuple[Any, ...]]:
    """Return a lambda's arguments for each item: the item, and the index if it takes two."""
    if function.variables == 1:
        return [(value,) for value in values]
    return [(value, index) for index, value in enumerate(values)]


def _object_keys(of: Mapping[str, Any]) -> list[str]:
    return sorted(of, key=str.upper)


def _first_filled(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "cidrsubnet": _cidr_subnet,
    "coalesce": _first_filled,
    "concat": _concat,
    "contains": _contains,
    "createarray": lambda *values: list(values),
    "createobject": _create_object,
    "datetimeadd": _date_time_add,
    "empty": lambda value: value is None or len(value) == 0,
    "endswith": lambda text, end: text.lower().endswith(end.lower()),
    "equals": lambda a, b: a == b,
    "fail": _fail,
    "false": lambda: False,
    "filter": _filtered,
    "flatten": _flatten,
    "format": _format,
    "greater": lambda a, b: a > b,
    "greaterorequals": lambda a, b: a >= b,
    "guid": guid,
    "indexof": _index_of,
    "int": int,
    "items": _items,
    "join": lambda values, mark: mark.join(map(_text, values)),
    "last": lambda values: values[-1],
    "length": len,
    "less": lambda a, b: a < b,
    "lessorequals": lambda a, b: a <= b,
    "map": _mapped,
    "mul": lambda a, b: a * b,
    "not": lambda value: not value,
    "null": lambda: None,
    "objectkeys": _object_keys,
    "range": lambda start, count: list(range(start, start + count)),
    "replace": lambda text, old, new: text.replace(old, new),
    "shallowmerge": lambda parts: {key: value for part in parts for key, value in part.items()},
    "skip": lambda values, count: values[count:],
    "split": lambda text, mark: text.split(mark),
    "startswith": lambda text, start: text.lower().startswith(start.lower()),
    "string": _json,
    "substring": lambda text, start, length: text[start : start + length],
    "take": lambda values, count: values[:count],
    "tolower": str.lower,
    "toobject": _to_object,
    "toupper": str.upper,
    "trim": str.strip,
    "true": lambda: True,
    "tryget": _try_get,
    "union": _union,
    "uniquestring": unique_string,
}
"""The functions by lower-case name, since the language ignores case."""
