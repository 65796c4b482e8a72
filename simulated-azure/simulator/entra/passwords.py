"""addPassword and removePassword: what they accept, and what they refuse."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.entra import errors
from simulator.entra.moments import guid, time

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.entra.directory import Application, Directory, Password

PROPERTIES = frozenset({"displayName", "startDateTime", "endDateTime"})
"""What a caller may set; the service sets the rest of a passwordCredential."""
MOST_PERSONAL = 2


class Passwords:
    """The two actions on an application that the caller may change."""

    def __init__(self, now: Callable[[], datetime], directory: Directory) -> None:
        self._now, self._directory = now, directory

    def add(self, application: Application, raw: bytes) -> Password:
        """Add a secret; raises GraphError."""
        credential = _body(raw, {"passwordCredential"}).get("passwordCredential") or {}
        if not isinstance(credential, dict) or set(credential) - PROPERTIES:
            raise errors.bad_request(
                "Invalid value specified for property 'passwordCredential' of resource "
                "'Application'."
            )
        start, end = time(credential, "startDateTime"), time(credential, "endDateTime")
        self._check_settled(application)
        self._check_allowed(application, start or self._now(), end)
        return self._directory.add_password(application, credential.get("displayName"), start, end)

    def remove(self, application: Application, raw: bytes) -> None:
        """Remove a secret; raises GraphError."""
        key_id = guid(_body(raw, {"keyId"}).get("keyId"))
        self._check_settled(application)
        alive = application.passwords(self._now())
        seen = {
            password.key_id
            for password in application.passwords(self._directory.seen_by_removals())
        }
        match = next(
            (password for password in alive if password.key_id == key_id and key_id in seen), None
        )
        if match is None:
            raise errors.no_password(key_id)
        self._directory.remove_password(application, match)

    def _check_settled(self, application: Application) -> None:
        if not self._directory.settled(application):
            raise errors.concurrent()

    def _check_allowed(
        self, application: Application, start: datetime, end: datetime | None
    ) -> None:
        policy = self._directory.policy
        if end and end <= start:
            raise errors.bad_request("The credential's end date must be later than its start date.")
        if not policy.secrets_allowed:
            raise errors.secrets_forbidden(policy)
        if policy.max_lifetime and (end is None or end - start > policy.max_lifetime):
            raise errors.lifetime_capped(policy)
        if application.personal and len(application.passwords(self._now())) >= MOST_PERSONAL:
            raise errors.too_many_passwords()


def _body(raw: bytes, known: set[str]) -> dict[str, Any]:
    """Return the object in the request's body; an empty body is an empty object."""
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        raise errors.bad_request("Unable to read JSON request payload.") from None
    if not isinstance(body, dict) or set(body) - known:
        raise errors.bad_request(
            "The request body holds a parameter that the action does not have."
        )
    return body
