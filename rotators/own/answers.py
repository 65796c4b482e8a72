"""What an endpoint may answer, and how that is read. Whatever else it answers is nonsense.

The texts of msgspec's errors are not used: they may show what was answered.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
)
from engine.secret import Sensitive

BUSY = frozenset({408, 409, 429, 500, 502, 503, 504})
CORRECT = "correct the endpoint: rekey conformance shows what it gets wrong"


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to issue."""

    credential_id: str
    fields: dict[str, Sensitive]
    expires: datetime | None = None


class Tried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to verify."""

    accepted: bool


class Revoked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to retire. `gone` also where there was none; `held` where it is the one in use."""

    outcome: Literal["gone", "held"]


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to tidy and undo."""

    done: bool


class Failure(msgspec.Struct, frozen=True):
    """The body of a refusal; anything else in it is ignored."""

    error: str


def decoded[T](shape: type[T], body: bytes | None, what: str, where: str) -> T:
    """Return an answer; raises PermanentError for nonsense."""
    try:
        return msgspec.json.decode(body or b"", type=shape, dec_hook=_sensitive)
    except (ValueError, RecursionError):
        problem = PermanentError(
            f"the answer to {what} does not follow the schema",
            where=where,
            fix=CORRECT,
        )
    raise problem


def refusal(
    status: int, body: bytes | None, what: str, where: str, wait: float | None = None
) -> RekeyError:
    """Return what a status means. Of the body, only a word of a closed list counts."""
    try:
        word = msgspec.json.decode(body or b"", type=Failure).error
    except (ValueError, RecursionError):
        word = ""
    answered = f"{what} was answered {status}"
    if status in BUSY:
        return TransientError(answered, where=where, retry_after=wait, code=str(status))
    if word == "no-such-source":
        fix = "correct the tag ProviderAddress, or restore the source"
        return NotFound(f"{answered}: the endpoint knows no such source", where=where, fix=fix)
    if word == "needs-human":
        fix = "see the endpoint's log"
        return NeedsHuman(f"{answered}: a person must decide", where=where, fix=fix)
    if status in (401, 403):
        fix = "give the endpoint the signing key with the id in keyid, and compare both clocks"
        return AccessDenied(f"{answered}: it refuses the signature", where=where, fix=fix)
    if 300 <= status < 400:  # noqa: PLR2004
        fix = "write the final address into REKEY_ENDPOINTS: Rekey follows no redirect"
        return PermanentError(answered, where=where, fix=fix)
    return PermanentError(answered, where=where, fix=CORRECT)


def _sensitive(kind: type, value: object) -> Sensitive:
    if kind is not Sensitive or not isinstance(value, str):
        raise ValueError
    return Sensitive(value)
