"""The names that answers showed are kept for the completion of a shell, and nothing else is."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cli.names import Names
from engine.secret import SecretRef
from tests.cli.desk import Desk, managing
from tests.shared.scene import NAME, refuse, to_vault

PROD = "https://prod.vault.azure.net"


def a_desk() -> Desk:
    desk = managing()
    desk.secret("other-key", desk.world.accounts["appdata"], days_left=80)
    return desk


@pytest.mark.parametrize("command", [("status",), ("status", "--name", NAME), ("report",)])
def test_what_a_listing_showed_is_kept_by_name_for_its_owner_alone(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    desk = a_desk()
    assert desk.run(*command, env={**desk.env, "XDG_CACHE_HOME": str(tmp_path)}).code == 0
    kept = tmp_path / "rekey" / "names"
    assert kept.read_text() == f"prod/{NAME}\nprod/other-key\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert [path.name for path in kept.parent.iterdir()] == ["names"]


def test_nothing_is_kept_where_that_is_switched_off_or_there_is_no_home(tmp_path: Path) -> None:
    desk = a_desk()
    quiet = {**desk.env, "HOME": str(tmp_path), "XDG_CACHE_HOME": "/dev/null"}
    assert desk.run("status", env=quiet).code == 0
    assert desk.run("status", env=desk.env).code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_vault_that_was_listed_is_replaced_and_another_is_kept(tmp_path: Path) -> None:
    names = Names(tmp_path / "rekey" / "names")
    names.keep([PROD, "https://shop.vault.azure.net"], [SecretRef(PROD, "a"), SecretRef(PROD, "b")])
    names.keep(["https://test.vault.azure.net"], [SecretRef("https://test.vault.azure.net", "t")])
    names.keep([PROD], [SecretRef(PROD, "b")])
    assert names.file.read_text() == "prod/b\ntest/t\n"


def test_a_vault_that_could_not_be_read_keeps_its_names(tmp_path: Path) -> None:
    desk = a_desk()
    env = {**desk.env, "XDG_CACHE_HOME": str(tmp_path)}
    assert desk.run("status", env=env).code == 0
    before = (tmp_path / "rekey" / "names").read_text()
    refuse(desk, 403, "Forbidden", to_vault("GET"), times=99)
    assert desk.run("status", env=env).code != 0
    assert (tmp_path / "rekey" / "names").read_text() == before


@pytest.mark.parametrize("broken", ["a file in place of the folder", "no text"])
def test_names_that_cannot_be_kept_disturb_no_answer(tmp_path: Path, broken: str) -> None:
    desk = a_desk()
    if broken == "no text":
        (tmp_path / "rekey").mkdir()
        (tmp_path / "rekey" / "names").write_bytes(b"\xff\xfe")
    else:
        (tmp_path / "rekey").write_text("")
    ran = desk.run("status", env={**desk.env, "XDG_CACHE_HOME": str(tmp_path)})
    assert (ran.code, ran.err) == (0, "")
