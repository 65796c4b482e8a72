"""Which api-versions each of Azure's clouds offers: the clouds beside the public one are behind it.

"The US GOV is often upgraded later": https://github.com/Azure/azure-quickstart-templates/issues/8006.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PUBLIC = "AzureCloud"
CLOUDS = {
    "management.usgovcloudapi.net": "AzureUSGovernment",
    "management.chinacloudapi.cn": "AzureChinaCloud",
}
"""The clouds beside the public one, by the host of their Resource Manager."""
NEWEST: Mapping[str, Mapping[str, str]] = {
    # US Government in May 2026: github.com/hashicorp/terraform-provider-azurerm, issue 32402.
    # China, where 2025-08-01 was refused in the same month: issue 32301 there.
    "microsoft.storage": {"AzureUSGovernment": "2025-06-01", "AzureChinaCloud": "2025-06-01"},
    # US Government in August 2025: github.com/Azure/azure-cli, issues 31943 and 31916.
    "microsoft.web": {"AzureUSGovernment": "2024-04-01"},
    # "Available in public Azure, Mooncake and Fairfax regions":
    # https://learn.microsoft.com/azure/key-vault/general/access-control-default.
    "microsoft.keyvault": {"AzureUSGovernment": "2026-02-01", "AzureChinaCloud": "2026-02-01"},
}
"""The newest version that somebody saw a cloud offer, by namespace, each with its source."""
ASSUMED = "2025-04-30"
"""Where nobody has reported a cloud's versions, those until this day are taken for offered. That is
19 months back. The longest delay that was reported is 16 months: of Microsoft.Web, above."""


def cloud_of(arm: str) -> str:
    """Return the name of the cloud whose Resource Manager has this host."""
    return CLOUDS.get(arm, PUBLIC)


def offered(cloud: str, namespace: str, versions: Iterable[str]) -> tuple[str, ...]:
    """Return those of the public cloud's versions that a cloud offers too."""
    if cloud == PUBLIC:
        return tuple(versions)
    newest = NEWEST.get(namespace.lower(), {}).get(cloud, ASSUMED)
    return tuple(version for version in versions if version <= newest)
