"""A deployed app and Application Insights' queries on loopback, and a clock that does not wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken

from tests.scripts.loopback import over_https

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEALTHY = (200, {"status": "ok"})
ANSWER_KEYS = ("signal", "before", "after")


@dataclass
class Clock:
    """Time that passes when it is slept away."""

    time: datetime = START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Credential:
    """Whoever asks gets a token."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(f"for {scopes[0]}", 4102444800)


@dataclass
class Deployed:
    """What the servers answer, and what they were asked."""

    url: str = ""
    health: list[tuple[int, Any]] = field(default_factory=list)
    """One answer after the other; healthy when none is left."""
    signals: list[tuple[str, float, float]] = field(default_factory=list)
    """Each signal with its count before and after the deployment."""
    refusal: tuple[int, Any] | None = None
    """What the query service answers instead."""
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        del method
        self.asked.append((path, headers, body.decode()))
        return self.content(path)

    def content(self, path: str) -> tuple[int, Any]:
        if path == "/api/health":
            return self.health.pop(0) if self.health else HEALTHY
        columns = [{"name": name, "type": "string"} for name in ANSWER_KEYS]
        table = {"name": "PrimaryResult", "columns": columns, "rows": self.signals}
        return self.refusal or (200, {"tables": [table]})


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Deployed, Path]]:
    """Serve both; yields what they answer, and the file of the authority to trust."""
    deployed = Deployed()
    with over_https(folder, deployed.answer) as (deployed.url, authority):
        yield deployed, authority
