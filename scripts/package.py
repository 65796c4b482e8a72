"""Build the app's package reproducibly: the same files and Python give the same bytes.

python scripts/package.py dist/rekey.zip              the sources; Azure installs their packages
(`remoteBuild=true`)
python scripts/package.py dist/rekey.zip --complete   with its packages, all compiled
(`remoteBuild=false`)
python scripts/package.py --unfolded                  what the complete package unfolds to, as a
folder, whose name is printed: tests and demo run it

A complete package runs as it is. To build it takes Python 3.13, `uv` and the dependency group
`delivery` (`make package`). Its bill of materials (CycloneDX 1.6) is written beside it, and
SHA256SUMS holds the sums of both. The folder is made of layers, kept in .tools/layers under names
made of their content: what has not changed is not built again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SINGLE = ("composition.py", "function_app.py", "host.json", "requirements.txt")
CONTENT = (*SINGLE, "api", "cloud", "engine", "leaks", "rotators")
"""All files and folders of the app."""
KINDS = (".py", ".html", ".css", ".js")
"""The types of files that the app reads from its folders."""
PACKAGES = ".python_packages/lib/site-packages"
"""The folder in which the Functions worker looks for packages:
https://learn.microsoft.com/azure/azure-functions/functions-reference-python."""
HOME = "/home/site/wwwroot"
"""The app's folder in Azure. Tracebacks of compiled files name it instead of the build folder."""
GLIBC = (2, 36)
IMAGE = "x86_64-manylinux_{}_{}".format(*GLIBC)
"""The platform of the image for Python 3.13: Debian 12 with OpenSSL 3 alone.

Source: azure-functions-docker, host/4/bookworm/python/python313/python313.Dockerfile.

A lower one takes other wheels: that of mssql-python-rs for 2_28 needs libssl.so.1.1
(https://github.com/microsoft/mssql-rs/pull/557). A package without a wheel for it is refused.
"""
LAYERS = ROOT / ".tools" / "layers"
KEPT = 3
"""How many layers of a kind are kept: somebody who changes branches builds none again."""
COMPILE = """
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for name in sys.stdin.read().splitlines():
    py_compile.compile(name, dfile=f"{sys.argv[1]}/{name}", invalidation_mode=mode, quiet=2)
"""
"""Compiles the modules that it reads, under the names that they have in Azure on any machine.

Some packages contain templates that are not valid Python. They stay uncompiled; nothing imports
them.
"""
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
LEVEL = 6
"""How hard the package is compressed. The hardest, 9, saves one byte in a hundred and takes four
times as long."""


def files(root: Path) -> dict[str, Path]:
    """Return the package's files by name, sorted; raises FileNotFoundError for a missing part."""
    content = {
        path.relative_to(root).as_posix(): path
        for part in CONTENT
        for path in _files_of(root / part)
        if part in SINGLE or path.suffix in KINDS
    }
    return dict(sorted(content.items()))


def in_the_package(packages: Path) -> dict[str, Path]:
    """Return an installation's files by the names that they have in the package, sorted."""
    names = {
        f"{PACKAGES}/{path.relative_to(packages).as_posix()}": path for path in _files_of(packages)
    }
    return dict(sorted(names.items()))


