"""Keys of Azure Web PubSub."""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.hub_service import HUB_SHAPE, HubService
from rotators.shared.key_facts import Facts


class WebPubSubKey(HubService):
    """Rotates the keys of Web PubSub services."""

    kind: ClassVar[str] = "web-pubsub-key"
    asked: ClassVar[str] = "2024-12-01"
    facts: ClassVar[Facts] = Facts(
        noun="Web PubSub service",
        types=("Microsoft.SignalRService/webPubSub",),
        version="2024-03-01",
        role="web-pubsub-keys",
        names_it="keyType",
        shape=HUB_SHAPE,
        address="hostName",
    )
