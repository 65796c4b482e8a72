"""Secrets that only a person can rotate: known, with the day on which that person should have done it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.model.policy import Policy
from engine.model.tags import MANUAL, RETIRE
from engine.secret import SecretVersion

FIX = "change it at its source, then write the value with its new expiry"


def is_manual(tags: Mapping[str, str]) -> bool:
    """Tell whether the tags that count leave the rotation to a person; any word but `false` does.

    A credential that Rekey has still to retire comes first.
    """
    return tags.get(MANUAL, "").strip().lower() not in ("", "false") and RETIRE not in tags


def due_at(secret: SecretVersion, policy: Policy) -> datetime | None:
    """Tell when a person should rotate a secret: RotateBeforeDays before its expiry, or ValidityPeriodDays after its birth.

    None where neither is known. A tag that is no number of days is passed over: nothing is rotated by it.
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
    return timedelta(days=int(text)) if text.isdecimal() and len(text) <= 4 else None  # noqa: PLR2004 - 3650 days at most
