"""What is compiled in the package runs in the image that the app runs in."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import sysconfig
from pathlib import Path

import pytest

from scripts import package
from simulator_tests.host.functions_image import PRESENT, complaints, needed
from tests.programs import run
from tests.shared.image import need_wheels_of_the_image

DRIVER = "mssql_py_core/mssql_py_core.abi3.so"
ANOTHER_PYTHONS = re.compile(r"\.cp3(?!13)\d+-")
"""Marks a library for another version of Python, which this one never opens."""
OPENED = """
import ctypes, json, sys
said = {}
for name in json.load(sys.stdin):
    try:
        ctypes.CDLL(name)
    except OSError as error:
        said[name] = str(error)
json.dump(said, sys.stdout)
"""


@pytest.fixture(scope="module")
def packages() -> Path:
    """Return the packages of the complete package, as they are shipped."""
    built, _ = package.layers(package.LAYERS)
    return built / "app" / package.PACKAGES


@pytest.fixture(scope="module")
def natives(packages: Path) -> dict[str, Path]:
    """Return every native library of it by its name."""
    found = {
        path.relative_to(packages).as_posix(): path
        for path in packages.rglob("*.so*")
        if path.read_bytes()[:4] == b"\x7fELF"
    }
    assert DRIVER in found
    assert len(found) > 20
    return found


def test_every_native_library_finds_what_it_needs_in_the_image(natives: dict[str, Path]) -> None:
    unfit = {name: said for name, path in natives.items() if (said := complaints(path))}
    assert unfit == {}


def altered(library: Path, folder: Path, old: bytes, new: bytes) -> Path:
    """Copy a library, with another name in it of the same length."""
    assert len(old) == len(new)
    copy = folder / library.name
    copy.write_bytes(library.read_bytes().replace(old + b"\0", new + b"\0"))
    return copy


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"libssl.so.3", b"libssl.so.1", "libssl.so.1 is missing"),
        (b"GLIBC_2.34", b"GLIBC_2.38", "libc.so.6 is too old: GLIBC_2.38 is needed"),
        (b"OPENSSL_3.0.0", b"OPENSSL_3.5.0", "libssl.so.3 is too old: OPENSSL_3.5.0 is needed"),
        (b"OPENSSL_3.0.0", b"LIBRESS_3.0.0", "libssl.so.3 is too old: LIBRESS_3.0.0 is needed"),
    ],
)
def test_what_the_image_lacks_is_seen(
    natives: dict[str, Path], tmp_path: Path, old: bytes, new: bytes, complaint: str
) -> None:
    assert complaint in complaints(altered(natives[DRIVER], tmp_path, old, new))


def test_every_native_library_loads(natives: dict[str, Path]) -> None:
    """But where this machine lacks a library that the image has."""
    mine = [str(path) for name, path in natives.items() if not ANOTHER_PYTHONS.search(name)]
    ran = run(sys.executable, "-I", "-S", "-c", OPENED, input=json.dumps(mine), check=True)
    failed: dict[str, str] = json.loads(ran.stdout)
    assert str(natives[DRIVER]) not in failed
    assert {said.partition(":")[0] for said in failed.values()} <= PRESENT, failed
    assert len(failed) < len(mine) / 2


def test_tests_run_the_very_libraries_that_are_shipped(natives: dict[str, Path]) -> None:
    """Each is the same file, byte for byte, in the environment of whoever develops Rekey."""
    need_wheels_of_the_image()
    here = Path(sysconfig.get_path("purelib"))
    others = [
        name
        for name, path in natives.items()
        if hashlib.sha256(path.read_bytes()).digest()
        != hashlib.sha256((here / name).read_bytes()).digest()
    ]
    assert others == []


def test_the_driver_is_the_one_for_openssl_3(natives: dict[str, Path]) -> None:
    assert "libssl.so.3" in needed(natives[DRIVER])
