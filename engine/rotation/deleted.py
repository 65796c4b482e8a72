"""What an incident says of a secret that its vault no longer has.

Nothing is revoked for it. Its owner's consent went with its tags, nobody knows what a successor
holds by now, and without its value no refusal could be proven.
"""

from __future__ import annotations

from engine.errors import NotFound, PermanentError
from engine.state.incident import RECOVER, deleted_at
from engine.state.request import WorkItem


def named(error: PermanentError, item: WorkItem, source: str) -> PermanentError:
    """Return the error of an item; where its secret is deleted, one that says what may still work."""
    if item.compromised and isinstance(error, NotFound) and error.where == str(item.ref):
        return NotFound(deleted_at(source), where=error.where, fix=RECOVER, code=error.code)
    return error
