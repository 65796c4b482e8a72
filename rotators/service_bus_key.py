"""Keys of Service Bus rules: of a namespace, a queue or a topic."""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.key_facts import Facts
from rotators.shared.lingering import SERVICE_BUS_LINKS
from rotators.shared.sas_rule import SasRule, rule_facts


class ServiceBusKey(SasRule):
    """Rotates the keys of Service Bus rules."""

    kind: ClassVar[str] = "service-bus-key"
    lingers = SERVICE_BUS_LINKS
    facts: ClassVar[Facts] = rule_facts(
        "Service Bus rule",
        "Microsoft.ServiceBus/namespaces/authorizationRules",
        "Microsoft.ServiceBus/namespaces/queues/authorizationRules",
        "Microsoft.ServiceBus/namespaces/topics/authorizationRules",
    )
