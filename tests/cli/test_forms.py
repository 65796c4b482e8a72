"""Programs read booleans, numbers and ISO times; a query picks of them; no table breaks a word."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.board import HEADS, SPARE
from cli.query import as_csv, as_tsv
from cli.tables import aligned, fitted, narrowed
from cli.terminal import Terminal, distance
from tests.cli.desk import Desk
from tests.cli.test_main import Screen
from tests.shared.policies import EMPTY, OWN

TIMES = "at created ends expires due last_written until since parked_since overlap_until"


@pytest.fixture(scope="module")
def desk() -> Desk:
    desk = Desk(policy=True)
    desk.vault.put(OWN.name, EMPTY)
    desk.secret("well", desk.account("welldata"), days_left=80, tags={"Owner": "team-a"})
    desk.secret("odd", desk.account("odddata"), tags={"ValidityPeriodDays": "sixty"})
    desk.account("newdata")
    desk.clock.advance(86_400)
    return desk


def members(data: Any) -> Iterator[tuple[str, Any]]:
    """Yield every member of a result, however deep."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield name, value
            yield from members(value)
    elif isinstance(data, list):
        for value in data:
            yield from members(value)


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "show prod/well",
        "history prod/well",
        "plan --days 90",
        "rotate prod/well --force --dry-run",
        "doctor",
        "discover --older-than-days 0",
        "report",
        "policy history",
        "policy show",
        "incident begin --everything --reason x --dry-run",
    ],
)
def test_json_is_data_and_no_text_for_people(desk: Desk, line: str) -> None:
    shown = list(members(desk.run(*line.split(), "-o", "json").json))
    for name, value in shown:
        assert value not in ("yes", "no", "never", "unknown"), name
        assert " " not in name, name
        if name in TIMES.split() and isinstance(value, str):
            assert datetime.fromisoformat(value).tzinfo, name
    assert shown


def test_a_report_has_booleans_numbers_and_times(desk: Desk) -> None:
    row = desk.run("report", "-o", "json", "--query", "secrets[?secret=='well'] | [0]").json
    assert (row["compliant"], row["expiry_set"]) == (True, True)
    assert (row["age_days"], row["validity_days"]) == (1, 90)


def test_a_query_picks_of_the_result_as_az_has_it(desk: Desk) -> None:
    names = desk.run("status", "-o", "json", "--query", "secrets[].secret").json
    assert names == ["odd", OWN.name, "well"]
    assert desk.run("status", "-o", "tsv", "--query", "counts.ok").out == "1\n"
    shown = desk.run("status", "--query", "secrets[?state=='ok'].{name: secret, owner: owner}")
    assert shown.out.splitlines() == ["name  owner", "well  team-a"]


@pytest.mark.parametrize(
    ("query", "complaint"), [("secrets[", "cannot be read"), ("length(counts.ok)", "does not fit")]
)
def test_a_query_that_nobody_can_follow_is_refused(desk: Desk, query: str, complaint: str) -> None:
    ran = desk.run("status", "--query", query)
    assert (ran.code, complaint in ran.err, len(ran.err.splitlines())) == (2, True, 1)


def test_csv_has_heads_and_tsv_has_none(desk: Desk) -> None:
    *_, last = csv.DictReader(io.StringIO(desk.run("status", "-o", "csv").out))
    assert (last["secret"], last["enabled"], last["parked_since"]) == ("well", "true", "")
    lines = desk.run("history", "prod/well", "-o", "tsv").out.splitlines()
    assert len(lines) == 1
    assert lines[0].split("\t")[0] == desk.latest("well").version


def test_values_with_parts_are_json_and_no_value_drives_a_terminal_or_a_spreadsheet() -> None:
    rows = [{"a": {"b": [1]}, "c": "x\ty\n\x1b[2J"}, {"a": None, "c": "=1+1"}]
    assert as_tsv(rows) == '{"b": [1]}\tx?y??[2J\n\t=1+1\n'
    assert as_csv(rows).splitlines()[2] == ",'=1+1"
    assert as_tsv(["x", 1, True]) == "x\n1\ntrue\n"
    assert (as_tsv(None), as_csv([])) == ("", "")


WIDE = ("state", "secret", "why")
WHY = "tag ValidityPeriodDays is 'ninety': set it to whole days, 1 to 3650"
ROWS = [("parked", "prod/search-storage", WHY)]


