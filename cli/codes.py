"""How a run ends: the exit codes, and which error means which."""

from __future__ import annotations

from enum import IntEnum

from api.answers import BadRequest
from cloud.azure import NO_ANSWER
from engine.errors import AccessDenied, ConfigError, RekeyError, TransientError


class Exit(IntEnum):
    """The exit code of a run; docs/cli.md lists them."""

    FINE = 0
    FOUND = 1
    """Done, and something was found that a person should look at."""
    USAGE = 2
    """The command line cannot be read; argparse's own code."""
    SETTINGS = 3
    """The settings, or the file that should hold them, are wrong."""
    AZURE = 4
    """Azure refused, or did not answer."""
    DECLINED = 5
    """Rekey refused, with its reason; nothing was changed."""
    RUNNING = 6
    """The operation has not come to its end in the time that was given."""
    INTERRUPTED = 130
    """Ctrl-C."""


SIGN_IN = "az login, or whatever else https://aka.ms/azsdk/python/identity/defaultazurecredential takes"
"""The fix where nobody is signed in."""
NOBODY = ("CredentialUnavailableError", "ClientAuthenticationError")
"""How azure-identity names that."""


def fix_of(error: RekeyError) -> str:
    """Return the error's fix, or how to sign in where that is all that is missing."""
    return error.fix or (SIGN_IN if error.code == NO_ANSWER and error.what.endswith(NOBODY) else "")


def exit_of(error: RekeyError) -> Exit:
    """Return the exit code that an error ends in."""
    match error:
        case BadRequest():
            return Exit.USAGE
        case ConfigError():
            return Exit.SETTINGS
        case TransientError() | AccessDenied():
            return Exit.AZURE
        case _:
            return Exit.DECLINED
