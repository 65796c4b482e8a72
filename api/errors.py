"""Why the API refuses a request; what each becomes over HTTP stands in api/answers.py."""

from __future__ import annotations

from collections.abc import Iterable

from api.models import Flaw
from engine.errors import PermanentError, TransientError

__all__ = [
    "BadRequest",
    "Conflict",
    "Flaw",
    "Forbidden",
    "KeyMissing",
    "KeyReused",
    "NotAllowed",
    "PayloadTooLarge",
    "PreconditionFailed",
    "PreconditionRequired",
    "TooMany",
    "Unauthorized",
]  # fmt: skip


class BadRequest(PermanentError):  # noqa: N818
    """The caller's request cannot be read; `flaws` lists all that is wrong with it."""

    def __init__(
        self, what: str, *, where: str = "", fix: str = "", flaws: Iterable[Flaw] = ()
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.flaws = tuple(flaws)


class KeyMissing(BadRequest):
    """Sent again without an Idempotency-Key, the request would do harm."""


class Unauthorized(PermanentError):  # noqa: N818
    """Nobody, or nobody known, is calling."""


class Forbidden(PermanentError):  # noqa: N818
    """The caller lacks the role."""


class NotAllowed(PermanentError):  # noqa: N818
    """The path takes other methods; `methods` are those."""

    def __init__(self, method: str, methods: Iterable[str]) -> None:
        self.methods = tuple(methods)
        super().__init__(
            f"this path does not take {method[:20]}", fix=f"send {', '.join(self.methods)}"
        )


class Conflict(PermanentError):  # noqa: N818
    """What is asked for does not fit the state as it is."""


class PreconditionFailed(PermanentError):  # noqa: N818
    """What is to be replaced is not what is there any more."""


class PayloadTooLarge(PermanentError):  # noqa: N818
    """The body is longer than any that means something."""


class PreconditionRequired(PermanentError):  # noqa: N818
    """The request does not say which version it replaces."""


class KeyReused(PermanentError):  # noqa: N818
    """The Idempotency-Key was sent with another request."""


class TooMany(TransientError):  # noqa: N818
    """This instance has enough to do."""
