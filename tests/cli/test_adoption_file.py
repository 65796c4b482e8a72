"""`rekey discover --save`, a person edits the file, `rekey adopt --from`: many secrets at once."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from rotators.service_bus_key import ServiceBusKey
from tests.cli.desk import Answers, Desk, Ran
from tests.shared.scene import state


def a_desk(many: int = 3) -> Desk:
    """Return a desk with so many accounts whose keys no secret holds."""
    desk = Desk()
    for number in range(many):
        desk.account(f"data{number}")
    return desk


def saved(desk: Desk, path: Path) -> list[dict[str, str]]:
    ran = desk.run("discover", "--older-than-days", "0", "--save", str(path))
    assert f"rekey adopt --from {path} --dry-run" in ran.err
    return list(csv.DictReader(io.StringIO(path.read_text())))


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def adopt(desk: Desk, path: Path, *arguments: str, **options: Any) -> Ran:
    return desk.run("adopt", "--from", str(path), *arguments, **options)


def statuses(ran: Ran) -> list[str]:
    return [line["status"] for line in ran.json["lines"]]


def edited(tmp_path: Path, many: int = 3) -> tuple[Desk, Path, list[dict[str, str]]]:
    """Return a desk, its saved file, and the file's rows once a person wants them created."""
    desk, path = a_desk(many), tmp_path / "adopt.csv"
    return desk, path, [{**row, "create": "yes"} for row in saved(desk, path)]


def test_what_was_discovered_is_edited_and_adopted_by_one_command(tmp_path: Path) -> None:
    desk, path, rows = edited(tmp_path, 20)
    assert [row["secret"] for row in rows] == sorted(f"prod/data{n}" for n in range(20))
    write(path, [{**row, "owner": "team-a"} for row in rows])
    before = state(desk)
    dry = adopt(desk, path, "--dry-run", "--json")
    assert (dry.code, statuses(dry), state(desk)) == (0, ["would be created"] * 20, before)
    ran = adopt(desk, path, "--yes", "--json")
    assert (ran.code, statuses(ran)) == (0, ["created"] * 20)
    assert desk.run("status", "--json").json["counts"]["ok"] == 20
    assert {desk.tags(f"data{n}")["Owner"] for n in range(20)} == {"team-a"}


def test_the_same_file_again_goes_on_where_it_stopped(tmp_path: Path) -> None:
    desk, path, rows = edited(tmp_path)
    write(path, rows[:1])
    adopt(desk, path, "--yes")
    write(path, rows)
    again = adopt(desk, path, "--yes", "--json")
    assert statuses(again) == ["adopted already", "created", "created"]
    before = state(desk)
    again = adopt(desk, path, "--yes", "--json")
    assert (again.code, statuses(again), state(desk)) == (0, ["adopted already"] * 3, before)


def test_a_line_that_fails_stops_no_other_and_says_why(tmp_path: Path) -> None:
    desk, path, rows = edited(tmp_path)
    rows[0]["validity_days"] = "ninety"
    rows[1]["create"] = ""
    ran = adopt(desk, write(path, rows), "--yes", "--json")
    assert (ran.code, statuses(ran)) == (1, ["failed", "failed", "created"])
    assert "ValidityPeriodDays is 'ninety'" in ran.json["lines"][0]["reason"]
    assert "there is no secret prod/data1" in ran.json["lines"][1]["reason"]


def test_two_lines_with_one_source_are_not_both_adopted(tmp_path: Path) -> None:
    desk, path, (row,) = edited(tmp_path, 1)
    ran = adopt(desk, write(path, [row, {**row, "secret": "prod/twin"}]), "--dry-run", "--json")
    assert statuses(ran) == ["would be created", "failed"]


