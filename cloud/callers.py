"""Who called over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

BY_KEY = "holder of a function key"


def caller(headers: Mapping[str, str], env: Mapping[str, str]) -> str:
    """Name the caller for the audit record.

    The principal header is believed only where the platform's authentication is on: it sets the header itself then, and
    elsewhere anybody could send it. Source: https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
    """
    if env.get("WEBSITE_AUTH_ENABLED", "").lower() == "true":
        return headers.get("x-ms-client-principal-name", "")[:100] or BY_KEY
    return BY_KEY
