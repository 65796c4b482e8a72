"""One HTTP request and one HTTP answer, as every simulated service sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request as it arrives: an absolute URL, headers with lower-case names, and the raw body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def host(self) -> str:
        """Host and port as the client named them, in lower case; the port is left out where the URL has none."""
        return urlsplit(self.url).netloc.lower()

    @cached_property
    def path(self) -> str:
        """The decoded path."""
        return unquote(urlsplit(self.url).path)

    @cached_property
    def query(self) -> dict[str, str]:
        """The decoded query; of a repeated name the last value counts."""
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
"""Stands for no answer at all: the connection is open and nothing comes."""


def json_response(status: int, payload: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer in Azure's usual content type."""
    content = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Response(status, content, json.dumps(payload).encode())
