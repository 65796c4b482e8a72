"""Times and ids in the bodies of requests to Graph."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simulator.entra import errors


def time(credential: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time of a credential in UTC; None if it is not there. Raises GraphError."""
    text = credential.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise errors.bad_request(
            f"Cannot convert the literal '{text}' to the expected type 'Edm.DateTimeOffset'."
        ) from None
    if moment.tzinfo is None:
        raise errors.bad_request(
            f"Cannot convert the literal '{text}' to the expected type 'Edm.DateTimeOffset'."
        )
    return moment.astimezone(UTC)


def guid(text: object) -> str:
    """Return an id in lower case; raises GraphError."""
    try:
        return str(uuid.UUID(str(text)))
    except ValueError:
        raise errors.bad_request(
            f"Cannot convert the literal '{text}' to the expected type 'Edm.Guid'."
        ) from None