def painted(width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen()
    Terminal(screen, Screen(), plain=True).table(WIDE, ROWS)
    return screen.getvalue().splitlines()


def words(lines: list[str]) -> set[str]:
    return {word for line in lines for word in line.split()}


@pytest.mark.parametrize("width", [200, 80, 60, 40, 20])
def test_no_word_of_a_table_is_broken_however_narrow_the_terminal_is(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {word for row in ROWS for cell in row for word in cell.split()} <= words(
        painted(width, monkeypatch)
    )


def test_a_table_that_fits_once_wrapped_stays_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = painted(80, monkeypatch)
    assert lines[0].split() == list(WIDE)
    assert max(map(len, lines)) <= 80
    assert len(lines) == 3


def test_widths_are_cut_where_there_is_most_to_cut() -> None:
    assert fitted(("a", "b"), [("xxxx", "one two three")], 30) == [4, 13]
    assert fitted(("a", "b"), [("xxxx", "one two three")], 14) == [4, 8]
    assert fitted(("a", "b"), [("xxxx", "one two three")], 10) is None


def test_a_time_is_never_broken_beside_a_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each due cell took two lines where one secret had a long name."""
    rows = [
        ("ok", "prod/short", "storage-key", "team", "in 12 d", "2026-12-04 06:33Z"),
        ("ok", f"prod/{'a-long-name' * 3}", "storage-key", "team", "in 80 d", "2027-01-17 06:33Z"),
    ]
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    Terminal(screen, Screen(), plain=True).table(HEADS, rows, SPARE)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 3
    assert all("2026-12-04 06:33Z" in line or "12-04" not in line for line in lines)
    assert "in 12 d" in lines[1]


def test_a_narrow_terminal_spares_columns_before_it_shows_records() -> None:
    heads, rows = ("state", "kind", "owner"), [("ok", "storage-key", "team")]
    assert narrowed(heads, rows, ("kind", "owner"), 40) == (list(heads), [list(rows[0])])
    assert narrowed(heads, rows, ("kind", "owner"), 15)[0] == ["state", "owner"]
    assert narrowed(heads, rows, ("kind", "owner"), 5)[0] == ["state"]
    assert narrowed(heads, rows, ("kind",), 5) == (heads, rows)


def test_a_column_without_a_head_is_shown_where_there_is_room() -> None:
    heads, rows = ("what", "when", "", "why"), [("rotate", "2026-11-12 09:00Z", "in 10 d", "due")]
    assert narrowed(heads, rows, ("",), 40) == (list(heads), [list(rows[0])])
    assert narrowed(heads, rows, ("",), 32)[0] == ["what", "when", "why"]


@pytest.mark.parametrize(
    ("ahead", "shown"),
    [
        (timedelta(seconds=-29), "now"),
        (timedelta(minutes=-14), "14 min ago"),
        (timedelta(minutes=59, seconds=40), "in 1 h"),
        (timedelta(hours=47), "in 47 h"),
        (timedelta(days=-2), "2 d ago"),
    ],
)
def test_how_far_away_a_time_is_counts_minutes_within_an_hour(ahead: timedelta, shown: str) -> None:
    """In an incident "now" was said of what had happened 29 minutes before."""
    now = datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert distance(now + ahead, now) == shown
    assert fitted(("due",), [(shown,)], len(shown) - 1) is None


def test_a_program_that_reads_a_table_gets_every_row_on_one_line() -> None:
    assert aligned(WIDE, ROWS)[1].endswith("1 to 3650")


def test_an_answer_shows_the_parts_of_its_lists_one_by_one() -> None:
    out = io.StringIO()
    Terminal(out, io.StringIO()).answer(
        {"vaults": ["a", "b"], "steps": [{"action": "rotate", "reason": "x"}]}
    )
    assert out.getvalue() == "vaults  a, b\n\nsteps:\n  action  rotate\n  reason  x\n"


@pytest.mark.parametrize("query", ["[].secret", "counts.expired", "secretes"])
def test_a_query_that_finds_nothing_says_what_the_result_has(query: str) -> None:
    """Az answers with lists, so [].name is what people write first."""
    ran = Desk().run("status", "--query", query)
    assert (ran.code, ran.out) == (0, "")
    assert f"--query {query} found nothing, or null" in ran.err
    assert "the result has counts, secrets, unread" in ran.err


def test_a_query_that_finds_an_empty_list_is_no_mistake() -> None:
    ran = Desk().run("status", "--query", "secrets[?state=='parked'].secret", "-o", "tsv")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