def contained(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their names in it, sorted; links are not followed."""
    return dict(
        sorted(
            (path.relative_to(folder).as_posix(), path)
            for path in folder.rglob("*")
            if path.is_file()
        )
    )


def compiled(content: dict[str, Path], place: Path) -> dict[str, Path]:
    """Copy the content to an empty folder, compile it there and return all files with the bytecode.

    The bytecode is never checked against its source (PEP 552), since a deployment changes file
    times.
    """
    for name, path in content.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / name)
    modules = "\n".join(name for name in content if name.endswith(".py"))
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", COMPILE, HOME]
    subprocess.run(command, cwd=place, env=environment, input=modules, text=True, check=True)  # noqa: S603
    return contained(place)


def installed(environment: Path, target: str = IMAGE) -> Path:
    """Install requirements.txt with hashes into a new environment; return its packages' folder.

    The wheels are those of the target platform, or of this machine where none is given.
    """
    fitting = ("--python-platform", target) if target else ()
    locked = ("--require-hashes", "--requirements", str(ROOT / "requirements.txt"))
    _uv("venv", "--python", sys.executable, str(environment))
    python = ("--python", str(environment), "--only-binary", ":all:")
    _uv("pip", "install", *python, *fitting, *locked)
    return packages_of(environment)


def packages_of(environment: Path, scheme: str = "venv") -> Path:
    r"""Return where an environment has its packages: on Windows in Lib\site-packages."""
    base = {"base": str(environment), "platbase": str(environment)}
    return Path(sysconfig.get_path("purelib", scheme, base))


def _uv(*arguments: str) -> None:
    beside = ROOT / ".tools" / "bin" / "uv"
    uv = os.environ.get("UV") or (str(beside) if beside.exists() else "uv")
    subprocess.run([uv, "--quiet", *arguments], check=True)  # noqa: S603


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
            package.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, LEVEL)
    return _sum(target)


def build_complete(target: Path) -> None:
    """Write the compiled package with its dependencies, and its bill of materials beside it.

    Nothing that an earlier build has left is used.
    """
    with tempfile.TemporaryDirectory() as fresh:
        packages, app = layers(Path(fresh))
        build(target, complete(packages, app))
        bill_of_materials(packages / "environment", target.with_suffix(".cdx.json"))


def complete(packages: Path, app: Path) -> dict[str, Path]:
    """Return the files of the complete package by name, sorted."""
    return dict(sorted((contained(packages / "app") | contained(app)).items()))


def unfolded() -> Path:
    """Return the folder that the complete package unfolds to.

    A machine that the image's wheels do not run on has its own in it.
    """
    packages, app = layers(LAYERS, IMAGE if runs_wheels_of_the_image() else "")
    with contextlib.suppress(FileExistsError):
        (app / ".python_packages").symlink_to(f"../{packages.name}/app/.python_packages")
    return app


def runs_wheels_of_the_image() -> bool:
    """Return whether the packages of the image run on this machine."""
    name, version = platform.libc_ver()
    here = (sys.platform, platform.machine(), name)
    return here == ("linux", "x86_64", "glibc") and _numbers(version) >= GLIBC


def layers(kept: Path, target: str = IMAGE) -> tuple[Path, Path]:
    """Return what the complete package is made of: its packages, in `app`, and the app itself.

    What is kept there already is not made again.
    """

    def install(place: Path) -> None:
        found = installed(place / "environment", target)
        compiled(in_the_package(found), place / "app")

    requirements = (ROOT / "requirements.txt").read_bytes()
    packages = _layer(kept, "packages", [requirements, target.encode()], install)
    content = files(ROOT)
    named = [part for name, path in content.items() for part in (name.encode(), path.read_bytes())]
    app = _layer(
        kept, "app", [packages.name.encode(), *named], lambda place: compiled(content, place)
    )
    return packages, app


def _layer(kept: Path, kind: str, content: list[bytes], make: Callable[[Path], object]) -> Path:
    """Return the folder for this content, made where it is not there, whole or not at all."""
    parts = [sys.version.encode(), Path(__file__).read_bytes(), *content]
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts))
    folder = kept / f"{kind}-{digest.hexdigest()[:20]}"
    if not folder.exists():
        kept.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{kind}-", dir=kept))
        make(place)
        with contextlib.suppress(OSError):  # Another process has made it meanwhile.
            place.rename(folder)
        shutil.rmtree(place, ignore_errors=True)
    os.utime(folder)
    for old in sorted(kept.glob(f"{kind}-*"), key=lambda path: -path.stat().st_mtime)[KEPT:]:
        shutil.rmtree(old)
    return folder


def _files_of(place: Path) -> Iterator[Path]:
    if not place.exists():
        raise FileNotFoundError(place)
    candidates = place.rglob("*") if place.is_dir() else [place]
    return (path for path in candidates if path.is_file() and not LEFT_OUT & set(path.parts))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(arguments: list[str]) -> None:
    """Build the package for the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path, nargs="?", help="the zip file to write")
    parser.add_argument(
        "--complete", action="store_true", help="bring the Python packages along, compiled"
    )
    parser.add_argument(
        "--unfolded", action="store_true", help="print the folder that a complete one unfolds to"
    )
    options = parser.parse_args(arguments)
    if options.unfolded:
        print(unfolded())
        return
    if options.target is None:
        parser.error("name the zip file to write")
    written = [options.target]
    if options.complete:
        build_complete(options.target)
        written.append(options.target.with_suffix(".cdx.json"))
    else:
        build(options.target, files(ROOT))
    sums = "".join(f"{_sum(file)}  {file.name}\n" for file in written)
    options.target.with_name("SHA256SUMS").write_text(sums, newline="\n")
    print(sums, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
