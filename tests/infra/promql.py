"""What Prometheus answers to the alerts of docs/prometheus, by its own rules of matching.

https://prometheus.io/docs/prometheus/latest/querying/operators/. Only what those queries use is
known here; anything else raises.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promql_parser import (
    BinaryExpr,
    Call,
    NumberLiteral,
    ParenExpr,
    VectorSelector,
    parse,
)

type Sample = tuple[Mapping[str, str], float]
type Vector = list[Sample]

COMPARED = {">": operator.gt, "<": operator.lt, "==": operator.eq}
COUNTED = {"-": operator.sub, "*": operator.mul}


@dataclass(frozen=True)
class Scrape:
    """The samples of one moment, by the names of their metrics."""

    now: float
    metrics: Mapping[str, Sequence[Sample]]

    def ask(self, query: str) -> Vector:
        """Return the series that an alert with this query would be about."""
        answer = self._value(parse(query))
        assert isinstance(answer, list), "a number is no alert"
        return answer

    def _value(self, node: Any) -> Any:
        match node:
            case NumberLiteral():
                return float(node.val)
            case ParenExpr():
                return self._value(node.expr)
            case VectorSelector():
                return self._selected(node)
            case Call() if node.func.name == "time":
                return self.now
            case Call() if node.func.name == "absent":
                return [] if self._value(node.args[0]) else [({}, 1.0)]
            case BinaryExpr():
                return _joined(node, self._value(node.lhs), self._value(node.rhs))
        raise NotImplementedError(str(node))

    def _selected(self, node: VectorSelector) -> Vector:
        conditions = [(matcher.name, matcher.value) for matcher in node.matchers.matchers]
        return [
            (labels, value)
            for labels, value in self.metrics.get(str(node.name), ())
            if all(re.fullmatch(text, labels.get(name, "")) for name, text in conditions)
        ]


def _joined(node: BinaryExpr, left: Any, right: Any) -> Any:
    sign = str(node.op)
    if not isinstance(left, list) and not isinstance(right, list):
        return COUNTED[sign](left, right)
    if not isinstance(left, list) or not isinstance(right, list):
        return _with_number(sign, left, right)
    on = node.modifier.matching.labels if node.modifier and node.modifier.matching else None
    if sign == "or":
        known = [_key(labels, on) for labels, _ in left]
        return left + [sample for sample in right if _key(sample[0], on) not in known]
    others = {_key(labels, on): (labels, value) for labels, value in right}
    pairs = [(sample, others[key]) for sample in left if (key := _key(sample[0], on)) in others]
    if sign == "and":
        return [sample for sample, _ in pairs]
    added = (node.modifier.group_labels if node.modifier else None) or ()
    return [
        ({**labels, **{name: other[name] for name in added}}, COUNTED[sign](value, factor))
        for (labels, value), (other, factor) in pairs
    ]


def _with_number(sign: str, left: Any, right: Any) -> Vector:
    """Return a vector counted or compared with a number; a comparison keeps what it is true of."""
    samples = left if isinstance(left, list) else right
    rows = [
        (labels, (value, right) if isinstance(left, list) else (left, value))
        for labels, value in samples
    ]
    if sign in COMPARED:
        kept = [COMPARED[sign](*pair) for _, pair in rows]
        return [sample for sample, is_kept in zip(samples, kept, strict=True) if is_kept]
    return [(labels, COUNTED[sign](*pair)) for labels, pair in rows]


def _key(labels: Mapping[str, str], on: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    names = sorted(labels) if on is None else on
    return tuple((name, labels.get(name, "")) for name in names)
