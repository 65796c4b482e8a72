"""`rekey completion` writes what completes commands, options and words in three shells."""

from __future__ import annotations

import shutil
import subprocess

import pytest

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
