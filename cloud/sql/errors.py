"""What a database server's refusals mean. The driver gives text alone, so they are told apart by their fixed words.

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
"""Codes of errors that a rotator tells apart. NO_DATABASE: who signs in was recognised, but has no
way into this database."""

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
        fix="let the app's network reach the server (virtual network rule, firewall rule or private endpoint)",
        code="Firewall",
    )


def _no_server(where: str) -> RekeyError:
    return NotFound(
        "there is no such server", where=where, fix="correct the tag ProviderAddress", code="40532"
    )


def _no_database(where: str) -> RekeyError:
    return NeedsHuman(
        "the database does not exist, or whoever signs in has no user in it",
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
        fix="enable or unlock the login, and turn its password's expiry off (CHECK_EXPIRATION = OFF)",
        code="LoginDisabled",
    )


def _no_principal(where: str) -> RekeyError:
    return NeedsHuman(
        "it does not exist, or the app may not alter it", where=where, code=NO_PRINCIPAL
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
        "the server's certificate is not valid for its name, has expired or was signed by nobody known: not signed in",
        where=where,
        fix="see whether something stands between the app and the server, and whether the server's name is right",
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
"""What the server itself says."""
_BY_SERVER = "[SQL Server]"
"""Stands before the server's words; without it the driver speaks for itself."""
_UNTRUSTED = re.compile(r"certificate|self.signed|hostname mismatch|TLS error|SSL", re.IGNORECASE)


def explain(text: str, where: str, user: str | None, secret: str) -> RekeyError:
    """Return the RekeyError for what the driver says; `user` is who signed in, None for the app's identity.

    Nothing of the text is passed on where it may hold a part of `secret`.
    """
    _, by_server, said = text.partition(_BY_SERVER)
    if not by_server:
        unanswered = TransientError(
            f"no answer: {_harmless(text, secret)}", where=where, code=NO_ANSWER
        )
        return _certificate(where) if _UNTRUSTED.search(text) else unanswered
    # A name may be spelt like one of the phrases.
    said = said.replace(f"'{user}'", "''").replace(f'"{user}"', '""')
    for pattern, made in _REFUSALS:
        if re.search(pattern, said, re.IGNORECASE):
            return made(where)
    if "login failed for user" in said.lower():
        return _refused(where, user)
    return PermanentError(f"the server refused: {_harmless(said, secret)}", where=where)


def _refused(where: str, user: str | None) -> RekeyError:
    if user is None:
        return AccessDenied(
            "the server does not know the app's identity",
            where=where,
            fix="make the app's identity the server's Entra administrator, or create a user for it in that database "
            "(CREATE USER [app] FROM EXTERNAL PROVIDER)",
            code=REFUSED,
        )
    return VerificationFailed(
        f"the server refuses the password of {user!r}", where=where, code=REFUSED
    )


def _harmless(text: str, secret: str) -> str:
    """Return the text's beginning, or nothing where it shares six characters in a row with the secret."""
    pieces = (secret[start : start + 6] for start in range(max(len(secret) - 5, 1)))
    return (
        "(its text is withheld)"
        if any(piece in text for piece in pieces)
        else " ".join(text.split())[:200]
    )
