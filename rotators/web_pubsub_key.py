"""Keys of Azure Web PubSub."""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.hub_service import HubService, hub_facts
from rotators.shared.key_facts import Facts


class WebPubSubKey(HubService):
    """Rotates the keys of Web PubSub services."""

    kind: ClassVar[str] = "web-pubsub-key"
    asked: ClassVar[str] = "2024-12-01"
    signs_query: ClassVar[bool] = True
    facts: ClassVar[Facts] = hub_facts(
        "Web PubSub service", "Microsoft.SignalRService/webPubSub", "2024-03-01"
    )
