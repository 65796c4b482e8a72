"""The package holds the app and nothing else, byte for byte the same each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts import package
from tests.infra.bicep import ROOT


def copied(folder: Path) -> Path:
    """Copy what the package is made of to another folder, with other times and in another order."""
    for part in reversed(package.CONTENT):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy(source, folder / part)
    for path in folder.rglob("*.py"):
        os.utime(path, (0, 1_000_000_000))
    return folder


def test_the_package_holds_every_module_of_the_app_and_nothing_else() -> None:
    content = package.files(ROOT)
    expected = {
        path.relative_to(ROOT).as_posix()
        for part in ("engine", "rotators", "cloud")
        for path in (ROOT / part).glob("*.py")
    }
    assert set(content) == expected | {"function_app.py", "host.json", "requirements.txt"}
    assert not [name for name in content if name.startswith(("tests", "simulator", "infra", "local.settings"))]


def test_the_same_files_make_the_same_package_wherever_they_lie(tmp_path: Path) -> None:
    here = package.build(tmp_path / "here.zip", package.files(ROOT))
    there = package.build(tmp_path / "there.zip", package.files(copied(tmp_path / "there")))
    assert here == there


def test_another_byte_makes_another_package(tmp_path: Path) -> None:
    there = copied(tmp_path / "there")
    (there / "host.json").write_text("{}")
    first = package.build(tmp_path / "a.zip", package.files(ROOT))
    assert package.build(tmp_path / "b.zip", package.files(there)) != first


def test_a_missing_part_is_an_error(tmp_path: Path) -> None:
    there = copied(tmp_path / "there")
    (there / "host.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"host\.json"):
        package.files(there)


def test_packages_go_where_the_worker_looks_for_them_without_their_caches(tmp_path: Path) -> None:
    (tmp_path / "lib" / "__pycache__").mkdir(parents=True)
    (tmp_path / "lib" / "module.py").write_text("")
    (tmp_path / "lib" / "native.so").write_bytes(b"\x7fELF")
    (tmp_path / "lib" / "__pycache__" / "module.pyc").write_bytes(b"")
    names = [name for name in package.files(ROOT, tmp_path) if name.startswith(".python_packages")]
    assert names == [f".python_packages/lib/site-packages/lib/{name}" for name in ("module.py", "native.so")]


def test_the_package_starts_by_itself(tmp_path: Path) -> None:
    """Everything that function_app.py imports is in it, besides the packages of requirements.txt."""
    package.build(tmp_path / "rekey.zip", package.files(ROOT))
    with zipfile.ZipFile(tmp_path / "rekey.zip") as built:
        built.extractall(tmp_path / "app")
    environment = {
        "PATH": os.environ["PATH"],
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "REKEY_VAULTS": "https://prod.vault.azure.net",
        "REKEY_SCOPES": '{"https://prod.vault.azure.net": ["/subscriptions/x"]}',
    }
    code = "import function_app, rotators.registry, cloud.composition; print(len(function_app.app.get_functions()))"
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code], cwd=tmp_path / "app", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 9
