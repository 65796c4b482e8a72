"""Access to a storage account's data plane: firewall, shared keys, Entra tokens with roles.

Two facts in this module are from memory, not from documentation: the order of the checks of
firewall, shared-key switch and signature; and the answer to anonymous requests of versions before
2019-12-12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simulator.clock import utc_now, virtual_clock
from simulator.identity import HOME_TENANT, Principal, Rejection, bearer
from simulator.storage.sas import check_sas
from simulator.storage.sharedkey import check_signature
from simulator.storage.wire import StorageError

if TYPE_CHECKING:
    from simulator.storage.accounts import StorageAccount
    from simulator.wire import Request
    from simulator.world import World

AUDIENCE = "https://storage.azure.com"
CHALLENGE_SINCE = "2019-12-12"
DETAILS = {
    "audience": "Audience validation failed. Audience did not match.",
    "expired": "Lifetime validation failed. The token is expired.",
    "unknown": "Signature validation failed. Signature key not found.",
}


class Gate:
    """Accepts or refuses requests to one service of an account, as Azure does."""

    def __init__(self, world: World, domain: str) -> None:
        self._world = world
        self._domain = domain

    def check(
        self, request: Request, account: StorageAccount, actions: Sequence[str], scope: str
    ) -> None:
        """Raise StorageError unless the request is permitted.

        It is permitted by an account key, or by a role with one of `actions` at `scope`.
        """
        if account.network_default_action != "Allow":
            raise StorageError(
                403,
                "AuthorizationFailure",
                "This request is not authorized to perform this operation.",
            )
        authorization = request.header("authorization")
        if not authorization and "sig" in request.query:
            self._refuse_keyless(account)
            service = self._domain.partition(".")[0]
            check_sas(request, account, service, self._domain, self._world.now())
            return
        if not authorization:
            raise self._anonymous(request)
        token = bearer(authorization)
        if token is None:
            self._check_key(request, account)
        else:
            self._check_role(token, account, actions, scope)

    @staticmethod
    def _refuse_keyless(account: StorageAccount) -> None:
        if not account.allow_shared_key_access:
            message = "Key based authentication is not permitted on this storage account."
            raise StorageError(403, "KeyBasedAuthenticationNotPermitted", message)

    def _check_key(self, request: Request, account: StorageAccount) -> None:
        self._refuse_keyless(account)
        # Compare with the real clock if the world's is virtual: SDK clients stamp requests with
        # real time.
        now = utc_now() if virtual_clock(self._world.now) else self._world.now()
        check_signature(request, account.name, [key.value for key in account.accepted_keys()], now)

    def _check_role(
        self, token: str, account: StorageAccount, actions: Sequence[str], scope: str
    ) -> None:
        audiences = (AUDIENCE, f"https://{account.name}.{self._domain}")
        principal = self._world.identities.examine(token, *audiences)
        if isinstance(principal, Rejection):
            raise self._unauthenticated(
                "InvalidAuthenticationInfo",
                {"AuthenticationErrorDetail": DETAILS[principal.reason]},
            )
        if not any(self._permits(principal, action, scope) for action in actions):
            message = (
                "This request is not authorized to perform this operation using this permission."
            )
            raise StorageError(403, "AuthorizationPermissionMismatch", message)

    def _permits(self, principal: Principal, action: str, scope: str) -> bool:
        return self._world.roles.find(principal, action, scope) is not None

    def _anonymous(self, request: Request) -> StorageError:
        # ISO dates sort as text. Newer versions send a challenge, which tells a client the tenant.
        if request.header("x-ms-version") >= CHALLENGE_SINCE:
            return self._unauthenticated("NoAuthenticationInformation", {})
        if self._domain == self._world.domains.blob:
            return StorageError(
                409,
                "PublicAccessNotPermitted",
                "Public access is not permitted on this storage account.",
            )
        return StorageError(404, "ResourceNotFound", "The specified resource does not exist.")

    def _unauthenticated(self, code: str, details: dict[str, str]) -> StorageError:
        tenant = f"https://{self._world.domains.login}/{HOME_TENANT}/oauth2/authorize"
        challenge = {
            "WWW-Authenticate": f"Bearer authorization_uri={tenant} resource_id={AUDIENCE}"
        }
        message = (
            "Server failed to authenticate the request. Please refer to the information in the "
            "www-authenticate header."
        )
        return StorageError(401, code, message, details, challenge)
