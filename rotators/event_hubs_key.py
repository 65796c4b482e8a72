"""Keys of Event Hubs rules: of a namespace or a hub."""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.key_facts import Facts
from rotators.shared.lingering import EVENT_HUBS_LINKS
from rotators.shared.sas_rule import SasRule, rule_facts


class EventHubsKey(SasRule):
    """Rotates the keys of Event Hubs rules."""

    kind: ClassVar[str] = "event-hubs-key"
    lingers = EVENT_HUBS_LINKS
    facts: ClassVar[Facts] = rule_facts(
        "Event Hubs rule",
        "Microsoft.EventHub/namespaces/authorizationRules",
        "Microsoft.EventHub/namespaces/eventhubs/authorizationRules",
    )
