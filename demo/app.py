"""The demo's function app, as it is shipped: a local host that runs the package, and its HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KEY = "demo-function-key"
MASTER_KEY = "demo-master-key"
SYSTEM_KEY = "demo-event-grid-key"
# Six workers that start at once would take most of the demo's ten seconds.
FEWER_PROCESSES = ("--processes", "one", "--stop-seconds", "1")


class AppError(Exception):
    """The app did not start; the message contains its output."""


@dataclass(frozen=True)
class App:
    """A running app."""

    base: str
    log: Path

    def post(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a POST with a new Idempotency-Key; return the status and the decoded body."""
        data = b"" if body is None else json.dumps(body).encode()
        own = {
            "x-functions-key": KEY,
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        return self._ask(path, data, {**own, **(headers or {})})

    def get(self, path: str) -> tuple[int, Any]:
        """Send a GET and return status and decoded body."""
        return self._ask(path, None, {"x-functions-key": KEY})

    def _ask(self, path: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, Any]:
        request = urllib.request.Request(self.base + path, data, dict(headers))  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - loopback
                return response.status, _decoded(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _decoded(error.read())

    def deliver(self, event: Mapping[str, Any]) -> int:
        """Deliver an event as Event Grid does: the handshake, then the event. Return the status."""
        path = "/runtime/webhooks/EventGrid?functionName=on_event_grid"
        handshake = [
            {
                "id": "1",
                "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
                "subject": "",
                "eventTime": "2026-01-01T00:00:00Z",
                "dataVersion": "1",
                "data": {"validationCode": "7f3a"},
            }
        ]
        status, answer = self.post(path, handshake, self._webhook("SubscriptionValidation"))
        if status != 200 or answer != {"validationResponse": "7f3a"}:  # noqa: PLR2004
            raise AppError(f"the handshake was answered {status} {answer}")
        return self.post(path, [event], self._webhook("Notification"))[0]

    def _webhook(self, kind: str) -> dict[str, str]:
        return {"aeg-event-type": kind, "x-functions-key": SYSTEM_KEY}


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else None
    except ValueError:
        return body.decode(errors="replace")


def unfolded() -> Path:
    """Return the folder of the package that is deployed, built if this is the first time.

    Raises:
        AppError: it cannot be built.

    """
    command = [sys.executable, "scripts/package.py", "--unfolded"]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if ran.returncode:
        raise AppError("the app's package could not be built; the reason stands above")
    return Path(ran.stdout.strip())


@contextlib.contextmanager
def running(settings: Mapping[str, str], port: int = 0) -> Iterator[App]:
    """Run the app until the block ends; raises AppError if it does not start."""
    with tempfile.NamedTemporaryFile(
        "w+", prefix="rekey-host-", suffix=".log", delete=False
    ) as log:
        command = [sys.executable, "-m", "simulator.host", "--app", str(unfolded())]
        command += ["--port", str(port), "--key", KEY]
        env = {**os.environ, **settings}
        with subprocess.Popen(  # noqa: S603 - our own host
            [*command, "--master-key", MASTER_KEY, "--system-key", SYSTEM_KEY, *FEWER_PROCESSES],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process:
            try:
                yield App(_address(process, Path(log.name)), Path(log.name))
            finally:
                process.terminate()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    printed = ""
    for line in process.stdout or ():
        printed += line
        if match := re.match(r"Host ready on (\S+)", line):
            return match[1]
    raise AppError(f"the app did not start:\n{printed}{log.read_text()}")
