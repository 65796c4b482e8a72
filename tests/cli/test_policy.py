"""`rekey policy` lets through no document that cannot be followed, and shows none that is none."""

from __future__ import annotations

import io
import shlex
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cloud.policy_store import BY, FRESH_SECONDS, WHY
from tests.cli.desk import ADA, Desk
from tests.shared.policies import EMPTY, OWN, example
from tests.shared.scene import NAME, refuse, to_arm
from tests.unchanged import unchanged

NEW = f"{EMPTY}defaults: {{owner: team-b}}\n"
BROKEN = f"{EMPTY}defalts: {{}}\nrules: [{{match: {{secret: 'a b'}}}}]\n"


@pytest.fixture
def desk() -> Desk:
    desk = Desk(policy=True)
    desk.vault.put(OWN.name, f"{EMPTY}defaults: {{owner: team-a}}\n")
    desk.clock.advance(60)
    return desk


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(NEW)
    return path


def test_a_document_in_order_can_be_followed(desk: Desk, file: Path) -> None:
    ran = desk.run("policy", "validate", str(file))
    assert (ran.code, ran.out) == (0, f"{file}: can be followed\n")
    assert desk.world.exchanges == []


def test_every_problem_of_a_document_is_told_with_its_path(desk: Desk, file: Path) -> None:
    file.write_text(BROKEN)
    ran = desk.run("policy", "validate", str(file)).ends(1, "defalts", "rules[0].match.secret")
    assert ran.out.endswith(", problems: 2\n")
    assert len(desk.run("policy", "validate", str(file), "--json").json["problems"]) == 2


def test_a_document_is_validated_from_standard_input_and_where_none_is_in_use_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(NEW))
    assert Desk().run("policy", "validate", "-").code == 0


def test_a_document_is_judged_by_what_is_deployed(desk: Desk, file: Path) -> None:
    file.write_text(example())
    assert desk.run("policy", "validate", str(file)).code == 0
    env = {name: text.replace("prod.", "other.") for name, text in desk.env.items()}
    assert "is not served" in desk.run("policy", "validate", str(file), env=env).out


def test_a_difference_is_shown_line_by_line(desk: Desk, file: Path) -> None:
    ran = desk.run("policy", "diff", str(file))
    ran.ends(1, "-defaults: {owner: team-a}\n+defaults: {owner: team-b}\n")
    assert desk.run("policy", "diff", str(file), "--json").json["diff"]
    file.write_text(desk.latest(OWN.name).value)
    same = desk.run("policy", "diff", str(file))
    assert (same.code, same.out) == (0, "")


def test_what_takes_the_place_of_a_disabled_document_is_all_new(desk: Desk, file: Path) -> None:
    desk.vault.amend(desk.latest(OWN.name), enabled=False)
    assert desk.run("policy", "diff", str(file), "--json").json["diff"][3:] == [
        f"+{line}" for line in NEW.splitlines()
    ]


@pytest.mark.parametrize("line", ["policy diff {file}", "policy show"])
def test_what_is_no_policy_is_never_shown(desk: Desk, file: Path, line: str) -> None:
    desk.vault.put(OWN.name, "planted-password")
    ran = desk.run(*line.format(file=file).split())
    assert ran.code == 5
    assert "planted" not in ran.out + ran.err


@pytest.mark.parametrize(
    "line",
    [
        "show {version}",
        "diff {file}",
        "push {file} --reason x",
        "push {file} --reason x --dry-run",
        "rollback {version} --reason x",
    ],
)
def test_a_secret_that_never_held_a_policy_is_neither_shown_nor_replaced(
    file: Path, line: str
) -> None:
    """REKEY_POLICY may name the wrong secret."""
    desk = Desk(policy=True)
    version = desk.vault.put(OWN.name, "planted-password").version
    with unchanged(desk):
        ran = desk.run("policy", *line.format(file=file, version=version).split())
    ran.ends(5, "REKEY_POLICY")
    assert "planted" not in ran.out + ran.err


def test_a_push_writes_a_version_that_says_who_and_why(desk: Desk, file: Path) -> None:
    ran = desk.run("policy", "push", str(file), "--reason", "team b takes over")
    assert ran.code == 0
    written = desk.latest(OWN.name)
    assert written.value == NEW
    assert written.tags == {
        BY: f"{ADA}, by command line ({desk.ada.oid})",
        WHY: "team b takes over",
    }
    assert written.version in ran.out


