"""A headless Firefox for tests, driven over Marionette, which every Firefox brings with it.

Playwright drives only builds of its own. The protocol: a length, a colon, and [0, id, command,
parameters] as JSON.
Source: https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

STARTS_WITHIN, SCRIPT_MS = 300, 120_000


class Firefox:
    """One window."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        self._count = 0
        self._read()  # the greeting
        self._send(
            "WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}}
        )
        self._send("WebDriver:SetTimeouts", {"script": SCRIPT_MS})

    def open(self, address: str) -> None:
        self._send("WebDriver:Navigate", {"url": address})

    def resize(self, width: int, height: int) -> None:
        """Make the window so large, its frame included."""
        self._send("WebDriver:SetWindowRect", {"width": width, "height": height})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function on the page; what it returns may be a promise."""
        return self._send("WebDriver:ExecuteScript", {"script": script, "args": list(arguments)})[
            "value"
        ]

    def until(self, condition: str) -> None:
        """Wait until an expression holds on the page."""
        ends = time.monotonic() + STARTS_WITHIN
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < ends, condition
            time.sleep(0.1)

    def _send(self, command: str, parameters: Any) -> Any:
        self._count += 1
        text = json.dumps([0, self._count, command, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def _read(self) -> Any:
        length = b""
        while (letter := self._file.read(1)) != b":":
            assert letter, "Firefox has gone"
            length += letter
        return json.loads(self._file.read(int(length)))


@contextlib.contextmanager
def start_firefox(*, dark: bool = False) -> Iterator[Firefox]:
    """Run Firefox until the end of the block; skip the test where there is none."""
    executable = os.environ.get("FIREFOX") or shutil.which("firefox") or shutil.which("firefox-esr")
    if not executable:
        pytest.skip("Firefox is missing: install it, or set FIREFOX to the executable of one")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        socket.socket() as free,
    ):
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        scheme = (
            'user_pref("layout.css.prefers-color-scheme.content-override", 0);\n' if dark else ""
        )
        (Path(profile) / "user.js").write_text(f'user_pref("marionette.port", {port});\n{scheme}')
        command = [executable, "--headless", "--marionette", "--no-remote", "--profile", profile]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            with _connected(port) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()
            process.wait()


def _connected(port: int) -> socket.socket:
    ends = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), SCRIPT_MS / 1000)
        except OSError:
            assert time.monotonic() < ends, "Firefox does not start"
            time.sleep(0.2)
