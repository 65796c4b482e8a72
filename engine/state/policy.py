"""What holds for every secret: the bounds that no tag can move, and the policy document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from engine.secret import SecretRef, Version
from engine.state.policy_document import Document, Webhook

SCOPE = re.compile(
    r"/subscriptions/[^/\s]+(/[^/\s]+)*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|/kinds/[a-z0-9-]+(/[^/\s]+)*"
)
"""An ARM id at least as narrow as a subscription, the id of an Entra application, or a source of a
kind of one's own: /kinds/<kind>, perhaps with a name below it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for every secret."""

    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Vault URL → the ids (lower case) within which its secrets may rotate sources.

    Rekey touches no vault that is not a key here.
    """
    rotate_before: timedelta = timedelta(days=30)
    """How long before expiry a secret is due. Key Vault sends its own event 30 days before, too."""
    overlap: timedelta = timedelta(hours=168)
    """How long a superseded credential keeps working."""
    deployment: str = ""
    """The name of this deployment, so that two deployments on one vault notice each other."""
    document: Document | None = None
    own: SecretRef | None = None
    """The secret that holds the document. It is never managed itself."""

    async def current(self) -> Policy:
        """Return this policy, which no document can change."""
        return self

    def under(self, document: Document) -> Policy:
        """Return this policy under a document, which can narrow `scopes` but never widen them."""
        return replace(
            self,
            document=document,
            rotate_before=document.default_span(
                "RotateBeforeDays", timedelta(days=1), self.rotate_before
            ),
            overlap=document.default_span("OverlapHours", timedelta(hours=1), self.overlap),
        )

    def manages(self, vault: str) -> bool:
        """Return whether this deployment serves a vault."""
        return vault in self.scopes

    def allows(self, vault: str, source: str) -> bool:
        """Return whether secrets in this vault may rotate this source (canonical, lower case)."""
        narrowed = self.document.scopes.get(vault) if self.document else None
        return _inside(source, self.scopes.get(vault, ())) and (
            narrowed is None or _inside(source, narrowed)
        )

    def applied[V: Version](self, secret: V) -> V:
        """Return the secret with the tags that count under the policy.

        Use it only to decide: what Rekey writes keeps the secret's own tags.
        """
        if self.document is None:
            return secret
        return replace(secret, tags=self.document.tags_for(secret.ref, secret.tags))

    def is_own(self, ref: SecretRef) -> bool:
        """Return whether this secret holds the policy document."""
        return self.own is not None and str(ref).lower() == str(self.own).lower()

    def webhooks(self, owner: str | None) -> tuple[Webhook, ...]:
        """Return this owner's webhooks, and those without an owner: they serve every secret."""
        webhooks = self.document.webhooks if self.document else ()
        return tuple(webhook for webhook in webhooks if webhook.owner in (None, owner))

    def consumers(self, ref: SecretRef) -> tuple[str, ...]:
        """Return the resource ids of the apps that use a secret."""
        entries = self.document.consumers if self.document else ()
        apps = (
            app
            for consumers in entries
            if consumers.match.covers(ref)
            for app in consumers.resources
        )
        return tuple(dict.fromkeys(apps))

    def grace(self, ref: SecretRef) -> timedelta:
        """Return how long a leaked credential lives on at most until its apps use the new value."""
        entries = self.document.consumers if self.document else ()
        return max(
            (entry.grace for entry in entries if entry.match.covers(ref)), default=timedelta()
        )


class Policies(Protocol):
    """Where the policy comes from."""

    async def current(self) -> Policy:
        """Return the current policy.

        Raises TransientError while no valid version exists, because tags alone might break it.
        """
        ...


def _inside(source: str, scopes: tuple[str, ...]) -> bool:
    return any(source == scope or source.startswith(scope + "/") for scope in scopes)
