"""What a call costs: list prices in US dollars, East US, pay as you go; discounts, regions and currencies differ.

Each is taken from the page named beside it. What is not listed here is free of charge for each call
(Resource Manager,
Microsoft Graph, sign-ins), or is not counted by the app: what the Functions host itself asks of the
queues, the
executions, the telemetry. So the sum is what Rekey's own calls cost, not the bill.
"""

from __future__ import annotations

from collections.abc import Mapping

TEN_THOUSAND = 10_000
MILLION = 1_000_000
ANY = "*"
"""Every operation of the service that has no line of its own."""

PRICES: Mapping[str, Mapping[str, float]] = {
    # $0.03 for 10,000 operations on secrets: https://azure.microsoft.com/pricing/details/key-vault/
    "keyvault": {ANY: 0.03 / TEN_THOUSAND},
    # Hot, LRS, general purpose v2: https://azure.microsoft.com/pricing/details/storage/blobs/;
    # which operation is
    # which: https://learn.microsoft.com/azure/storage/blobs/map-rest-apis-transaction-categories
    "blob": {
        ANY: 0.004 / TEN_THOUSAND,
        "PutBlob": 0.05 / TEN_THOUSAND,
        "CreateContainer": 0.05 / TEN_THOUSAND,
    },
    # $0.004 for 10,000 operations, general purpose v2:
    # https://azure.microsoft.com/pricing/details/storage/queues/
    "queue": {ANY: 0.004 / TEN_THOUSAND},
    # $0.60 for a million operations: https://azure.microsoft.com/pricing/details/event-grid/
    "eventgrid": {ANY: 0.60 / MILLION},
}


def price(service: str, operation: str) -> float | None:
    """Return the list price of one call in US dollars; None where the service has none."""
    prices = PRICES.get(service, {})
    return prices.get(operation, prices.get(ANY))
