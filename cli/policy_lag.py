"""The app keeps a policy document for minutes, so after a push it may follow the one before it."""

from __future__ import annotations

from datetime import datetime, timedelta

from cli.session import Session
from cli.terminal import moment
from cloud.policy_store import BY, FRESH_SECONDS, PolicyStore
from engine.secret import SecretVersion


def taken_up_by(document: SecretVersion) -> datetime:
    """Return when every process of the app has read this version, if it may read it at all."""
    return document.created + timedelta(seconds=FRESH_SECONDS)


def tell_lag(session: Session) -> None:
    """Say which policy this run went by, where the app may still follow an older one."""
    policies = session.service.policies
    followed = policies.followed if isinstance(policies, PolicyStore) else None
    if followed and session.now() < (until := taken_up_by(followed)):
        session.terminal.note(
            f"this is judged by version {followed.version} of the policy document, written "
            f"{moment(followed.created)} by {followed.tags.get(BY, 'somebody else')}; until "
            f"{moment(until)} the app may still follow the version before it"
        )
