"""Who calls, and what they may do.

By default a function key opens the API: the platform has checked it before any of this runs, and it
carries no role. With Microsoft Entra sign-in in front of the app ("Easy Auth") no key is asked for;
then every caller needs an app role. The header that carries the caller is believed only where the
platform's authentication is on: it removes the header from what arrives and sets its own, elsewhere
anybody could send it. Source:
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from api.answers import Forbidden, Unauthorized

PRINCIPAL = "x-ms-client-principal"
BY_KEY = "holder of a function key"
SIGN_IN = "sign in with Microsoft Entra: see docs/access.md"
ROLE_CLAIMS = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
OBJECT_CLAIMS = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")
NAME_CLAIMS = (
    "preferred_username",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    "name",
    "azp",
    "appid",
)


class Role(Enum):
    """What a caller may do, by the app role's value in Entra."""

    REPORTER = "Rekey.Reporter"
    """Report leaks by value, and learn nothing."""
    READER = "Rekey.Reader"
    """See the state of every secret."""
    OPERATOR = "Rekey.Operator"
    """Rotate, retire, restore and unpark single secrets; what reporters and readers may."""
    ADMIN = "Rekey.Admin"
    """Start incidents and change the policy document; what operators may."""

    @property
    def included(self) -> frozenset[Role]:
        """The roles whose rights this one has."""
        below = {Role.OPERATOR: (Role.REPORTER, Role.READER), Role.ADMIN: tuple(Role)}
        return frozenset((self, *below.get(self, ())))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    name: str
    """A readable name, for the audit record."""
    id: str
    """The object id in Entra, or `key`."""
    roles: frozenset[Role]
    """The roles held, without what they include."""

    def may(self, role: Role) -> bool:
        """Return whether the caller holds this role, or one that includes it."""
        return any(role in held.included for held in self.roles)

    def __str__(self) -> str:
        return self.name if self.id in ("key", self.name) else f"{self.name} ({self.id})"


def entra(env: Mapping[str, str]) -> bool:
    """Tell whether the platform signs callers in.

    WEBSITE_AUTH_ENABLED is set by the platform alone.
    """
    return env.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"


def identify(headers: Mapping[str, str], env: Mapping[str, str], now: datetime) -> Caller:
    """Say who calls; raises Unauthorized where nobody is signed in, or the sign-in has run out."""
    if not entra(env):
        return Caller(BY_KEY, "key", frozenset({Role.ADMIN}))
    claims = _claims(headers.get(PRINCIPAL, ""))
    if _expired(claims, now):
        raise Unauthorized("the sign-in has expired", fix=SIGN_IN)
    held = {value for claim in ROLE_CLAIMS for value in claims.get(claim, ())}
    object_id = _first(claims, OBJECT_CLAIMS)
    if not object_id:
        raise Unauthorized("the sign-in names nobody", fix=SIGN_IN)
    return Caller(
        _printable(_first(claims, NAME_CLAIMS) or object_id),
        _printable(object_id),
        frozenset(role for role in Role if role.value in held),
    )


def demand(caller: Caller, role: Role) -> None:
    """Let the caller pass only with this role or one that includes it; raises Forbidden."""
    if not caller.may(role):
        held = ", ".join(sorted(held.value for held in caller.roles)) or "none of Rekey's roles"
        raise Forbidden(
            f"{caller.name} holds {held}; this needs {role.value}",
            fix=(
                "an owner of the app's registration assigns the app role "
                f"{role.value}: see docs/access.md"
            ),
        )


def same_site(method: str, headers: Mapping[str, str]) -> None:
    """Refuse what another site makes a signed-in person's browser send.

    Programs and old browsers do not send the header. Source:
    https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site.
    """
    if method != "GET" and headers.get("sec-fetch-site", "none").lower() not in (
        "none",
        "same-origin",
    ):
        raise Forbidden(
            "the page of another site sent this request",
            fix="use the page that the app itself serves, or a program",
        )


def _claims(header: str) -> dict[str, list[str]]:
    """Read the header: base64 of {"claims": [{"typ", "val"}], "role_typ", "name_typ"}."""
    if not header:
        raise Unauthorized("nobody is signed in", fix=SIGN_IN)
    try:
        principal: Any = json.loads(base64.b64decode(header, validate=True))
        claims: dict[str, list[str]] = {}
        if principal.get("auth_typ", "aad") != "aad":
            raise Unauthorized("the sign-in did not come from Microsoft Entra", fix=SIGN_IN)
        for claim in principal["claims"]:
            claims.setdefault(str(claim["typ"]), []).append(str(claim["val"]))
        claims.setdefault("roles", []).extend(claims.get(str(principal.get("role_typ")), []))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise Unauthorized("the sign-in cannot be read", fix=SIGN_IN) from None
    return claims


def _expired(claims: Mapping[str, list[str]], now: datetime) -> bool:
    ends = claims.get("exp", [""])[0]
    if not re.fullmatch(r"[0-9]{1,11}", ends):
        return False
    return datetime.fromtimestamp(int(ends), UTC) <= now


def _first(claims: Mapping[str, list[str]], names: tuple[str, ...]) -> str:
    return next((claims[name][0] for name in names if claims.get(name)), "")


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:100]
