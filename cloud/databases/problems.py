"""What PostgreSQL and MySQL servers refuse, in words: one error for both engines, with its fix.

No text of a server or a driver is passed on, since it may quote a statement. Codes are.
"""

from __future__ import annotations

import ssl

from cloud.azure import NO_ANSWER
from cloud.meanings import meaning
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
LOGIN_DISABLED, SEVERAL, READ_ONLY, POLICY, BUSY, NOT_REACHED = (
    "LoginDisabled",
    "SeveralAccounts",
    "ReadOnly",
    "PasswordPolicy",
    "Busy",
    "NotReached",
)
"""Codes of errors that a rotator distinguishes. NOT_REACHED: no connection, so nothing was changed."""


firewall = meaning(
    AccessDenied,
    "the server does not let the app's network in",
    fix="let the app's network reach the server (firewall rule, virtual network or private endpoint)",
    code=FIREWALL,
)
no_database = meaning(
    NeedsHuman,
    "the database does not exist, or the login may not open it",
    fix="set the tag Database to one that the login may open",
    code=NO_DATABASE,
)
disabled = meaning(
    NeedsHuman,
    "the login is locked, has expired or may not sign in",
    fix="unlock it, give it LOGIN, or lift the expiry of its password",
    code=LOGIN_DISABLED,
)
"""The login may not sign in, whatever its password."""
read_only = meaning(
    NeedsHuman,
    "the server takes no changes: it is a read replica, or set to read-only",
    fix="set the tag ProviderAddress to the primary server, or free storage on it; where it names"
    " that already, once the overlap has passed, rotate by force",
    code=READ_ONLY,
)
policy = meaning(
    NeedsHuman,
    "the server's policy refuses the new password",
    fix="see which rules for passwords the server enforces",
    code=POLICY,
)
untrusted = meaning(
    TransientError,
    "not signed in: the server offers no TLS, or its certificate has expired, is not valid for "
    "its name or has an unknown issuer",
    fix="check the server's name, and that no proxy stands between the app and the server",
    code=UNTRUSTED,
)


def wrong_password(where: str, login: str) -> RekeyError:
    """Return the error for a password that the server does not accept."""
    return VerificationFailed(
        f"the server refuses the password of {login!r}", where=where, code=REFUSED
    )


def refused(where: str, login: str, *, is_app: bool) -> RekeyError:
    """Return the error for a sign-in that the server refused, of a login or of the app itself."""
    if not is_app:
        return wrong_password(where, login)
    return AccessDenied(
        f"the server does not let the app's identity sign in as {login!r}",
        where=where,
        fix="create a user for the identity in the database, and turn Microsoft Entra"
        " authentication on at the server; its page in docs/rotators has the statements",
        code=REFUSED,
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


def several(where: str, login: str) -> RekeyError:
    """Return the error for a login of which the server may try another account."""
    return NeedsHuman(
        f"{login!r} is not the only account that may sign in under its user's name, so the server "
        "may look at the password of another one",
        where=where,
        fix="drop the others, those without a name among them, or rotate a user with one account",
        code=SEVERAL,
    )


def busy(where: str, code: str) -> RekeyError:
    """Return the error for a server that cannot serve now."""
    return TransientError(f"the server is busy or restarting ({code})", where=where, code=BUSY)


def unanswered(where: str, error: BaseException) -> RekeyError:
    """Return the error where no answer came to what was sent; it may have taken effect."""
    return TransientError(
        f"the server gave no answer: {type(error).__name__}", where=where, code=NO_ANSWER
    )


def unreached(where: str, error: BaseException) -> RekeyError:
    """Return the error where no connection came about, or none that TLS could prove."""
    if isinstance(error, ssl.SSLError):
        return untrusted(where)
    problem = TransientError(
        f"the server cannot be reached: {type(error).__name__}",
        where=where,
        fix="check that the server runs, and that the app's network reaches its port",
        code=NOT_REACHED,
    )
    problem.unsent = True
    return problem


def other(where: str, code: str) -> RekeyError:
    """Return the error for what no table here knows."""
    return PermanentError(
        f"the server refused with code {code}",
        where=where,
        fix="look the code up in the engine's documentation",
        code=code,
    )
