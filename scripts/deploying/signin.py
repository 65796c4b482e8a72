"""The deployer's sign-in, that of azd or az, through azure-identity."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloud.settings import ARM_ENDPOINT

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def signed_in() -> TokenCredential:
    """Return the deployer's sign-in; AZURE_TOKEN_CREDENTIALS limits the sources that are tried."""
    from azure.identity import DefaultAzureCredential

    credential: TokenCredential = DefaultAzureCredential()
    return credential


def arm_endpoint() -> str:
    """Return the address of Resource Manager, which REKEY_ARM_ENDPOINT names for other clouds."""
    return os.environ.get("REKEY_ARM_ENDPOINT", ARM_ENDPOINT).rstrip("/")
