"""What PostgreSQL and MySQL servers refuse, in words: one error for both engines, with its fix.

No text of a server or a driver is passed on, since it may quote a statement. Codes are.
"""

from __future__ import annotations

import ssl

from cloud.azure import NO_ANSWER
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)

UNTRUSTED, REFUSED, FIREWALL = "Untrusted", "Refused", "Firewall"
NO_DATABASE, NO_LOGIN, MAY_NOT_ALTER = "NoDatabase", "NoLogin", "MayNotAlter"
LOGIN_DISABLED, READ_ONLY, POLICY, BUSY, NOT_REACHED = (
    "LoginDisabled",
    "ReadOnly",
    "PasswordPolicy",
    "Busy",
    "NotReached",
)
"""Codes of errors that a rotator distinguishes. NOT_REACHED: no connection, so nothing was changed."""


def refused(where: str, login: str, *, is_app: bool) -> RekeyError:
    """Return the error for a sign-in that the server refused, of a login or of the app itself."""
    if not is_app:
        return VerificationFailed(
            f"the server refuses the password of {login!r}", where=where, code=REFUSED
        )
    return AccessDenied(
        f"the server does not let the app's identity sign in as {login!r}",
        where=where,
        fix="create a user for the identity in the database, and turn Microsoft Entra"
        " authentication on at the server; its page in docs/rotators has the statements",
        code=REFUSED,
    )


def firewall(where: str) -> RekeyError:
    """Return the error for a network that the server does not let in."""
    return AccessDenied(
        "the server does not let the app's network in",
        where=where,
        fix="let the app's network reach the server (firewall rule, virtual network or private"
        " endpoint)",
        code=FIREWALL,
    )


def no_database(where: str) -> RekeyError:
    """Return the error for a database that is missing, or closed to the login."""
    return NeedsHuman(
        "the database does not exist, or the login may not open it",
        where=where,
        fix="set the tag Database to one that the login may open",
        code=NO_DATABASE,
    )


def disabled(where: str) -> RekeyError:
    """Return the error for a login that may not sign in whatever its password."""
    return NeedsHuman(
        "the login is locked, has expired or may not sign in",
        where=where,
        fix="unlock it, give it LOGIN, or lift the expiry of its password",
        code=LOGIN_DISABLED,
    )


def no_login(where: str, login: str) -> RekeyError:
    """Return the error for a login that is not there."""
    return NotFound(
        f"there is no login {login!r}",
        where=where,
        fix="correct the tags CredentialId and Logins (upper and lower case differ), or create it",
        code=NO_LOGIN,
    )


def may_not_alter(where: str, login: str) -> RekeyError:
    """Return the error for a right that the app's identity lacks in the database."""
    return AccessDenied(
        f"the app may not set the password of {login!r}",
        where=where,
        fix="grant the app's user the right; the kind's page in docs/rotators has the statement",
        code=MAY_NOT_ALTER,
    )


def read_only(where: str) -> RekeyError:
    """Return the error for a server that takes no change."""
    return NeedsHuman(
        "the server takes no changes: it is a read replica, or set to read-only",
        where=where,
        fix="set the tag ProviderAddress to the primary server, or free storage on it",
        code=READ_ONLY,
    )


def policy(where: str) -> RekeyError:
    """Return the error for a password that the server's rules do not take."""
    return NeedsHuman(
        "the server's policy refuses the new password",
        where=where,
        fix="see which rules for passwords the server enforces",
        code=POLICY,
    )


def busy(where: str, code: str) -> RekeyError:
    """Return the error for a server that cannot serve now."""
    return TransientError(f"the server is busy or restarting ({code})", where=where, code=BUSY)


def untrusted(where: str) -> RekeyError:
    """Return the error for a server whose certificate does not prove its name."""
    return TransientError(
        "not signed in: the server offers no TLS, or its certificate has expired, is not valid"
        " for its name or has an unknown issuer",
        where=where,
        fix="check the server's name, and that no proxy stands between the app and the server",
        code=UNTRUSTED,
    )


def unanswered(where: str, error: BaseException) -> RekeyError:
    """Return the error where no answer came to what was sent; it may have taken effect."""
    return TransientError(
        f"the server gave no answer: {type(error).__name__}", where=where, code=NO_ANSWER
    )


def unreached(where: str, error: BaseException) -> RekeyError:
    """Return the error where no connection came about, or none that TLS could prove."""
    if isinstance(error, ssl.SSLError):
        return untrusted(where)
    return TransientError(
        f"the server cannot be reached: {type(error).__name__}",
        where=where,
        fix="check that the server runs, and that the app's network reaches its port",
        code=NOT_REACHED,
    )


def other(where: str, code: str) -> RekeyError:
    """Return the error for what no table here knows."""
    return PermanentError(
        f"the server refused with code {code}",
        where=where,
        fix="look the code up in the engine's documentation",
        code=code,
    )
