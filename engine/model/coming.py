"""One thing that will happen to a secret if nothing goes wrong. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.secret import SecretVersion

What = Literal["rotate", "retire", "remind", "expire"]


@dataclass(frozen=True, slots=True)
class Coming:
    """One thing that will happen to a secret, or a past expiry that nobody has dealt with."""

    at: datetime
    what: What
    """`remind`: a person should rotate the secret. `expire`: nothing will prevent its expiry."""
    secret: SecretVersion
    reason: str
    fix: str = ""
