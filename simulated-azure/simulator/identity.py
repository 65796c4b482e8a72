"""Callers: the principals of the simulated tenant, and their tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOME_TENANT = "9d6a1c3e-5b0f-4c7a-8e21-0f3b6d7c8a95"
TOKEN_LIFE = timedelta(hours=24)


@dataclass(frozen=True)
class Principal:
    """A principal that can hold a token: its object id (for roles) and its client id."""

    name: str
    oid: str
    appid: str
    tenant: str = HOME_TENANT
    scopes: str = ""
    """For a person: the delegated permissions of the tool used to sign in, listed in the claim
    `scp`."""
    resource: str = ""
    """For a managed identity: its ARM id, or that of its app, which is the claim `xms_mirid`."""


@dataclass(frozen=True)
class Rejection:
    """Why a token is rejected: unknown, for another audience, or expired."""

    reason: Literal["unknown", "audience", "expired"]
    audience: str = ""
    expires: datetime | None = None


class Identities:
    """The tenant's principals and their tokens.

    Tokens have the shape of Entra's and are signed, so none can be forged.
    """

    def __init__(
        self, now: Callable[[], datetime], entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        self.principals: dict[str, Principal] = {}
        self.app_roles: dict[str, tuple[str, ...]] = {}
        """Object id → Graph's application permissions, which a token names in its claim `roles`."""
        self.life = TOKEN_LIFE
        self._now = now
        self._signing_key = entropy(32)

    def add(
        self,
        name: str,
        oid: str | None = None,
        appid: str | None = None,
        tenant: str = HOME_TENANT,
        scopes: str = "",
        resource: str = "",
    ) -> Principal:
        """Register a principal; missing ids are derived from its name, the same in every run."""
        principal = Principal(
            name,
            oid or _derived("oid", name),
            appid or _derived("appid", name),
            tenant,
            scopes,
            resource,
        )
        self.principals[principal.oid] = principal
        return principal

    def token_for(self, resource_or_scope: str, principal: Principal) -> str:
        """Return a token for one audience, named as a resource or as a scope with /.default."""
        now = int(self._now().timestamp())
        claims = {
            "aud": resource_or_scope.removesuffix("/.default"),
            "iss": f"https://sts.windows.net/{principal.tenant}/",
            "iat": now,
            "nbf": now,
            "exp": now + int(self.life.total_seconds()),
            "appid": principal.appid,
            "oid": principal.oid,
            "sub": principal.oid,
            "tid": principal.tenant,
            "ver": "1.0",
            **({"scp": principal.scopes, "upn": principal.name} if principal.scopes else {}),
            **({"xms_mirid": principal.resource} if principal.resource else {}),
            **(
                {"roles": list(self.app_roles[principal.oid])}
                if principal.oid in self.app_roles
                else {}
            ),
        }
        signed = f"{_segment({'typ': 'JWT', 'alg': 'HS256'})}.{_segment(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def principal_of(self, bearer_token: str, *audiences: str) -> Principal | None:
        """Return a token's principal; None if `examine` rejects it."""
        result = self.examine(bearer_token, *audiences)
        return result if isinstance(result, Principal) else None

    def examine(
        self, bearer_token: str, *audiences: str, exact: bool = False
    ) -> Principal | Rejection:
        """Return a token's principal, or why it is rejected.

        A trailing slash of an audience makes no difference, unless `exact` is set: Key Vault is
        that strict, other services are not.
        """
        claims = self._claims(bearer_token)
        if claims is None or claims["oid"] not in self.principals:
            return Rejection("unknown")
        expires = datetime.fromtimestamp(claims["exp"], UTC)
        allowed = (
            audiences
            if exact
            else [
                form
                for audience in audiences
                for form in (audience.rstrip("/"), f"{audience.rstrip('/')}/")
            ]
        )
        if claims["aud"] not in allowed:
            return Rejection("audience", claims["aud"], expires)
        if expires <= self._now():
            return Rejection("expired", claims["aud"], expires)
        return self.principals[claims["oid"]]

    def _claims(self, token: str) -> dict[str, Any] | None:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        payload = signed.split(".")[1]
        claims: dict[str, Any] = json.loads(
            base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        )
        return claims

    def _signature(self, signed: str) -> str:
        return _base64url(hmac.digest(self._signing_key, signed.encode(), hashlib.sha256))


def bearer(authorization: str) -> str | None:
    """Return the token of an Authorization header; None if it holds none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _derived(kind: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind}.{name}"))


def _segment(content: Mapping[str, object]) -> str:
    return _base64url(json.dumps(content, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
