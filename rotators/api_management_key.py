"""Keys of API Management subscriptions.

A gateway looks at a key only where the path is one of an operation, and then calls its backend. So
a key is proven at an operation called rekey-proof, which answers by itself: docs/rotators has it.
Source: azure-rest-api-specs, Microsoft.ApiManagement 2024-05-01.
"""

from __future__ import annotations

import re
from typing import ClassVar

from cloud.rest.client import Json
from rotators.shared.api_gateway import Gateway
from rotators.shared.key_facts import PROPAGATION, Facts, KeyPlace, Keys, Slot

TYPE = "Microsoft.ApiManagement/service/subscriptions"


class ApiManagementKey(Gateway):
    """Rotates the keys of API Management subscriptions."""

    kind: ClassVar[str] = "api-management-key"
    lists_first: ClassVar[bool] = True
    facts: ClassVar[Facts] = Facts(
        noun="API Management subscription",
        types=(TYPE,),
        version="2024-05-01",
        lists="listSecrets",
        replaces="regeneratePrimaryKey",
        shape=re.compile(r"[!-~]{1,256}"),
        switches={"state": ("cancelled", "expired", "rejected", "submitted", "suspended")},
        switched_below=True,
        address="gatewayUrl",
        parts={"microsoft.apimanagement/service": "subscriptions"},
        spread=(*PROPAGATION, 60.0, 60.0),
        further=(
            f"{TYPE}/read",
            "Microsoft.ApiManagement/service/apis/read",
            f"{TYPE}/regenerateSecondaryKey/action",
        ),
    )

    def request(self, place: KeyPlace, slot: Slot, keys: Keys) -> tuple[str, Json | None]:
        """Name the key in the operation, which takes no body and answers none."""
        del place, keys
        return f"regenerate{slot.sent}Key", None
