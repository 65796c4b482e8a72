"""The meaning of a database server's errors. The driver returns text only, so fixed phrases decide.

Source of the texts:
https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
and https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues.
"""

from __future__ import annotations

import re

from cloud.azure import NO_ANSWER
from cloud.databases import problems
from cloud.meanings import Meaning, meaning
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
)

NO_DATABASE, ENTRA_ONLY, NO_PRINCIPAL = "4060", "EntraOnly", "15151"
"""Codes of errors that a rotator distinguishes.

NO_DATABASE: the server accepted the sign-in, but the login cannot open this database.
"""
NOT_LOADED = "DriverNotLoaded"
"""The code of an error of the app's own package: no server was asked."""

_entra_only = meaning(
    NeedsHuman,
    "the server takes Entra identities only, so no password can sign in",
    fix="turn Microsoft Entra-only authentication off on the server, or remove the secret",
    code=ENTRA_ONLY,
)
_firewall = meaning(
    AccessDenied,
    "the server's firewall refuses the app",
    fix="let the app's network reach the server (virtual network rule, firewall rule or private "
    "endpoint)",
    code=problems.FIREWALL,
)
_no_server = meaning(
    NotFound, "there is no such server", fix="correct the tag ProviderAddress", code="40532"
)
_no_database = meaning(
    NeedsHuman,
    "the database does not exist, or the login has no user in it",
    fix="correct the tags ProviderAddress and Database, or create the user in that database",
    code=NO_DATABASE,
)
_busy = meaning(
    TransientError,
    "the server is busy, or the database is not available now",
    code=problems.BUSY,
)
_locked = meaning(
    NeedsHuman,
    "the login is disabled, locked or must change its password",
    fix="enable or unlock the login, and turn its password's expiry off (CHECK_EXPIRATION = OFF)",
    code=problems.LOGIN_DISABLED,
)
_no_principal = meaning(
    NeedsHuman,
    "the login or user does not exist, or the app may not alter it",
    fix="correct the tag CredentialId, or grant the app the right; the kind's page has the statement",
    code=NO_PRINCIPAL,
)
_REFUSALS: tuple[tuple[str, Meaning], ...] = (
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
    # 10928 and 10936: too many workers or sessions. 1205: a deadlock.
    (r"limit for the .{1,40} has been reached|rerun the transaction", _busy),
    (r"account is disabled|currently locked|password .{0,40}expired|must be changed", _locked),
    (r"does not exist or you do not have permission", _no_principal),
    (r"password validation failed", problems.policy),
    # 3906, and 978 of a replica that is read only where a client says so.
    (r"database is read.only|intent is set to read.only", problems.read_only),
)
"""Phrases in the server's own messages."""
_BY_SERVER = "[SQL Server]"
"""The mark before a message of the server. Without it the message is the driver's."""
_BY_LOADER = "Failed to load the driver"
"""The driver's words where a library is missing that it opens itself."""
_QUOTED = re.compile("'[^']*'|\"[^\"]*\"")
_MISSING = re.compile(r"^(\S+): cannot open shared object file")
_UNTRUSTED = re.compile(r"certificate|self.signed|hostname mismatch|TLS error|SSL", re.IGNORECASE)


def explain(text: str, where: str, user: str | None, secret: str) -> RekeyError:
    """Return the RekeyError for a message of the driver.

    `user` is the login, None for the app's identity. A text that may hold a part of `secret` is
    withheld.
    """
    _, by_server, message = text.partition(_BY_SERVER)
    if not by_server and _BY_LOADER in text:
        return not_loaded(text, where)
    if not by_server:
        unanswered = TransientError(
            f"no answer: {_harmless(text, secret)}", where=where, code=NO_ANSWER
        )
        return problems.untrusted(where) if _UNTRUSTED.search(text) else unanswered
    # A name may contain one of the phrases, and that of a login a quotation mark as well.
    phrases = message.replace(f"'{user}'", "''").replace(f'"{user}"', '""')
    phrases = _QUOTED.sub("''", phrases)
    for pattern, made in _REFUSALS:
        if re.search(pattern, phrases, re.IGNORECASE):
            return made(where)
    if "login failed for user" in phrases.lower():
        return _refused(where, user)
    return PermanentError(f"the server refused: {_harmless(message, secret)}", where=where)


def not_loaded(text: str, where: str) -> RekeyError:
    """Return the error for a driver that this machine cannot load, with what the loader says."""
    missing = _MISSING.match(text)
    why = f"the library {missing[1]} is missing" if missing else " ".join(text.split())[:200]
    return PermanentError(
        f"Microsoft's SQL driver cannot be loaded, so no server was asked: {why}",
        where=where,
        fix="deploy the complete package (make package, with remoteBuild off): its libraries "
        "fit the app's image",
        code=NOT_LOADED,
    )


def _refused(where: str, user: str | None) -> RekeyError:
    if user is None:
        return AccessDenied(
            "the server does not know the app's identity",
            where=where,
            fix="make the app's identity the server's Entra administrator, or create a "
            "user for it in"
            " that database (CREATE USER [app] FROM EXTERNAL PROVIDER)",
            code=problems.REFUSED,
        )
    return problems.wrong_password(where, user)


def _harmless(text: str, secret: str) -> str:
    """Return the start of the text; withhold it if it may hold a part of the secret."""
    pieces = (secret[start : start + 6] for start in range(max(len(secret) - 5, 1)))
    return (
        "(its text is withheld)"
        if any(piece in text for piece in pieces)
        else " ".join(text.split())[:200]
    )
