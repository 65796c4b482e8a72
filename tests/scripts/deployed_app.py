"""A deployed app and Application Insights' query service, on loopback with TLS.

It has a clock that does not wait.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from azure.core.credentials import AccessToken

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

    def answer(self, path: str) -> tuple[int, Any]:
        if path == "/api/health":
            return self.health.pop(0) if self.health else HEALTHY
        columns = [{"name": name, "type": "string"} for name in ANSWER_KEYS]
        return self.refusal or (
            200,
            {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": self.signals}]},
        )


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Deployed, Path]]:
    """Serve both; yields what they answer, and the file of the authority to trust."""
    deployed, authority = Deployed(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(deployed))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    deployed.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield deployed, folder / "authority.pem"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(deployed: Deployed) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            deployed.asked.append(
                (self.path, {key.lower(): value for key, value in self.headers.items()}, body)
            )
            status, answer = deployed.answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write((answer if isinstance(answer, str) else json.dumps(answer)).encode())

        do_POST = do_GET  # noqa: N815 - the name that the base class looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
