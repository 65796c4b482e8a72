"""Key Vault's pages: at most 25 items and a link to the next page.

Some pages hold only a link.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from simulator.keyvault.errors import bad_parameter
from simulator.keyvault.parameters import page_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.keyvault.state import Vault
    from simulator.wire import Request


def page[T](
    vault: Vault, request: Request, items: Mapping[str, T], shape: Callable[[T], dict[str, Any]]
) -> dict[str, Any]:
    """Return one page of `items`, ordered by key; the last page's link is null."""
    size = page_size(request)
    marker, skipped = _position(request)
    keys = sorted(key for key in items if key >= marker)
    if vault.empty_pages and keys and not skipped:
        return {"value": [], "nextLink": _link(vault, request, marker, skipped=True)}
    following = keys[size] if len(keys) > size else None
    link = None if following is None else _link(vault, request, following, skipped=False)
    return {"value": [shape(items[key]) for key in keys[:size]], "nextLink": link}


def _position(request: Request) -> tuple[str, bool]:
    token = request.query.get("$skiptoken")
    if token is None:
        return "", False
    try:
        position = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return str(position["NextMarker"]), bool(position["TargetLocation"])
    except (ValueError, KeyError, TypeError):
        raise bad_parameter("The $skiptoken is not one that this service gave out.") from None


def _link(vault: Vault, request: Request, marker: str, *, skipped: bool) -> str:
    token = base64.urlsafe_b64encode(
        json.dumps({"NextMarker": marker, "TargetLocation": int(skipped)}).encode()
    )
    host = vault.host if ":" in vault.host else f"{vault.host}:443"
    size = f"&maxresults={request.query['maxresults']}" if "maxresults" in request.query else ""
    version = request.query["api-version"]
    query = f"api-version={version}&$skiptoken={token.rstrip(b'=').decode()}{size}"
    return f"https://{host}{quote(request.path)}?{query}"
