"""Owned objects: /me/ownedObjects for people, /servicePrincipals/{id}/ownedObjects for apps.

Sources: https://learn.microsoft.com/graph/api/user-list-ownedobjects and
serviceprincipal-list-ownedobjects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simulator.entra import errors, shapes

if TYPE_CHECKING:
    from simulator.entra.directory import Directory
    from simulator.identity import Principal
    from simulator.wire import Request

PATH = re.compile(
    r"/v1\.0/(?P<whose>me|servicePrincipals/(?P<id>[^/]+))/ownedObjects/?", re.IGNORECASE
)
ME_IS_A_PERSON = "/me request is only valid with delegated authentication flow."


def owned_objects(
    request: Request, match: re.Match[str], caller: Principal, directory: Directory
) -> dict[str, Any]:
    """Return one page of the caller's objects; only applications can be owned here."""
    if match["id"] is None and not caller.scopes:
        raise errors.GraphError(400, "BadRequest", ME_IS_A_PERSON)
    owner = match["id"] or caller.oid
    if owner not in directory.principals():
        raise errors.no_resource(owner)
    mine = [
        application
        for application in directory.applications.values()
        if owner in application.owners and application.tenant == caller.tenant
    ]
    start = int(request.query.get("$skiptoken", "0"))
    host = f"https://{request.host}/v1.0"
    body: dict[str, Any] = {"@odata.context": f"{host}/$metadata#directoryObjects"}
    if start + directory.page_size < len(mine):
        body["@odata.nextLink"] = (
            f"{host}/{match['whose']}/ownedObjects?$skiptoken={start + directory.page_size}"
        )
    seen = directory.seen_by_graph()
    page = mine[start : start + directory.page_size]
    written = [
        shapes.application(application, application.passwords(seen), application.keys(seen))
        for application in page
    ]
    return body | {
        "value": [{"@odata.type": "#microsoft.graph.application"} | item for item in written]
    }
