"""Pages of Resource Manager's lists: each page but the last links to the next one.

Source: https://learn.microsoft.com/rest/api/azure/#async-operations-throttling-and-paging.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from simulator.arm import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.arm.request import ArmRequest


def page(call: ArmRequest, host: str, items: Sequence[dict[str, Any]], size: int) -> dict[str, Any]:
    """Return the page that the request's $skiptoken names; without a token, the first one."""
    start = _start(call.request.query.get("$skiptoken"))
    body: dict[str, Any] = {"value": list(items[start : start + size])}
    if start + size < len(items):
        body["nextLink"] = _link(call, host, start + size)
    return body


def _start(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except ValueError:
        raise errors.ArmError(
            400, "InvalidSkipToken", "The provided skip token is not valid."
        ) from None


def _link(call: ArmRequest, host: str, start: int) -> str:
    kept = {
        name: text
        for name, text in call.request.query.items()
        if name in ("api-version", "$expand")
    }
    token = base64.urlsafe_b64encode(str(start).encode()).decode()
    query = "&".join(f"{name}={text}" for name, text in {**kept, "$skiptoken": token}.items())
    return f"https://{host}{call.request.path}?{query}"
