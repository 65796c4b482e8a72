"""Azurite, Microsoft's storage emulator, for tests.

Started in memory on free ports, skipped clearly where it is missing.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACCOUNT = "devstoreaccount1"
# Published by Microsoft, the same in every installation:
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
LISTENS = re.compile(r"Azurite (\w+) service is successfully listening at (http://\S+)")
SERVICES = {"Blob", "Queue", "Table"}


@contextlib.contextmanager
def start_azurite(accounts: str = "") -> Iterator[str]:
    """Run Azurite until the end of the block and yield its connection string.

    `accounts` in the form of AZURITE_ACCOUNTS.
    """
    arguments = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    ports = [part for service in SERVICES for part in (f"--{service.lower()}Port", "0")]
    command = [_executable(), *arguments, *ports]
    env = {**os.environ, **({"AZURITE_ACCOUNTS": accounts} if accounts else {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:  # noqa: S603 - nobody else's input
        try:
            yield _connection_string(_addresses(process))
        finally:
            process.terminate()


def _executable() -> str:
    """Return the path from AZURITE, PATH or node_modules.

    Skip the test where there is none, fail it where CI is set.
    """
    local = ROOT / "node_modules" / ".bin" / "azurite"
    program = (
        os.environ.get("AZURITE")
        or shutil.which("azurite")
        or (str(local) if local.exists() else None)
    )
    if program:
        return program
    reason = "Azurite is missing: run `npm install azurite`, or set AZURITE to its executable"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _addresses(process: subprocess.Popen[str]) -> dict[str, str]:
    """Read what Azurite prints until all services listen.

    Raise RuntimeError where it ends before.
    """
    addresses: dict[str, str] = {}
    for line in process.stdout or ():
        if announced := LISTENS.search(line):
            addresses[announced[1]] = announced[2]
        if addresses.keys() == SERVICES:
            return addresses
    raise RuntimeError(f"Azurite ended with exit code {process.wait()} before it listened")


def _connection_string(addresses: dict[str, str]) -> str:
    endpoints = ";".join(
        f"{service}Endpoint={address}/{ACCOUNT}" for service, address in sorted(addresses.items())
    )
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"
