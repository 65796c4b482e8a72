"""The package holds the app and nothing else, byte for byte the same each time."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

from scripts import package
from simulator.host.describe import describe_app
from tests.infra.bicep import ROOT
from tests.programs import run, write
from tests.shared.image import need_wheels_of_the_image


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


def allowed() -> set[str]:
    """Return the files of the tree that .funcignore lets Azure's tools deploy."""
    tree = git("--cached", "--others", "--exclude-standard") - git("--deleted")
    ignored = ("--ignored", "--exclude-from=.funcignore")
    return tree - git("--cached", *ignored) - git("--others", *ignored)


def git(*arguments: str) -> set[str]:
    done = run("git", "ls-files", *arguments)
    if done.returncode:
        pytest.skip(f"the tree is not a clone: {done.stderr.strip()}")
    return set(done.stdout.splitlines())


def test_the_package_holds_exactly_what_the_tools_of_azure_may_deploy() -> None:
    content = package.files(ROOT)
    assert set(content) == allowed()
    known = "function_app.py host.json requirements.txt engine/planning/decision.py"
    known += " api/page/templates/inventory.html api/page/page.css api/page/script/inventory.js"
    assert set(known.split()) <= set(content)


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
    assert list(package.in_the_package(tmp_path)) == [
        f".python_packages/lib/site-packages/lib/{name}" for name in ("module.py", "native.so")
    ]


def test_compiling_twice_in_different_places_gives_the_same_bytes(tmp_path: Path) -> None:
    sums = []
    for name, root in (("one", ROOT), ("another", copied(tmp_path / "copy"))):
        place = tmp_path / name
        sums.append(
            package.build(tmp_path / f"{name}.zip", package.compiled(package.files(root), place))
        )
    assert sums[0] == sums[1]


def test_every_module_is_compiled_and_no_clock_makes_its_bytecode_stale(tmp_path: Path) -> None:
    content = package.compiled(package.files(ROOT), tmp_path)
    modules = [PurePosixPath(name) for name in content if name.endswith(".py")]
    for module in modules:
        code = content[
            str(module.parent / "__pycache__" / f"{module.stem}.cpython-313.pyc")
        ].read_bytes()
        assert code.startswith(importlib.util.MAGIC_NUMBER)
        # PEP 552: bit 0 says that it goes by a hash, bit 1 that the hash is checked.
        assert int.from_bytes(code[4:8], "little") == 1
        assert str(tmp_path).encode() not in code
        assert marshal.loads(code[16:]).co_filename == f"{package.HOME}/{module}"  # noqa: S302
    assert list(content) == sorted(content)


def test_a_checkout_on_windows_has_the_same_bytes() -> None:
    sources = sorted(package.files(ROOT))
    said = run("git", "check-attr", "eol", "--", *sources, check=True).stdout
    assert said.splitlines() == [f"{name}: eol: lf" for name in sources]


def test_an_installation_leaves_no_trace_of_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "idna-3.dist-info").mkdir()
    for name in ("METADATA", "RECORD", "INSTALLER", "REQUESTED"):
        (tmp_path / "idna-3.dist-info" / name).write_text("")
    (tmp_path / "_virtualenv.py").write_text("")
    names = list(package.in_the_package(tmp_path))
    assert names == [".python_packages/lib/site-packages/idna-3.dist-info/METADATA"]


@pytest.mark.parametrize(
    ("options", "files"), [([], ["rekey.zip"]), (["--complete"], ["rekey.zip", "rekey.cdx.json"])]
)
def test_the_sums_beside_the_package_are_those_of_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], files: list[str]
) -> None:
    def written(target: Path) -> None:
        for file in (target, target.with_suffix(".cdx.json")):
            file.write_text(file.name)

    monkeypatch.setattr(package, "build_complete", written)
    package.main([str(tmp_path / "rekey.zip"), *options])
    digests = [hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() for file in files]
    sums = [f"{digest}  {file}\n" for digest, file in zip(digests, files, strict=True)]
    assert (tmp_path / "SHA256SUMS").read_text() == "".join(sums)


def test_the_package_starts_by_itself(tmp_path: Path) -> None:
    """Everything that function_app.py imports is in it, besides the packages of requirements.txt."""
    package.build(
        tmp_path / "rekey.zip", package.compiled(package.files(ROOT), tmp_path / "compiled")
    )
    with zipfile.ZipFile(tmp_path / "rekey.zip") as built:
        assert {entry.external_attr >> 16 & 0o444 for entry in built.infolist()} == {0o444}
        built.extractall(tmp_path / "app")
    environment = {
        "PATH": os.environ["PATH"],
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "REKEY_VAULTS": "https://prod.vault.azure.net",
        "REKEY_SCOPES": '{"https://prod.vault.azure.net": ["/subscriptions/x"]}',
    }
    code = "import function_app, rotators.registry, composition"
    done = run(sys.executable, "-c", code, cwd=tmp_path / "app", env=environment)
    assert done.returncode == 0, done.stderr
    functions = {function["name"] for function in describe_app(tmp_path / "app", environment)}
    assert {"on_vault_event", "sweep", "recheck", "sweep_vault", "rotate", "park"} <= functions


