"""Make log records of other libraries fit to be sent: their first line, without anything that may be a credential."""

from __future__ import annotations

import logging
import re

LONGEST = 1000
OWN = ("rekey",)
"""Loggers whose records are sent by a handler of their own."""
EXPORTERS = ("opentelemetry", "azure.monitor")
"""What they warn of is that nothing can be sent: each warning would have to be sent, and be the
next to fail."""
NAMED = re.compile(
    r"(?i)\b((?:account|access|shared|storage)?[ _-]?(?:key|secret|password|pwd|token|sig|signature|code|assertion)"
    r"|authorization|bearer)(\s*[=:]\s*|\s+(?=\S{20,}))(?:bearer\s+)?[^\s&;,]+"
)
"""A credential with its name before it."""
RUN = re.compile(r"[^\s'\"<>(){}\[\],;]{20,}")
PLAIN = re.compile(r"/subscriptions/|https?://|[0-9a-fA-F-]{32,36}$|[\w./-]+\.pyc?\b")
"""What begins a long run that is no credential: ids, addresses, files."""
CLASSES = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
HIDDEN = "(hidden)"


def scrubbed(text: str) -> str:
    """Return the first line of a text, short, with every query string and all that looks like a credential hidden."""
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
    """Lets the records of other libraries pass, each as a copy that holds no more than it says in one line."""

    def filter(self, record: logging.LogRecord) -> logging.LogRecord | bool:
        """Return the copy; False for what is sent another way, or could never be."""
        if _is_below(record.name, (*OWN, *EXPORTERS)):
            return False
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = str(record.msg)  # A library's own mistake in its arguments.
        # Neither the exception's text nor its frames: both may hold what a request or an answer
        # held.
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        said = scrubbed(text) + (f" ({kind})" if kind else "")
        return logging.LogRecord(
            record.name, record.levelno, record.pathname, record.lineno, said, None, None
        )


def _is_below(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)
