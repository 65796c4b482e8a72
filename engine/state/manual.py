"""Secrets that only a person can rotate, and when that person should do it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.secret import Version
from engine.state.policy import Policy
from engine.state.tags import MANUAL, RETIRE

FIX = "change it at its source, then write the value with its new expiry"


def is_manual(tags: Mapping[str, str]) -> bool:
    """Return whether the tags leave the rotation to a person: any text but `false` does.

    `tags` are those that count under the policy. A credential that Rekey still has to retire
    comes first.
    """
    return tags.get(MANUAL, "").strip().lower() not in ("", "false") and RETIRE not in tags


def due_at(secret: Version, policy: Policy) -> datetime | None:
    """Return when a person should rotate a secret; None if its dates do not say.

    That is RotateBeforeDays before its expiry or ValidityPeriodDays after its creation, whichever
    comes first. A malformed tag is ignored, since nothing is rotated because of it.
    """
    tags = policy.applied(secret).tags
    validity = _days(tags, "ValidityPeriodDays")
    life = validity or (secret.expires - secret.created if secret.expires else None)
    if life is None:
        return None
    before = _days(tags, "RotateBeforeDays") or min(policy.rotate_before, life / 2)
    ends = [secret.expires - before] if secret.expires else []
    return min(ends + ([secret.created + validity] if validity else []))


def _days(tags: Mapping[str, str], tag: str) -> timedelta | None:
    text = tags.get(tag, "").strip()
    # 3650 days at most: four digits.
    return timedelta(days=int(text)) if text.isdecimal() and len(text) <= 4 else None  # noqa: PLR2004
