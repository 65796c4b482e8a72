"""Keys of Relay rules, of a namespace.

Rules of one hybrid connection or WCF relay are left alone: whatever such a key may ask for reaches
a listener, so no request proves it without a side effect. A name that begins with a dollar sign is
the service's own, and no listener's. Source:
https://learn.microsoft.com/azure/azure-relay/relay-hybrid-connections-protocol
"""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.key_facts import Facts
from rotators.shared.lingering import RELAY_LISTENERS
from rotators.shared.sas_rule import SasRule, rule_facts


class RelayKey(SasRule):
    """Rotates the keys of Relay rules."""

    kind: ClassVar[str] = "relay-key"
    lingers = RELAY_LISTENERS
    template_fields: ClassVar[frozenset[str]] = frozenset({"host", "key", "name", "rule"})
    facts: ClassVar[Facts] = rule_facts(
        "Relay rule", "Microsoft.Relay/namespaces/authorizationRules", host="", switches={}
    )
