"""`rekey completion` completes commands, options, words and names that were shown, in three shells."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.completion import PREAMBLES
from cli.names import Names
from engine.secret import SecretRef
from tests.cli.desk import Desk, managing
from tests.programs import run
from tests.shared.scene import NAME, refuse, to_vault


def script(shell: str) -> str:
    ran = Desk().run("completion", shell, env={})
    assert (ran.code, ran.err) == (0, "")
    return ran.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_knows_every_command_and_needs_neither_settings_nor_a_sign_in(shell: str) -> None:
    text = script(shell)
    for word in ("status", "rotate", "rollback", "compromised", "attention"):
        assert word in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_one_that_its_shell_can_read(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not here")
    ran = run(program, "-n", input=script(shell))
    assert (ran.returncode, ran.stderr) == (0, "")


COMPLETED = """
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE="${{COMP_WORDS[*]}}"
_shtab_rekey; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("rekey stat", "status"),
        ("rekey rotate --comp", "--compromised"),
        ("rekey policy pu", "push"),
    ],
)
def test_a_beginning_is_completed_in_bash(words: str, offered: str) -> None:
    ran = run("bash", "-c", script("bash") + COMPLETED.format(words=words))
    assert offered in ran.stdout.split(), ran.stderr


NAMES = "prod/app-key\nprod/app-other\nshop/cart\n$(touch owned)/x\nno name\n"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """Names as the last answers left them, with two lines that are none; nothing is started."""
    (tmp_path / "rekey").mkdir()
    (tmp_path / "rekey" / "names").write_text(NAMES)
    yield tmp_path
    assert not (tmp_path / "owned").exists()


def completed(shell: str, line: str, folder: Path) -> list[str]:
    """Return what a shell offers; fails where it says anything else."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not here")
    env = {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(folder), "HOME": str(folder / "none")}
    if libraries := os.environ.get("LD_LIBRARY_PATH"):
        env["LD_LIBRARY_PATH"] = libraries
    ran = run(program, "-c", line, env=env, cwd=folder)
    assert ran.stderr == ""
    return sorted(word.split("\t")[0] for word in ran.stdout.splitlines() if word)


@pytest.mark.parametrize(
    ("shell", "probe"), [("bash", COMPLETED), ("fish", "\ncomplete -C '{words}'\n")]
)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("rekey show prod/a", ["prod/app-key", "prod/app-other"]),
        ("rekey rotate --force sh", ["shop/cart"]),
        ("rekey status --vault p", ["prod"]),
    ],
)
def test_names_are_completed_from_the_last_answers(
    cache: Path, shell: str, probe: str, words: str, offered: list[str]
) -> None:
    assert completed(shell, script(shell) + probe.format(words=words), cache) == offered


@pytest.mark.parametrize(
    ("function", "offered"),
    [
        ("_rekey_names", ["prod/app-key", "prod/app-other", "shop/cart"]),
        ("_rekey_vaults", ["prod", "shop"]),
    ],
)
def test_names_are_completed_in_zsh_from_the_last_answers(
    cache: Path, function: str, offered: list[str]
) -> None:
    assert f":{function}" in script("zsh")
    line = f"compadd() {{ print -l -- $names }}\n{PREAMBLES['zsh']}\n{function}\n"
    assert completed("zsh", line, cache) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_without_kept_names_offers_and_says_nothing(tmp_path: Path, shell: str) -> None:
    stub = "compadd() { print -l -- $names }\n" if shell == "zsh" else ""
    line = f"{stub}{PREAMBLES[shell]}\n_rekey_names pro\n_rekey_vaults pro\n"
    assert completed(shell, line, tmp_path) == []


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
