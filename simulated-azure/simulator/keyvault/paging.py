"""Key Vault's pages: at most 25 items and a link to the next page.

Some pages hold only a link.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from simulator.keyvault.errors import bad_parameter
from simulator.keyvault.parameters import page_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.keyvault.state import Vault
    from simulator.wire import Request


def page[T](
    vault: Vault,
    request: Request,
    keys: Sequence[str],
    shown: Callable[[str], T | None],
    shape: Callable[[T], dict[str, Any]],
) -> dict[str, Any]:
    """Return one page of what is shown of `keys`, which are in order; the last link is null.

    Only the items of this page are looked up, so that a vault of 20,000 secrets is listed in time.
    """
    size = page_size(request)
    marker, skipped = _position(request)
    following = map(keys.__getitem__, range(bisect_left(keys, marker), len(keys)))
    items = ((key, item) for key in following if (item := shown(key)) is not None)
    taken = list(islice(items, size + 1))
    if vault.empty_pages and taken and not skipped:
        return {"value": [], "nextLink": _link(vault, request, marker, skipped=True)}
    link = None if len(taken) <= size else _link(vault, request, taken[size][0], skipped=False)
    return {"value": [shape(item) for _, item in taken[:size]], "nextLink": link}


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
