"""The login service: tenant metadata for azure-identity, and tokens for applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.entra.signin import TokenEndpoint
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from simulator.entra.directory import Directory
    from simulator.world import World

DISCOVERY = "/common/discovery/instance"
CONFIGURATION = "/v2.0/.well-known/openid-configuration"
TOKEN = "/oauth2/v2.0/token"


class LoginService:
    """Answers instance discovery, OpenID configuration of any tenant, and application sign-in."""

    def __init__(self, world: World, directory: Directory) -> None:
        self._world = world
        self._tokens = TokenEndpoint(world, directory)

    def answers(self, host: str) -> bool:
        """Return whether the host is the sign-in authority."""
        return host.removesuffix(":443") == self._world.domains.login

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        path = request.path.rstrip("/").lower()
        tenant = path.removesuffix(CONFIGURATION).removeprefix("/")
        if request.method == "GET" and path == DISCOVERY:
            return json_response(200, self._instance())
        if request.method == "GET" and path.endswith(CONFIGURATION) and tenant:
            return json_response(200, self._configuration(tenant))
        if request.method == "POST" and path.endswith(TOKEN):
            return self._tokens.answer(path.removesuffix(TOKEN).removeprefix("/"), request)
        return json_response(
            404,
            {
                "error": "not_found",
                "error_description": f"No endpoint {request.method} {request.path}.",
            },
        )

    def _instance(self) -> dict[str, Any]:
        host = self._world.domains.login
        return {
            "tenant_discovery_endpoint": f"https://{host}/common{CONFIGURATION}",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def _configuration(self, tenant: str) -> dict[str, Any]:
        authority = f"https://{self._world.domains.login}/{tenant}"
        return {
            "issuer": f"{authority}/v2.0",
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{authority}{TOKEN}",
            "device_authorization_endpoint": f"{authority}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{authority}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
