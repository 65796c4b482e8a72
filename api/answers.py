"""What the HTTP API answers: a JSON object, a page, or a problem (RFC 9457)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from api.errors import (
    BadRequest,
    Conflict,
    Flaw,
    Forbidden,
    KeyMissing,
    KeyReused,
    NotAllowed,
    PayloadTooLarge,
    PreconditionFailed,
    PreconditionRequired,
    TooMany,
    Unauthorized,
)
from api.models import Problem, View
from engine.errors import AccessDenied, NotFound, PermanentError, RekeyError, TransientError

__all__ = [
    "HTML",
    "JSON",
    "KINDS",
    "PROBLEM",
    "PROMETHEUS",
    "Answer",
    "BadRequest",
    "Conflict",
    "Flaw",
    "Forbidden",
    "Kind",
    "PreconditionFailed",
    "PreconditionRequired",
    "TooMany",
    "Unauthorized",
    "problem",
]

JSON, PROBLEM, HTML = "application/json", "application/problem+json", "text/html"
PROMETHEUS = "text/plain; version=0.0.4"
"""Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/."""
RETRY_SECONDS = 30
"""When to come back where Azure did not say."""
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer: nobody keeps a copy, and no browser guesses at its type."""
KINDS_AT = "/api/openapi.json#/components/responses/"
"""Where the document describes a problem's type."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: Any
    """An object for JSON, or the text of a page."""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, view: View, headers: Mapping[str, str] | None = None) -> Answer:
        """Answer with one of api.models."""
        return cls(status, view.body(), headers=headers or {})

    def text(self) -> str:
        """Write the body."""
        return self.body if isinstance(self.body, str) else json.dumps(self.body)

    def private(self, *, without_body: bool) -> Answer:
        """Return it as it leaves the app; HEAD wants it without its body."""
        headers = {**PRIVATE, **self.headers}
        return replace(self, headers=headers, body="" if without_body else self.body)


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of problem: programs go by its name, which stays, and never by a text."""

    name: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """The problem's `type`."""
        return KINDS_AT + self.name


FAILED = Kind("failed", 500, "Rekey failed")
KINDS: tuple[tuple[type[RekeyError], Kind], ...] = (
    (KeyMissing, Kind("idempotency-key-missing", 400, "The request needs an Idempotency-Key")),
    (BadRequest, Kind("bad-request", 400, "The request cannot be read")),
    (Unauthorized, Kind("unauthorized", 401, "Nobody is signed in")),
    (Forbidden, Kind("forbidden", 403, "The caller may not do this")),
    (AccessDenied, Kind("access-denied", 403, "The app may not do this")),
    (NotFound, Kind("not-found", 404, "It does not exist")),
    (NotAllowed, Kind("method-not-allowed", 405, "The path does not take this method")),
    (Conflict, Kind("nothing-to-do", 409, "There is nothing to do now")),
    (PreconditionFailed, Kind("precondition-failed", 412, "It has changed in the meantime")),
    (PayloadTooLarge, Kind("too-long", 413, "The body is too long")),
    (
        KeyReused,
        Kind("idempotency-key-reused", 422, "The Idempotency-Key belongs to another request"),
    ),
    (
        PreconditionRequired,
        Kind("precondition-required", 428, "The request must say what it replaces"),
    ),
    (PermanentError, Kind("needs-mending", 422, "Something must be fixed first")),
    (TooMany, Kind("too-many", 429, "Too many requests at once")),
    (TransientError, Kind("busy", 503, "It cannot be done right now")),
)
"""The first that fits is meant."""


def problem(error: RekeyError, instance: str) -> Answer:
    """Answer with an error; `instance` is the path that was called."""
    kind = next((kind for errors, kind in KINDS if isinstance(error, errors)), FAILED)
    shown = Problem(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        detail=f"{error.what} ({error.where})" if error.where else error.what,
        instance=instance,
        fix=error.fix,
        errors=list(error.flaws) if isinstance(error, BadRequest) else [],
    )
    return Answer(kind.status, shown.body(), PROBLEM, _headers(error))


def _headers(error: RekeyError) -> dict[str, str]:
    if isinstance(error, NotAllowed):
        return {"Allow": ", ".join(error.methods)}
    if isinstance(error, TransientError):
        # Never zero: whoever comes back at once is refused again.
        return {"Retry-After": str(max(1, math.ceil(error.retry_after or RETRY_SECONDS)))}
    return {}