@pytest.mark.parametrize(
    ("line", "code"),
    [("policy diff {file}", 1), ("policy push {file} --reason 'a b' --dry-run", 0)],
)
def test_what_somebody_else_wrote_since_a_comparison_is_not_overwritten(
    desk: Desk, file: Path, line: str, code: int
) -> None:
    compared = desk.latest(OWN.name).version
    (then,) = [
        text.removeprefix("next: rekey ")
        for text in desk.run(*shlex.split(line.format(file=file))).ends(code).out.splitlines()
        if text.startswith("next: ")
    ]
    assert then.endswith(f" --replacing {compared}")
    desk.vault.put(OWN.name, f"{EMPTY}rules: []\n")
    with unchanged(desk):
        desk.run(*shlex.split(then)).ends(5, "has changed in the meantime", "newest version")
        words = ("rollback", str(compared), "--reason", "x", "--replacing", str(compared))
        desk.run("policy", *words).ends(5, "has changed in the meantime")
    newest = str(desk.latest(OWN.name).version)
    assert desk.run(*shlex.split(then)[:-1], newest).code == 0


def test_the_first_push_needs_no_earlier_version(file: Path) -> None:
    desk = Desk(policy=True)
    assert desk.run("policy", "push", str(file), "--reason", "first").code == 0
    assert desk.latest(OWN.name).value == NEW


def test_a_document_with_problems_is_not_pushed(desk: Desk, file: Path) -> None:
    file.write_text(BROKEN)
    with unchanged(desk):
        desk.run("policy", "push", str(file), "--reason", "x").ends(5, "defalts")


@pytest.mark.parametrize(
    "reason",
    [(), ("--reason", ""), ("--reason", " "), ("--reason", "x" * 257), ("--reason", "a\nb")],
)
def test_a_push_wants_a_reason(desk: Desk, file: Path, reason: tuple[str, ...]) -> None:
    with unchanged(desk):
        assert desk.run("policy", "push", str(file), *reason).code == 2


def test_the_history_is_newest_first_and_an_earlier_version_returns(desk: Desk, file: Path) -> None:
    first = desk.latest(OWN.name)
    desk.run("policy", "push", str(file), "--reason", "team b takes over")
    second = desk.latest(OWN.name)
    desk.clock.advance(60)
    shown = desk.run("policy", "history", "--json").json["versions"]
    assert [version["version"] for version in shown] == [second.version, first.version]
    assert [(version["reason"], version["enabled"]) for version in shown] == [
        ("team b takes over", True),
        (None, True),
    ]
    assert datetime.fromisoformat(shown[0]["created"]).tzinfo
    assert "team b takes over" in desk.run("policy", "history").out
    assert desk.run("policy", "rollback", first.version, "--reason", "too early").code == 0
    assert desk.latest(OWN.name).value == first.value
    assert len(desk.vault.versions(OWN.name)) == 3


def test_without_a_document_the_history_is_empty() -> None:
    ran = Desk(policy=True).run("policy", "history")
    assert (ran.code, ran.out) == (0, "there is no policy document yet\n")


@pytest.mark.parametrize(
    ("version", "code"), [("0" * 32, 5), ("../x", 2), ("", 2), ("no version", 2), ("a" * 65, 2)]
)
def test_a_version_that_never_was_cannot_come_back(desk: Desk, version: str, code: int) -> None:
    with unchanged(desk):
        desk.run("policy", "rollback", version, "--reason", "x").ends(code)


@pytest.mark.parametrize("command", [("show",), ("rollback", "--reason", "x")])
def test_who_names_a_version_that_there_is_not_is_told_where_to_look(
    desk: Desk, command: tuple[str, ...]
) -> None:
    name, *options = command
    desk.run("policy", name, "0" * 32, *options).ends(5, "no version 000", "rekey policy history")


