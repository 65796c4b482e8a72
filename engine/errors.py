"""Every error that Rekey raises on purpose.

    RekeyError                  what happened, where, and the fix
    ├── ConfigError             wrong settings: all problems at once
    ├── TransientError          may pass by itself: the queue tries again (`retry_after` seconds where Azure said so)
    │   └── LeaseUnavailable    another worker is busy with the same source
    └── PermanentError          will not pass by itself: the secret is parked
        ├── NotFound            the secret or its source does not exist
        ├── AccessDenied        names the identity, the scope and the role to grant
        ├── VerificationFailed  the source refuses the credential
        └── NeedsHuman          only a person can decide

None of them ever carries a secret value, and none keeps the SDK error that caused it: that one holds the request,
body included.
"""

from __future__ import annotations

from collections.abc import Sequence


class RekeyError(Exception):
    """Something went wrong: `what` happened, `where`, the `fix`, and Azure's error `code` where Azure said so."""

    def __init__(self, what: str, *, where: str = "", fix: str = "", code: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        self.code = code
        super().__init__(what, where, fix)

    def add(self, further: str) -> None:
        """Say what came of it further."""
        self.what = f"{self.what}; {further}"
        self.args = (self.what, self.where, self.fix)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        remedy = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.what}{place}.{remedy}"


class ConfigError(RekeyError):
    """The settings are wrong; `problems` lists every one of them, each with its fix."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} wrong setting(s):{lines}\n", where="application settings")


class TransientError(RekeyError):
    """It may pass by itself; `retry_after` is in seconds, None where Azure did not say."""

    def __init__(
        self, what: str, *, where: str = "", fix: str = "", code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(what, where=where, fix=fix, code=code)
        self.retry_after = retry_after


class LeaseUnavailable(TransientError):  # noqa: N818 - the name says what is the case
    """Another worker holds the lease, or the lease was lost on the way."""


class PermanentError(RekeyError):
    """It will not pass by itself."""


class NotFound(PermanentError):  # noqa: N818
    """The secret or its source does not exist."""


class AccessDenied(PermanentError):  # noqa: N818
    """The app's identity may not do this; `fix` names the role and the scope to grant."""


class VerificationFailed(PermanentError):  # noqa: N818
    """The source refuses the credential, after waiting for it to take effect."""


class NeedsHuman(PermanentError):  # noqa: N818
    """Only a person can decide what is right here."""
