"""How Resource Manager lists what a caller may read of a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.world import World


def listed(
    world: World,
    call: ArmRequest,
    principal: Principal,
    bodies: Sequence[dict[str, Any]],
    size: int,
) -> Response:
    """Return the items that the caller may read; refuse a caller who may read nothing here."""
    readable = [body for body in bodies if _visible(world, call, principal, body)]
    if not readable:
        kind = f"{call.namespace}/{call.kind}"
        check_role(world, principal, f"{kind}/read", call.group_scope)
    if call.group:
        check_group(world, call)
    return json_response(200, page(call, world.domains.arm, readable, size))


def _visible(world: World, call: ArmRequest, principal: Principal, body: Mapping[str, Any]) -> bool:
    inside = body["id"].lower().startswith(f"{call.group_scope}/".lower())
    return inside and world.roles.find(principal, f"{body['type']}/read", body["id"]) is not None
