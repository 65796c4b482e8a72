"""Outcomes for programs, sent to webhooks of the kind `standard`: what happened to which secret."""

from __future__ import annotations

import uuid
from datetime import datetime

from engine.model.follow_up import FollowUp, TaskResult
from engine.model.notice import Event
from engine.model.outcome import Result
from engine.model.policy import Policy
from engine.model.policy_document import STANDARD
from engine.secret import SecretVersion, Sensitive

ALSO: frozenset[Result | TaskResult] = frozenset({"retired", "reminded"})
"""The outcomes that only programs hear of. They hear of all that people do, too."""


def anybody_listens(policy: Policy) -> bool:
    """Return whether the policy document names such a webhook."""
    webhooks = policy.document.webhooks if policy.document else ()
    return any(webhook.kind == STANDARD for webhook in webhooks)


def event(item: FollowUp, secret: SecretVersion, key: Sensitive, now: datetime) -> Event:
    """Return an item's news as an event, to be signed with a key.

    Its id follows from the item, so it stays the same however often the event is sent.
    """
    named = f"{item.ref}/{item.news}/{item.version}/{item.since}".lower()
    data = {
        "id": str(item.ref),
        "vault": item.ref.vault_name,
        "secret": item.ref.name,
        "result": item.news,
        "reason": item.reason,
        "owner": secret.tags.get("Owner"),
        "version": secret.version,
        "expires": secret.expires.isoformat() if secret.expires else None,
        "operation": item.operation,
    }
    return Event(
        f"msg_{uuid.uuid5(uuid.NAMESPACE_URL, named)}",
        f"rekey.secret.{item.news}",
        item.since or now.isoformat(),
        data,
        key,
        now,
    )
