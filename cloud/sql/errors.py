"""The meaning of a database server's errors. The driver returns text only, so fixed phrases decide.

Source of the texts:
https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
and https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues.
"""

from __future__ import annotations

import re
from collections.abc import Callable

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

NO_DATABASE, ENTRA_ONLY, NO_PRINCIPAL, REFUSED, UNTRUSTED = (
    "4060",
    "EntraOnly",
    "15151",
    "18456",
    "Untrusted",
)
"""Codes of errors that a rotator distinguishes.

NO_DATABASE: the server accepted the sign-in, but the login cannot open this database.
"""

type _Made = Callable[[str], RekeyError]


def _entra_only(where: str) -> RekeyError:
    return NeedsHuman(
        "the server takes Entra identities only, so no password can sign in",
        where=where,
        fix="turn Microsoft Entra-only authentication off on the server, or remove the secret",
        code=ENTRA_ONLY,
    )


def _firewall(where: str) -> RekeyError:
    return AccessDenied(
        "the server's firewall refuses the app",
        where=where,
        fix=(
            "let the app's network reach the server (virtual network rule, firewall rule or "
            "private endpoint)"
        ),
        code="Firewall",
    )


def _no_server(where: str) -> RekeyError:
    return NotFound(
        "there is no such server", where=where, fix="correct the tag ProviderAddress", code="40532"
    )


def _no_database(where: str) -> RekeyError:
    return NeedsHuman(
        "the database does not exist, or the login has no user in it",
        where=where,
        fix="correct the tags ProviderAddress and Database, or create the user in that database",
        code=NO_DATABASE,
    )


def _busy(where: str) -> RekeyError:
    return TransientError(
        "the server is busy, or the database is not available now", where=where, code="Busy"
    )


def _locked(where: str) -> RekeyError:
    return NeedsHuman(
        "the login is disabled, locked or must change its password",
        where=where,
        fix=(
            "enable or unlock the login, and turn its password's expiry off "
            "(CHECK_EXPIRATION = OFF)"
        ),
        code="LoginDisabled",
    )


def _no_principal(where: str) -> RekeyError:
    return NeedsHuman(
        "the login or user does not exist, or the app may not alter it",
        where=where,
        code=NO_PRINCIPAL,
    )


def _weak(where: str) -> RekeyError:
    return NeedsHuman(
        "the server's policy refuses the new password",
        where=where,
        fix="see which password policy the server enforces",
        code="PasswordPolicy",
    )


def _certificate(where: str) -> RekeyError:
    return TransientError(
        "not signed in: the server's certificate has expired, is not valid for the server's name,"
        " or has an unknown issuer",
        where=where,
        fix="check the server's name, and that no proxy stands between the app and the server",
        code=UNTRUSTED,
    )


_REFUSALS: tuple[tuple[str, _Made], ...] = (
    (r"only authentication is enabled", _entra_only),
    (r"not allowed to access the server|deny public network access", _firewall),
    (r"cannot open server", _no_server),
    (
        r"cannot open database|not able to access the database|cannot open user default database",
        _no_database,
    ),
    (
        r"not currently available|currently busy|too many operations in progress|try again|retry",
        _busy,
    ),
    (r"account is disabled|currently locked|password .{0,40}expired|must be changed", _locked),
    (r"does not exist or you do not have permission", _no_principal),
    (r"password validation failed", _weak),
)
"""Phrases in the server's own messages."""
_BY_SERVER = "[SQL Server]"
"""The mark before a message of the server. Without it the message is the driver's."""
_UNTRUSTED = re.compile(r"certificate|self.signed|hostname mismatch|TLS error|SSL", re.IGNORECASE)


def explain(text: str, where: str, user: str | None, secret: str) -> RekeyError:
    """Return the RekeyError for a message of the driver.

    `user` is the login, None for the app's identity. A text that may hold a part of `secret` is
    withheld.
    """
    _, by_server, message = text.partition(_BY_SERVER)
    if not by_server:
        unanswered = TransientError(
            f"no answer: {_harmless(text, secret)}", where=where, code=NO_ANSWER
        )
        return _certificate(where) if _UNTRUSTED.search(text) else unanswered
    # The name of a login may contain one of the phrases.
    message = message.replace(f"'{user}'", "''").replace(f'"{user}"', '""')
    for pattern, made in _REFUSALS:
        if re.search(pattern, message, re.IGNORECASE):
            return made(where)
    if "login failed for user" in message.lower():
        return _refused(where, user)
    return PermanentError(f"the server refused: {_harmless(message, secret)}", where=where)


def _refused(where: str, user: str | None) -> RekeyError:
    if user is None:
        return AccessDenied(
            "the server does not know the app's identity",
            where=where,
            fix="make the app's identity the server's Entra administrator, or create a "
            "user for it in"
            " that database (CREATE USER [app] FROM EXTERNAL PROVIDER)",
            code=REFUSED,
        )
    return VerificationFailed(
        f"the server refuses the password of {user!r}", where=where, code=REFUSED
    )


def _harmless(text: str, secret: str) -> str:
    """Return the start of the text; withhold it if it may hold a part of the secret."""
    pieces = (secret[start : start + 6] for start in range(max(len(secret) - 5, 1)))
    return (
        "(its text is withheld)"
        if any(piece in text for piece in pieces)
        else " ".join(text.split())[:200]
    )
