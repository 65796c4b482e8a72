"""How every run ends, what it shows where, and that no value ever shows."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.arguments import parser
from cli.codes import Exit, exit_of
from cli.session import Connections, signed_in
from cli.terminal import Terminal
from engine import VERSION
from engine.errors import (
    AccessDenied,
    ConfigError,
    LeaseUnavailable,
    NeedsHuman,
    NotFound,
    TransientError,
)
from simulator.reach.transport import SimulatedTransport
from tests.cli.desk import Desk
from tests.shared.policies import EMPTY, OWN
from tests.shared.sql_rig import SqlRig
from tests.unchanged import unchanged

ROOT = Path(__file__).parents[2]
NOBODY = "77359a35-0592-523e-890e-491d65ee2142"


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(*, output: str = "table", plain: bool = False, screen: bool = True) -> Terminal:
    make: Callable[[], io.StringIO] = Screen if screen else io.StringIO
    return Terminal(make(), make(), output, plain=plain)


def shown(terminal: Terminal) -> str:
    """Write a table and some progress; return all of it."""
    terminal.table(("state", "secret"), [("ok", "x"), ("parked", "y")])
    terminal.progress("listing")
    assert isinstance(terminal.out, io.StringIO)
    assert isinstance(terminal.err, io.StringIO)
    return terminal.out.getvalue() + terminal.err.getvalue()


@pytest.mark.parametrize(
    ("options", "colour", "progress"),
    [
        ({}, True, True),
        ({"plain": True}, False, True),
        ({"output": "json"}, True, False),
        ({"screen": False}, False, False),
    ],
)
def test_colour_and_progress_show_where_somebody_looks_and_wants_them(
    options: dict[str, Any], colour: bool, progress: bool
) -> None:
    text = shown(terminal(**options))
    assert ("\x1b[31mparked\x1b[0m" in text, "listing" in text) == (colour, progress)
    if options == {"screen": False}:
        assert text == "state   secret\nok      x\nparked  y\n"


def test_no_color_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    desk.secret("odd", desk.account("odddata"), tags={"ValidityPeriodDays": "sixty"})
    monkeypatch.setattr(io, "StringIO", Screen)
    assert "\x1b[31m" in desk.run("status").out
    assert "\x1b[31m" not in desk.run("status", env={**desk.env, "NO_COLOR": "1"}).out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["x"]), 3),
        (TransientError("x"), 4),
        (LeaseUnavailable("x"), 4),
        (AccessDenied("x"), 4),
        (NotFound("x"), 5),
        (NeedsHuman("x"), 5),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_of(error) == code  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        "status extra",
        "plan --days 0",
        "plan --days 367",
        "plan --days 000000001999",
        "discover --save=",
        "plan --days -1",
        "plan --days 1e2",
        "plan --days ٣",
        "rotate",
        "rotate prod/x --wait 0",
        "rotate prod/x --wait 3601",
        "retire prod/x --compromised",
        "adopt prod/x --provider y --validity-days 0",
        "discover --older-than-days x",
        "report --format pdf",
        "policy push x",
        "policy rollback x",
    ],
)
def test_what_cannot_be_read_is_wrong_usage_and_asks_azure_nothing(line: str) -> None:
    desk = Desk()
    desk.run(*line.split()).ends(Exit.USAGE, "usage: rekey")
    assert desk.world.exchanges == []


@pytest.mark.parametrize(
    "line",
    [
        "doctor --vault https://[x",
        f"wait app-key --operation {NOBODY} --since 0001-01-01T00:00:00+05:00",
        f"wait app-key --operation {NOBODY} --since 9999-12-31T23:59:59-05:00",
    ],
)
def test_what_python_cannot_take_apart_is_refused_like_all_else(line: str) -> None:
    assert Desk().run(*line.split()).code in (Exit.USAGE, Exit.DECLINED)


def typed(shell: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run the installed command's entry by a shell; `rekey` writes one table's word and an ellipsis."""
    program = (
        "from cli import running\n"
        "async def show(terminal, args): terminal.line('caf\u00e9\u2026' * 999)\n"
        "running._command = lambda args, env, parts, terminal: show(terminal, args)\n"
        "from cli import main\n"
        "raise SystemExit(main.run())\n"
    )
    run = ["bash", "-c", f'rekey() {{ "{sys.executable}" -c "$PROGRAM" status; }}; {shell}']
    env = {**os.environ, "PROGRAM": program, **env}
    return subprocess.run(run, env=env, cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - nobody else's input


@pytest.mark.parametrize(
    ("shell", "code", "problem"),
    [
        ("rekey > /dev/full", Exit.FAILED, b"No space left on device"),
        ("rekey > /dev/full 2>&1", Exit.FAILED, b""),
        ("rekey >&-", Exit.FINE, b""),
        ("rekey 2>&- <&-", Exit.FINE, b""),
        ("rekey | true; exit ${PIPESTATUS[0]}", Exit.FINE, b""),
    ],
)
def test_output_that_cannot_be_written_never_ends_like_a_finding(
    shell: str, code: int, problem: bytes
) -> None:
    ran = typed(shell)
    assert (ran.returncode, ran.stderr.count(b"\n")) == (code, int(bool(problem))), ran
    assert problem in ran.stderr


def test_a_letter_that_a_terminal_lacks_ends_no_run() -> None:
    ran = typed("rekey", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.startswith(rb"caf\xe9\u2026")


def test_what_nobody_foresaw_is_one_line_without_its_text_and_no_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr("cli.running.compiled", fail)
    ran = Desk().run("status")
    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert ran.err.startswith("rekey: the command failed: KeyError")
    assert "hunter2" not in ran.err


def test_every_wrong_setting_is_told_at_once() -> None:
    ran = Desk().run("status", env={"REKEY_VAULTS": "nonsense", "REKEY_VAULT": "x"})
    assert ran.code == Exit.SETTINGS
    for words in ("REKEY_VAULTS: 'nonsense'", "did you mean REKEY_VAULTS", "Storage is missing"):
        assert words in ran.err
    count, *problems = ran.err.splitlines()
    assert count == f"rekey: {len(problems)} wrong setting(s):"
    assert all(line.startswith("  - ") for line in problems)


@pytest.mark.parametrize(
    "shape",
    [lambda env: {"Values": env}, lambda env: [{"name": n, "value": v} for n, v in env.items()]],
)
def test_settings_come_from_one_named_file(shape: Callable[..., object], tmp_path: Path) -> None:
    desk, path = Desk(), tmp_path / "settings.json"
    path.write_text(json.dumps(shape(desk.env)), encoding="utf-8-sig")
    assert desk.run("status", "--settings", str(path), env={"REKEY_VAULTS": "nonsense"}).code == 0


@pytest.mark.parametrize(
    "text", [None, "", "no JSON", "[1]", "7", "{}", '{"Values": []}', "[" * 100_000]
)
def test_settings_that_cannot_be_read_are_told_as_that(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    if text is not None:
        path.write_text(text)
    Desk().run("status", "--settings", str(path)).ends(Exit.SETTINGS, str(path))


def test_an_error_is_json_where_json_was_asked_for() -> None:
    ran = Desk().run("rotate", "prod/none", "--json")
    problem = json.loads(ran.err)
    assert (problem["exit"], ran.code, ran.out) == (5, 5, "")
    assert problem["problem"] == "there is no secret prod/none"


def test_ctrl_c_ends_a_run_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SimulatedTransport, "send", interrupted)
    ran = Desk().run("status")
    assert (ran.code, ran.out, ran.err) == (Exit.INTERRUPTED, "", "")


def test_ctrl_c_at_a_question_ends_the_run_and_a_yes_behind_it_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def typed() -> str:
        signal.raise_signal(signal.SIGINT)
        return "y"

    desk = Desk()
    account = desk.account("appdata")
    desk.vault.put("app", account.keys["key1"].value)
    desk.clock.advance(86_400)
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", typed)
    with unchanged(desk):
        ran = desk.run("adopt", "prod/app", "--provider", account.resource_id)
    assert ran.code == Exit.INTERRUPTED
    assert ran.err.endswith("Put it under management? (y/n) ")
    assert signal.getsignal(signal.SIGINT) is handler


SHOWN = (
    "status",
    "status --json",
    "plan",
    "rotate prod/app --dry-run",
    "rotate prod/app --force --json",
    "doctor",
    "doctor --json",
    "adopt prod/new --provider {provider} --dry-run --json",
    "adopt prod/none --provider {provider}",
    "adopt prod/strange --provider {provider}",
    "adopt prod/new --provider {provider}",
    "discover --older-than-days 0 --json",
    "discover --older-than-days 0",
    "report",
    "report --format html",
    "policy history",
    "policy show",
    "policy diff /dev/null",
    "show prod/app",
    "show prod/app -o json",
    "history prod/app -o csv",
    "wait prod/app",
    "incident begin --everything --reason x --dry-run",
    "incident list",
    "conformance storage-key",
    "completion bash",
    "who-read prod/app",
    "adopt prod/made --provider {provider} --create --dry-run",
    "tags set prod/app Owner=team-a",
    "release prod/app --force --yes",
    "leak --yes",
    "init --force --vault prod --scope {provider} --out {out}",
)


def test_no_value_ever_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(policy=True)
    desk.world.grant(desk.ada, ("Microsoft.KeyVault/vaults/read",), desk.group)
    account = desk.account("newdata")
    desk.secret("app", desk.account("appdata"))
    desk.vault.put("new", account.keys["key2"].value)
    desk.vault.put("strange", "planted-strange-value")
    desk.vault.put(OWN.name, EMPTY)
    desk.world.sql.add_server("orders", "sqladmin", "Pl4nted-sql-password")
    app = desk.world.add_application("billing", desk.ada)
    secret = desk.world.directory.add_password(app, "x").secret
    keys = [key.value for holder in desk.world.accounts.values() for key in holder.keys.values()]
    for line in SHOWN:
        monkeypatch.setattr("sys.stdin", io.StringIO(account.keys["key2"].value))
        words = line.format(provider=account.resource_id, out=tmp_path / "my.bicepparam")
        ran = desk.run(*words.split())
        for planted in (*keys, secret, "planted-strange-value", "Pl4nted-sql-password"):
            assert planted not in ran.out + ran.err, line


def test_every_command_is_among_those_that_were_searched_for_values() -> None:
    actions = [action for action in parser()._actions if action.choices]
    searched = {line.split()[0] for line in SHOWN}
    assert set(actions[0].choices or ()) - searched == {"retire", "restore", "unpark"}, (
        "they are rotate's code"
    )


def test_the_command_line_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        parser().parse_args(["--version"])
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"rekey {VERSION}\n"


async def test_before_there_is_an_app_the_environment_says_which_cloud_is_meant() -> None:
    environment = {
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/",
        "REKEY_ARM_ENDPOINT": "https://management.usgovcloudapi.net/",
    }
    rig = SqlRig()
    async with signed_in(environment, Connections(rig.azure().credential)) as azure:
        assert azure.authority == "https://login.microsoftonline.us"
        assert azure.arm_endpoint == "https://management.usgovcloudapi.net"
