"""A typing error is answered with what was meant, and every example can be read."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys

import pytest

from api import actions, listing, operations, requests
from cli import words
from cli.arguments import parser
from cli.codes import Exit
from cli.examples import EXAMPLES, WHOLE
from cli.readers import INCIDENT, OPERATION, VERSION
from engine import secret
from engine.state import entry, incident
from engine.state.request import operation_id
from leaks.feeds import READERS
from tests.cli.desk import Desk, commands
from tests.programs import run

HEAVY = "aiohttp api.app asyncio azure.core cloud.azure dataclasses jmespath rich shtab yaml"
LOADED = "import sys; from cli.arguments import parser; parser().format_help(); print(*sys.modules)"


def refused(line: str) -> str:
    """Return what a command line that cannot be read is answered; nothing was asked of Azure."""
    desk = Desk()
    ran = desk.run(*shlex.split(line))
    assert (ran.code, desk.world.exchanges) == (Exit.USAGE, [])
    return ran.err


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("staus", "did you mean status?"),
        ("rotat prod/x", "did you mean rotate?"),
        ("policy pushh x --reason y", "did you mean push?"),
        ("incident beginn", "did you mean begin?"),
        ("status --state overdu", "did you mean overdue?"),
        ("status -o jsn", "did you mean json?"),
        ("rotate prod/x --compromise", "did you mean --compromised?"),
        ("rotate prod/x --dryrun", "did you mean --dry-run?"),
        ("completion bsh", "did you mean bash?"),
    ],
)
def test_a_typing_error_is_answered_with_what_was_perhaps_meant(line: str, meant: str) -> None:
    assert meant in refused(line)


@pytest.mark.parametrize(
    ("line", "where", "problem"),
    [
        ("status -o json --bogus", "rekey status", "unrecognized: --bogus"),
        ("show --json", "rekey show", "the following arguments are required: VAULT/NAME"),
        ("plan --output=json --days x", "rekey plan", "argument --days: write a whole number"),
        ("bogus --json", "rekey", "there is no 'bogus'"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_told_as_json_where_that_is_asked_for(
    line: str, where: str, problem: str
) -> None:
    answer = json.loads(refused(line))
    assert answer.keys() == {"problem", "where", "fix", "exit"}
    assert (answer["where"], answer["fix"], answer["exit"]) == (where, f"see {where} --help", 2)
    assert problem in answer["problem"]


def test_a_whole_number_may_have_zeros_before_it() -> None:
    assert parser().read(["plan", "--days", "0000000000366"]).days == 366


def test_what_is_like_nothing_is_answered_with_all_that_there_is() -> None:
    assert "choose from status, show, history" in refused("xyzzy")


@pytest.mark.parametrize("line", ["", "policy", "incident"])
def test_a_command_that_was_left_out_is_no_dead_end(line: str) -> None:
    output = refused(line)
    assert "usage: rekey" in output
    assert "commands:" in output


@pytest.mark.parametrize("option", ["--dry", "--dry-r", "--forc", "--comp"])
def test_no_option_can_be_abbreviated_so_that_no_mistyped_dry_run_acts(option: str) -> None:
    assert "unrecognized" in refused(f"rotate prod/x {option}")


def leaves() -> list[tuple[str, argparse.ArgumentParser]]:
    return list(commands(parser()))


@pytest.mark.parametrize(
    ("path", "command"), leaves(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_help_of_every_command_has_examples_that_can_be_read(
    path: str, command: argparse.ArgumentParser
) -> None:
    assert EXAMPLES[path]
    for example in EXAMPLES[path]:
        assert example in command.format_help()
        line = re.sub(r"<[a-z ]+>", "x1", example)
        line = re.split(r" [<>] ", line)[0]
        read = parser().read(shlex.split(line)[1:])
        assert read.parser.prog == command.prog


def test_every_example_is_of_a_command_and_the_whole_help_has_some() -> None:
    assert set(EXAMPLES) == {path for path, _ in leaves()}
    assert all(example in parser().format_help() for example in WHOLE)


def test_what_is_written_twice_to_start_quickly_is_the_same() -> None:
    assert words.STATES == entry.STATES
    assert words.ATTENTION == listing.ATTENTION
    assert words.VERBS == actions.VERBS
    assert tuple(READERS) == words.SCANNERS
    assert words.MOST_WAIT == operations.MOST_WAIT
    assert (words.MAX_REASON, words.STAMP) == (requests.MAX_REASON, requests.STAMP)
    assert INCIDENT.pattern == incident.INCIDENT_ID
    assert VERSION.pattern == secret.VERSION_ID.pattern
    ref = secret.SecretRef("https://prod.vault.azure.net", "x")
    assert OPERATION.fullmatch(operation_id(ref, "1"))


def test_a_help_imports_nothing_that_takes_long() -> None:
    ran = run(sys.executable, "-c", LOADED, check=True)
    assert not set(HEAVY.split()) & set(ran.stdout.split())
