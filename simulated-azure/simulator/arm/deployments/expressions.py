"""The expressions of a template, `[format('{0}', parameters('name'))]`, read into trees.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_][\w.]*)|(?P<mark>[()\[\],.]))"
)


class ExpressionError(ValueError):
    """An expression that cannot be read or evaluated; the message says why."""


@dataclass(frozen=True)
class Literal:
    """A text or a number."""

    value: str | int


@dataclass(frozen=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Member:
    """A property of an object, or an item of an array."""

    of: Node
    key: Node


type Node = Literal | Call | Member


def expression(text: str) -> str | None:
    """Return the expression within a text; None if the text is a literal."""
    is_one = text.startswith("[") and text.endswith("]") and not text.startswith("[[")
    return text[1:-1] if is_one else None


@cache
def parsed(text: str) -> Node:
    """Read an expression without its brackets; raise ExpressionError if it is invalid."""
    return _Parser(text).whole()


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def whole(self) -> Node:
        node = self._node()
        if self._peek():
            raise ExpressionError(f"{self._peek()!r} is one too many in {self._text}")
        return node

    def _node(self) -> Node:
        token = self._take()
        if token.startswith("'"):
            node: Node = Literal(token[1:-1].replace("''", "'"))
        elif token.lstrip("-").isdigit():
            node = Literal(int(token))
        else:
            node = Call(token.lower(), self._arguments())
        return self._members(node)

    def _members(self, node: Node) -> Node:
        while self._peek() in {".", "["}:
            if self._take() == ".":
                for name in self._take().split("."):
                    node = Member(node, Literal(name))
            else:
                node = Member(node, self._node())
                self._expect("]")
        return node

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        arguments: list[Node] = []
        while self._peek() != ")":
            arguments.append(self._node())
            if self._peek() == ",":
                self._take()
        self._expect(")")
        return tuple(arguments)

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _expect(self, mark: str) -> None:
        if self._take() != mark:
            raise ExpressionError(f"{mark!r} is missing in {self._text}")


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"{text[position:]!r} cannot be read")
        tokens.append(match[0].strip())
        position = match.end()
    return tokens
