"""Plays recorded traffic to a world and compares the answers, leaving out what belongs to one recording only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from simulator_tests.caller import Caller
from simulator_tests.specs import load

if TYPE_CHECKING:
    from simulator.clock import VirtualClock
    from simulator.wire import Response

VERSION = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")
SKIPTOKEN = re.compile(r"\$skiptoken=[\w-]+")
SECONDS = ("created", "updated", "deletedDate", "scheduledPurgeDate")
KEY = re.compile(r"REDACTED|[A-Za-z0-9+/]{86}==")
COMPARED_HEADERS = (
    *("content-type", "www-authenticate", "cache-control", "pragma", "expires"),
    *(
        "strict-transport-security",
        "x-content-type-options",
        "x-ms-client-request-id",
        "x-ms-keyvault-region",
    ),
)
PRESENT_HEADERS = (
    *(
        "x-ms-keyvault-service-version",
        "x-ms-keyvault-network-info",
        "x-ms-keyvault-rbac-assignment-id",
    ),
    *("server", "vary"),
    *(
        "x-ms-ratelimit-remaining-subscription-writes",
        "x-ms-ratelimit-remaining-subscription-resource-requests",
    ),
)
"""Headers whose value belongs to one machine or one moment. `x-ms-request-id` is left out: some
recorders removed it."""


def pairs(file: str) -> dict[str, Any]:
    """Return a recording's pairs by their names, in the order in which they happened."""
    return {pair["name"]: pair for pair in load(f"recordings/{file}")["pairs"]}


def moment(pair: dict[str, Any]) -> datetime:
    """Return when a recorded answer was given."""
    return parsedate_to_datetime(_lower(pair["response"]["headers"])["date"]).astimezone(UTC)


@dataclass
class Player:
    """Plays pairs in order, moving the clock as it went.

    Versions and page marks become those of the world's answers.
    """

    caller: Caller
    clock: VirtualClock
    renamed: dict[str, str] = field(default_factory=dict)
    next_link: str = ""

    def play(self, pair: dict[str, Any]) -> Response:
        """Send one recorded request, compare the answer, and return it."""
        self.clock.advance(max((moment(pair) - self.clock()).total_seconds(), 0))
        request = pair["request"]
        caller = Caller(self.caller.world) if pair["response"]["status"] == 401 else self.caller
        headers = {
            name: value
            for name, value in _lower(request["headers"]).items()
            if name != "authorization"
        }
        response = caller.send(
            request["method"], self._url(request), request["body"], headers=headers
        )
        self._remember(pair["response"]["body"], response)
        compare(pair["response"], response)
        return response

    def _url(self, request: dict[str, Any]) -> str:
        if "$skiptoken" in request["path"]:
            return self.next_link
        path = VERSION.sub(lambda match: self.renamed.get(match[0], match[0]), request["path"])
        return f"https://{request['host']}{path}"

    def _remember(self, recorded: Any, response: Response) -> None:
        answered = response.json()
        for old, new in zip(
            VERSION.findall(str(recorded)), VERSION.findall(str(answered)), strict=False
        ):
            self.renamed[old] = new
        if isinstance(answered, dict) and answered.get("nextLink"):
            self.next_link = answered["nextLink"]


def compare(recorded: dict[str, Any], response: Response) -> None:
    """Assert that an answer equals the recorded one, apart from what belongs to that recording."""
    expected, headers = _lower(recorded["headers"]), _lower(response.headers)
    assert response.status == recorded["status"]
    assert formed(response.json()) == formed(recorded["body"])
    for name in COMPARED_HEADERS:
        if name in expected:
            assert headers.get(name) == expected[name], name
    assert [name for name in PRESENT_HEADERS if name in expected and name not in headers] == []


def formed(value: Any, name: str = "") -> Any:
    """Return a body in which ids, times, keys and page marks are replaced by what form they have."""
    match value:
        case dict():
            return {key: formed(inner, key) for key, inner in value.items()}
        case list():
            return [formed(inner) for inner in value]
        case str():
            return "<key>" if name == "value" and KEY.fullmatch(value) else _form(value)
        case _:
            return "<seconds>" if name in SECONDS and type(value) is int else value


def _form(text: str) -> str:
    return SKIPTOKEN.sub("<mark>", TIME.sub("<time>", VERSION.sub("<version>", text)))


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
