"""What the HTTP API answers: a JSON object, a page, or a problem that says what, where and the fix (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import AccessDenied, NotFound, PermanentError, RekeyError, TransientError

JSON, PROBLEM, HTML = "application/json", "application/problem+json", "text/html"
RETRY_SECONDS = 30
"""When to come back where Azure did not say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: Any
    """An object for JSON, or the text of a page."""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Write the body."""
        return self.body if isinstance(self.body, str) else json.dumps(self.body)


class BadRequest(PermanentError):  # noqa: N818
    """The caller's request cannot be read."""


class Unauthorized(PermanentError):  # noqa: N818
    """Nobody, or nobody known, is calling."""


class Forbidden(PermanentError):  # noqa: N818
    """The caller lacks the role."""


class Conflict(PermanentError):  # noqa: N818
    """What is asked for does not fit the state as it is."""


class TooMany(TransientError):  # noqa: N818
    """This instance has enough to do."""


_STATUS: tuple[tuple[type[RekeyError], int], ...] = (
    (BadRequest, 400),
    (Unauthorized, 401),
    (Forbidden, 403),
    (AccessDenied, 403),
    (NotFound, 404),
    (Conflict, 409),
    (PermanentError, 422),
    (TooMany, 429),
    (TransientError, 503),
    (RekeyError, 500),
)


def problem(error: RekeyError, instance: str) -> Answer:
    """Answer with an error; `instance` is the path that was called."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    detail = f"{error.what} ({error.where})" if error.where else error.what
    body = {
        "type": "about:blank",
        "title": error.what,
        "status": status,
        "detail": detail,
        "instance": instance,
        "fix": error.fix,
    }
    answer = Answer(status, body, PROBLEM)
    if isinstance(error, TransientError):
        return replace(answer, headers={"Retry-After": str(int(error.retry_after or RETRY_SECONDS))})
    return answer
