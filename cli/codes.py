"""How a run ends: the exit codes, and which error means which."""

from __future__ import annotations

from enum import IntEnum

from api.answers import BadRequest
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
    FAILED = 7
    """What nobody foresaw, such as a full disk under the output."""
    INTERRUPTED = 130
    """Ctrl-C."""


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
