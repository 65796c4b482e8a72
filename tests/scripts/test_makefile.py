"""What `make` runs: uv by its version, with a `python3` whose venv and pip act as Python's do."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.parts import ROOT
from tests.programs import run, write

PYTHON = """#!/bin/sh
set -e
for last in "$@"; do :; done
case "$*" in
*venv*)
    case "$*" in *--clear*) rm -rf "$last" ;; esac
    mkdir -p "$last/bin"
    cp "$0" "$last/bin/python" ;;
*pip*)
    folder=$(dirname "$(dirname "$0")")
    if [ ! -e "$folder/$last.dist-info" ]; then
        rm -f "$folder"/uv==*.dist-info
        touch "$folder/$last.dist-info"
        [ -z "$INTERRUPTED" ] || exit 130
        printf '#!/bin/sh\\necho %s\\n' "$last" > "$folder/bin/uv"
        chmod +x "$folder/bin/uv"
    fi ;;
esac
"""
"""pip writes what it has installed before the programs, and then takes it for installed."""


class Clone:
    """A clone that has the Makefile, and nothing yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "Makefile", folder)
        (folder / "path").mkdir()
        write(folder / "path" / "python3", PYTHON)

    def make(self, target: str = ".tools/bin/uv", **variables: str) -> CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if name not in ("UV", "MAKEFLAGS")}
        env |= {"PATH": f"{self.folder / 'path'}:/usr/bin:/bin"} | variables
        return run("make", "--silent", target, cwd=self.folder, env=env)

    @property
    def uv(self) -> str:
        """What the uv says that pages and hooks name."""
        return run(self.folder / ".tools" / "bin" / "uv").stdout.strip()

    def pull(self, version: str) -> None:
        """Have the Makefile ask for another version."""
        makefile = self.folder / "Makefile"
        lines = [
            f"UV_VERSION := {version}" if line.startswith("UV_VERSION") else line
            for line in makefile.read_text().splitlines()
        ]
        makefile.write_text("\n".join([*lines, ""]))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path)
    clone.pull("1.0.0")
    return clone


def test_make_after_one_that_was_interrupted_fetches_uv(clone: Clone) -> None:
    assert clone.make(INTERRUPTED="1").returncode != 0
    done = clone.make()
    assert (done.returncode, clone.uv) == (0, "uv==1.0.0"), done.stderr


def test_uv_is_fetched_once(clone: Clone) -> None:
    assert "Fetching uv" in clone.make().stdout
    assert clone.make().stdout == ""


def test_another_version_of_uv_is_fetched_after_a_pull(clone: Clone) -> None:
    clone.make()
    clone.pull("1.0.1")
    assert clone.make(INTERRUPTED="1").returncode != 0
    assert clone.make().returncode == 0
    assert clone.uv == "uv==1.0.1"


def test_a_checkout_of_an_earlier_version_has_its_uv_again(clone: Clone) -> None:
    clone.make()
    clone.pull("1.0.1")
    clone.make()
    earlier = clone.folder / ".tools" / "uv-1.0.0"
    os.utime(earlier, (0, 0))
    clone.pull("1.0.0")
    assert (clone.make().stdout, clone.uv) == ("", "uv==1.0.0")


def test_a_package_is_built_with_one_patch_version_of_python(clone: Clone) -> None:
    """Bytecode differs between patch versions, and so would the sum of a rebuilt release."""
    write(clone.folder / "uv", '#!/bin/sh\necho "$@"\n')
    done = clone.make("package", UV=str(clone.folder / "uv"))
    minor = (ROOT / ".python-version").read_text().strip()
    assert re.search(
        rf" --python {re.escape(minor)}\.\d+ python scripts/package\.py \S+ --complete$",
        done.stdout,
    )


LISTS = """#!/bin/sh
printf '<%s>' "$@" >&2
echo template: deployed
echo /subscriptions/s
"""
WORDS = {
    "GROUP": "rekey",
    "PARAMETERS": "my.bicepparam",
    "SITE": "/subscriptions/s",
    "PACKAGE": "rekey.zip",
}
"""What is given to make, as docs/deploy.md does."""


@pytest.mark.parametrize("target", ["deploy", "template", "finish"])
def test_blanks_in_a_region_and_in_the_name_of_a_package_are_kept(
    clone: Clone, target: str
) -> None:
    write(clone.folder / "uv", LISTS)
    words = {"GROUP": "rekey", "PARAMETERS": "my.bicepparam", "SITE": "/subscriptions/s"}
    blanks = {"LOCATION": "West Europe", "PACKAGE": "my releases/rekey.zip"}
    stderr = clone.make(target, UV=str(clone.folder / "uv"), **words, **blanks).stderr
    deployed = "<scripts.deploying.template><rekey><my.bicepparam><West Europe>"
    assert (deployed in stderr) == (target != "finish")
    finished = "<scripts.deploying.finish></subscriptions/s><my releases/rekey.zip>"
    assert (finished in stderr) == (target != "template")


@pytest.mark.parametrize(
    ("target", "handed"),
    [
        ("push", "<scripts.deploying.push></subscriptions/s><rekey.zip>"),
        ("verify", "<scripts.deploying.verify></subscriptions/s>"),
        ("init", "<cli><init>"),
        ("azd-preprovision", "<scripts.deploying.azd><preprovision>"),
        ("azd-postdeploy", "<scripts.deploying.azd><postdeploy>"),
    ],
)
def test_each_step_is_handed_what_it_takes(clone: Clone, target: str, handed: str) -> None:
    write(clone.folder / "uv", LISTS)
    assert handed in clone.make(target, UV=str(clone.folder / "uv"), **WORDS).stderr


def test_no_code_goes_anywhere_after_a_template_that_failed(clone: Clone) -> None:
    """A pipe ends with the code of its last command."""
    failing = LISTS.replace("echo /subscriptions/s", "echo template: refused; exit 1")
    write(clone.folder / "uv", failing)
    done = clone.make("deploy", UV=str(clone.folder / "uv"), **WORDS)
    assert done.returncode != 0
    assert "scripts.deploying.finish" not in done.stderr


@pytest.mark.parametrize("named", ["", "EnvironmentCredential"])
def test_the_questions_are_asked_with_the_sign_in_of_az_unless_another_is_named(
    clone: Clone, named: str
) -> None:
    """A machine in Azure has an identity of its own, which sees nothing."""
    write(clone.folder / "uv", '#!/bin/sh\necho "$AZURE_TOKEN_CREDENTIALS"\n')
    given = {"AZURE_TOKEN_CREDENTIALS": named} if named else {}
    done = clone.make("init", UV=str(clone.folder / "uv"), **given)
    assert done.stdout.strip() == (named or "AzureCliCredential")


def test_what_is_left_out_is_no_argument(clone: Clone) -> None:
    write(clone.folder / "uv", LISTS)
    words = {"GROUP": "rekey", "PARAMETERS": "my.bicepparam"}
    stderr = clone.make("deploy", UV=str(clone.folder / "uv"), **words).stderr
    assert "<rekey><my.bicepparam>" in stderr
    assert "<>" not in stderr
