"""Azure as a deployment meets it, on loopback with TLS.

It refuses what the real one refuses, and rights spread. It is Resource Manager, the deployment
service of Flex Consumption and the app itself.

As Azure/azure-dev speaks it (cli/azd/pkg/azsdk/funcapp_host_client.go): 202 and the deployment's id
as JSON text for an upload, then a status a look, and 404 once the deployment's worker is recycled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.scripts.deployed_app import START, Clock
from tests.scripts.loopback import over_https

SITE = "/subscriptions/s/resourceGroups/rekey/providers/Microsoft.Web/sites/rekey-abc"
MASTER = "master-key"


KEYS = {"masterKey": MASTER, "functionKeys": {}, "systemKeys": {}}
BEARER = "Bearer "
STORAGE = (
    "InaccessibleStorageException: Failed to access storage account for deployment: "
    "BlobUploadFailedException: "
    "Response status code does not indicate success: 403 (This request is not authorized to "
    "perform this operation.)."
)
STARTING = {
    "Code": "BadRequest",
    "Message": "Encountered an error (ServiceUnavailable) from host runtime.",
    "Target": None,
}
"""https://github.com/Azure/azure-functions-host/issues/5722"""
type Answer = tuple[int, Any]

RESTARTED = (
    "[KuduSpecializer] Kudu has been restarted after package deployed for deployment 034b9835. "
    "Kudu Restart Count: 1."
)
"""As in https://github.com/Azure/azure-cli/issues/33184."""


@dataclass
class Flex:
    """One app. Times are the clock's: from when on something works."""

    clock: Clock
    url: str = ""
    site_from: datetime = START
    """When Resource Manager knows the site."""
    service_from: datetime = START
    """When the deployer may use its deployment service."""
    storage_text: str = STORAGE
    """What a deployment says that could not write its package."""
    storage_from: datetime = START
    """When the app's identity may write to its storage account."""
    indexed_after: int = 0
    """So many calls of the admin API find no function yet after a deployment."""
    host_from: datetime = START
    """When the app's host has started, whose keys Resource Manager cannot tell before."""
    sign_in: bool = False
    """Callers must sign in, before the admin API too."""
    known_from: datetime = START
    """When the app knows its own key."""
    service_refuses: bool = False
    """The deployment service does not accept the deployer's token."""
    unknown: int = 0
    """So many looks find no trace of a deployment at its beginning."""
    recycles: bool = False
    """The deployment is gone before anybody has seen its end."""
    restarts: int = 0
    """So many deployments end with a restart of their own service."""
    ends: dict[str, Any] = field(default_factory=lambda: {"status": 4})
    """How a deployment ends that could write its package."""
    secrets: list[dict[str, Any]] = field(default_factory=list)
    packages: list[bytes] = field(default_factory=list)
    running: bytes | None = None
    health: list[Answer] = field(default_factory=list)
    """One answer after the other; healthy when none is left."""
    sweeps: int = 0
    calls: list[str] = field(default_factory=list)
    _looks: int = 0

    @property
    def host(self) -> str:
        return self.url.removeprefix("https://")

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.calls.append(f"{method} {path.partition('?')[0]}")
        if path.startswith("/subscriptions/"):
            return self._arm(method, path, headers)
        if path.startswith(("/api/publish", "/api/deployments/")):
            return self._service(method, path, headers, body)
        return self._app(method, path, headers, body)

    def _arm(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        parts = urlsplit(path)
        if not headers.get("authorization", "").startswith(BEARER):
            return 401, {"error": {"code": "AuthenticationFailed"}}
        if "api-version" not in parse_qs(parts.query):
            return 400, {"error": {"code": "MissingApiVersionParameter"}}
        if self.clock.now() < self.site_from:
            return 404, {"error": {"code": "ResourceNotFound"}}
        if parts.path.endswith("/listkeys") and self.clock.now() < self.host_from:
            return 400, STARTING
        states = [{"name": self.host, "hostType": kind} for kind in ("Standard", "Repository")]
        known: dict[tuple[str, str], dict[str, Any]] = {
            ("GET", ""): {
                "id": SITE,
                "properties": {"defaultHostName": self.host, "hostNameSslStates": states},
            },
            ("POST", "/host/default/listkeys"): KEYS,
            ("POST", "/config/authsettingsV2/list"): {
                "properties": {
                    "platform": {"enabled": self.sign_in},
                    "globalValidation": {"requireAuthentication": self.sign_in},
                }
            },
            ("POST", "/config/appsettings/list"): {
                "properties": {"REKEY_VAULTS": "https://prod.vault.azure.net"}
            },
        }
        body = known.get((method, parts.path.removeprefix(SITE)))
        return (200, body) if body else (404, {"error": {"code": "ResourceNotFound"}})

    def _service(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if self.service_refuses or not headers.get("authorization", "").startswith(BEARER):
            return 401, ""
        if self.clock.now() < self.service_from:
            return 403, ""
        if method == "POST":
            if headers.get("content-type") != "application/zip" or not body:
                return 415, ""
            self.packages.append(body)
            self._looks = 0
            return 202, f'"deployment-{len(self.packages)}"'
        if path != f"/api/deployments/deployment-{len(self.packages)}":
            return 404, ""
        self._looks += 1
        return self._status()

    def _status(self) -> Answer:
        if self._looks <= self.unknown:
            return 404, ""
        if self._looks == self.unknown + 1:
            return 200, {"status": 1, "status_text": "Building"}
        if self.clock.now() < self.storage_from:
            return 200, {
                "status": 3,
                "status_text": self.storage_text,
                "build_summary": {"errors": [], "warnings": []},
            }
        if self.restarts:
            self.restarts -= 1
            return 200, {"status": 6, "status_text": "", "message": RESTARTED}
        if self.ends["status"] == 4:
            self.running = self.packages[-1]
        return (404, "") if self.recycles else (200, self.ends)

    def _app(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if "authorization" in headers:
            return 400, "a token of the deployer's has no business here"
        if (method, path) == ("GET", "/api/health"):
            return self.health.pop(0) if self.health else (200, {"status": "ok", "vaults": 1})
        known = headers.get("x-functions-key") == MASTER and self.clock.now() >= self.known_from
        if self.sign_in or not known:
            return 401, ""
        if self.running is None or self.indexed_after > 0:
            self.indexed_after -= 1
            return 404, ""
        if (method, path) == ("POST", "/admin/functions/sweep"):
            return self._sweep(headers, body)
        page = re.fullmatch(r"/api/secrets\?limit=1000(&cursor=(\d+))?", path)
        return self._secrets(int(page[2] or 0)) if method == "GET" and page else (404, "")

    def _sweep(self, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("content-type") != "application/json" or "input" not in json.loads(body):
            return 400, ""
        self.sweeps += 1
        return 202, ""

    def _secrets(self, start: int) -> Answer:
        end = start + 2
        link = f"/api/secrets?limit=1000&cursor={end}" if end < len(self.secrets) else None
        return 200, {"secrets": self.secrets[start:end], "next": link}


@contextmanager
def serving(folder: Path, clock: Clock) -> Iterator[tuple[Flex, Path]]:
    """Serve all of it; yields what it answers, and the file of the authority to trust."""
    flex = Flex(clock)
    with over_https(folder, flex.answer) as (flex.url, authority):
        yield flex, authority
