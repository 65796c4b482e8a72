"""Resource Manager's error answers, in its own words.

Sources:
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
and output that users published in issues of Azure's SDKs.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from simulator.identity import Principal, Rejection


class ArmError(Exception):
    """An error answer: HTTP status, code, message, extra headers, and the error that caused it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        cause: ArmError | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.cause = cause

    def body(self) -> dict[str, object]:
        """Return the body."""
        return {"error": self.shown()}

    def shown(self) -> dict[str, object]:
        """Return the error as a body and the details of another error show it."""
        shown: dict[str, object] = {"code": self.code, "message": self.message}
        return shown | ({"details": [self.cause.shown()]} if self.cause else {})


def unsupported_media_type(media: str) -> ArmError:
    """Return the answer to a body of another type than JSON.

    Source: https://github.com/Azure/azure-cli/issues/10143.
    """
    return ArmError(
        415,
        "UnsupportedMediaType",
        f"The content media type '{media}' is not supported. Only 'application/json' is supported.",
    )


def no_token(authority: str) -> ArmError:
    """Return the answer to a request without a token.

    `authority` is the tenant's sign-in address, which the challenge names.
    """
    return _unauthenticated(
        authority,
        "AuthenticationFailed",
        "Authentication failed. The 'Authorization' header is missing.",
        "The authentication failed because of missing 'Authorization' header.",
    )


def bad_token(
    authority: str, rejection: Rejection, audiences: Iterable[str], now: datetime
) -> ArmError:
    """Return the answer to a token that Resource Manager does not accept."""
    match rejection.reason:
        case "audience":
            allowed = ",".join(f"'{audience}'" for audience in audiences)
            code = "InvalidAuthenticationTokenAudience"
            message = (
                "The access token has been obtained for wrong audience or resource "
                f"'{rejection.audience}'. "
                f"It should exactly match with one of the allowed audiences {allowed}."
            )
        case "expired":
            code = "ExpiredAuthenticationToken"
            message = (
                f"The access token expiry UTC time '{_spoken(rejection.expires)}' "
                f"is earlier than current UTC time '{_spoken(now)}'."
            )
        case "unknown":
            code, message = "InvalidAuthenticationToken", "The access token is invalid."
    return _unauthenticated(authority, code, message, message)


def second_factor(authority: str) -> ArmError:
    """Return the answer to a change by somebody whose sign-in had no second factor.

    https://learn.microsoft.com/entra/identity/authentication/concept-mandatory-multifactor-authentication
    says when that is asked for, and https://github.com/Azure/azure-dev/issues/5425 how: by claims
    that a new token must have.
    """
    claims = base64.b64encode(b'{"access_token":{"acrs":{"essential":true,"value":"p1"}}}').decode()
    challenge = (
        f'Bearer realm="", authorization_uri="{authority}", error="insufficient_claims", '
        f'claims="{claims}"'
    )
    message = "The access token was signed in for without multi-factor authentication."
    return ArmError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": challenge})


def missing_api_version() -> ArmError:
    """Return the answer to a request that names no api-version."""
    message = "The api-version query parameter (?api-version=) is required for all requests."
    return ArmError(400, "MissingApiVersionParameter", message)


def invalid_api_version(version: str, supported: Iterable[str]) -> ArmError:
    """Return the answer to an api-version that is not valid."""
    message = (
        f"The api-version '{version}' is invalid. The supported versions are "
        f"'{','.join(supported)}'."
    )
    return ArmError(400, "InvalidApiVersionParameter", message)


def no_registered_provider(
    version: str, kind: str, supported: Iterable[str], location: str
) -> ArmError:
    """Return the answer to an api-version that the provider does not support for a type."""
    message = (
        f"No registered resource provider found for location '{location}' and API version "
        f"'{version}' for type '{kind}'. "
        f"The supported api-versions are '{', '.join(supported)}'. The supported locations are "
        f"'{location}'."
    )
    return ArmError(400, "NoRegisteredProviderFound", message)


def invalid_subscription_id(subscription: str) -> ArmError:
    """Return the answer to a subscription id that is not a GUID."""
    message = f"The provided subscription identifier '{subscription}' is malformed or invalid."
    return ArmError(400, "InvalidSubscriptionId", message)


def subscription_not_found(subscription: str) -> ArmError:
    """Return the answer for a subscription that does not exist."""
    return ArmError(
        404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found."
    )


def group_not_found(group: str) -> ArmError:
    """Return the answer for a resource group that does not exist."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def resource_not_found(kind: str, name: str, group: str) -> ArmError:
    """Return the answer for a resource that does not exist in its group."""
    message = (
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return ArmError(404, "ResourceNotFound", message)


def invalid_namespace(namespace: str) -> ArmError:
    """Return the answer for a resource provider that does not exist."""
    return ArmError(
        404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid."
    )


def invalid_type(namespace: str, version: str) -> ArmError:
    """Return the answer for a type or operation that a provider does not have."""
    message = (
        f"The resource type could not be found in the namespace '{namespace}' for api version "
        f"'{version}'."
    )
    return ArmError(404, "InvalidResourceType", message)


def authorization_failed(principal: Principal, action: str, scope: str) -> ArmError:
    """Return the answer to a caller without a role that permits the action."""
    message = (
        f"The client '{principal.appid}' with object id '{principal.oid}' does not have "
        "authorization to perform action "
        f"'{action}' over scope '{scope}' or the scope is invalid. "
        "If access was recently granted, please refresh your credentials."
    )
    return ArmError(403, "AuthorizationFailed", message)


def throttled(kind: str, subscription: str, limit: int, retry_after: int) -> ArmError:
    """Return the answer when the rate limit is exceeded; `retry_after` in seconds."""
    message = (
        f"Number of {kind} requests for subscription '{subscription}' exceeded the limit "
        f"of '{limit}' "
        "for time interval '01:00:00'. Please try again after "
        f"'{max(retry_after // 60, 1)}' minutes."
    )
    return ArmError(
        429, "SubscriptionRequestsThrottled", message, {"Retry-After": str(retry_after)}
    )


def host_runtime(status: str) -> ArmError:
    """Return the answer for an app whose host does not answer, for example since it starts.

    https://github.com/Azure/azure-functions-host/issues/5722 shows the body,
    https://github.com/Azure/azure-functions-core-tools/issues/1204 that it passes.
    """
    return ArmError(400, "BadRequest", f"Encountered an error ({status}) from host runtime.")


def invalid_values(names: str) -> ArmError:
    """Return the storage provider's answer to invalid parameters."""
    message = f"Values for request parameters are invalid: {names}."
    return ArmError(400, "InvalidValuesForRequestParameters", message)


def invalid_content(reason: str) -> ArmError:
    """Return the answer to a body that cannot be read."""
    message = f"The request content was invalid and could not be deserialized: '{reason}'."
    return ArmError(400, "InvalidRequestContent", message)


def _unauthenticated(authority: str, code: str, message: str, description: str) -> ArmError:
    challenge = (
        f'Bearer authorization_uri="{authority}", error="invalid_token", '
        f'error_description="{description}"'
    )
    return ArmError(401, code, message, {"WWW-Authenticate": challenge})


def _spoken(time: datetime | None) -> str:
    return "" if time is None else f"{time:%m/%d/%Y %I:%M:%S %p}"
