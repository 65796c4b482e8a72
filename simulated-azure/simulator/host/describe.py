"""Lists an app's functions, in a separate process: the worker library loads one app only."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.host.worker import IndexingError


def describe_app(app_dir: Path, env: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return every function as {"name", "bindings"}, as Microsoft's worker indexes them.

    Args:
        app_dir: the folder of function_app.py.
        env: the environment to import it in; this process's if left out.

    Raises:
        IndexingError: the app cannot be loaded; the text is the worker's.

    """
    return asyncio.run(describe_app_async(app_dir, env))


async def describe_app_async(
    app_dir: Path, env: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Do the same inside a running event loop."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "simulator.host", "--app", str(app_dir), "--describe", "--log-level", "ERROR"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=Path(__file__).parents[2],
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise IndexingError(errors.decode())
    # What the app prints during import comes first; the answer is the last line.
    functions: list[dict[str, Any]] = json.loads(output.decode().splitlines()[-1])
    return functions