def test_every_source_is_saved_with_a_name_of_its_own(tmp_path: Path) -> None:
    desk, path = Desk(), tmp_path / "adopt.csv"
    for namespace in ("shop", "billing"):
        desk.keyed(ServiceBusKey, namespace, "authorizationRules/Root")
    desk.account("shop")
    desk.world.sql.add_server("shop", "sqladmin", "F1rst-password-nobody-uses")
    names = [row["secret"] for row in saved(desk, path)]
    assert sorted(names) == ["prod/billing-root", "prod/shop", "prod/shop-2", "prod/shop-root"]


def test_two_lines_with_one_secret_are_not_both_adopted(tmp_path: Path) -> None:
    desk, path, rows = edited(tmp_path, 2)
    rows[1]["secret"] = f"{desk.vault.url}/secrets/DATA0"
    ran = adopt(desk, write(path, rows), "--yes", "--json")
    assert (ran.code, statuses(ran)) == (1, ["created", "failed"])
    assert ran.json["lines"][1]["reason"] == "an earlier line names the secret"
    assert len(desk.vault.versions("data0")) == 1


def test_a_secret_that_somebody_writes_while_a_person_is_asked_is_left_as_it_is(
    tmp_path: Path,
) -> None:
    desk, path, rows = edited(tmp_path, 2)
    desk.clock.advance(86_400)

    class Meanwhile(Answers):
        def ask(self, question: str) -> str:
            desk.vault.put("data0", "mine")
            return super().ask(question)

    ran = adopt(desk, write(path, rows), "--json", person=Meanwhile(["y"]))
    assert (ran.code, statuses(ran)) == (1, ["failed", "created"])
    assert "somebody has written the secret meanwhile" in ran.json["lines"][0]["reason"]
    assert desk.latest("data0").value == "mine"


def test_a_line_without_a_secret_is_left_out(tmp_path: Path) -> None:
    desk, path, (row,) = edited(tmp_path, 1)
    ran = adopt(desk, write(path, [{**row, "secret": ""}]), "--json")
    assert (ran.code, statuses(ran)) == (0, ["left out"])


@pytest.mark.parametrize(("answers", "code", "managed"), [(["y"], 0, 2), (["n"], 5, 0), ([], 5, 0)])
def test_a_person_is_asked_once_for_all_warnings(
    tmp_path: Path, answers: list[str], code: int, managed: int
) -> None:
    desk, path, rows = edited(tmp_path, 2)
    desk.clock.advance(86_400)
    write(path, rows)
    ran = adopt(desk, path, person=Answers(answers))
    assert (ran.code, ran.err.count("key2, there since")) == (code, 2)
    assert desk.run("status", "--json").json["counts"]["ok"] == managed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("secret,provider,onwer\n", "column 'onwer' means nothing: owner?"),
        ("provider\n", "there is no column secret"),
        ("", "there is no column secret"),
        ("secret,provider,provider\n", "column 'provider' stands twice"),
        (
            'secret,provider\nprod/b,/x\n"prod/a,/x\nprod/c,/x\n',
            "after line 2: unexpected end of data",
        ),
        (f"secret,provider\n{'x' * 131_073},/x\n", "after line 1: field larger than"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "adopt.csv"
    path.write_text(text)
    adopt(a_desk(1), path).ends(2, words)


def test_a_file_with_semicolons_as_spreadsheets_write_it_is_read(tmp_path: Path) -> None:
    desk, path, (row,) = edited(tmp_path, 1)
    lines = [";".join(row), ";".join(row.values())]
    path.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    assert statuses(adopt(desk, path, "--dry-run", "--json")) == ["would be created"]


def test_a_file_that_a_person_edited_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "adopt.csv"
    path.write_text("mine")
    ran = a_desk().run("discover", "--older-than-days", "0", "--save", str(path))
    assert (ran.code, path.read_text()) == (2, "mine")
    assert "is there already" in ran.err


@pytest.mark.parametrize("words", [("prod/app", "--from", "f"), ("--from", "f", "--create"), ()])
def test_a_file_and_options_are_not_mixed_and_a_secret_or_a_file_is_needed(
    words: tuple[str, ...],
) -> None:
    assert a_desk(1).run("adopt", *words).code == 2
