"""`rekey completion` writes what completes commands, options and words in three shells."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.completion import PREAMBLES
from tests.cli.desk import Desk


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
    ran = subprocess.run(  # noqa: S603
        [program, "-n"], input=script(shell), text=True, capture_output=True, check=False
    )
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
    bash = shutil.which("bash")
    assert bash
    line = script("bash") + COMPLETED.format(words=words)
    ran = subprocess.run([bash, "-c", line], text=True, capture_output=True, check=False)  # noqa: S603
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
    ran = subprocess.run(  # noqa: S603
        [program, "-c", line], text=True, capture_output=True, check=False, env=env, cwd=folder
    )
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
def test_a_shell_without_kept_names_offers_none_and_says_nothing(
    tmp_path: Path, shell: str
) -> None:
    stub = "compadd() { print -l -- $names }\n" if shell == "zsh" else ""
    line = f"{stub}{PREAMBLES[shell]}\n_rekey_names pro\n_rekey_vaults pro\n"
    assert completed(shell, line, tmp_path) == []
