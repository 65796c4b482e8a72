"""Keys of Event Hubs rules: of a namespace or a hub."""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.key_facts import Facts
from rotators.shared.sas_rule import RULE_KEYS, RULE_SHAPE, SasRule


class EventHubsKey(SasRule):
    """Rotates the keys of Event Hubs rules."""

    kind: ClassVar[str] = "event-hubs-key"
    facts: ClassVar[Facts] = Facts(
        noun="Event Hubs rule",
        types=(
            "Microsoft.EventHub/namespaces/authorizationRules",
            "Microsoft.EventHub/namespaces/eventhubs/authorizationRules",
        ),
        version="2026-01-01",
        role="event-hubs-keys",
        replaces="regenerateKeys",
        names_it="keyType",
        pairs=(RULE_KEYS,),
        shape=RULE_SHAPE,
        host="{name}.servicebus.windows.net",
        address="serviceBusEndpoint",
    )