WINDOWS_UV = """#!{python}
import pathlib, sys
folder = pathlib.Path({folder!r}, "Lib", "site-packages")
folder.mkdir(parents=True, exist_ok=True)
(folder / "asked").write_text(" ".join(sys.argv[1:]))
"""


def test_packages_are_found_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environments have Lib/site-packages, and nothing in lib/python3.13."""
    uv, environment = tmp_path / "uv", tmp_path / "environment"
    write(uv, WINDOWS_UV.format(python=sys.executable, folder=str(environment)))
    monkeypatch.setenv("UV", str(uv))
    schemes = vars(sysconfig)["_INSTALL_SCHEMES"]
    monkeypatch.setitem(schemes, "venv", schemes["nt_venv"])
    packages = package.installed(environment)
    assert packages == environment / "Lib" / "site-packages"
    asked = (packages / "asked").read_text()
    assert "--only-binary :all:" in asked, "what is built here runs here"
    assert "--python-platform x86_64-manylinux_2_36 --require-hashes" in asked


def test_the_complete_package_unfolds_to_what_the_demo_and_the_tests_run(tmp_path: Path) -> None:
    package.build(tmp_path / "rekey.zip", package.complete(*package.layers(package.LAYERS)))
    folder = package.unfolded()
    need_wheels_of_the_image()
    with zipfile.ZipFile(tmp_path / "rekey.zip") as built:
        shipped = {name: built.read(name) for name in built.namelist()}
    found = (folder, folder / ".python_packages")
    unfolded = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for place in found
        for path in place.rglob("*")
        if path.is_file()
    }
    assert {name for name in shipped if shipped[name] != unfolded.get(name)} == set()
    assert set(unfolded) == set(shipped)


def test_what_has_not_changed_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    package.unfolded()

    def fail(*_: object) -> None:
        raise AssertionError("it was built again")

    monkeypatch.setattr(package, "compiled", fail)
    assert package.unfolded().is_dir()


def test_a_build_that_fails_leaves_nothing_that_is_taken_for_a_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV", "/bin/false")
    with pytest.raises(subprocess.CalledProcessError):
        package.layers(tmp_path / "layers")
    assert list((tmp_path / "layers").glob("[!.]*")) == []


def test_layers_are_removed_that_nobody_has_used_for_long(tmp_path: Path) -> None:
    made = [
        package._layer(tmp_path, "app", [b"%d" % number], lambda _: None) for number in range(3)
    ]
    for age, folder in enumerate(made):
        os.utime(folder, (1000 - age, 1000 - age))
    package._layer(tmp_path, "app", [b"another"], lambda _: None)
    assert [folder.exists() for folder in made] == [True, True, False]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the package unfolds into."""
    folder = tmp_path_factory.mktemp("package")
    package.main([str(folder / "rekey.zip")])
    with zipfile.ZipFile(folder / "rekey.zip") as built:
        built.extractall(folder / "app")
    return folder / "app"


def locked(requirements: Path) -> dict[str, str]:
    """Return the packages that a file of requirements locks, with their versions."""
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", requirements.read_text(), re.MULTILINE))


def test_the_package_brings_the_bundle_that_its_triggers_need(unpacked: Path) -> None:
    host = json.loads((unpacked / "host.json").read_text())
    assert host["extensionBundle"]["version"] == "[4.*, 5.0.0)"


@pytest.mark.parametrize("name", ["azure-functions-runtime", "azurefunctions-extensions-base"])
def test_the_package_brings_the_worker_library_that_was_tested(unpacked: Path, name: str) -> None:
    """Else the platform's own, which lags, runs the app: 1.1 fails async ones with OpenTelemetry."""
    assert locked(unpacked / "requirements.txt")[name] == metadata.version(name)


def test_the_worker_librarys_version_is_written_in_one_place() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert text.count("azure-functions-runtime") == 1


def top_level_names() -> Iterator[tuple[str, str]]:
    """Yield every top-level name of every locked package that is installed here, with the package's name."""
    for name in locked(ROOT / "requirements.txt"):
        for file in metadata.files(name) or ():
            top = file.parts[0].removesuffix(".py")
            if top.isidentifier():
                yield top, name


def test_no_package_has_a_top_level_name_of_the_apps_own() -> None:
    """The app's folder comes last on sys.path in Azure: such a package would take its place."""
    ours = {part.removesuffix(".py") for part in package.CONTENT}
    names = list(top_level_names())
    assert len({package_name for _, package_name in names}) > 40
    assert [(top, name) for top, name in names if top in ours] == []
