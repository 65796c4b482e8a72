"""The tenant and the subscriptions that a caller can see, as tools list them after sign-in.

Source: https://learn.microsoft.com/rest/api/resources/subscriptions/list and tenants/list,
api-version 2022-12-01. A caller sees the subscriptions in which it has a role at any scope.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.identity import Principal
    from simulator.wire import Request
    from simulator.world import World

PATH = re.compile(r"/(?P<list>tenants|subscriptions)(/(?P<subscription>[^/]+))?/?", re.IGNORECASE)
POLICIES = {
    "locationPlacementId": "Public_2014-09-01",
    "quotaId": "PayAsYouGo_2014-09-01",
    "spendingLimit": "Off",
}
DOMAIN = "northwind.onmicrosoft.com"


def answer(world: World, request: Request, caller: Principal) -> Response | None:
    """Return the tenants, the subscriptions or one subscription; None for any other path."""
    match = PATH.fullmatch(request.path)
    if match is None or request.method != "GET":
        return None
    if match["list"].lower() == "tenants":
        return None if match["subscription"] else json_response(200, {"value": [_tenant(caller)]})
    visible = [_subscription(name, caller) for name in _visible(world, caller)]
    if match["subscription"] is None:
        count = {"type": "Total", "value": len(visible)}
        return json_response(200, {"value": visible, "count": count})
    subscription = match["subscription"].lower()
    body = next((body for body in visible if body["subscriptionId"] == subscription), None)
    if body is None:
        raise errors.subscription_not_found(subscription)
    return json_response(200, body)


def _visible(world: World, caller: Principal) -> Iterator[str]:
    scopes = [
        assignment.scope.lower().rstrip("/")
        for assignment in world.roles.assignments
        if assignment.oid == caller.oid
    ]
    for subscription in world.groups:
        # A role at the root scope holds everywhere.
        if any(
            not scope or f"{scope}/".startswith(f"/subscriptions/{subscription}/")
            for scope in scopes
        ):
            yield subscription


def _tenant(caller: Principal) -> dict[str, Any]:
    return {
        "id": f"/tenants/{caller.tenant}",
        "tenantId": caller.tenant,
        "countryCode": "US",
        "displayName": "Northwind",
        "domains": [DOMAIN],
        "tenantCategory": "Home",
        "defaultDomain": DOMAIN,
        "tenantType": "AAD",
    }


def _subscription(name: str, caller: Principal) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{name}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": name,
        "tenantId": caller.tenant,
        "displayName": "Northwind production",
        "state": "Enabled",
        "subscriptionPolicies": POLICIES,
    }
