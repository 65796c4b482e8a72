"""Graph's JSON for applications and their secrets, as recorded."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from simulator.entra import errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from simulator.entra.directory import Application, KeyCredential, Password
    from simulator.wire import Request


def moment(time: datetime) -> str:
    """Return a time in Graph's format."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def password(credential: Password, *, reveal: bool = False) -> dict[str, Any]:
    """Return a secret; only the answer that created it has the text, later it is null."""
    return {
        "customKeyIdentifier": None,
        "displayName": credential.name,
        "endDateTime": moment(credential.end),
        "hint": credential.hint,
        "keyId": credential.key_id,
        "secretText": credential.secret if reveal else None,
        "startDateTime": moment(credential.start),
    }


def key(credential: KeyCredential) -> dict[str, Any]:
    """Return a certificate with its public part, which only some reads show."""
    thumbprint = hashlib.sha1(credential.der, usedforsecurity=False).digest()
    return {
        "customKeyIdentifier": base64.b64encode(thumbprint).decode(),
        "displayName": credential.name,
        "endDateTime": moment(credential.end),
        "key": base64.b64encode(credential.der).decode(),
        "keyId": credential.key_id,
        "startDateTime": moment(credential.start),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    }


def application(
    app: Application, passwords: Iterable[Password], keys: Iterable[KeyCredential] = ()
) -> dict[str, Any]:
    """Return an application with all its properties."""
    named = {"uniqueName": app.unique_name} if app.unique_name else {}
    shown = {"keyCredentials": [key(credential) | {"key": None} for credential in keys]}
    return _application(app, passwords) | named | app.properties | shown


def selected(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """Return the properties in $select; refuse a property that does not exist."""
    names = [name.strip() for name in request.query.get("$select", "").split(",") if name.strip()]
    for name in names:
        if name not in body:
            raise errors.bad_request(
                f"Could not find a property named '{name}' on type 'microsoft.graph.application'."
            )
    return {name: body[name] for name in names} if names else body


_NEVER_SET: Mapping[str, Any] = {
    "deletedDateTime": None,
    "applicationTemplateId": None,
    "disabledByMicrosoftStatus": None,
    "description": None,
    "groupMembershipClaims": None,
    "identifierUris": [],
    "isDeviceOnlyAuthSupported": None,
    "isFallbackPublicClient": None,
    "notes": None,
    "publisherDomain": "northwind.onmicrosoft.com",
    "serviceManagementReference": None,
    "tags": [],
    "tokenEncryptionKeyId": None,
    "defaultRedirectUri": None,
    "certification": None,
    "optionalClaims": None,
    "addIns": [],
    "api": {
        "acceptMappedClaims": None,
        "knownClientApplications": [],
        "requestedAccessTokenVersion": 2,
        "oauth2PermissionScopes": [],
        "preAuthorizedApplications": [],
    },
    "appRoles": [],
    "info": dict.fromkeys(
        ("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl")
    ),
    "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
    "publicClient": {"redirectUris": []},
    "requiredResourceAccess": [],
    "verifiedPublisher": dict.fromkeys(("displayName", "verifiedPublisherId", "addedDateTime")),
    "web": {
        "homePageUrl": None,
        "logoutUrl": None,
        "redirectUris": [],
        "implicitGrantSettings": {
            "enableAccessTokenIssuance": False,
            "enableIdTokenIssuance": False,
        },
    },
    "spa": {"redirectUris": []},
}
"""Properties that nobody sets here, as Graph returns them by default."""


def _application(app: Application, passwords: Iterable[Password]) -> dict[str, Any]:
    return {
        **deepcopy(dict(_NEVER_SET)),
        "id": app.object_id,
        "appId": app.app_id,
        "createdDateTime": moment(app.created),
        "displayName": app.name,
        "signInAudience": app.audience,
        "passwordCredentials": [password(secret) for secret in passwords],
    }
