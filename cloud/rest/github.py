"""One alert of GitHub's secret scanning, with its value.

https://docs.github.com/rest/secret-scanning/secret-scanning#get-a-secret-scanning-alert: a GitHub
App needs the permission "Secret scanning alerts", to read.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from cloud.azure import Azure
from cloud.rest.data_plane import DataPlane, Signed
from engine.errors import AccessDenied, NotFound, PermanentError, TransientError
from engine.secret import Sensitive

API = "https://api.github.com"
VERSION = "2022-11-28"
MOST_TEXT = 64 * 1024


class GitHubAlerts:
    """Reads alerts; see engine.ports.Alerts."""

    def __init__(self, azure: Azure) -> None:
        self._plane = DataPlane(azure)

    async def value(self, repository: str, number: int, token: Sensitive) -> Sensitive:
        """Return the value that an alert is about; raises RekeyErrors that show no part of it."""
        where = f"{repository}, alert {number}"
        url = f"{API}/repos/{repository}/secret-scanning/alerts/{number}"
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token.reveal()}",
            "X-GitHub-Api-Version": VERSION,
            "User-Agent": "rekey",
        }
        answer = await self._plane.send(Signed(url, headers), where, MOST_TEXT)
        if not answer.is_success:
            raise _refused(answer.status, where)
        try:
            data: Any = json.loads(answer.text)
            return Sensitive(str(data["secret"]))
        except (ValueError, TypeError, LookupError):
            raise PermanentError(
                "GitHub's answer holds no value", where=where, fix="report the value by hand"
            ) from None


def _refused(status: int, where: str) -> PermanentError | TransientError:
    what = f"GitHub answers {status}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        fix = "let the token in leaks.github.tokenSecret read secret scanning alerts"
        return AccessDenied(what, where=where, fix=fix)
    if status == HTTPStatus.NOT_FOUND:
        fix = "let the token in leaks.github.tokenSecret reach the repository"
        return NotFound(what, where=where, fix=fix)
    return TransientError(what, where=where, fix="let GitHub deliver it again")
