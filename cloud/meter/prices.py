"""The list price of each call in US dollars: East US, pay as you go, without discounts.

Each price comes from the page that is named beside it. Services that are not listed charge nothing
for a call (Resource Manager, Microsoft Graph, sign-ins). The app does not count the executions, the
telemetry, and the Functions host's own calls to the queues. So the sum is the cost of Rekey's own
calls, not the bill.
"""

from __future__ import annotations

from collections.abc import Mapping

TEN_THOUSAND = 10_000
MILLION = 1_000_000
ANY = "*"
"""Every operation of the service that is not listed itself."""

PRICES: Mapping[str, Mapping[str, float]] = {
    # $0.03 for 10,000 operations on secrets: https://azure.microsoft.com/pricing/details/key-vault/
    "keyvault": {ANY: 0.03 / TEN_THOUSAND},
    # Hot, LRS, general purpose v2: https://azure.microsoft.com/pricing/details/storage/blobs/.
    # Categories of operations:
    # https://learn.microsoft.com/azure/storage/blobs/map-rest-apis-transaction-categories
    "blob": {
        ANY: 0.004 / TEN_THOUSAND,
        "PutBlob": 0.05 / TEN_THOUSAND,
        "CreateContainer": 0.05 / TEN_THOUSAND,
        "ListBlobs": 0.05 / TEN_THOUSAND,
    },
    # $0.004 for 10,000 operations, general purpose v2:
    # https://azure.microsoft.com/pricing/details/storage/queues/
    "queue": {ANY: 0.004 / TEN_THOUSAND},
    # $0.60 for a million operations: https://azure.microsoft.com/pricing/details/event-grid/
    "eventgrid": {ANY: 0.60 / MILLION},
}


def price(service: str, operation: str) -> float | None:
    """Return the list price of one call in US dollars; None if the service charges nothing."""
    prices = PRICES.get(service, {})
    return prices.get(operation, prices.get(ANY))
