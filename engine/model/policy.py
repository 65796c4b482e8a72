"""What holds for every secret: the bounds that no tag moves, and what the policy document says where there is one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from engine.model.policy_document import Document, Webhook
from engine.secret import SecretRef, SecretVersion

SCOPE = re.compile(r"/subscriptions/[^/\s]+(/[^/\s]+)*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""An ARM id at least as narrow as a subscription, or the id of an Entra application."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for every secret."""

    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Vault URL → the ids (lower case) whose sources its secrets may rotate. A vault that is not a key is not touched."""
    rotate_before: timedelta = timedelta(days=30)
    """How long before expiry a secret is due. Key Vault's near-expiry event comes 30 days before, too."""
    overlap: timedelta = timedelta(hours=168)
    """How long a superseded credential keeps working."""
    parked_rest: timedelta = timedelta(days=1)
    """How long a parked secret is left alone before it is tried again."""
    deployment: str = ""
    """The name of this deployment of Rekey, so that two that serve one vault notice each other."""
    document: Document | None = None
    own: SecretRef | None = None
    """The secret that holds the document, which is never managed itself."""

    async def current(self) -> Policy:
        """Return the policy as it is now: this one, where no document can change it."""
        return self

    def under(self, document: Document) -> Policy:
        """Return this policy with what a document says. It narrows `scopes`, and never widens them."""
        return replace(
            self,
            document=document,
            rotate_before=document.default_span("RotateBeforeDays", timedelta(days=1), self.rotate_before),
            overlap=document.default_span("OverlapHours", timedelta(hours=1), self.overlap),
        )

    def manages(self, vault: str) -> bool:
        """Tell whether this vault is one of ours."""
        return vault in self.scopes

    def allows(self, vault: str, source: str) -> bool:
        """Tell whether a secret in this vault may rotate this source (canonical, lower case)."""
        narrowed = self.document.scopes.get(vault) if self.document else None
        return _inside(source, self.scopes.get(vault, ())) and (narrowed is None or _inside(source, narrowed))

    def applied(self, secret: SecretVersion) -> SecretVersion:
        """Return the secret with the tags that count. For deciding only: what is written keeps the secret's own tags."""
        if self.document is None:
            return secret
        return replace(secret, tags=self.document.tags_for(secret.ref, secret.tags))

    def is_own(self, ref: SecretRef) -> bool:
        """Tell whether this secret holds the policy document."""
        return self.own is not None and str(ref).lower() == str(self.own).lower()

    def webhooks(self, owner: str | None) -> tuple[Webhook, ...]:
        """Return where to tell this owner, and who wants to hear of everything."""
        found = self.document.webhooks if self.document else ()
        return tuple(each for each in found if each.owner in (None, owner))

    def consumers(self, ref: SecretRef) -> tuple[str, ...]:
        """Return the resource ids of the apps that use a secret."""
        found = self.document.consumers if self.document else ()
        return tuple(dict.fromkeys(one for each in found if each.match.covers(ref) for one in each.resources))


class Policies(Protocol):
    """Where the policy comes from."""

    async def current(self) -> Policy:
        """Return the policy as it is now; TransientError while none can be had, since tags alone might break it."""
        ...


def _inside(source: str, scopes: tuple[str, ...]) -> bool:
    return any(source == scope or source.startswith(scope + "/") for scope in scopes)
