"""Errors as the person at the keyboard needs them.

One line, with a fix that this person can carry out. The app's own errors speak of the app's
identity; here it is the operator who is signed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cloud import vaults
from cloud.azure import FIREWALL_FIX, FOREIGN_FIX, NO_ANSWER, UNTRUSTED_FIX
from cloud.policy_store import Ungoverned
from cloud.storage import blobs, queues
from engine.errors import AccessDenied, ConfigError, PermanentError, RekeyError, TransientError

NOBODY = ("CredentialUnavailableError", "ClientAuthenticationError")
"""How azure-identity names that nobody is signed in, or that the sign-in has ended."""
SIGNED_OUT, REFUSED = "you are not signed in", "the app's token was refused"
SIGN_IN = (
    "az login, or any other sign-in of https://aka.ms/azsdk/python/identity/defaultazurecredential"
)
SIGN_IN_THERE = "sign in to the tenant of the vault: az login --tenant <tenant>"
HERE = {
    FOREIGN_FIX: SIGN_IN_THERE,
    FIREWALL_FIX: (
        "let this machine's network in, or run this where the network may in: a private deployment "
        "is reached from its own network alone"
    ),
    UNTRUSTED_FIX: UNTRUSTED_FIX.replace("the app", "this machine").replace(
        "setting", "environment variable"
    ),
}
"""What the app is told to do → what the person at this machine can do about it."""
OUT_OF_REACH = "see that this machine reaches it: name, network, VPN, firewall"
IDENTITY = re.compile(r"the app's identity(?: \(application ([^,]+), object ([^)]+)\))?")
GRANT = re.compile(
    r"^grant it the role (.+?) at (.+?), see docs/permissions\.md; a new grant takes minutes$"
)
SMALLEST: Mapping[str, Sequence[tuple[str, str]]] = {
    vaults.ROLE: (
        ("listing", "Key Vault Reader"),
        ("reading", "Key Vault Secrets User"),
        ("", "Key Vault Secrets Officer"),
    ),
    queues.ROLE: (
        ("reading", "Storage Queue Data Reader"),
        ("posting", "Storage Queue Data Message Sender"),
    ),
    blobs.ROLE: (
        ("listing", "Storage Blob Data Reader"),
        ("reading", "Storage Blob Data Reader"),
        ("", "Storage Blob Data Contributor"),
    ),
}
"""The role that is enough for one call, by the role that the app needs and how the call begins."""


SENT = (
    (r"\bsend force to (.+)$", r"\1 with --force"),
    (r"\bsend (force|compromised) with rotate\b", r"rekey rotate with --\1"),
    (r"\bsend (force|compromised)\b", r"add --\1"),
    (r"^GET /api/secrets lists (all|those that there are)$", r"rekey status shows \1"),
    (r"^GET /api/incidents lists them$", "rekey incident list shows them"),
    (r"^see its history$", "rekey history shows them"),
)
"""What a caller of the HTTP API is told to send, and what it is called here."""


UNSET = "REKEY_VAULTS is empty"
APP_SETTINGS = "read the app's own, with --settings FILE: `Settings and sign-in` in docs/cli.md"


def advice(fix: str) -> str:
    """Return a fix in the words of the command line."""
    for pattern, words in SENT:
        fix = re.sub(pattern, words, fix)
    return fix


def plain(error: RekeyError) -> RekeyError:  # noqa: PLR0911 - a table
    """Return the same error in the words of the command line."""
    if isinstance(error, Ungoverned) and _is_mine(error.cause):
        return _unread_policy(plain(error.cause))
    if is_signed_out(error):
        return TransientError(SIGNED_OUT, fix=SIGN_IN, code=NO_ANSWER)
    if error.code == NO_ANSWER and error.fix in ("", UNTRUSTED_FIX):
        fix = HERE.get(error.fix, OUT_OF_REACH)
        return TransientError(error.what, where=error.where, fix=fix, code=NO_ANSWER)
    if isinstance(error, ConfigError) and any(
        problem.startswith(UNSET) for problem in error.problems
    ):
        unset = ConfigError(error.problems)
        unset.fix = APP_SETTINGS
        return unset
    if isinstance(error, AccessDenied):
        what = IDENTITY.sub(_you, error.what)
        return AccessDenied(what, where=error.where, fix=_asked_for(error), code=error.code)
    if REFUSED in error.what:
        what = error.what.replace(REFUSED, "your token was refused")
        return TransientError(what, where=error.where, fix=SIGN_IN, code=error.code)
    if advice(error.fix) != error.fix:
        return PermanentError(error.what, where=error.where, fix=advice(error.fix), code=error.code)
    return error


def is_signed_out(error: RekeyError) -> bool:
    """Return whether all that is missing is a sign-in."""
    return error.code == NO_ANSWER and error.what.endswith(NOBODY)


def _is_mine(cause: RekeyError) -> bool:
    """Return whether this person's own sign-in or network is what keeps the policy from them."""
    return isinstance(cause, AccessDenied) or cause.code == NO_ANSWER or REFUSED in cause.what


def _unread_policy(error: RekeyError) -> RekeyError:
    """Say what could not be read; what the app rotates meanwhile is another matter."""
    if error.what != SIGNED_OUT:
        error.what = f"the policy document cannot be read: {error.what}"
    return error


def _you(match: re.Match[str]) -> str:
    return f"you (object {match[2]})" if match[2] else "you"


def _asked_for(error: AccessDenied) -> str:
    """Return the fix of who was refused: to ask for the role that this one call needs."""
    if not (grant := GRANT.fullmatch(error.fix)):
        return HERE.get(error.fix, error.fix)
    enough = SMALLEST.get(grant[1], ())
    role = next((role for start, role in enough if error.what.startswith(start)), grant[1])
    return f"have the role {role} granted to you there; a new grant takes minutes"
