"""The installed command for real: its own process, its own sign-in, real sockets, and nothing left open at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from simulator.demo.__main__ import settings
from simulator.demo.cast import cast, stage
from simulator.reach.server import start_in_thread
from tests.host.running import ROOT

COMMAND = "import sys; from simulator.reach.names import resolve_localhost; resolve_localhost(); from cli.main import run; sys.exit(run())"
"""What the entry point does, where names that end in .localhost resolve."""


def test_a_rehearsal_works_over_tls_and_leaves_nothing_open() -> None:
    """It speaks to the vault, to Resource Manager, to the account and to Graph, signed in by a managed identity."""
    parts = cast()
    with start_in_thread(lambda domains: stage(domains, parts)) as cloud:
        noisy = {"PYTHONWARNINGS": "always::ResourceWarning", "PYTHONDONTWRITEBYTECODE": "1"}
        env = {**os.environ, **settings(cloud, parts, "0 0 * * * *"), **noisy}
        command = [sys.executable, "-c", COMMAND, "rotate", "shop/media-key", "--force", "--dry-run", "--json"]
        ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["action"] == "rotate"
