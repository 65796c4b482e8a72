"""What the app's own code logs while it runs here: lines for whoever is at the keyboard."""

from __future__ import annotations

import logging

from engine.errors import RekeyError

POLICY, UNREADABLE = "rekey.policy", "unreadable"


class OwnWords(logging.Filter):
    """Lets each line through in the words of the command line.

    That the policy cannot be read comes as an error as well, with who is signed in; the log speaks
    of the app, for which it may be true or not.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is shown; its errors are put into plain words."""
        parts = record.args if isinstance(record.args, tuple) else ()
        if record.name == POLICY and UNREADABLE in parts:
            return False
        if any(isinstance(part, RekeyError) for part in parts):
            from cli.plain import plain

            record.args = tuple(
                plain(part) if isinstance(part, RekeyError) else part for part in parts
            )
        return True
