"""Build the app's package: the same bytes from the same files, wherever and whenever it is built.

python scripts/package.py dist/rekey.zip              the sources; Azure installs their packages
(`remoteBuild=true`)
python scripts/package.py dist/rekey.zip --complete   with its packages, all compiled
(`remoteBuild=false`)

A complete package runs as it is. It needs Python 3.13, `uv` and the dependency group `delivery`
(`make package`), and its bill
of materials (CycloneDX 1.6) is written beside it. SHA256SUMS beside the package holds the sums of
what was written.
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
"""All that the app consists of."""
KINDS = (".py", ".html", ".css", ".js")
"""Which files of its folders the app reads."""
PACKAGES = ".python_packages/lib/site-packages"
"""Where the Functions worker looks for packages:
https://learn.microsoft.com/azure/azure-functions/functions-reference-python."""
HOME = "/home/site/wwwroot"
"""Where the app lies in Azure: compiled files name it in tracebacks instead of the folder that they
were built in."""
PLATFORM = ("--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:")
"""What Flex Consumption runs on; a package that would have to be built here is refused."""
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
"""What an installation leaves beside the packages; some of it names the folder that was installed
to."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip file knows: that of every entry, so that no clock shows in the
package."""
UNIX, READABLE = 3, 0o100644


def files(root: Path, packages: Path | None = None) -> dict[str, Path]:
    """Return what goes into the package, by its name there, in order; raises FileNotFoundError if a part is missing."""
    found = {
        path.relative_to(root).as_posix(): path
        for part in CONTENT
        for path in _files_of(root / part)
        if part in SINGLE or path.suffix in KINDS
    }
    if packages:
        found |= {
            f"{PACKAGES}/{path.relative_to(packages).as_posix()}": path
            for path in _files_of(packages)
        }
    return dict(sorted(found.items()))


def compiled(content: dict[str, Path], place: Path) -> dict[str, Path]:
    """Lay the content out in an empty folder, compile it there and return all of it, bytecode included.

    The bytecode is never checked against its source (PEP 552), since the times of files do not
    survive a deployment.
    """
    for name, path in content.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / name)
    options = ("-q", "--invalidation-mode", "unchecked-hash", "-s", str(place), "-p", HOME)
    # Some packages carry templates that are no Python by themselves: they stay uncompiled, and
    # nothing imports them.
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
    """Make a virtual environment of what requirements.txt locks, every hash checked; returns its packages' folder."""
    uv = os.environ.get("UV", "uv")
    subprocess.run(  # noqa: S603
        [uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True
    )
    wanted = ("--require-hashes", "--requirements", str(ROOT / "requirements.txt"))
    command = [uv, "pip", "install", "--quiet", "--python", str(environment), *PLATFORM, *wanted]
    subprocess.run(command, check=True)  # noqa: S603
    return next((environment / "lib").glob("python*/site-packages"))


def bill_of_materials(environment: Path, target: Path) -> None:
    """Write what a virtual environment holds, with licences and who needs what, as CycloneDX 1.6."""
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
    """Write the compiled package with all that it needs, and its bill of materials beside it."""
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
    """Build the package that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path, help="the zip file to write")
    parser.add_argument(
        "--complete", action="store_true", help="bring the Python packages along, compiled"
    )
    asked = parser.parse_args(arguments)
    written = [asked.target]
    if asked.complete:
        build_complete(asked.target)
        written.append(asked.target.with_suffix(".cdx.json"))
    else:
        build(asked.target, files(ROOT))
    sums = "".join(f"{_sum(file)}  {file.name}\n" for file in written)
    asked.target.with_name("SHA256SUMS").write_text(sums)
    print(sums, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
