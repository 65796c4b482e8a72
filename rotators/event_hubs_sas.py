"""Shared access signatures of Event Hubs, made from a rule's key that another secret holds."""

from __future__ import annotations

from typing import ClassVar

from rotators.event_hubs_key import EventHubsKey
from rotators.shared.rule_sas import RuleSas
from rotators.shared.sas_rule import SasRule


class EventHubsSas(RuleSas):
    """Rotates the shared access signatures that a key of an Event Hubs rule makes."""

    kind: ClassVar[str] = "event-hubs-sas"
    parents: ClassVar[frozenset[str]] = frozenset({EventHubsKey.kind})
    rules: ClassVar[type[SasRule]] = EventHubsKey
