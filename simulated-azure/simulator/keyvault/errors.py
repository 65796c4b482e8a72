"""Key Vault's error answers, in the words of the real service.

Sources: recordings and issue reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.identity import Principal, Rejection
    from simulator.keyvault.state import Vault

RECOVERY_HELP = (
    "If you recently deleted this secret you may be able to recover it using the correct "
    "recovery command. "
    "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
)


class VaultError(Exception):
    """An error answer: HTTP status, code, message, and the inner code if Key Vault sends one."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner

    def body(self) -> dict[str, object]:
        """Return the body; Key Vault writes `innererror` in lower case."""
        inner = {} if self.inner is None else {"innererror": {"code": self.inner}}
        return {"error": {"code": self.code, "message": self.message, **inner}}


def unauthorized(message: str) -> VaultError:
    """Return the 401 that carries the challenge."""
    return VaultError(401, "Unauthorized", message)


def no_token() -> VaultError:
    """Return the answer to a request without a token, which is how every client begins."""
    return unauthorized("AKV10000: Request is missing a Bearer or PoP token.")


def bad_token(rejection: Rejection, audience: str) -> VaultError:
    """Return the answer to a token that Key Vault does not accept."""
    messages = {
        "unknown": "AKV10046: Unable to resolve the key used for signature validation.",
        "audience": (
            f"AKV10022: Invalid audience. Expected {audience}, found: {rejection.audience}."
        ),
        "expired": "[TokenExpired] Error validating token: 'S2S12086'.",
    }
    return unauthorized(messages[rejection.reason])


def wrong_tenant(vault: Vault, principal: Principal) -> VaultError:
    """Return the answer to a token from another tenant than the vault's."""
    expected, actual = (
        f"https://sts.windows.net/{tenant}/" for tenant in (vault.tenant, principal.tenant)
    )
    return unauthorized(f"AKV10032: Invalid issuer. Expected one of {expected}, found {actual}.")


def forbidden_by_rbac(vault: Vault, principal: Principal, action: str, resource: str) -> VaultError:
    """Return the answer to a caller without a role that permits the action."""
    lines = (
        "Caller is not authorized to perform action on resource.",
        (
            "If role assignments, deny assignments or role definitions were changed recently, "
            "please observe propagation time."
        ),
        (
            f"Caller: appid={principal.appid};oid={principal.oid};"
            f"iss=https://sts.windows.net/{principal.tenant}/"
        ),
        f"Action: '{action}'",
        f"Resource: '{resource.lower()}'",
        "Assignment: (not found)",
        "DenyAssignmentId: null",
        "DecisionReason: 'DeniedWithNoValidRBAC' ",
        f"Vault: {vault.name};location={vault.location}",
        "",
    )
    return VaultError(403, "Forbidden", "\r\n".join(lines), "ForbiddenByRbac")


def throttled() -> VaultError:
    """Return the answer when the rate limit is exceeded."""
    return VaultError(
        429,
        "Throttled",
        (
            "Request was not processed because too many requests were received. Reason: "
            "VaultRequestTypeLimitReached"
        ),
    )


def secret_not_found(name: str, version: str = "") -> VaultError:
    """Return the answer for a secret or a version that does not exist."""
    identifier = f"{name}/{version}" if version else name
    return VaultError(
        404,
        "SecretNotFound",
        f"A secret with (name/id) {identifier} was not found in this key vault. {RECOVERY_HELP}",
    )


def deleted_secret_not_found(name: str) -> VaultError:
    """Return the answer for a name that is not (yet) among the deleted secrets."""
    return VaultError(404, "SecretNotFound", f"Deleted Secret not found: {name}")


def secret_disabled() -> VaultError:
    """Return the answer to reading a disabled version."""
    return VaultError(
        403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled"
    )


def managed_secret(operation: str) -> VaultError:
    """Return the answer to writing a secret that belongs to a certificate."""
    return VaultError(
        403,
        "Forbidden",
        f"Operation {operation} is not allowed on a secret managed by a certificate.",
    )


def is_pending() -> VaultError:
    """Return the answer to a creation while another one of the same name goes on.

    Its words, and the code that does not suit its status, are those of
    https://learn.microsoft.com/azure/key-vault/certificates/create-certificate-scenarios.
    """
    return VaultError(
        409,
        "Forbidden",
        "A new key vault certificate can not be created or imported while a pending key vault "
        "certificate's status is inProgress.",
    )


def not_of_a_certificate(name: str) -> VaultError:
    """Return the answer to a certificate with the name of a secret of somebody; words are ours."""
    return VaultError(409, "Conflict", f"A secret named {name} belongs to no certificate.")


def no_pending(name: str) -> VaultError:
    """Return the answer where no version of a certificate was ever asked for."""
    return VaultError(404, "PendingCertificateNotFound", f"Pending certificate not found: {name}")


def certificate_not_found(name: str, version: str = "") -> VaultError:
    """Return the answer for a certificate or a version that does not exist."""
    identifier = f"{name}/{version}" if version else name
    return VaultError(
        404,
        "CertificateNotFound",
        f"A certificate with (name/id) {identifier} was not found in this key vault. If you "
        "recently deleted this certificate you may be able to recover it using the correct "
        "recovery command.",
    )


def is_deleted(name: str) -> VaultError:
    """Return the answer to setting a name that a deleted secret still holds."""
    message = (
        f"Secret {name} is currently in a deleted but recoverable state, and its name cannot "
        "be reused; "
        "in this state, the secret can only be recovered or purged."
    )
    return VaultError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")


def is_being_deleted(name: str) -> VaultError:
    """Return the answer to touching a name whose deletion has not finished."""
    message = f"Secret {name} is currently being deleted and cannot be re-created; retry later."
    return VaultError(409, "Conflict", message, "ObjectIsBeingDeleted")


def is_being_recovered(name: str) -> VaultError:
    """Return the answer to setting a name whose recovery has not finished."""
    message = (
        f"Secret {name} is currently being recovered and cannot be used or re-created until it "
        "is; retry later."
    )
    return VaultError(409, "Conflict", message, "ObjectIsBeingRecovered")


def bad_parameter(message: str) -> VaultError:
    """Return the answer to an invalid request."""
    return VaultError(400, "BadParameter", message)


def bad_property() -> VaultError:
    """Return the answer to an invalid property in a body; the service does not say which one."""
    return bad_parameter("Property has invalid value\r\n")


def bad_name(name: str) -> VaultError:
    """Return the answer to an invalid secret name."""
    return bad_parameter(f"The request URI contains an invalid name: {name}")


def bad_operation(method: str, operation: str) -> VaultError:
    """Return the answer to an unknown path or method."""
    return bad_parameter(f"Method {method} does not allow operation '{operation}'")
