"""Speaks to a world as a client does that writes its requests by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.identity import Principal
    from simulator.keyvault.state import Vault
    from simulator.storage.accounts import StorageAccount
    from simulator.world import World

SECRETS_VERSION = "2026-04-01"
STORAGE_VERSION = "2025-06-01"


@dataclass(frozen=True)
class Caller:
    """Somebody who sends requests; without a principal they carry no token."""

    world: World
    principal: Principal | None = None

    def send(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request with a token for the service at the URL, or with the given one.

        `body` is sent as JSON.
        """
        bearer = token or self._token(url)
        sent = {"authorization": f"Bearer {bearer}"} if bearer else {}
        sent |= {} if body is None else {"content-type": "application/json"}
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        return self.world.handle(Request(method, url, sent | dict(headers or {}), raw))

    def secrets(
        self,
        vault: Vault,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: str = "",
        token: str = "",
    ) -> Response:
        """Send one request to a vault, in the newest api-version."""
        return self.send(
            method, f"{vault.url}/{path}?api-version={SECRETS_VERSION}{query}", body, token=token
        )

    def storage(
        self, account: StorageAccount, method: str, operation: str = "", body: Any = None
    ) -> Response:
        """Send one request about a storage account to Resource Manager.

        `operation` begins with a slash.
        """
        return self.arm(method, f"{account.resource_id}{operation}", body)

    def arm(self, method: str, path: str, body: Any = None, *, token: str = "") -> Response:
        """Send one request to Resource Manager, in an api-version that Microsoft.Storage speaks."""
        url = f"https://{self.world.domains.arm}{path}?api-version={STORAGE_VERSION}"
        return self.send(method, url, body, token=token)

    def _token(self, url: str) -> str:
        domains = self.world.domains
        audience = domains.arm if url.startswith(f"https://{domains.arm}") else domains.vault
        return (
            self.world.identities.token_for(f"https://{audience}", self.principal)
            if self.principal
            else ""
        )


def body_of(response: Response) -> dict[str, Any]:
    """Return the decoded body, which is always an object."""
    decoded = response.json()
    assert isinstance(decoded, dict)
    return decoded


def error_of(response: Response) -> tuple[int, str]:
    """Return an error answer's status and code."""
    return response.status, body_of(response)["error"]["code"]


def inner_of(response: Response) -> tuple[int, str, str]:
    """Return an error answer's status, code and inner code."""
    error = body_of(response)["error"]
    return response.status, error["code"], error["innererror"]["code"]
