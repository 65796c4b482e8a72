"""Keys of Event Grid partner namespaces, with which a partner publishes.

An empty batch of CloudEvents is published, which holds no event: nobody is sent one. A namespace
that routes by the name of a channel may refuse such a batch, and refuses a made-up key otherwise.
Source: azure-rest-api-specs, Microsoft.EventGrid 2025-02-15 (PartnerNamespaces), and
https://learn.microsoft.com/azure/event-grid/partner-events-overview-for-partners.
"""

from __future__ import annotations

import re
from typing import ClassVar

from cloud.rest.data_plane import Signed
from rotators.shared.key_facts import KEY1_KEY2, Facts, KeyPlace
from rotators.shared.key_proof import ProvenByRequest


class EventGridPartnerKey(ProvenByRequest):
    """Rotates the keys of Event Grid partner namespaces."""

    kind: ClassVar[str] = "event-grid-partner-key"
    facts: ClassVar[Facts] = Facts(
        noun="Event Grid partner namespace",
        types=("Microsoft.EventGrid/partnerNamespaces",),
        version="2025-02-15",
        pairs=(KEY1_KEY2,),
        shape=re.compile(r"[A-Za-z0-9+/=]{43,128}"),
        address="endpoint",
    )

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Publish no events."""
        del place
        url = f"https://{host}/api/events?api-version=2018-01-01"
        batch = "application/cloudevents-batch+json; charset=utf-8"
        return Signed(url, {"aeg-sas-key": key, "Content-Type": batch}, "POST", b"[]")
