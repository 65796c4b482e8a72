"""Nobody signed in, no right, no answer: one line with its fix, and no zero that nobody counted."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from cli.log_lines import OwnWords
from cli.plain import advice, plain
from cloud.azure import FIREWALL_FIX, FOREIGN_FIX, NO_ANSWER, UNTRUSTED_FIX
from engine.errors import AccessDenied, RekeyError, TransientError
from simulator.reach.transport import SimulatedCredential, SimulatedTransport
from tests.cli.desk import Desk, managing
from tests.shared.policies import EMPTY, OWN
from tests.shared.scene import NAME

ROOT = Path(__file__).parents[2]
API_WORDS = re.compile(r"\bsend (force|compromised|rotate)\b|GET /api/\w+ lists|^see its history$")
SIGNED_OUT = "rekey: you are not signed in (login.microsoftonline.com). Fix: az login"
LISTS = "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
READING = (
    "status",
    "plan",
    "report",
    "report --format html",
    "discover",
    "show prod/x",
    "history prod/x",
    "wait prod/x",
    "rotate prod/x",
    "incident begin --everything --reason x --dry-run",
    "policy history",
    "policy show",
    "adopt prod/x --provider y",
)


@pytest.fixture
def signed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object, **__: object) -> None:
        raise ClientAuthenticationError("no")

    for method in ("get_token", "get_token_info"):
        monkeypatch.setattr(SimulatedCredential, method, nobody)


@pytest.mark.usefixtures("signed_out")
@pytest.mark.parametrize("line", READING)
def test_who_is_not_signed_in_is_told_so_in_one_line_and_shown_no_zero(
    line: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a word lost about the policy, which is unreadable, too."""
    desk = Desk(policy=True)
    desk.vault.put(OWN.name, EMPTY)
    monkeypatch.setattr(caplog.handler, "filters", [OwnWords()])
    ran = desk.run(*line.split())
    assert ran.err.startswith(SIGNED_OUT)
    assert (ran.code, ran.out, len(ran.err.splitlines()), caplog.text) == (4, "", 1, "")


@pytest.mark.usefixtures("signed_out")
def test_who_is_not_signed_in_is_told_so_once_however_many_vaults_there_are() -> None:
    desk = Desk()
    env = desk.beside(desk.world.add_vault("stage"))
    assert len(desk.run("status", env=env).err.splitlines()) == 1


def test_where_nothing_answers_no_count_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object, **__: object) -> None:
        raise ServiceRequestError("no route")

    monkeypatch.setattr(SimulatedTransport, "send", silent)
    ran = Desk().run("status")
    assert (ran.code, ran.out) == (4, "")
    assert "see that this machine reaches it" in ran.err


def test_who_has_no_right_is_told_which_role_to_ask_for_and_where() -> None:
    desk = Desk()
    desk.ada = desk.world.add_person("eve@northwind.example", "User.Read")
    ran = desk.run("status")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (4, "", 1)
    assert "for you, eve@northwind.example (object" in ran.err
    assert desk.vault.url in ran.err
    assert "granted to you there" in ran.err
    assert "the app's identity" not in ran.err


def test_who_has_no_settings_yet_is_told_where_they_come_from() -> None:
    assert "with --settings FILE" in Desk().run("status", env={}).err


def test_no_fix_of_the_app_keeps_the_words_of_the_http_api_on_the_command_line() -> None:
    files = (
        *(ROOT / "engine").rglob("*.py"),
        *(ROOT / "leaks").rglob("*.py"),
        *(
            ROOT / "api" / f"{name}.py"
            for name in ("actions", "operations", "similar_names", "incidents")
        ),
    )
    literals = {
        node.value
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    fixes = [text for text in literals if API_WORDS.search(text)]
    assert len(fixes) > 6
    assert not [text for text in fixes if API_WORDS.search(advice(text))]


@pytest.mark.parametrize(
    ("fix", "words"),
    [
        ("send force to rotate it anyway", "rotate it anyway with --force"),
        (
            "refresh the app, or send force to retire it now",
            "refresh the app, or retire it now with --force",
        ),
        (
            "wait; only if it has leaked, send compromised with rotate",
            "wait; only if it has leaked, rekey rotate with --compromised",
        ),
        ("wait, or send force", "wait, or add --force"),
        ("GET /api/incidents lists them", "rekey incident list shows them"),
    ],
)
def test_a_fix_says_what_to_type_where_the_api_says_what_to_send(fix: str, words: str) -> None:
    assert advice(fix) == words


def test_the_fixes_of_results_are_put_into_words_of_the_command_line_too() -> None:
    desk = managing()
    for form in ((), ("--json",)):
        ran = desk.run("rotate", f"prod/{NAME}", "--dry-run", *form)
        assert ran.out.count("rotate it anyway with --force") == 2
        assert "send force" not in ran.out


def reader(desk: Desk, *actions: str) -> None:
    """Let eve sit at the keyboard, who may do no more than this."""
    desk.ada = desk.world.add_person("eve@northwind.example", "User.Read")
    desk.world.grant(desk.ada, actions, desk.group)


def test_who_may_not_read_the_policy_is_told_who_they_are_and_a_readers_role() -> None:
    desk = Desk(policy=True)
    desk.vault.put(OWN.name, EMPTY)
    reader(desk, LISTS)
    ran = desk.run("status")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (4, "", 1)
    assert "the policy document cannot be read" in ran.err
    assert f"for you, eve@northwind.example (object {desk.ada.oid}, tenant " in ran.err
    assert "have the role Key Vault Secrets User granted to you there" in ran.err
    assert "Officer" not in ran.err
    assert "nothing is rotated" not in ran.err


POST = "posting a message was answered 403 AuthorizationPermissionMismatch for the app's identity"
GRANT = "grant it the role Storage Queue Data Contributor at queue rotations, see "
GRANT += "docs/permissions.md; a new grant takes minutes"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            AccessDenied(POST, where="queue rotations", fix=GRANT),
            "the role Storage Queue Data Message Sender granted to you there",
        ),
        (
            TransientError("listing was answered 401: the app's token was refused"),
            "listing was answered 401: your token was refused. Fix: az login",
        ),
        (
            AccessDenied("listing was answered 401: it is in another tenant", fix=FOREIGN_FIX),
            "az login --tenant",
        ),
        (
            AccessDenied("reading was answered 403 by its firewall", fix=FIREWALL_FIX),
            "let this machine's network in",
        ),
        (
            TransientError("reading got no answer: x", fix=UNTRUSTED_FIX, code=NO_ANSWER),
            "between this machine and Azure",
        ),
    ],
)
def test_what_the_app_is_refused_is_said_to_who_is_signed_in(error: RekeyError, words: str) -> None:
    assert words in str(plain(error))


def test_what_the_app_logs_while_it_runs_here_speaks_to_who_is_signed_in() -> None:
    error = AccessDenied("listing was answered 403 for the app's identity", fix=FOREIGN_FIX)
    record = logging.LogRecord("rekey.api", 30, "", 0, "no records: %s", (error,), None)
    assert OwnWords().filter(record)
    assert "403 for you." in record.getMessage()
