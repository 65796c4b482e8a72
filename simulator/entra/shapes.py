"""How Graph writes applications and their secrets, as recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from simulator.entra.directory import Application, Password


def moment(time: datetime) -> str:
    """Return a time as Graph writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def password(each: Password, *, reveal: bool = False) -> dict[str, Any]:
    """Return a secret: its text only in the answer that made it, and null ever after."""
    return {
        "customKeyIdentifier": None,
        "displayName": each.name,
        "endDateTime": moment(each.end),
        "hint": each.hint,
        "keyId": each.key_id,
        "secretText": each.secret if reveal else None,
        "startDateTime": moment(each.start),
    }


def application(each: Application, passwords: Iterable[Password]) -> dict[str, Any]:
    """Return an application with all its properties."""
    return {
        "id": each.object_id,
        "deletedDateTime": None,
        "appId": each.app_id,
        "applicationTemplateId": None,
        "disabledByMicrosoftStatus": None,
        "createdDateTime": moment(each.created),
        "displayName": each.name,
        "description": None,
        "groupMembershipClaims": None,
        "identifierUris": [],
        "isDeviceOnlyAuthSupported": None,
        "isFallbackPublicClient": None,
        "notes": None,
        "publisherDomain": "northwind.onmicrosoft.com",
        "serviceManagementReference": None,
        "signInAudience": each.audience,
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
        "info": dict.fromkeys(("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl")),
        "keyCredentials": [],
        "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
        "passwordCredentials": [password(secret) for secret in passwords],
        "publicClient": {"redirectUris": []},
        "requiredResourceAccess": [],
        "verifiedPublisher": dict.fromkeys(("displayName", "verifiedPublisherId", "addedDateTime")),
        "web": {
            "homePageUrl": None,
            "logoutUrl": None,
            "redirectUris": [],
            "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
        },
        "spa": {"redirectUris": []},
    }
