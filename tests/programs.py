"""Programs that tests run, and programs that stand in for others."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.parts import ROOT


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program in the repository, and return how it ended and all that it said."""
    usual: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "text": True, "check": False}
    return subprocess.run([*map(str, command)], **(usual | options))  # noqa: PLW1510, S603


def write(path: Path, text: str) -> Path:
    """Make a program out of a script."""
    path.write_text(text)
    path.chmod(0o755)
    return path
