"""Build the app's package: the same bytes from the same files, wherever and whenever it is built.

python scripts/package.py dist/rekey.zip [--packages FOLDER]

FOLDER holds installed Python packages (`pip install --target FOLDER -r requirements.txt` on Linux with Python 3.13); with
it the package runs as it is (`remoteBuild=false`), without it Azure installs them. Prints the package's SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONTENT = ("function_app.py", "host.json", "requirements.txt", "engine", "rotators", "cloud")
"""All that the app consists of."""
PACKAGES = ".python_packages/lib/site-packages"
"""Where the Functions worker looks for packages: https://learn.microsoft.com/azure/azure-functions/functions-reference-python."""
LEFT_OUT = frozenset({"__pycache__", ".DS_Store"})
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip file knows: that of every entry, so that no clock shows in the package."""
UNIX, READABLE = 3, 0o100644


def files(root: Path, packages: Path | None = None) -> dict[str, Path]:
    """Return what goes into the package, by its name there, in order; raises FileNotFoundError if a part is missing."""
    found = {
        path.relative_to(root).as_posix(): path
        for part in CONTENT
        for path in _files_of(root / part)
        if part in ("function_app.py", "host.json", "requirements.txt") or path.suffix in (".py", ".json")
    }
    if packages:
        found |= {f"{PACKAGES}/{path.relative_to(packages).as_posix()}": path for path in _files_of(packages)}
    return dict(sorted(found.items()))


def build(target: Path, content: dict[str, Path]) -> str:
    """Write the package and return its SHA-256 in hexadecimal."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as package:
        for name, path in content.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = UNIX, READABLE << 16
            package.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def _files_of(place: Path) -> Iterator[Path]:
    if not place.exists():
        raise FileNotFoundError(place)
    candidates = place.rglob("*") if place.is_dir() else [place]
    return (path for path in candidates if path.is_file() and not LEFT_OUT & set(path.parts))


def main(arguments: list[str]) -> None:
    """Build the package that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path, help="the zip file to write")
    parser.add_argument("--packages", type=Path, help="folder with installed Python packages to bring along")
    asked = parser.parse_args(arguments)
    content = files(ROOT, asked.packages)
    print(f"{build(asked.target, content)}  {asked.target} ({len(content)} files)")


if __name__ == "__main__":
    main(sys.argv[1:])
