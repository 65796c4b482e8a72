"""The Azure CLI as the program `az` on a path, quick enough to be called hundreds of times."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
INDEX = "commandIndex.json"
"""Which module knows which command: azure-cli makes it in seconds, once."""
QUIET = {
    "AZURE_CORE_COLLECT_TELEMETRY": "no",
    "AZURE_CORE_NO_COLOR": "yes",
    "AZURE_CORE_DISABLE_PROGRESS_BAR": "yes",
    "AZURE_CORE_SURVEY_MESSAGE": "no",
    # Nothing leaves this machine: not the look for newer versions, nor for an extension that knows
    # a mistyped command.
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "localhost,.localhost,127.0.0.1",
    "AZURE_CORE_LOGIN_EXPERIENCE_V2": "off",
    "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
    "AZURE_BICEP_CHECK_VERSION": "no",
    "AZURE_BICEP_USE_BINARY_FROM_PATH": "yes",
    # As azure-cli documents for clouds that Microsoft's sign-in service does not know of.
    "AZURE_CORE_INSTANCE_DISCOVERY": "no",
}
CALLER = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as zygote:
    zygote.connect({path!r})
    socket.send_fds(zygote, [b"\\n"], [0, 1, 2])
    call = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    zygote.sendall(json.dumps(call).encode() + b"\\n")
    sys.exit(int(zygote.makefile().readline() or 70))
"""


@dataclass(frozen=True)
class AzureCli:
    """The program `az` in a folder `bin`; `config` is what it remembers of clouds and sign-ins."""

    bin: Path
    config: Path
    reached: Mapping[str, str] = field(default_factory=dict)
    """How the cloud is reached: certificates and addresses."""

    def user(self, config: Path, reached: Mapping[str, str]) -> AzureCli:
        """Return the program for somebody who starts without any sign-in."""
        config.mkdir(parents=True)
        shutil.copy(self.config / INDEX, config)
        return AzureCli(self.bin, config, reached)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a script finds this `az`, and nothing else."""
        own = {"PATH": str(self.bin), "AZURE_CONFIG_DIR": str(self.config)}
        return {**QUIET, **self.reached, **own}

    def __call__(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one command, in a folder where nothing is lost; `more` goes into its environment."""
        return subprocess.run(  # noqa: S603
            [str(self.bin / "az"), *arguments],
            env={**self.environment, "PATH": os.environ["PATH"], **more},
            cwd=self.config.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def answer(self, *arguments: str) -> Any:
        """Run one command that must succeed, and return its JSON."""
        done = self(*arguments, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def understands(self, *arguments: str) -> str:
        """Return what `az` says against a command and its arguments; nothing if it would run it."""
        done = self(*arguments, AZ_PARSE_ONLY="yes")
        return done.stderr if done.returncode else ""


@contextlib.contextmanager
def running() -> Iterator[AzureCli]:
    """Start azure-cli; its environment is fetched the first time."""
    # The path of a socket is short; pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="az-") as folder:
        place = Path(folder)
        (place / "bin").mkdir()
        (place / "config").mkdir()
        program = place / "bin" / "az"
        program.write_text(CALLER.format(python=sys.executable, path=str(place / "socket")))
        program.chmod(0o755)
        with _zygote(place):
            az = AzureCli(program.parent, place / "config")
            az.answer("cloud", "show")
            yield az


@contextlib.contextmanager
def _zygote(place: Path) -> Iterator[None]:
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    project = str(ROOT / "scripts" / "azure_cli")
    program = str(Path(__file__).with_name("zygote.py"))
    command = [uv, "run", "--project", project, "--frozen", "--quiet", "python", program]
    environment = {**os.environ, **QUIET, "AZURE_CONFIG_DIR": "/proc/self/fd/100"}
    environment.pop("VIRTUAL_ENV", None)
    with subprocess.Popen(  # noqa: S603
        [*command, str(place / "socket")],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as zygote:
        assert zygote.stdin
        assert zygote.stdout
        try:
            assert zygote.stdout.readline() == "ready\n", (
                "azure-cli did not start: see its error above"
            )
            yield
        finally:
            zygote.stdin.close()
