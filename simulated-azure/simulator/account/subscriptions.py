"""Resource groups and resource providers of a subscription.

Sources: https://learn.microsoft.com/rest/api/resources/resource-groups and
https://learn.microsoft.com/rest/api/resources/providers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.deployments.ids import Place
from simulator.arm.deployments.providers import KINDS
from simulator.arm.service import check_role
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.account.regions import Region
    from simulator.account.world import Account
    from simulator.identity import Principal
    from simulator.wire import Request

GROUPS = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups(/(?P<name>[^/]+))?/?", re.IGNORECASE
)
PROVIDERS = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/providers(/(?P<name>[^/]+)(?P<register>/register)?)?/?",
    re.IGNORECASE,
)
LOCATIONS = re.compile(r"/subscriptions/(?P<subscription>[^/]+)/locations/?", re.IGNORECASE)
NAMESPACES = sorted({kind.partition("/")[0] for kind in KINDS} | {"Microsoft.App"})


class Subscriptions:
    """Answers for what a subscription holds directly."""

    def __init__(self, world: Account) -> None:
        self._world = world

    def __call__(self, request: Request, caller: Principal) -> Response | None:
        """Answer a request; None for any other path."""
        if (match := GROUPS.fullmatch(request.path)) is not None:
            return self._groups(request, caller, match)
        if (match := PROVIDERS.fullmatch(request.path)) is not None:
            return self._providers(caller, match)
        if (match := LOCATIONS.fullmatch(request.path)) is not None:
            listed = [_location(region) for region in self._world.regions.known.values()]
            return json_response(200, {"value": listed})
        return self._world.regions.answer(request)

    def _groups(self, request: Request, caller: Principal, match: re.Match[str]) -> Response:
        place = Place(match["subscription"], match["name"] or "")
        groups = self._world.groups.get(place.subscription.lower())
        if groups is None:
            raise errors.subscription_not_found(place.subscription)
        action = "write" if request.method == "PUT" else "read"
        kind = "Microsoft.Resources/subscriptions/resourceGroups"
        check_role(self._world, caller, f"{kind}/{action}", place.id)
        if not place.group:
            listed = [_group(Place(place.subscription, name)) for name in sorted(groups)]
            return json_response(200, {"value": listed})
        there = place.group.lower() in groups
        if request.method == "PUT":
            self._world.add_group(place.subscription, place.group)
            return json_response(200 if there else 201, _group(place))
        if request.method == "HEAD":
            return Response(204 if there else 404)
        if not there:
            raise errors.group_not_found(place.group)
        return json_response(200, _group(place))

    def _providers(self, caller: Principal, match: re.Match[str]) -> Response:
        subscription, name = match["subscription"], match["name"]
        if name is None:
            listed = [self._provider(subscription, known) for known in NAMESPACES]
            return json_response(200, {"value": listed})
        known = next((known for known in NAMESPACES if known.lower() == name.lower()), None)
        if known is None:
            raise errors.invalid_namespace(name)
        if match["register"]:
            check_role(self._world, caller, f"{known}/register/action", Place(subscription).id)
            self._world.tenant.register(subscription, [known])
        return json_response(200, self._provider(subscription, known))

    def _provider(self, subscription: str, namespace: str) -> dict[str, Any]:
        registered = self._world.tenant.is_registered(subscription, namespace)
        return {
            "id": f"/subscriptions/{subscription}/providers/{namespace}",
            "namespace": namespace,
            "registrationPolicy": "RegistrationRequired",
            "registrationState": "Registered" if registered else "NotRegistered",
            "resourceTypes": [],
        }


def _group(place: Place) -> dict[str, Any]:
    return {
        "id": place.id,
        "name": place.group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": "westeurope",
        "properties": {"provisioningState": "Succeeded"},
    }


def _location(region: Region) -> dict[str, Any]:
    shown = {"name": region.name, "displayName": region.display}
    return {**shown, "metadata": {"regionType": "Physical"}}
