"""Keys of Service Bus rules: of a namespace, a queue or a topic."""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.key_facts import Facts
from rotators.shared.sas_rule import RULE_KEYS, RULE_SHAPE, SasRule


class ServiceBusKey(SasRule):
    """Rotates the keys of Service Bus rules."""

    kind: ClassVar[str] = "service-bus-key"
    facts: ClassVar[Facts] = Facts(
        noun="Service Bus rule",
        types=(
            "Microsoft.ServiceBus/namespaces/authorizationRules",
            "Microsoft.ServiceBus/namespaces/queues/authorizationRules",
            "Microsoft.ServiceBus/namespaces/topics/authorizationRules",
        ),
        version="2026-01-01",
        role="service-bus-keys",
        replaces="regenerateKeys",
        names_it="keyType",
        pairs=(RULE_KEYS,),
        shape=RULE_SHAPE,
        host="{name}.servicebus.windows.net",
        address="serviceBusEndpoint",
    )
