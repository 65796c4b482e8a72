"""A real MariaDB server for tests: TLS on a free port, its data in a folder of its own.

It stands for MySQL, of which no registry carries a server: protocol, ALTER USER, mysql.user and
the codes of errors are those that both have. What MySQL alone has (caching_sha2_password) it does
not judge.
"""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pymysql

from tests.servers import (
    ROOT,
    await_ready,
    certify,
    free_port,
    libraries,
    missing,
    open_folder,
    own,
)  # fmt: skip

SUPERUSER, SECRET = "operator", "0perator-of-the-tests"
UNPACKED = ROOT / ".tools" / "mariadb"
TABLES = ("system_tables.sql", "performance_tables.sql", "system_tables_data.sql")
"""After the folder's name and an underscore."""
OPERATOR = f"""
FLUSH PRIVILEGES;
CREATE USER '{SUPERUSER}'@'%' IDENTIFIED BY '{SECRET}';
GRANT ALL ON *.* TO '{SUPERUSER}'@'%' WITH GRANT OPTION;
"""


@dataclass(frozen=True)
class MariaDb:
    """A running server: where it listens, and who vouches for it."""

    server: str
    authority: Path
    folder: Path

    def sql(self, *statements: str) -> None:
        """Run statements as the tests' own account, one by one."""
        host, _, port = self.server.partition(":")
        with pymysql.connect(
            host=host, port=int(port), user=SUPERUSER, password=SECRET, charset="utf8mb4",
            ssl=ssl.create_default_context(cafile=self.authority),
        ) as connection, connection.cursor() as cursor:  # fmt: skip
            for statement in statements:
                cursor.execute(statement)

    def log(self) -> str:
        """Return every statement that the server has been sent."""
        return (self.folder / "general.log").read_text(errors="replace")


@contextmanager
def start_mariadb(*options: str) -> Iterator[MariaDb]:
    """Run a server until the end of the block; skip clearly where there is none."""
    program, share = _program()
    with open_folder() as folder:
        (data := folder / "data").mkdir()
        authority, port = certify(data), free_port()
        user = own(folder)
        command = [
            str(program), "--no-defaults", f"--datadir={data}", f"--lc-messages-dir={share}",
            f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}",
            f"--character-sets-dir={share / 'charsets'}", "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=4M",
            f"--plugin-dir={folder}",
        ]  # fmt: skip
        environment = libraries(UNPACKED)
        _initialise(command, share, environment, user)
        with subprocess.Popen(  # noqa: S603 - nobody else's input
            [*command, f"--port={port}", "--bind-address=127.0.0.1", f"--ssl-cert={data / 'cert.pem'}",
             f"--ssl-key={data / 'key.pem'}", "--require-secure-transport=ON", "--skip-name-resolve",
             "--general-log", f"--general-log-file={folder / 'general.log'}", *options],
            env=environment, user=user, cwd=folder, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                await_ready(process.stderr, "ready for connections")
                yield MariaDb(f"localhost:{port}", authority, folder)
            finally:
                process.kill()


def _initialise(
    command: list[str], share: Path, environment: dict[str, str], user: str | None
) -> None:
    """Make the system's tables and the tests' own account, as mariadb-install-db does."""
    script = "CREATE DATABASE mysql;\nUSE mysql;\n" + "".join(
        (share / f"{share.name}_{name}").read_text() for name in TABLES
    )
    subprocess.run(  # noqa: S603 - nobody else's input
        [*command, "--bootstrap"], input=script + OPERATOR, text=True, env=environment, user=user,
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _program() -> tuple[Path, Path]:
    """Return the server's program and the folder of its messages."""
    for root, name in product((UNPACKED, Path("/")), ("mariadb", "mysql")):
        program, share = root / "usr/sbin/mariadbd", root / "usr/share" / name
        if program.exists() and (share / f"{name}_{TABLES[0]}").exists():
            return program, share
    return missing("MariaDB (Debian's mariadb-server-core, see scripts/debian.py)")
