"""Fetching a server for the tests: never half, never silently missing where CI is set."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.programs import run, write
from tests.servers import ROOT, missing

SCRIPT = ROOT / "scripts" / "debian.py"


def fetched(folder: Path, programs: Path) -> str:
    """Run the script with the programs of one folder alone; return what it says."""
    env = {**os.environ, "PATH": str(programs)}
    return run(sys.executable, SCRIPT, "mariadb", folder, env=env, check=True).stdout


def test_without_apt_nothing_is_fetched_and_that_is_said(tmp_path: Path) -> None:
    (programs := tmp_path / "bin").mkdir()
    assert "no apt" in fetched(tmp_path / "server", programs)
    assert not (tmp_path / "server").exists()


def test_what_apt_cannot_fetch_leaves_no_folder_behind(tmp_path: Path) -> None:
    (programs := tmp_path / "bin").mkdir()
    write(programs / "apt-get", "#!/bin/sh\nexit 100\n")
    write(programs / "dpkg-deb", "#!/bin/sh\nexit 0\n")
    assert "No mariadb could be fetched" in fetched(tmp_path / "server", programs)
    assert not (tmp_path / "server").exists()


def test_a_second_try_fetches_the_archives_lists_first(tmp_path: Path) -> None:
    (programs := tmp_path / "bin").mkdir()
    log = tmp_path / "asked"
    first_fails = "*Dir::State*download*) : > x.deb;; *download*) exit 100;;"
    apt = f'echo "$@" >> {log}\ncase "$*" in {first_fails} esac'
    write(programs / "apt-get", f"#!/bin/sh\n{apt}\n")
    write(programs / "dpkg-deb", '#!/bin/sh\n: > "$3/unpacked"\n')
    assert "Fetched mariadb" in fetched(tmp_path / "server", programs)
    assert (tmp_path / "server" / "unpacked").exists()
    first, update, second = log.read_text().splitlines()
    assert "update" in update
    assert first.removeprefix("-qq ") == second.partition("-qq ")[2]


def test_a_missing_server_skips_a_test_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make test"):
        missing("A server")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="make test"):
        missing("A server")
