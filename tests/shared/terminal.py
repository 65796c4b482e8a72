"""A terminal, in which a command asks and a person answers."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def in_terminal(
    command: Sequence[str], folder: Path, env: Mapping[str, str], answers: str
) -> tuple[int, str]:
    """Type answers to a command; return its exit code and all it showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603
        command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    ) as running:
        os.close(theirs)
        os.write(ours, answers.encode())
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    return running.returncode, shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # How Linux says that nobody holds the other end any more.
        return b""
