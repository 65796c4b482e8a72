"""Every `rekey` command of the runbook is run against the simulator, in the trouble that its section is about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cli.arguments import parser
from cli.codes import Exit
from tests.cli.desk import Desk, Ran
from tests.cli.runbook import NAME, PAGE, VALUES, of, sections
from tests.shared.policies import EMPTY, OWN
from tests.shared.scene import refuse, to_arm

SECTIONS = {heading: commands for heading, body in sections().items() if (commands := of(body))}
ELSEWHERE = {"No sweep": "`doctor --app` looks at a deployed app: test_doctor_app.py"}
"""Sections whose commands are only read here, with the reason."""


def a_desk(days_left: float = 80, **tags: str) -> Desk:
    """Return a world with one managed secret and a policy document."""
    desk = Desk(policy=True)
    desk.vault.put(OWN.name, EMPTY)
    desk.secret(NAME, desk.account("appdata"), days_left=days_left, tags=tags)
    desk.clock.advance(60)
    return desk


async def swept(desk: Desk) -> None:
    """Let a sweep find what is due, and the app do it."""
    await desk.service().sweep_vault(json.dumps({"vault": desk.vault.url}))
    await desk.take_up()


def run(desk: Desk, *arguments: str) -> Ran:
    """Run one command while the app is at work; fails with what it showed where it ends badly."""
    ran = desk.run(*arguments, while_waiting=desk.take_up)
    desk.clock.advance(60)
    assert ran.code in (Exit.FINE, Exit.FOUND), (
        f"rekey {' '.join(arguments)}: {ran.code}\n{ran.out}{ran.err}"
    )
    return ran


def refused() -> Desk:
    """Azure refused a rotation once, so the secret is parked and a person is needed."""
    desk = a_desk(days_left=10)
    refuse(desk, 403, "AuthorizationFailed", to_arm("regenerateKey"))
    run(desk, "rotate", f"prod/{NAME}", "--wait")
    return desk


def rotated(**options: str) -> Desk:
    """The secret was rotated a minute ago."""
    desk = a_desk(days_left=10, **options)
    run(desk, "rotate", f"prod/{NAME}", "--wait")
    return desk


def dropped() -> Desk:
    """Somebody wrote the current value again, without tags."""
    desk = rotated()
    desk.vault.put(NAME, desk.latest(NAME).value)
    return desk


def misled() -> Desk:
    """The newest version of the policy document cannot be followed."""
    desk = a_desk()
    desk.clock.advance(60)
    desk.vault.put(OWN.name, "version: 7\n")
    return desk


TROUBLE: Mapping[str, Callable[[], Desk]] = {
    "A secret expires soon": lambda: a_desk(days_left=3),
    "Look": lambda: a_desk(days_left=10),
    "A secret is parked": refused,
    "Drift": refused,
    "Access denied": refused,
    "The policy is not followed": misled,
    "A rotation fails": refused,
    "A secret was dropped": dropped,
    "A rotation broke a consumer": rotated,
    "A rotation waits": lambda: a_desk(days_left=10, RotationWindow="Sun 03:00-04:00 UTC"),
}
"""What has happened in a section; elsewhere it is an ordinary day."""
ENDS_WELL = {"A credential leaked"} | set(TROUBLE) - {"A rotation waits", "Look"}
"""Where the last command says that it is over."""


def filled(desk: Desk, arguments: list[str], folder: Path) -> list[str]:
    """Put what only the moment knows into a command."""
    text = folder / "policy.yaml"
    text.write_text(EMPTY)
    known: Mapping[str, Callable[[], str]] = {
        "FILE": lambda: str(text),
        "ID": lambda: str(run(desk, "incident", "list", "-o", "json").json["incidents"][0]["id"]),
        VALUES["version"]: lambda: str(
            run(desk, "policy", "history", "-o", "json").json["versions"][1]["version"]
        ),
        VALUES["earlier"]: lambda: str(
            run(desk, "restore", f"prod/{NAME}", "--dry-run", "-o", "json").json["restores"]
        ),
    }
    return [known[word]() if word in known else word for word in arguments]


@pytest.mark.parametrize("heading", [heading for heading in SECTIONS if heading not in ELSEWHERE])
def test_the_commands_of_a_section_work_in_its_trouble(heading: str, tmp_path: Path) -> None:
    desk = TROUBLE.get(heading, a_desk)()
    ended = [run(desk, *filled(desk, arguments, tmp_path)) for arguments in SECTIONS[heading]]
    if heading in ENDS_WELL:
        assert ended[-1].code == Exit.FINE, ended[-1].out


@pytest.mark.parametrize("heading", ELSEWHERE)
def test_what_is_not_run_here_is_read_by_the_command_line(heading: str) -> None:
    for arguments in SECTIONS[heading]:
        assert parser().read(arguments).run


def test_every_section_of_an_alert_that_names_a_secret_shows_how_it_stands() -> None:
    for heading in ("A secret expires soon", "A secret is parked", "A rotation fails", "Drift"):
        assert ["show", f"prod/{NAME}"] in SECTIONS[heading], heading


@pytest.mark.parametrize("page", ["quickstart", "upgrade", "troubleshooting", "faq"])
def test_every_command_with_arguments_of_another_page_is_read(page: str) -> None:
    values = {"id": "x"}
    text = (PAGE.parent / f"{page}.md").read_text().replace("<id>", "x")
    for arguments in of(text, {**VALUES, **values}):
        if any("/" in word or word.startswith("-") for word in arguments):
            assert parser().read(arguments).run, arguments


def test_a_tag_that_no_record_knows_is_dealt_with_as_the_page_of_upgrades_says() -> None:
    desk = a_desk(
        days_left=10, RekeyRetire="2026-11-01T09:00:00Z 0123456789abcdef0123456789abcdef key2"
    )
    asyncio.run(swept(desk))
    (listing,) = (
        arguments
        for arguments in of((PAGE.parent / "upgrade.md").read_text())
        if "--query" in arguments
    )
    assert f"\t{NAME}\ttag RekeyRetire names a credential" in run(desk, *listing).out
    current = desk.latest(NAME)
    desk.vault.amend(
        current,
        tags={name: text for name, text in desk.tags(NAME).items() if name != "RekeyRetire"},
    )
    assert run(desk, "unpark", f"prod/{NAME}", "--wait").code == Exit.FINE
    assert run(desk, "show", f"prod/{NAME}").code == Exit.FINE
