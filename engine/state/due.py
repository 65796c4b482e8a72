"""When a secret is due, and why. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.secret import Version
from engine.state.tags import OPERATION, Managed


def due_at(secret: Version, managed: Managed) -> datetime:
    """Return when the secret is due; its creation if it has no expiry.

    That is RotateBeforeDays before its expiry or ValidityPeriodDays after its creation, whichever
    comes first.
    """
    if secret.expires is None:
        return secret.created
    return min(secret.expires - _before(secret, managed), secret.created + managed.validity)


def due_reason(secret: Version, managed: Managed, now: datetime) -> str | None:
    """Return why the secret is due at `now`; None if it is not."""
    if secret.expires is None:
        return "no expiry"
    if secret.expires <= now:
        return f"expired {secret.expires:%Y-%m-%d %H:%M}Z"
    if secret.expires - _before(secret, managed) <= now:
        return f"expires {secret.expires:%Y-%m-%d %H:%M}Z"
    if secret.created + managed.validity <= now:
        return f"older than {managed.validity.days} days"
    return None


def why_due(secret: Version, managed: Managed) -> str:
    """Return since when a secret is due, and which setting makes it so."""
    due, before = due_at(secret, managed), _before(secret, managed)
    since = f"due since {due:%Y-%m-%d %H:%M}Z"
    if secret.expires is None:
        return f"{since}: it has no expiry"
    if due == secret.expires - before:
        days = f"{before / timedelta(days=1):.3g}"
        return f"{since}, {days} days before it expires (RotateBeforeDays)"
    return f"{since}, {managed.validity.days} days after it was written (ValidityPeriodDays)"


def _before(secret: Version, managed: Managed) -> timedelta:
    """Return RotateBeforeDays, at most half of a life that the source itself cut short.

    Otherwise such a version would be due as soon as it is written.
    """
    life = (secret.expires or secret.created) - secret.created
    cut_short = OPERATION in secret.tags and life < managed.validity - timedelta(hours=1)
    return min(managed.rotate_before, life / 2) if cut_short else managed.rotate_before
