"""Keys of Notification Hubs rules: of a namespace or a hub.

The description of the hub is asked for, and nothing is sent to a device. Source of the requests:
azure-rest-api-specs, Microsoft.NotificationHubs 2023-09-01.
"""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.key_facts import Facts
from rotators.shared.sas_rule import SasRule, rule_facts


class NotificationHubsKey(SasRule):
    """Rotates the keys of Notification Hubs rules."""

    kind: ClassVar[str] = "notification-hubs-key"
    facts: ClassVar[Facts] = rule_facts(
        "Notification Hubs rule",
        "Microsoft.NotificationHubs/namespaces/authorizationRules",
        "Microsoft.NotificationHubs/namespaces/notificationHubs/authorizationRules",
        version="2023-09-01",
        names_it="policyKey",
        host="",
        switches={},
    )
