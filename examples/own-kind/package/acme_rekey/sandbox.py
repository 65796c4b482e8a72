"""Acme in memory, on which `rekey conformance acme-token` plays the kind. Never used by the app."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acme_rekey.rotator import AcmeToken
from engine.ports import Clock

ADMIN = "the app's own token"


class FakeAcme:
    """What Acme's API does, for one project."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.delay = clock, 0.0
        self.tokens = {"blue": secrets.token_urlsafe(24), "green": secrets.token_urlsafe(24)}
        self._known_from = dict.fromkeys(self.tokens.values(), 0.0)

    async def answer(self, method: str, path: str, bearer: str) -> tuple[int, Mapping[str, Any]]:
        """Answer one request."""
        match method, path.strip("/").split("/"):
            case "GET", ["me"]:
                slot = next((slot for slot, token in self.tokens.items() if token == bearer), "")
                known = slot and self._known_from[bearer] <= self._clock.monotonic()
                return (200, {"project": "orders", "slot": slot}) if known else (401, {})
            case "POST", ["projects", "orders", "tokens", ("blue" | "green") as slot]:
                if bearer != ADMIN:
                    return 403, {}
                self.tokens[slot] = token = secrets.token_urlsafe(24)
                self._known_from[token] = self._clock.monotonic() + self.delay
                return 201, {"token": token}
        return 404, {}


@dataclass(frozen=True)
class _Token:
    token: str = ADMIN


class _Credential:
    """Stands for the app's managed identity."""

    async def get_token(self, *scopes: str) -> _Token:
        """Return the app's token for Acme."""
        del scopes
        return _Token()


class _Azure:
    credential = _Credential()


class Sandbox:
    """A project of which the vault holds the blue token."""

    address = "/kinds/acme-token/orders"
    missing = "/kinds/acme-token/no-such-project"
    held_id = "blue"
    wrong = "A" * 32

    def __init__(self, clock: Clock) -> None:
        self._clock, self._acme = clock, FakeAcme(clock)
        self.tags: dict[str, str] = {}

    def rotator(self, calls: Any) -> AcmeToken:
        """Return the rotator as the app has it, but for the network."""

        async def send(method: str, path: str, bearer: str) -> tuple[int, Mapping[str, Any]]:
            async def sent() -> tuple[int, Mapping[str, Any]]:
                return await self._acme.answer(method, path, bearer)

            answer: tuple[int, Mapping[str, Any]] = await calls(f"{method} {path}", sent)
            return answer

        azure: Any = _Azure()
        return AcmeToken(azure, self._clock, send)

    async def held(self) -> str:
        """Return the token that the vault holds."""
        return self._acme.tokens["blue"]

    async def live(self) -> set[str]:
        """Return the tokens that Acme knows, whoever uses them."""
        return set(self._acme.tokens.values())

    def spread_slowly(self, seconds: float) -> None:
        """Let a new token be refused at first."""
        self._acme.delay = seconds
