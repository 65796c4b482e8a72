"""What the secret's value looks like around the password.

A form that would break consumers is refused before anything is changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.contract import Job
from engine.errors import NeedsHuman
from engine.secret import Sensitive

PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
"""Names that mean the same in every connection string, quoted or not."""
CONNECTION_STRING = re.compile(r"(password|pwd)\s*=|^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def _refuse_escaping(what: str, value: str, tags: Mapping[str, str]) -> None:
    """Refuse a name that ValueTemplate would have to escape.

    NeedsHuman says to write it there by hand.
    """
    if f"{{{what}}}" in tags.get("ValueTemplate", "") and not PLAIN.fullmatch(value):
        raise NeedsHuman(
            f"{value[:40]!r} would have to be escaped in a connection string",
            fix=f"write it into the tag ValueTemplate itself, escaped, in place of {{{what}}}",
        )


def parts_of_a_connection(
    texts: Mapping[str, str], password: Sensitive, tags: Mapping[str, str]
) -> dict[str, Sensitive]:
    """Return what a ValueTemplate may use; NeedsHuman if a name would have to be escaped in it.

    `texts` are the server, the database and the user.
    """
    for what in ("user", "database"):
        _refuse_escaping(what, texts[what], tags)
    return {**{what: Sensitive(text) for what, text in texts.items()}, "password": password}


def refuse_more_than_password(job: Job) -> None:
    """Refuse to put a bare password where a connection string stands, or one of another shape.

    Raises NeedsHuman.
    """
    if job.held is None:
        raise NeedsHuman(
            "the value does not follow the tag ValueTemplate",
            where=job.source,
            fix="correct ValueTemplate to what the value looks like now",
        )
    if "ValueTemplate" not in job.options and CONNECTION_STRING.search(job.held.reveal()):
        raise NeedsHuman(
            "the value is more than the bare password",
            where=job.source,
            fix=(
                "set the tag ValueTemplate to the value with {password} (and {server}, "
                "{database}, {user}) in place of its parts"
            ),
        )
