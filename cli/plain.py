"""Errors as the person at the keyboard needs them.

One line, with a fix that this person can carry out. The app's own errors speak of the app's
identity; here it is the operator who is signed in.
"""

from __future__ import annotations

import re

from cloud.azure import NO_ANSWER
from engine.errors import AccessDenied, ConfigError, PermanentError, RekeyError, TransientError

NOBODY = ("CredentialUnavailableError", "ClientAuthenticationError")
"""How azure-identity names that nobody is signed in."""
SIGN_IN = (
    "az login, or any other sign-in of https://aka.ms/azsdk/python/identity/defaultazurecredential"
)
OUT_OF_REACH = "see that this machine reaches it: name, network, VPN, firewall"
IDENTITY = re.compile(r"the app's identity(?: \(application ([^,]+), object ([^)]+)\))?")
GRANT = re.compile(
    r"^grant it the role (.+?) at (.+?), see docs/permissions\.md; a new grant takes minutes$"
)


SENT = {
    "send force to rotate it anyway": "rotate it anyway with --force",
    "send rotate if you want it rotated": "rekey rotate rotates it, if you want that",
    "send compromised with rotate to cut a credential off now": (
        "rotate it with --compromised to cut a credential off now"
    ),
    "GET /api/secrets lists all": "rekey status shows all",
    "GET /api/secrets lists those that there are": "rekey status shows those that there are",
    "GET /api/incidents lists them": "rekey incident list shows them",
    "see its history": "rekey history shows them",
}
"""What a caller of the HTTP API is told to send."""


UNSET = "REKEY_VAULTS is empty"
APP_SETTINGS = "read the app's own, with --settings FILE: `Settings and sign-in` in docs/cli.md"


def advice(fix: str) -> str:
    """Return a fix in the words of the command line."""
    return SENT.get(fix, fix)


def plain(error: RekeyError) -> RekeyError:
    """Return the same error in the words of the command line."""
    if is_signed_out(error):
        return TransientError("you are not signed in", fix=SIGN_IN, code=NO_ANSWER)
    if error.code == NO_ANSWER and not error.fix:
        return TransientError(error.what, where=error.where, fix=OUT_OF_REACH, code=NO_ANSWER)
    if isinstance(error, ConfigError) and any(
        problem.startswith(UNSET) for problem in error.problems
    ):
        unset = ConfigError(error.problems)
        unset.fix = APP_SETTINGS
        return unset
    if isinstance(error, AccessDenied):
        what = IDENTITY.sub(_you, error.what)
        return AccessDenied(
            what, where=error.where, fix=GRANT.sub(_ask_for, error.fix), code=error.code
        )
    if error.fix in SENT:
        return PermanentError(error.what, where=error.where, fix=advice(error.fix), code=error.code)
    return error


def is_signed_out(error: RekeyError) -> bool:
    """Return whether all that is missing is a sign-in."""
    return error.code == NO_ANSWER and error.what.endswith(NOBODY)


def _you(match: re.Match[str]) -> str:
    return f"you (object {match[2]})" if match[2] else "you"


def _ask_for(match: re.Match[str]) -> str:
    return f"have the role {match[1]} granted to you there; a new grant takes minutes"
