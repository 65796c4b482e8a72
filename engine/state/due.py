"""When a secret is due, by whose hand, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.secret import Version
from engine.state.policy import Policy
from engine.state.tags import MANUAL, OPERATION, REPLICA_OF, RETIRE, Managed


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


BY_HAND_FIX = "change it at its source, then write the value with its new expiry"


def is_manual(tags: Mapping[str, str]) -> bool:
    """Return whether the tags leave the rotation to a person: any text but `false` does.

    `tags` are those that count under the policy. A credential that Rekey still has to retire
    comes first.
    """
    return by_hand(tags) and RETIRE not in tags


def by_hand(tags: Mapping[str, str]) -> bool:
    """Return whether the tags leave new credentials to a person, whatever is to be retired.

    A replica gets what its primary gets: its owner consents to that, and withdraws the consent.
    """
    is_replica = REPLICA_OF in tags and "ProviderAddress" not in tags
    return not is_replica and tags.get(MANUAL, "").strip().lower() not in ("", "false")


def due_by_hand(secret: Version, policy: Policy) -> datetime | None:
    """Return when a person should rotate a secret, much as `due_at`; None if its dates do not say.

    A malformed tag is ignored, since nothing is rotated because of it.
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
