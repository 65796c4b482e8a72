"""docs/cli.md: every example is run, and every command and option is there, and none besides."""

from __future__ import annotations

import re

from cli.arguments import EPILOG, parser
from cli.codes import Exit
from tests.cli.desk import commands
from tests.cli.page import BLOCK, PAGE, replayed

TEXT = PAGE.read_text()
COMMON = {"--output", "--json", "--query", "--settings", "--help"}


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.*)$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options(text: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]+", BLOCK.sub("", text)))


def test_every_example_ends_as_the_page_says() -> None:
    assert replayed(TEXT) == TEXT, "renew the page: python -m tests.cli.page"


def test_every_command_has_its_place_and_its_options_are_there_and_none_besides() -> None:
    by_heading = sections()
    assert options(by_heading["What every command has in common"]) == COMMON | {"--dry-run"}
    known: dict[str, set[str]] = {}
    for name, command in commands(parser()):
        (heading,) = [title for title in by_heading if name.split()[0] in title.split(", ")]
        assert f"`{name}" in TEXT or heading == name, name
        named = {
            option
            for action in command._actions
            for option in action.option_strings
            if option.startswith("--")
        }
        known.setdefault(heading, set()).update(named - COMMON)
    assert known == {heading: options(by_heading[heading]) - COMMON for heading in known}


def test_every_command_is_shown_at_work() -> None:
    shown = " ".join(match[1] for match in BLOCK.finditer(TEXT))
    missing = [name for name, _ in commands(parser()) if f"rekey {name} " not in f"{shown} "]
    assert missing == ["retire", "restore", "unpark", "completion", "policy rollback"]


def test_every_exit_code_is_on_the_page_and_in_the_help() -> None:
    rows = re.findall(
        r"^\| ([0-9]+) \|", sections()["What every command has in common"], re.MULTILINE
    )
    assert [int(row) for row in rows] == [code.value for code in Exit]
    assert [int(code) for code in re.findall(r"[0-9]+", EPILOG)] == [code.value for code in Exit]
