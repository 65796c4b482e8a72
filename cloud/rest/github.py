"""One alert of GitHub's secret scanning, with its value.

https://docs.github.com/rest/secret-scanning/secret-scanning#get-a-secret-scanning-alert: a GitHub
App needs the permission "Secret scanning alerts", to read. Its token comes from its private key:
https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from cloud.azure import BUSY, Azure
from cloud.rest.data_plane import Answer, DataPlane, Signed
from cloud.waiting import LONGEST, retry_after
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    Throttled,
    TransientError,
)
from engine.ports import Clock
from engine.secret import Sensitive

API = "https://api.github.com"
VERSION = "2022-11-28"
MOST_TEXT = 64 * 1024
NUMBER = re.compile(r"[0-9]{1,12}")
SKEW, LIFE = timedelta(minutes=1), timedelta(minutes=9)
"""How far back the app's own assertion is dated, and how long it lives: GitHub allows ten minutes."""
OVERLOADED = BUSY - {HTTPStatus.TOO_MANY_REQUESTS}
"""A 429 is a rate limit as a 403 may be: only headers of GitHub's own say how long it lasts."""
READ = {"secret_scanning_alerts": "read"}
"""All that a token may do."""


class GitHubAlerts:
    """Reads alerts; see engine.ports.Alerts."""

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._plane = DataPlane(azure)
        self._clock = clock

    async def value(self, repository: str, number: int, key: Sensitive, app: str) -> Sensitive:
        """Return the value that an alert is about; raises RekeyErrors that show no part of it."""
        where = f"{repository}, alert {number}"
        token = await self._token(repository, key, app) if app else key
        path = f"/repos/{repository}/secret-scanning/alerts/{number}"
        return await self._told("secret", _request(token, path), where)

    async def _token(self, repository: str, key: Sensitive, app: str) -> Sensitive:
        """Return a token that reads the alerts of this repository alone.

        It lives for an hour and is used once, so none is kept that must be renewed.
        """
        where, assertion = f"{repository}, the app {app}", self._assertion(key, app)
        installation = _request(assertion, f"/repos/{repository}/installation")
        number = (await self._told("id", installation, where)).reveal()
        if not number.isdecimal():
            raise TransientError("GitHub's answer names no installation", where=where)
        scope = {"repositories": [repository.partition("/")[2]], "permissions": READ}
        path = f"/app/installations/{number}/access_tokens"
        return await self._told("token", _request(assertion, path, scope), where)

    def _assertion(self, key: Sensitive, app: str) -> Sensitive:
        """Return what the app signs in with, signed with its private key."""
        import jwt

        now = self._clock.now()
        times = {"iat": int((now - SKEW).timestamp()), "exp": int((now + LIFE).timestamp())}
        try:
            signed = jwt.encode({**times, "iss": app}, key.reveal(), algorithm="RS256")
        except (AttributeError, ValueError, TypeError, jwt.PyJWTError):
            # AttributeError: PyJWT has read a public key, which cannot sign.
            raise NeedsHuman(
                "the secret holds no private key of a GitHub App",
                where="leaks.github.tokenSecret",
                fix="write the PEM file into it that GitHub made for the app",
            ) from None
        return Sensitive(signed)

    async def _told(self, name: str, request: Signed, where: str) -> Sensitive:
        """Send a request, and return one field of its answer."""
        answer = await self._plane.send(request, where, MOST_TEXT, OVERLOADED)
        if not answer.is_success:
            raise _refused(answer, where, self._clock.now())
        try:
            value: Any = json.loads(answer.text)[name]
        except (ValueError, TypeError, LookupError):
            value = None
        if not isinstance(value, str | int) or value == "":
            raise PermanentError(
                "GitHub's answer holds no value", where=where, fix="report the value by hand"
            )
        return Sensitive(str(value))


def _request(token: Sensitive, path: str, body: Mapping[str, Any] | None = None) -> Signed:
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token.reveal()}",
        "X-GitHub-Api-Version": VERSION,
        "User-Agent": "rekey",
    }
    content = json.dumps(body).encode() if body else b""
    return Signed(f"{API}{path}", headers, "POST" if body else "GET", content)


def _refused(answer: Answer, where: str, now: datetime) -> PermanentError | TransientError:
    status, what = answer.status, f"GitHub answers {answer.status}"
    if _is_limited(answer):
        wait = retry_after(answer)
        return Throttled(
            f"{what}: its rate limit is used up",
            where=where,
            fix="let GitHub deliver it again",
            retry_after=_until_reset(answer, now) if wait is None else wait,
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        fix = "let what leaks.github.tokenSecret holds read secret scanning alerts"
        return AccessDenied(what, where=where, fix=fix)
    if status == HTTPStatus.NOT_FOUND:
        fix = "let what leaks.github.tokenSecret holds reach the repository"
        return NotFound(what, where=where, fix=fix)
    return TransientError(what, where=where, fix="let GitHub deliver it again")


def _is_limited(answer: Answer) -> bool:
    """Return whether an answer is about how often one asks: a 429 is, a 403 may be about a right.

    https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    A limit on bursts may be named in words alone; GitHub's own client goes by them:
    https://github.com/octokit/plugin-throttling.js.
    """
    if answer.status == HTTPStatus.FORBIDDEN:
        is_burst = "secondary rate" in answer.text.lower()
        return is_burst or "Retry-After" in answer.headers or _is_used_up(answer)
    return answer.status == HTTPStatus.TOO_MANY_REQUESTS


def _is_used_up(answer: Answer) -> bool:
    """Return whether no request is left until the reset. A burst is limited while some are."""
    return answer.headers.get("x-ratelimit-remaining") == "0"


def _until_reset(answer: Answer, now: datetime) -> float | None:
    """Return the seconds until GitHub takes requests again; None if it does not say when."""
    reset = answer.headers.get("x-ratelimit-reset", "")
    if not _is_used_up(answer) or not NUMBER.fullmatch(reset):
        return None
    return min(max(int(reset) - now.timestamp(), 0.0), LONGEST)
