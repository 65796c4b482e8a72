"""Nobody signed in, no right, no answer.

One line that says so, with its fix, and never a zero that nobody counted.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from cli.plain import SENT
from simulator.reach.transport import SimulatedCredential, SimulatedTransport
from tests.cli.desk import Desk
from tests.shared.policies import EMPTY, OWN

ROOT = Path(__file__).parents[2]
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
def test_who_is_not_signed_in_is_told_so_in_one_line_and_shown_no_zero(line: str) -> None:
    desk = Desk(policy=line.startswith("policy"))
    desk.vault.put(OWN.name, EMPTY)
    ran = desk.run(*line.split())
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith("rekey: you are not signed in. Fix: az login")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.usefixtures("signed_out")
def test_who_is_not_signed_in_is_told_so_once_however_many_vaults_there_are() -> None:
    desk = Desk()
    urls = [desk.vault.url, desk.world.add_vault("stage").url]
    env = {
        **desk.env,
        "REKEY_VAULTS": ",".join(urls),
        "REKEY_SCOPES": json.dumps({url: [desk.group] for url in urls}),
    }
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
    desk.ada = desk.world.add_person("eve@northwind.example", "")
    ran = desk.run("status")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (4, "", 1)
    assert "for you (object" in ran.err
    assert desk.vault.url in ran.err
    assert "granted to you there" in ran.err
    assert "the app's identity" not in ran.err


def test_who_has_no_settings_yet_is_told_where_they_come_from() -> None:
    assert "with --settings FILE" in Desk().run("status", env={}).err


@pytest.mark.parametrize("fix", SENT)
def test_every_fix_that_is_put_into_other_words_is_one_that_the_app_gives(fix: str) -> None:
    code = "".join(
        path.read_text() for room in ("api", "engine") for path in (ROOT / room).rglob("*.py")
    )
    assert f'"{fix}"' in code
