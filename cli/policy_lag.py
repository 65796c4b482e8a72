"""The app keeps a policy document for minutes, so after a push it may follow the one before it."""

from __future__ import annotations

from datetime import datetime, timedelta

from cli.session import Session
from cli.terminal import moment
from cloud.policy_store import FRESH_SECONDS, PolicyStore
from engine.errors import RekeyError
from engine.secret import Version


def taken_up_by(document: Version) -> datetime:
    """Return when every process of the app has read this version, if it may read it at all."""
    return document.created + timedelta(seconds=FRESH_SECONDS)


async def tell_lag(session: Session) -> None:
    """Say which policy this run went by, where the app may still follow the one before it."""
    policies = session.service.policies
    followed = policies.followed if isinstance(policies, PolicyStore) else None
    if followed is None or session.now() >= (until := taken_up_by(followed)):
        return
    if before := await _before(session.store(), followed):
        session.terminal.note(
            f"this goes by version {followed.version} of the policy document, of "
            f"{moment(followed.created)}; until {moment(until)} the app may follow {before.version}"
        )


async def _before(store: PolicyStore, followed: Version) -> Version | None:
    """Return the version before; None for the first one, or where the versions cannot be listed."""
    try:
        versions = await store.history()
    except RekeyError:
        return None
    return next((version for version in versions if version.created < followed.created), None)
