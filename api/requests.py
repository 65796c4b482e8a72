"""What a caller sends, read with care: every problem of a request is told at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from api.answers import BadRequest
from engine.errors import NotFound
from engine.model.policy import Policy
from engine.secret import NAME, SecretRef

MAX_BODY = 16 * 1024
"""Bytes of a request's body that are looked at."""
MAX_REASON = 200
STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, free of the Functions runtime."""

    method: str
    url: str
    """Path of the request, for problems."""
    path: Mapping[str, str] = field(default_factory=dict)
    """The route's parameters."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""

    @classmethod
    def arrived(
        cls,
        method: str,
        route: str,
        path: Mapping[str, str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Request:
        """Take a request in as it arrived at a route, such as `secrets/{vault}/{name}`."""
        shortened = {name: text[:127] for name, text in path.items()}
        return cls(method, "/api/" + route.format_map(shortened), path, query, headers, body)

    def secret(self, policy: Policy) -> SecretRef:
        """Return the secret that the path names; NotFound where it is no secret's name, or not in a vault of ours."""
        name = self.path.get("name", "")
        vault = self.vault(policy, self.path.get("vault", ""))
        if not NAME.fullmatch(name):
            raise NotFound(f"{name[:127]!r} is not a secret's name", fix="letters, digits and dashes, 127 at most")
        return SecretRef(vault, name)

    @staticmethod
    def vault(policy: Policy, short: str) -> str:
        """Return the URL of the served vault with this short name; NotFound where there is none."""
        for url in policy.scopes:
            if SecretRef(url, "").vault_name == short.lower():
                return url
        raise NotFound(f"vault {short[:64]!r} is not served here", fix="name a vault of REKEY_VAULTS")

    def flag(self, name: str) -> bool:
        """Read `?name=true`."""
        text = self.query.get(name, "").lower()
        if text not in ("", "true", "false"):
            raise BadRequest(f"{name} is {text[:40]!r}", fix=f"send {name}=true, or leave it out")
        return text == "true"

    def number(self, name: str, default: int, most: int) -> int:
        """Read a whole number, 0 to `most`."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) > most:
            raise BadRequest(f"{name} is {text[:40]!r}", fix=f"send a whole number, {most} at most")
        return int(text)

    def moment(self, name: str) -> datetime:
        """Read a time that `stamp` wrote."""
        text = self.query.get(name, "")
        try:
            return datetime.strptime(text, STAMP).replace(tzinfo=UTC)
        except ValueError:
            fix = "follow the Location header of the 202 as it came"
            raise BadRequest(f"{name} is {text[:40]!r}", fix=fix) from None

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Read one of some words; empty where it is not sent."""
        text = self.query.get(name, "").strip().lower()
        if text and text not in allowed:
            raise BadRequest(f"{name} is {text[:40]!r}", fix=f"send one of {', '.join(allowed)}")
        return text

    def json(self, shape: Mapping[str, type], most: int = MAX_BODY) -> dict[str, Any]:
        """Read the body, of so many bytes at most, as an object with these optional members, and no others."""
        fix = f"send nothing, or {shown(shape)}"
        if len(self.body) > most:
            raise BadRequest(f"the body is longer than {most} bytes", fix=fix)
        try:
            data = json.loads(self.body) if self.body.strip() else {}
        except (ValueError, RecursionError):
            raise BadRequest("the body is not JSON", fix=fix) from None
        if not isinstance(data, dict):
            raise BadRequest("the body is not a JSON object", fix=fix)
        problems = [f"{key[:40]!r} is unknown" for key in data if key not in shape]
        problems += [
            f"{key} is not a {kind.__name__}"
            for key, kind in shape.items()
            if key in data and type(data[key]) is not kind
        ]
        if problems:
            raise BadRequest("; ".join(problems), fix=fix)
        return {**data, "reason": data["reason"][:MAX_REASON]} if "reason" in data else data


def stamp(moment: datetime) -> str:
    """Write a time in whole seconds, for a URL."""
    return moment.strftime(STAMP)


def shown(shape: Mapping[str, type]) -> str:
    """Show a body's shape in an error's fix."""
    words: dict[type, str] = {str: "text"}
    return "{" + ", ".join(f'"{key}": {words.get(kind, kind.__name__)}' for key, kind in shape.items()) + "}"
