"""Keys of Azure SignalR Service."""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.hub_service import HubService, hub_facts
from rotators.shared.key_facts import Facts


class SignalRKey(HubService):
    """Rotates the keys of SignalR services."""

    kind: ClassVar[str] = "signalr-key"
    asked: ClassVar[str] = "2022-06-01"
    signs_query: ClassVar[bool] = False
    facts: ClassVar[Facts] = hub_facts(
        "SignalR service", "Microsoft.SignalRService/signalR", "2023-02-01"
    )
