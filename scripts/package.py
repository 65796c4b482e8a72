"""Build the app's package reproducibly: the same files give the same bytes.

python scripts/package.py dist/rekey.zip              the sources; Azure installs their packages
(`remoteBuild=true`)
python scripts/package.py dist/rekey.zip --complete   with its packages, all compiled
(`remoteBuild=false`)

A complete package runs as it is. To build it takes Python 3.13, `uv` and the dependency group
`delivery` (`make package`). Its bill of materials (CycloneDX 1.6) is written beside it, and
SHA256SUMS holds the sums of both.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SINGLE = ("composition.py", "function_app.py", "host.json", "requirements.txt")
CONTENT = (*SINGLE, "api", "cloud", "engine", "rotators")
"""All files and folders of the app."""
KINDS = (".py", ".html", ".css", ".js")
"""The types of files that the app reads from its folders."""
PACKAGES = ".python_packages/lib/site-packages"
"""The folder in which the Functions worker looks for packages:
https://learn.microsoft.com/azure/azure-functions/functions-reference-python."""
HOME = "/home/site/wwwroot"
"""The app's folder in Azure. Tracebacks of compiled files name it instead of the build folder."""
PLATFORM = ("--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:")
"""The platform of Flex Consumption. A package without a wheel for it is refused."""
LEFT_OUT = frozenset(
    {
        "__pycache__",
        ".DS_Store",
        "RECORD",
        "INSTALLER",
        "REQUESTED",
        "_virtualenv.py",
        "_virtualenv.pth",
    }
)
"""Files that an installation adds beside the packages; some of them name the target folder."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time in the zip format. Every entry has it, so the package does not depend on a
clock."""
UNIX, READABLE = 3, 0o100644


def files(root: Path, packages: Path | None = None) -> dict[str, Path]:
    """Return the package's files by name, sorted; raises FileNotFoundError for a missing part."""
    content = {
        path.relative_to(root).as_posix(): path
        for part in CONTENT
        for path in _files_of(root / part)
        if part in SINGLE or path.suffix in KINDS
    }
    if packages:
        content |= {
            f"{PACKAGES}/{path.relative_to(packages).as_posix()}": path
            for path in _files_of(packages)
        }
    return dict(sorted(content.items()))


def compiled(content: dict[str, Path], place: Path) -> dict[str, Path]:
    """Copy the content to an empty folder, compile it there and return all files with the bytecode.

    The bytecode is never checked against its source (PEP 552), since a deployment changes file
    times.
    """
    for name, path in content.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / name)
    options = ("-q", "--invalidation-mode", "unchecked-hash", "-s", str(place), "-p", HOME)
    # Some packages contain templates that are not valid Python. They stay uncompiled; nothing
    # imports them.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "compileall", *options, str(place)], env=environment, check=False
    )
    return dict(
        sorted(
            (path.relative_to(place).as_posix(), path)
            for path in place.rglob("*")
            if path.is_file()
        )
    )


def installed(environment: Path) -> Path:
    """Install requirements.txt with hashes into a new environment; return its packages' folder."""
    uv = os.environ.get("UV", "uv")
    subprocess.run(  # noqa: S603
        [uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True
    )
    locked = ("--require-hashes", "--requirements", str(ROOT / "requirements.txt"))
    command = [uv, "pip", "install", "--quiet", "--python", str(environment), *PLATFORM, *locked]
    subprocess.run(command, check=True)  # noqa: S603
    return next((environment / "lib").glob("python*/site-packages"))


def bill_of_materials(environment: Path, target: Path) -> None:
    """Write an environment's packages, licences and dependencies as CycloneDX 1.6."""
    project = ("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application")
    output = ("--output-reproducible", "--spec-version", "1.6", "--output-file", str(target))
    command = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        "environment",
        *project,
        *output,
        str(environment),
    ]
    subprocess.run(command, check=True)  # noqa: S603


def build(target: Path, content: dict[str, Path]) -> str:
    """Write the package and return its SHA-256 in hexadecimal."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as package:
        for name, path in content.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = UNIX, READABLE << 16
            package.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return _sum(target)


def build_complete(target: Path) -> None:
    """Write the compiled package with its dependencies, and its bill of materials beside it."""
    with tempfile.TemporaryDirectory() as folder:
        environment, place = Path(folder, "environment"), Path(folder, "app")
        build(target, compiled(files(ROOT, installed(environment)), place))
        bill_of_materials(environment, target.with_suffix(".cdx.json"))


def _files_of(place: Path) -> Iterator[Path]:
    if not place.exists():
        raise FileNotFoundError(place)
    candidates = place.rglob("*") if place.is_dir() else [place]
    return (path for path in candidates if path.is_file() and not LEFT_OUT & set(path.parts))


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(arguments: list[str]) -> None:
    """Build the package for the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path, help="the zip file to write")
    parser.add_argument(
        "--complete", action="store_true", help="bring the Python packages along, compiled"
    )
    options = parser.parse_args(arguments)
    written = [options.target]
    if options.complete:
        build_complete(options.target)
        written.append(options.target.with_suffix(".cdx.json"))
    else:
        build(options.target, files(ROOT))
    sums = "".join(f"{_sum(file)}  {file.name}\n" for file in written)
    options.target.with_name("SHA256SUMS").write_text(sums)
    print(sums, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
