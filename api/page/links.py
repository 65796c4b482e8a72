"""Where Azure's portal shows a secret, its source or an app.

A tag is followed only where it is an address we know. Pure.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from engine.secret import SecretRef

PORTALS = {
    "vault.azure.net": "https://portal.azure.com/",
    "vault.usgovcloudapi.net": "https://portal.azure.us/",
    "vault.azure.cn": "https://portal.azure.cn/",
}
"""By the suffix of a vault's host:
https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates."""
RESOURCE = re.compile(
    r"/subscriptions/[0-9A-Za-z-]{1,64}(/[0-9A-Za-z_.()@-]{1,260}){0,24}", re.IGNORECASE
)
APPLICATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
APPLICATIONS = "#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/Credentials/appId/"


def to_secret(ref: SecretRef) -> str:
    """Return where the portal shows a secret; empty for a vault of no cloud that is known."""
    portal = _portal(ref)
    return f"{portal}#@/asset/Microsoft_Azure_KeyVault/Secret/{ref}" if portal else ""


def to_source(ref: SecretRef, source: str) -> str:
    """Return where the portal shows what issues a secret's credential.

    Empty where it has no address there.
    """
    portal, source = _portal(ref), source.strip().rstrip("/")
    if not portal:
        return ""
    if RESOURCE.fullmatch(source):
        return f"{portal}#@/resource{source}"
    application = source.rpartition("/")[2]
    return (
        f"{portal}{APPLICATIONS}{application.lower()}" if APPLICATION.fullmatch(application) else ""
    )


def _portal(ref: SecretRef) -> str:
    host = urlsplit(ref.vault).hostname or ""
    return PORTALS.get(host.partition(".")[2], "")