@pytest.mark.parametrize("command", [("history",), ("rollback", "x", "--reason", "y")])
def test_where_no_document_is_configured_the_setting_is_named(command: tuple[str, ...]) -> None:
    Desk().run("policy", *command).ends(3, "REKEY_POLICY")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_wrong_usage(
    desk: Desk, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "x"
    if content:
        path.write_bytes(content)
    desk.run("policy", "validate", str(path)).ends(2, "cannot be read")


def test_a_file_longer_than_a_secret_holds_is_told_as_that(desk: Desk, file: Path) -> None:
    file.write_text("x" * 1_048_576)
    desk.run("policy", "validate", str(file)).ends(1, "longer than")


def managed(desk: Desk) -> Desk:
    """Add a secret that a document can change."""
    desk.secret("app", desk.account("appdata"), days_left=80, tags={"ValidityPeriodDays": "90"})
    return desk


def test_a_document_is_shown_as_it_stands_or_stood_by_its_id(desk: Desk, file: Path) -> None:
    first = desk.latest(OWN.name)
    assert desk.run("policy", "show").out == first.value
    shown = desk.run("policy", "show", "--json").json
    assert (shown["document"], shown["version"]) == (first.value, first.version)
    assert shown["enabled"] is True
    desk.run("policy", "push", str(file), "--reason", "x")
    assert desk.run("policy", "show", str(first.version)).out == first.value
    assert desk.run("policy", "show").out == NEW


def test_the_effect_of_a_push_is_shown_before_it_is_one(desk: Desk, file: Path) -> None:
    with unchanged(managed(desk)):
        ran = desk.run("policy", "push", str(file), "--reason", "x", "--dry-run")
    ran.ends(0, "would be pushed", "no secret begins or ceases to be rotated")
    shown = desk.run("policy", "push", str(file), "--reason", "x", "--dry-run", "--json").json
    assert shown["effect"]["now"] == shown["effect"]["then"]
    assert shown["version"] is None


@pytest.mark.parametrize("line", ["policy diff {file}", "policy push {file} --reason x --dry-run"])
def test_a_secret_that_rotates_no_more_is_named(desk: Desk, file: Path, line: str) -> None:
    managed(desk)
    file.write_text(f"{EMPTY}rules: [{{match: {{secret: app}}, manual: true}}]\n")
    assert "/secrets/app: ok -> manual" in desk.run(*line.format(file=file).split()).out


def test_a_push_and_a_rollback_say_what_they_changed(desk: Desk, file: Path) -> None:
    old = managed(desk).latest(OWN.name).version
    pushed = desk.run("policy", "push", str(file), "--reason", "x", "--json").json
    assert pushed["effect"]["then"]["ok"] == 1
    ran = desk.run("policy", "rollback", str(old), "--reason", "x", "--dry-run")
    assert (ran.code, desk.latest(OWN.name).value) == (0, NEW)


def test_to_go_back_to_a_disabled_version_it_is_enabled_first(desk: Desk) -> None:
    old = managed(desk).latest(OWN.name)
    desk.clock.advance(1)
    desk.vault.put(OWN.name, NEW)
    desk.vault.amend(old, enabled=False)
    ran = desk.run("policy", "rollback", str(old.version), "--reason", "x")
    assert "this version of the policy document is disabled" in ran.err
    assert "Fix: enable it" in ran.err


def test_a_vault_that_cannot_be_listed_hides_the_effect_of_a_push_and_does_not_prevent_it(
    desk: Desk, file: Path
) -> None:
    refuse(desk, 503, "Busy", to_arm("/secrets"), 100)
    assert desk.run("policy", "push", str(file), "--reason", "x", "--dry-run").code == 4
    ran = desk.run("policy", "push", str(file), "--reason", "x")
    assert (ran.code, desk.latest(OWN.name).value) == (0, NEW)
    assert "its effect is not known: listing was answered 503 Busy" in ran.err


OFTENER = f"{EMPTY}rules: [{{match: {{secret: '{NAME}'}}, validityPeriodDays: 30}}, "
OFTENER += "{match: {secret: 'sql-*'}, owner: b}]\n"


def test_a_change_shows_which_dates_it_moves_before_it_is_written(desk: Desk, file: Path) -> None:
    """Good for 80 days more, it is due in 50; under the rule half a life after it was written."""
    desk.secret(NAME, desk.account("appdata"), days_left=80)
    file.write_text(OFTENER)
    ran = desk.run("policy", "push", str(file), "--reason", "audit", "--dry-run")
    assert ran.code == 0
    (line,) = [line for line in ran.out.splitlines() if line.startswith(f"prod/{NAME}")]
    assert "(in 50 d)" in line
    assert "(in 30 d)" in line or "(in 29 d)" in line
    assert "due within 30 days  0    1" in ran.out
    assert "rule sql-*: it decides about no secret" in ran.out


def test_a_rule_by_which_a_secret_rotates_every_week_is_told_before(desk: Desk, file: Path) -> None:
    desk.secret(NAME, desk.account("appdata"), days_left=80)
    file.write_text(OFTENER.replace("Days: 30", "Days: 37, rotateBeforeDays: 30"))
    ran = desk.run("policy", "diff", str(file))
    assert f"rule {NAME}: ValidityPeriodDays less RotateBeforeDays makes each of 1" in ran.out
    assert "rotate every 7 days" in ran.out
    effect = desk.run("policy", "diff", str(file), "--json").json["effect"]
    assert effect["often"] == [{"rule": NAME, "days": 7.0, "secrets": 1}]


def test_what_is_judged_by_a_document_not_followed_yet_says_so(desk: Desk, file: Path) -> None:
    assert desk.run("status").err == "", "there is none before the first"
    (first,) = desk.run("policy", "history", "--json").json["versions"]
    pushed = desk.run("policy", "push", str(file), "--reason", "owner", "--json").json
    until = desk.clock.now() + timedelta(seconds=FRESH_SECONDS)
    assert datetime.fromisoformat(pushed["app_follows_it_by"]) == until.replace(microsecond=0)
    note = desk.run("status").err
    assert f"goes by version {pushed['version']} of the policy document, of " in note
    assert f"until {until:%Y-%m-%d %H:%M}Z the app may follow {first['version']}" in note
    desk.clock.advance(FRESH_SECONDS)
    assert desk.run("status").err == ""
