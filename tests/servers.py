"""Database servers that tests start: where their programs are, and what TLS shows their name."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import tempfile
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import trustme

ROOT = Path(__file__).parents[1]


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a short-lived folder that other users may enter: servers refuse to run as root."""
    with tempfile.TemporaryDirectory(prefix="rekey-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def certify(folder: Path, name: str = "localhost") -> Path:
    """Write cert.pem and key.pem for a server; return the file of its authority."""
    authority = trustme.CA()
    certificate = authority.issue_cert(name)
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    (folder / "key.pem").chmod(0o600)
    return folder / "ca.pem"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def own(folder: Path) -> str | None:
    """Give a folder to the user that a server runs as; return that user, or None for ourselves."""
    if os.geteuid() != 0:
        return None
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "nobody")
    return "nobody"


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where CI is set: there every server can be had."""
    reason = f"{what} is missing: `make test-all` fetches it"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def await_ready(output: Iterable[str] | None, words: str) -> None:
    """Read what a server prints until it says these words; raise RuntimeError if it ends before."""
    lines = []
    for line in output or ():
        lines.append(line)
        if words in line:
            return
    raise RuntimeError(f"the server ended before it listened: {''.join(lines)[-2000:]}")


def libraries(unpacked: Path) -> dict[str, str]:
    """Return the environment in which a program finds the libraries that came with it."""
    folders = {str(path.parent) for path in unpacked.glob("usr/lib/**/*.so*")}
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(folders))}


async def drain() -> None:
    """Wait until every connection of this loop is closed.

    A driver leaves the end of a refused TLS connection to the loop. A test's loop ends with it, and
    would complain of what is left open.
    """
    loop = asyncio.get_running_loop()
    while any(  # noqa: ASYNC110 - a transport tells nobody when it is gone
        transport._loop is loop and transport._sock is not None
        for transport in gc.get_objects()
        if isinstance(transport, _SelectorSocketTransport)
    ):
        await asyncio.sleep(0.01)
