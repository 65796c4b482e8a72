"""What refusals of Graph and Entra mean for an application's secret, and what to do about each."""

from __future__ import annotations

import re
from datetime import timedelta

from engine.errors import (
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)

LIFETIME_CAPPED = "CredentialInvalidLifetimeAsPerAppPolicy"
LIFETIME = re.compile(r"\bP(?P<iso>\d{1,4})D\b|\b(?P<words>\d{1,4}) days?\b")
LONGEST_PAUSE = 60.0
"""A wait in seconds longer than this is left to the queue."""

REFUSALS = {
    LIFETIME_CAPPED: (
        "a policy caps the lifetime of secrets, and does not say at how much",
        (
            "set ValidityPeriodDays to what the app management policy allows, or exempt the "
            "application from it"
        ),
    ),
    "CredentialTypeNotAllowedAsPerAppPolicy": (
        "a policy forbids secrets on this application",
        (
            "exempt the application from the app management policy, or use a federated "
            "credential in place of a secret"
        ),
    ),
    "TooManyAppPasswords": (
        "the application holds as many secrets as it may: two, where personal accounts may sign in",
        (
            "remove a secret that nobody uses, or set OverlapHours lower, so that the previous "
            "one goes earlier"
        ),
    ),
    "Directory_ResourceSizeExceeded": (
        "the application holds as much as it may",
        "remove secrets, certificates or other values that nobody uses from the application",
    ),
}
"""Codes of addPassword, from issue reports: what each says, and its fix."""

SIGN_IN: dict[int, tuple[type[PermanentError], str, str]] = {
    7000215: (
        VerificationFailed,
        "Entra refuses the secret",
        "see whether the secret was removed from the application by hand",
    ),
    7000222: (
        VerificationFailed,
        "the secret has expired",
        "rotate it now: POST …/rotate with force",
    ),
    700027: (
        VerificationFailed,
        "Entra refuses the certificate",
        "see whether the certificate has expired, or was removed from the application by hand",
    ),
    1000502: (
        VerificationFailed,
        "the certificate is not valid now",
        "rotate it now: POST …/rotate with force",
    ),
    700016: (
        NeedsHuman,
        "Entra knows no such application in the tenant",
        (
            "correct ProviderAddress, or AZURE_TENANT_ID where it is set; restore an application "
            "that was deleted, since its credentials come back with it"
        ),
    ),
    7000112: (
        NeedsHuman,
        "the application is disabled",
        "enable it, or remove the tag ProviderAddress",
    ),
    7000229: (
        NeedsHuman,
        "the application has no service principal in the tenant, so nobody can sign in as it",
        "create it: az ad sp create --id <application id>",
    ),
    53003: (
        NeedsHuman,
        "Conditional Access blocks the sign-in, so the secret cannot be proven",
        "let the app's outbound addresses sign in as this workload identity",
    ),
    90002: (
        NeedsHuman,
        "Entra does not know the tenant",
        "correct AZURE_TENANT_ID and AZURE_AUTHORITY_HOST",
    ),
}
"""By the number after AADSTS; sources:
https://learn.microsoft.com/entra/identity-platform/reference-error-codes, and of 1000502
https://github.com/AzureAD/microsoft-identity-web/issues/2834."""
PASSING = frozenset({50196, 90024, 90033, 90055})
"""Numbers of refusals that pass: of a client that asks too often, and of a service that is busy.
Sources: the same, and
https://github.com/AzureAD/microsoft-authentication-library-for-dotnet/issues/2353."""
SPREADING = frozenset({"AADSTS7000215", "AADSTS700027", "AADSTS700016", "AADSTS7000229"})
"""Refusals that a new secret, or a new application, gets from a replica that does not know it
yet."""


def refused(error: PermanentError, source: str) -> PermanentError:
    """Say what Graph's refusal means here.

    An error that needs no more words comes back as it is.
    """
    if isinstance(error, NotFound):
        return NotFound(
            "there is no such application",
            where=source,
            fix=(
                "set ProviderAddress to the Application (client) ID, which is not the object "
                "ID, or restore the application"
            ),
            code=error.code,
        )
    if error.code in REFUSALS:
        meaning, fix = REFUSALS[error.code]
        return NeedsHuman(f"{meaning} ({error.what})", where=source, fix=fix, code=error.code)
    return error


def longest_lifetime(error: PermanentError) -> timedelta | None:
    """Return the lifetime that a policy allows, where its refusal tells.

    Most name the policy only.
    """
    match = LIFETIME.search(error.what) if error.code == LIFETIME_CAPPED else None
    return timedelta(days=int(match["iso"] or match["words"])) if match else None


def signin_problem(code: int, source: str) -> RekeyError:
    """Say what it means that Entra refused a sign-in."""
    if code in PASSING:
        return TransientError(
            f"Entra cannot tell now (AADSTS{code})", where=source, code=f"AADSTS{code}"
        )
    unknown = (
        NeedsHuman,
        "Entra refuses the sign-in",
        "look the code up: https://login.microsoftonline.com/error",
    )
    kind, meaning, fix = SIGN_IN.get(code, unknown)
    return kind(f"{meaning} (AADSTS{code})", where=source, fix=fix, code=f"AADSTS{code}")


def final(problem: RekeyError) -> bool:
    """Tell whether waiting is of no use; what Entra cannot answer now, it may in a moment."""
    if isinstance(problem, TransientError):
        return (problem.retry_after or 0) > LONGEST_PAUSE
    return problem.code not in SPREADING
