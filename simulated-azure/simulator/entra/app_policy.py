"""A tenant's rules for the secrets of applications."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class AppPolicy:
    """An app management policy: which secrets it allows.

    `tells` adds the allowed lifetime to its refusals; the real service does not.
    """

    max_lifetime: timedelta | None = None
    secrets_allowed: bool = True
    certificates_allowed: bool = True
    tells: bool = False
    policy_id: str = "2c6d5a1e-5a5f-4f0e-9d53-6d2f0f1b7a44"
