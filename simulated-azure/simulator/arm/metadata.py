"""The cloud's own description, /metadata/endpoints, which needs no token.

Tools learn names from it, such as storage's suffix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.world import Domains

PATH = "/metadata/endpoints"
SINGLE_SINCE = "2022-09-01"
CLASSIC_GRAPH = "https://graph.windows.net/"
"""The directory API before Microsoft Graph. It is retired, but the description still names it."""


def answer(domains: Domains, api_version: str) -> Response:
    """Return the description: an object since 2022-09-01, before that a list of clouds."""
    if not api_version:
        raise errors.missing_api_version()
    cloud = _cloud(domains)
    # ISO dates sort correctly as text.
    return json_response(200, cloud if api_version >= SINGLE_SINCE else [cloud])


def _cloud(domains: Domains) -> dict[str, Any]:
    arm = f"https://{domains.arm}/"
    return {
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "resourceManager": arm,
        "graph": CLASSIC_GRAPH,
        "graphAudience": CLASSIC_GRAPH,
        "microsoftGraphResourceId": f"https://{domains.graph}/",
        "appServiceResourceId": "https://appservice.azure.com",
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "authentication": {
            "loginEndpoint": f"https://{domains.login}/",
            "audiences": ["https://management.core.windows.net/", arm],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": {
            "keyVaultDns": domains.vault,
            "storage": domains.blob.removeprefix("blob."),
            "sqlServerHostname": "database.windows.net",
            "acrLoginServer": "azurecr.io",
        },
    }
