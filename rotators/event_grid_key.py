"""Keys of Event Grid topics, domains and namespaces.

An empty list of events is published. It holds no event, so nobody can be sent one: neither as a
batch of any schema, nor as a single event, which a CloudEvent in binary mode would name in its
headers. A namespace's list goes to a topic that it does not have. Headers are those of Microsoft's
client azure-eventgrid 4; source of the requests: azure-rest-api-specs, Microsoft.EventGrid.
"""

from __future__ import annotations

import re
from typing import ClassVar

from cloud.rest.data_plane import Signed
from rotators.shared.key_facts import KEY1_KEY2, Facts, KeyPlace
from rotators.shared.key_proof import ProvenByRequest

NAMESPACES = "microsoft.eventgrid/namespaces"
NOTHING = b"[]"


class EventGridKey(ProvenByRequest):
    """Rotates the keys of Event Grid topics, domains and namespaces."""

    kind: ClassVar[str] = "event-grid-key"
    lists_first: ClassVar[bool] = True
    facts: ClassVar[Facts] = Facts(
        noun="Event Grid resource",
        types=(
            "Microsoft.EventGrid/topics",
            "Microsoft.EventGrid/domains",
            "Microsoft.EventGrid/namespaces",
        ),
        version="2025-02-15",
        pairs=(KEY1_KEY2,),
        shape=re.compile(r"[A-Za-z0-9+/=]{43,128}"),
        at_once=("microsoft.eventgrid/domains",),
        address="endpoint",
        addresses={NAMESPACES: "topicsConfiguration.hostname"},
    )

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Publish no events."""
        if place.kind == NAMESPACES:
            url = f"https://{host}/topics/rekey-none:publish?api-version=2024-06-01"
            credential = {"Authorization": f"SharedAccessKey {key}"}
            batch = "application/cloudevents-batch+json; charset=utf-8"
        else:
            url = f"https://{host}/api/events?api-version=2018-01-01"
            credential, batch = {"aeg-sas-key": key}, "application/json; charset=utf-8"
        return Signed(url, {**credential, "Content-Type": batch}, "POST", NOTHING)
