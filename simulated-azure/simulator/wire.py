"""One HTTP request and one HTTP answer, in the form that every simulated service uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request: an absolute URL, headers with lower-case names, and the raw body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def host(self) -> str:
        """Host and port as in the URL, in lower case; without a port if the URL has none."""
        return urlsplit(self.url).netloc.lower()

    @cached_property
    def path(self) -> str:
        """The decoded path."""
        return unquote(urlsplit(self.url).path)

    @cached_property
    def query(self) -> dict[str, str]:
        """The decoded query; the last value of a repeated name counts."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    def header(self, name: str, default: str = "") -> str:
        """Return one header's value; `name` in lower case."""
        return self.headers.get(name, default)


@dataclass(frozen=True)
class Response:
    """An answer: status, headers, raw body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> object:
        """Return the decoded body."""
        return json.loads(self.body)


UNANSWERED = Response(0)
"""Stands for no answer: the connection stays open and nothing arrives."""


def json_response(
    status: int, payload: object, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON answer with Azure's usual content type."""
    content = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Response(status, content, json.dumps(payload).encode())
