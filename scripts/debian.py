"""Fetch servers for the tests that no package of PyPI or npm carries: MariaDB and Redis.

Debian's packages, unpacked without root and never installed. apt verifies what it fetches by the
archive's signature. No version is pinned, since Debian's archive keeps the newest one only.

Run as `python3 scripts/debian.py mariadb|redis FOLDER`. Where there is no apt it does nothing, and
says so.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = {
    "mariadb": ("mariadb-server-core", "libaio1t64", "liburing2", "libnuma1", "libpcre2-8-0"),
    "redis": ("redis-tools", "libjemalloc2", "liblzf1", "libsystemd0", "libatomic1"),
}
"""Each server (8 and 1 MB; Debian has Redis' program in its package of tools), and the libraries of
which a small installation lacks some."""


def main() -> None:
    """Unpack a server's packages into a folder, both named by the command line."""
    server, folder = sys.argv[1], Path(sys.argv[2])
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        print(f"No {server} is fetched: this system has no apt. Tests that need it skip.")
        return
    with tempfile.TemporaryDirectory() as scratch:
        lists = () if download(server, scratch) else refreshed(Path(scratch))
        if lists and not download(server, scratch, lists):
            print(
                f"No {server} could be fetched. Tests that need it skip, or fail where CI is set."
            )
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for package in Path(scratch).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)  # noqa: S603, S607
    print(f"Fetched {server} into {folder}.")


def download(server: str, scratch: str, lists: tuple[str, ...] = ()) -> bool:
    """Return whether apt fetched every package into the folder."""
    command = ["apt-get", *lists, "-qq", "download", *PACKAGES[server]]
    return subprocess.run(command, cwd=scratch, check=False, capture_output=True).returncode == 0  # noqa: S603


def refreshed(scratch: Path) -> tuple[str, ...]:
    """Fetch the archive's lists into a folder of our own, which needs no root.

    Return its options.
    """
    state, cache = scratch / "state", scratch / "cache"
    for folder in (state / "lists" / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True)
    options = ("-o", f"Dir::State::Lists={state / 'lists'}", "-o", f"Dir::Cache={cache}")
    subprocess.run(["apt-get", *options, "-qq", "update"], check=False, capture_output=True)  # noqa: S603, S607
    return options


if __name__ == "__main__":
    main()
