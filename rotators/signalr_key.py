"""Keys of Azure SignalR Service."""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.hub_service import HUB_SHAPE, HubService
from rotators.shared.key_facts import Facts


class SignalRKey(HubService):
    """Rotates the keys of SignalR services."""

    kind: ClassVar[str] = "signalr-key"
    asked: ClassVar[str] = "2022-06-01"
    facts: ClassVar[Facts] = Facts(
        noun="SignalR service",
        types=("Microsoft.SignalRService/signalR",),
        version="2023-02-01",
        role="signalr-keys",
        names_it="keyType",
        shape=HUB_SHAPE,
        address="hostName",
    )
