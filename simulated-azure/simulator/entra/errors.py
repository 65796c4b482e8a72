"""Graph's error answers, in the words of the real service.

Sources: recordings and issue reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.entra.app_policy import AppPolicy
    from simulator.identity import Rejection


class GraphError(Exception):
    """An error answer: HTTP status, code and message.

    `detail` is the code and target of the single detail, if Graph sends one.
    """

    def __init__(
        self, status: int, code: str, message: str, detail: tuple[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.detail = status, code, message, detail

    def body(self, date: str, request_id: str) -> dict[str, object]:
        """Return the body; Graph writes `innerError` with a capital E."""
        details: dict[str, object] = {}
        if self.detail:
            code, target = self.detail
            details = {"details": [{"code": code, "message": self.message, "target": target}]}
        inner = {"date": date, "request-id": request_id, "client-request-id": request_id}
        return {
            "error": {"code": self.code, "message": self.message, **details, "innerError": inner}
        }


def no_token() -> GraphError:
    """Return the answer to a request without a token."""
    return GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")


def bad_token(rejection: Rejection) -> GraphError:
    """Return the answer to a token that Graph does not accept."""
    messages = {
        "unknown": "IDX14100: JWT is not well formed, there are no dots (.).",
        "audience": "Access token validation failure. Invalid audience.",
        "expired": "Lifetime validation failed, the token is expired.",
    }
    return GraphError(401, "InvalidAuthenticationToken", messages[rejection.reason])


def denied() -> GraphError:
    """Return the answer to a caller that has neither the permission nor ownership."""
    return GraphError(
        403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
    )


def no_resource(key: str) -> GraphError:
    """Return the answer for an application that does not exist."""
    return GraphError(
        404,
        "Request_ResourceNotFound",
        (
            f"Resource '{key}' does not exist or one of its queried reference-property objects "
            "are not present."
        ),
    )


def no_segment(segment: str) -> GraphError:
    """Return the answer to a path that Graph does not know."""
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{segment}'.")


def bad_request(message: str) -> GraphError:
    """Return the answer to an invalid body or query."""
    return GraphError(400, "Request_BadRequest", message)


def no_password(key_id: str) -> GraphError:
    """Return the answer to the removal of a secret that does not exist."""
    return GraphError(
        400, "Request_BadRequest", f"No password credential found with keyId '{key_id}'."
    )


def concurrent() -> GraphError:
    """Return the answer to a change that follows another one too soon."""
    return GraphError(
        409,
        "Directory_ConcurrencyViolation",
        "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.",
    )


def lifetime_capped(policy: AppPolicy) -> GraphError:
    """Return the answer to a secret that would live longer than a policy allows."""
    cap = (
        f" The maximum allowed lifetime is P{policy.max_lifetime.days}D."
        if policy.tells and policy.max_lifetime
        else ""
    )
    return GraphError(
        400,
        "CredentialInvalidLifetimeAsPerAppPolicy",
        (
            "Credential lifetime exceeds the max value allowed as per assigned policy "
            f"'{policy.policy_id}'.{cap}"
        ),
        ("InvalidKeyEndDate", "EndDate"),
    )


def bad_end_date() -> GraphError:
    """Return the answer to a certificate that would be listed for longer than it is valid."""
    return GraphError(400, "KeyCredentialsInvalidEndDate", "Key credential end date is invalid.")


def secrets_forbidden(policy: AppPolicy) -> GraphError:
    """Return the answer to a new secret where a policy forbids secrets."""
    return GraphError(
        400,
        "CredentialTypeNotAllowedAsPerAppPolicy",
        f"Credential type not allowed as per assigned policy '{policy.policy_id}'.",
    )


def too_many_passwords() -> GraphError:
    """Return the answer to a third secret of an application for personal accounts."""
    return GraphError(
        400,
        "TooManyAppPasswords",
        "Not allowed to add 3 passwords. You can only add a maximum of 2 passwords.",
        ("TooManyAppPasswords", "passwordCredentials"),
    )
