"""Shared access signatures of Service Bus, made from a rule's key that another secret holds."""

from __future__ import annotations

from typing import ClassVar

from rotators.service_bus_key import ServiceBusKey
from rotators.shared.rule_sas import RuleSas
from rotators.shared.sas_rule import SasRule


class ServiceBusSas(RuleSas):
    """Rotates the shared access signatures that a key of a Service Bus rule makes."""

    kind: ClassVar[str] = "service-bus-sas"
    parents: ClassVar[frozenset[str]] = frozenset({ServiceBusKey.kind})
    rules: ClassVar[type[SasRule]] = ServiceBusKey
