"""Acme's API, as far as tokens go: every project has two, blue and green."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

type Send = Callable[[str, str, str], Awaitable[tuple[int, Mapping[str, Any]]]]
"""Takes method, path, bearer token; returns status and JSON. Raises OSError without answer."""


def over_https(host: str) -> Send:
    """Return what really sends, once each: a change is never repeated blindly."""

    async def send(method: str, path: str, bearer: str) -> tuple[int, Mapping[str, Any]]:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=15)
        headers = {"Authorization": f"Bearer {bearer}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(
                    method, f"{host}{path}", headers=headers, allow_redirects=False
                ) as answer,
            ):
                body = await answer.json() if answer.content_type == "application/json" else {}
                return answer.status, body if isinstance(body, dict) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass
        # Raised here, so that it does not keep the request, which holds the token.
        raise ConnectionError("Acme does not answer")

    return send
