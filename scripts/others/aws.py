"""The rotation functions of AWS, as they stand at a pinned commit."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.others.counting import Counted, NotHadError
from scripts.others.playing import TWO, play
from tests.postgresql import start_postgresql

REPOSITORY = "aws-samples/aws-secrets-manager-rotation-lambdas"
COMMIT = "b4b8eca63e1f61bbcfb18c291b640f4fc3b0deb8"
FUNCTIONS: Mapping[str, tuple[str, str, str]] = {
    "AWS, single user": (
        "SecretsManagerRDSPostgreSQLRotationSingleUser",
        "one",
        "a2e44db80dafbf059ce82202e49931f10d1761ce22faf88c50c98b4016959152",
    ),
    "AWS, alternating users": (
        "SecretsManagerRDSPostgreSQLRotationMultiUser",
        "two",
        "dacbbc540f02c244198086cae7d35a409935e8a5141ad2b0cb3d7d9ef2aa35e1",
    ),
}
"""Folder, how many credentials the source holds, and the digest of the function's file."""


def fetched(place: Path | None) -> Mapping[str, str]:
    """Return the functions' texts, from a checkout or a git directory if there is one.

    Raises NotHadError.
    """
    try:
        archive = {} if place else _archive()
        return {name: _text(place, archive, name) for name in FUNCTIONS}
    except (
        OSError,
        LookupError,
        urllib.error.URLError,
        zipfile.BadZipFile,
        subprocess.SubprocessError,
    ) as error:
        raise NotHadError(
            f"{REPOSITORY} at {COMMIT[:7]} cannot be had: {error}. Give a checkout or a git "
            "directory with that commit (--aws FOLDER), or leave it out (--without aws)"
        ) from error


def _text(place: Path | None, archive: Mapping[str, bytes], name: str) -> str:
    folder, _, digest = FUNCTIONS[name]
    path = f"{folder}/lambda_function.py"
    if place is None:
        content = archive[path]
    elif (place / "objects").is_dir():
        command = ("git", "--git-dir", place, "show", f"{COMMIT}:{path}")
        content = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603
    else:
        content = (place / path).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise NotHadError(f"{path} is not what it is at {COMMIT}: check that commit out")
    return content.decode()


def _archive() -> Mapping[str, bytes]:
    """Fetch the repository as a zip, and return its functions."""
    url = f"https://codeload.github.com/{REPOSITORY}/zip/{COMMIT}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    names = [name for name in archive.namelist() if name.endswith("/lambda_function.py")]
    return {name.partition("/")[2]: archive.read(name) for name in names}


def played(texts: Mapping[str, str]) -> Iterator[Counted]:
    """Play each function on a PostgreSQL of their own."""
    # Hundreds of sign-ins: each should cost the server little.
    with start_postgresql("scram_iterations = 1") as server:
        server.sql(*(f"CREATE ROLE {user} LOGIN PASSWORD '{word}'" for user, word in TWO.items()))
        for name, text in texts.items():
            print(f"{name} …", file=sys.stderr, flush=True)
            yield play(name, compile(text, name, "exec"), server, FUNCTIONS[name][1])
