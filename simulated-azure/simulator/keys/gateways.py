"""A gateway of API Management, and a Redis cache.

From memory: that a gateway finds the operation before it looks at the key. The refusals of a key
are from https://learn.microsoft.com/troubleshoot/azure/api-mgmt/availability and from Redis 8.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from simulator.keys.accounts import KeyedAccount, KeyRing

HEADER = "ocp-apim-subscription-key"


def ask_gateway(request: Request, account: KeyedAccount, now: datetime) -> Response:
    """Answer a request to an operation, or let its backend do so."""
    mocked = request.method == "GET" and request.path in account.operations
    if not mocked and not request.path.startswith("/echo/"):
        return json_response(404, {"statusCode": 404, "message": "Resource not found"})
    if account.operations.get(request.path, True):
        key = request.header(HEADER)
        subscriptions = [account.ring(path) for path in account.rings]
        if not any(_opens(account, ring, request, key, now) for ring in subscriptions if ring):
            kind = "invalid" if key else "missing"
            message = f"Access denied due to {kind} subscription key."
            return json_response(401, {"statusCode": 401, "message": message})
    if not mocked:
        account.published.append(request.path)
    return Response(200)


def _opens(account: KeyedAccount, ring: KeyRing, request: Request, key: str, now: datetime) -> bool:
    prefix = f"/{account.apis[ring.api]}/" if ring.api else "/"
    known = key in [usable.value for usable in ring.usable(now)]
    return account.takes_keys and known and request.path.startswith(prefix)


def ask_redis(request: Request, account: KeyedAccount, now: datetime) -> Response:
    """Answer AUTH and PING, which a sign-in stands for, with the line that a server writes."""
    password = json.loads(request.body)["password"]
    rings = [ring for path in account.rings if (ring := account.ring(path))]
    usable = {key.value for ring in rings for key in ring.usable(now)}
    if account.takes_keys and password in usable:
        return Response(200, {}, b"+PONG")
    line = b"-WRONGPASS invalid username-password pair or user is disabled."
    return Response(200, {}, line)
