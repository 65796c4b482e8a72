"""App Service's managed-identity endpoint (IDENTITY_ENDPOINT), protocol 2019-08-01.

Source:
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from simulator.identity import Principal
    from simulator.world import World

PATH = "/msi/token"
API_VERSION = "2019-08-01"


class ManagedIdentityService:
    """Issues tokens for the app's identities to callers that send the right header.

    `system` is the system-assigned identity, the default. `assigned` are the user-assigned ones,
    which `client_id`, `object_id` or `principal_id` selects. `identity_header` is the value of
    IDENTITY_HEADER.
    """

    def __init__(
        self, world: World, system: Principal | None = None, identity_header: str = ""
    ) -> None:
        self._world = world
        self.system = system
        self.assigned: list[Principal] = []
        self.identity_header = identity_header or secrets.token_hex(16).upper()

    @property
    def endpoint(self) -> str:
        """The value of IDENTITY_ENDPOINT."""
        return f"http://{self._world.domains.identity}{PATH}"

    def answers(self, host: str) -> bool:
        """Return whether the host is this endpoint's."""
        return host == self._world.domains.identity

    def handle(self, request: Request) -> Response:
        """Answer one request for a token."""
        sent = request.header("x-identity-header")
        if not sent:
            return _refused(401, "The X-IDENTITY-HEADER header is missing.")
        if not secrets.compare_digest(sent.encode(), self.identity_header.encode()):
            return _refused(403, "The X-IDENTITY-HEADER header does not match.")
        if request.method != "GET" or request.path.rstrip("/").lower() != PATH:
            return _refused(404, f"No endpoint {request.method} {request.path}.")
        return self._token(request.query)

    def _token(self, query: dict[str, str]) -> Response:
        if query.get("api-version") != API_VERSION:
            return _refused(400, f"The api-version must be {API_VERSION}.")
        resource = query.get("resource")
        if not resource:
            return _refused(400, "The resource query parameter is missing.")
        principal = self._chosen(query)
        if principal is None:
            return _refused(
                400, "No Managed Identity found for specified ClientId/ResourceId/PrincipalId."
            )
        return json_response(200, self._granted(principal, resource))

    def _chosen(self, query: dict[str, str]) -> Principal | None:
        ids = {query[name] for name in ("client_id", "object_id", "principal_id") if name in query}
        if not ids:
            return self.system
        return next(
            (principal for principal in self.assigned if ids & {principal.appid, principal.oid}),
            None,
        )

    def _granted(self, principal: Principal, resource: str) -> dict[str, str]:
        life = self._world.identities.life.total_seconds()
        return {
            "access_token": self._world.identities.token_for(resource, principal),
            "client_id": principal.appid,
            "expires_on": str(int(self._world.now().timestamp() + life)),
            "not_before": str(int(self._world.now().timestamp())),
            "resource": resource,
            "token_type": "Bearer",
        }


def _refused(status: int, message: str) -> Response:
    return json_response(
        status, {"StatusCode": status, "Message": message, "CorrelationId": str(uuid.uuid4())}
    )
