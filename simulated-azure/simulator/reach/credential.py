"""A token credential whose tokens the simulated cloud accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from azure.core.credentials import AccessToken, AccessTokenInfo

if TYPE_CHECKING:
    from types import TracebackType

    from azure.core.credentials import TokenRequestOptions

    from simulator.identity import Principal
    from simulator.world import World

STALE = 1
"""The expiry of every token, in Unix seconds. It is long past, so that no client caches a token by
the real clock while the world's clock decides its lifetime."""


class SimulatedCredential:
    """Gets one principal's tokens directly from the world, not from its login service."""

    def __init__(self, world: World, principal: Principal) -> None:
        self._world = world
        self._principal = principal

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for the resource of the first scope."""
        return AccessToken(self._token(scopes), STALE)

    async def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """Return a token for the resource of the first scope."""
        del options
        return AccessTokenInfo(self._token(scopes), STALE)

    def _token(self, scopes: tuple[str, ...]) -> str:
        return self._world.identities.token_for(scopes[0], self._principal)

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        return None
