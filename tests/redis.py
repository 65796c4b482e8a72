"""A real Redis server for tests: TLS on a free port, nothing kept, no password of its own."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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

UNPACKED = ROOT / ".tools" / "redis"
OPERATOR = "0perator-of-the-tests"


@dataclass(frozen=True)
class Redis:
    """A running server: where it listens, and who vouches for it."""

    port: int
    authority: Path

    @property
    def server(self) -> str:
        return f"localhost:{self.port}"

    def accept(self, *keys: str) -> None:
        """Let the default user sign in with these passwords alone, as Azure's access keys are."""
        passwords = " ".join(f">{key}" for key in keys)
        self._command(f"ACL SETUSER default on resetpass ~* &* +@all {passwords}")

    def _command(self, line: str) -> None:
        context = ssl.create_default_context(cafile=self.authority)
        with (
            socket.create_connection(("localhost", self.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            secured.sendall(f"AUTH operator {OPERATOR}\r\n{line}\r\nQUIT\r\n".encode())
            answers = b"".join(iter(lambda: secured.recv(4096), b""))
        assert answers == b"+OK\r\n+OK\r\n+OK\r\n", answers


@contextmanager
def start_redis() -> Iterator[Redis]:
    """Run a server until the end of the block; skip clearly where there is none."""
    program = _program()
    with open_folder() as folder:
        authority, port = certify(folder), free_port()
        user = own(folder)
        (folder / "users.acl").write_text(
            f"user default on >{'0' * 44} ~* &* +@all\nuser operator on >{OPERATOR} ~* &* +@all\n"
        )
        settings = {
            "port": "0", "tls-port": str(port), "bind": "127.0.0.1", "dir": str(folder),
            "tls-cert-file": "cert.pem", "tls-key-file": "key.pem", "tls-ca-cert-file": "ca.pem",
            "tls-auth-clients": "no", "aclfile": str(folder / "users.acl"), "save": "",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        # The program behaves as a server by the name under which it is called.
        with subprocess.Popen(  # noqa: S603 - nobody else's input
            ["redis-server", *options],  # noqa: S607 - what runs is `executable`
            executable=program, cwd=folder, user=user,
            env=libraries(UNPACKED), stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                await_ready(process.stdout, "Ready to accept connections")
                yield Redis(port, authority)
            finally:
                process.kill()


def _program() -> str:
    unpacked = UNPACKED / "usr/bin/redis-check-rdb"
    program = str(unpacked) if unpacked.exists() else shutil.which("redis-server")
    return program or missing("Redis (Debian's redis-tools, see scripts/debian.py)")
