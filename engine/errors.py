"""Every error that Rekey raises on purpose.

    RekeyError                  what happened, where, and the fix
    ├── ConfigError             wrong settings: all problems at once
    ├── TransientError          may pass by itself: the queue tries again
    │   ├── Throttled           Azure has had too many requests
    │   ├── UnderWay            the source has accepted a change and goes on with it
    │   ├── MayComeBack         what leaked is refused, and an earlier request may bring it back
    │   └── LeaseUnavailable    another worker holds the lease, or this one lost it
    │       └── SourceBusy      another worker holds it, and nothing has been done yet
    └── PermanentError          will not pass by itself: the secret is parked
        ├── NotFound            the secret or its source does not exist
        ├── AccessDenied        names the identity, the scope and the role to grant
        ├── VerificationFailed  the source refuses the credential
        └── NeedsHuman          only a person can decide

No error ever carries a secret value. None keeps the SDK error that caused it either, because
that one holds the request, body included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class RekeyError(Exception):
    """What happened, where, and the fix; `code` is Azure's error code, if Azure sent one.

    `retry_after`: in how many seconds it may be tried again; None if nobody has said.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        fix: str = "",
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        self.code = code
        self.retry_after = retry_after
        super().__init__(what, where, fix)

    def add(self, further: str) -> None:
        """Append a further consequence to the message."""
        self.what = f"{self.what}; {further}"

    unsent: bool = False
    """No change comes of it, at the source or the vault: none was sent, or it was refused."""

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        remedy = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.what}{place}.{remedy}"


class ConfigError(RekeyError):
    """The settings are wrong. `problems` lists all of them, each with its fix."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(
            f"{len(self.problems)} wrong setting(s):{lines}\n", where="application settings"
        )


class TransientError(RekeyError):
    """The error may pass by itself."""


class Throttled(TransientError):  # noqa: N818 - the name says what is the case
    """Azure has had too many requests. Not every service says how long to wait."""


class UnderWay(TransientError):  # noqa: N818 - the name says what is the case
    """The source has accepted a change and goes on with it. A later try finds it done.

    A rotator may raise it from `issue` and `retire`, again and again until then. `retry_after`
    says when to look again. `mark` comes back with the job of the next try, in whatever process:
    a text of the rotator's own, without a value.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        fix: str = "",
        code: str = "",
        retry_after: float | None = None,
        mark: str = "",
    ) -> None:
        super().__init__(what, where=where, fix=fix, code=code, retry_after=retry_after)
        self.mark = mark


class MayComeBack(TransientError):  # noqa: N818 - the name says what is the case
    """What leaked is refused, and an earlier request may bring it back."""


class LeaseUnavailable(TransientError):  # noqa: N818 - the name says what is the case
    """Another worker holds the lease, or this worker has lost it."""


class SourceBusy(LeaseUnavailable):
    """Another worker holds the source, so this one has not begun. That is no failure."""


class PermanentError(RekeyError):
    """The error will not pass by itself."""


class NotFound(PermanentError):  # noqa: N818
    """The secret or its source does not exist."""


class AccessDenied(PermanentError):  # noqa: N818
    """The app's identity may not do this. `fix` names the role and the scope to grant."""


class VerificationFailed(PermanentError):  # noqa: N818
    """The source still refuses the credential after Rekey waited for it to take effect."""


class NeedsHuman(PermanentError):  # noqa: N818
    """Only a person can decide what to do."""


@contextmanager
def before_sending() -> Iterator[None]:
    """Mark what a plug-in raises before it has sent a change to the source."""
    try:
        yield
    except RekeyError as error:
        error.unsent = True
        raise
