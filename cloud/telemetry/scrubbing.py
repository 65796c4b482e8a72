"""Reduce log records of other libraries to their first line, without possible credentials."""

from __future__ import annotations

import logging
import re

LONGEST = 1000
OWN = ("rekey",)
"""Loggers that have their own handler."""
EXPORTERS = ("opentelemetry", "azure.monitor")
"""Their warnings say that sending failed. To send such a warning would cause the next failure."""
NAMED = re.compile(
    r"(?i)\b((?:account|access|shared|storage)?[ _-]?"
    r"(?:key|secret|password|pwd|token|sig|signature|code|assertion)"
    r"|authorization|bearer)(\s*[=:]\s*|\s+(?=\S{20,}))(?:bearer\s+)?[^\s&;,]+"
)
"""A credential that follows its name."""
RUN = re.compile(r"[^\s'\"<>(){}\[\],;]{20,}")
PLAIN = re.compile(r"/subscriptions/|https?://|[0-9a-fA-F-]{32,36}$|[\w./-]+\.pyc?\b")
"""The start of a long run that is not a credential: an id, an address or a file."""
CLASSES = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
HIDDEN = "(hidden)"


def scrubbed(text: str) -> str:
    """Return a text's first line, shortened, with query strings and possible credentials hidden."""
    first = text.split("\n", 1)[0]
    first = re.sub(r"\?[^\s'\"]{8,}", f"?{HIDDEN}", first)
    first = NAMED.sub(rf"\1\2{HIDDEN}", first)
    return RUN.sub(_plain, first)[:LONGEST]


def _plain(run: re.Match[str]) -> str:
    text = run[0]
    if PLAIN.match(text) or not all(kind.search(text) for kind in CLASSES):
        return text
    return HIDDEN


class ForeignFilter(logging.Filter):
    """Passes the records of other libraries, each as a copy that holds a single scrubbed line."""

    def filter(self, record: logging.LogRecord) -> logging.LogRecord | bool:
        """Return the copy; False for loggers with their own handler, and for the exporters."""
        if _is_below(record.name, (*OWN, *EXPORTERS)):
            return False
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = str(record.msg)  # The library passed arguments that do not fit its message.
        # The exception's text and frames are left out: both may hold parts of a request or an
        # answer.
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        line = scrubbed(text) + (f" ({kind})" if kind else "")
        return logging.LogRecord(
            record.name, record.levelno, record.pathname, record.lineno, line, None, None
        )


def _is_below(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)
