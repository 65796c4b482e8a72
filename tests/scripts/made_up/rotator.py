"""A small rotator of storage keys: a program of others in the tests of `make others`."""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.parse
import urllib.request
from typing import Any

SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/production/providers"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/shopdata"
SETTINGS = f"{GROUP}/Microsoft.Web/sites/shop/config/appsettings"


def asked(method: str, url: str, body: bytes, **headers: str) -> Any:
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - it is HTTPS
    trusted = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    with urllib.request.urlopen(request, context=trusted) as answer:  # noqa: S310
        return json.load(answer)


def signed_in() -> str:
    form = {"grant_type": "client_credentials", "scope": "https://management.azure.com/.default"}
    form |= {name: os.environ[f"AZURE_{name.upper()}"] for name in ("client_id", "client_secret")}
    url = f"https://login.microsoftonline.com/{os.environ['AZURE_TENANT_ID']}/oauth2/v2.0/token"
    token: str = asked("POST", url, urllib.parse.urlencode(form).encode())["access_token"]
    return token


def main() -> None:
    """List interrupted rotations (there are none), sign in, or rotate."""
    if sys.argv[1] != "rotate":
        sys.stdout.write(json.dumps({"operations": []}))
        return
    token = signed_in()

    def arm(method: str, path: str, body: object = None) -> Any:
        version = "2025-08-01" if "Microsoft.Storage" in path else "2025-05-01"
        url = f"https://management.azure.com{path}?api-version={version}"
        sent = json.dumps(body or {}).encode()
        kind = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        return asked(method, url, sent, **kind)

    keys = {it["keyName"]: it["value"] for it in arm("POST", f"{ACCOUNT}/listKeys")["keys"]}
    settings = arm("POST", f"{SETTINGS}/list")["properties"]
    other = "key2" if settings["STORAGE_KEY"] == keys["key1"] else "key1"
    replaced = arm("POST", f"{ACCOUNT}/regenerateKey", {"keyName": other})["keys"]
    settings = arm("POST", f"{SETTINGS}/list")["properties"]
    settings["STORAGE_KEY"] = next(it["value"] for it in replaced if it["keyName"] == other)
    arm("PUT", SETTINGS, {"properties": settings})
    if "--show" in sys.argv:
        sys.stdout.write(str(settings))
