"""`rekey report` judges every secret, and nothing in a tag can harm who opens it."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from cli.query import FORMULA, csv_text, harmless
from cli.report import as_csv
from cli.report_page import POINTS, as_html
from engine.errors import TransientError
from simulator.wire import Request
from tests.api.page import read
from tests.cli.desk import Desk, managing
from tests.shared.builders import NOW
from tests.shared.policies import EMPTY, OWN
from tests.shared.rig import VAULT_ACTIONS
from tests.shared.scene import NAME, refuse

EVIL = "<script>alert(1)</script>\"'&"


def a_desk() -> Desk:
    """Return a desk with one secret that complies, and one for each way not to."""
    desk = Desk()
    desk.secret("late", desk.account("latedata"), days_left=-1)
    desk.secret("unlimited", desk.account("unlimiteddata"), days_left=None)
    desk.secret("odd", desk.account("odddata"), days_left=80, tags={"ValidityPeriodDays": "sixty"})
    desk.secret("old", desk.account("olddata"), days_left=400)
    desk.vault.put("plain", "planted-value")
    desk.clock.advance(100 * 86_400)
    desk.secret("well", desk.account("welldata"), days_left=80, tags={"Owner": "team-a"})
    desk.secret("off", desk.account("offdata"), enabled=False)
    return desk


def judged(desk: Desk) -> dict[str, dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(desk.run("report").out)))
    return {row["secret"]: row for row in rows}


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("well", []),
        ("off", []),
        ("late", ["rotated within policy", "not overdue"]),
        ("unlimited", ["expiry set", "rotated within policy", "not overdue"]),
        ("odd", ["managed", "rotated within policy", "not overdue", "not parked"]),
        ("old", ["rotated within policy", "not overdue"]),
        ("plain", ["managed", "expiry set", "rotated within policy"]),
    ],
)
def test_every_secret_is_judged_point_by_point(name: str, broken: list[str]) -> None:
    row = judged(a_desk())[name]
    points = ("managed", "expiry set", "rotated within policy", "not overdue", "not parked")
    assert [point for point in points if row[point] == "no"] == broken
    assert row["compliant"] == ("no" if broken else "yes")


def test_a_replica_and_a_secret_that_a_person_rotates_comply_until_they_expire() -> None:
    desk = Desk()
    soon = desk.clock.now().replace(month=12)
    names = {"Replicas": f"{desk.vault.url}/secrets/copy"}
    desk.secret("well", desk.account("welldata"), days_left=80, tags=names)
    desk.vault.put("copy", "x", expires=soon, tags={"ReplicaOf": f"{desk.vault.url}/secrets/well"})
    desk.vault.put("hand", "x", expires=soon, tags={"Manual": "true"})
    assert desk.run("report").code == 0
    desk.clock.advance(40 * 86_400)
    verdicts = {name: row["compliant"] for name, row in judged(desk).items()}
    assert verdicts == {"well": "yes", "copy": "no", "hand": "no"}


def leaked_desk(*, edited: bool) -> Desk:
    """Return a desk whose secret has leaked: its source still accepts it, and its tags are mute."""
    desk = managing(days_left=60)
    leaked, sent = desk.latest(NAME), list[str]()

    def cuts_off(request: Request) -> bool:
        sent.extend([request.path] if request.path.endswith("/regenerateKey") else [])
        return request.path.endswith("/regenerateKey") and len(sent) > 1

    refuse(desk, 503, "ServerBusy", cuts_off, times=99)
    with suppress(TransientError):
        asyncio.run(desk.work(NAME, compromised=True, version=leaked.version))
    if edited:
        desk.tag(NAME, RekeyState=None, RekeyRetire=None, Team="new")
    assert leaked.value in {key.value for key in desk.world.accounts["appdata"].keys.values()}
    return desk


@pytest.mark.parametrize("edited", [False, True])
def test_a_secret_does_not_comply_while_its_source_accepts_what_leaked(*, edited: bool) -> None:
    """Whatever its owner makes of its tags meanwhile."""
    row = judged(leaked_desk(edited=edited))[NAME]
    assert (row["compliant"], row["not overdue"], row["state"]) == ("no", "no", "overdue")
    assert row["reason"] == "what leaked may still be accepted"


@pytest.mark.parametrize(
    "primary",
    ["{}/secrets/well", "{}/secrets/none", "https://no.vault.azure.net/secrets/well", "Bob"],
)
def test_a_replica_that_nothing_writes_does_not_comply(primary: str) -> None:
    """Its own tag alone excuses no secret from the policy."""
    desk = Desk()
    desk.secret("well", desk.account("welldata"), days_left=80)
    far = desk.clock.now() + timedelta(days=700)
    desk.vault.put("copy", "x", expires=far, tags={"ReplicaOf": primary.format(desk.vault.url)})
    row = judged(desk)["copy"]
    assert (row["compliant"], row["not parked"], row["state"]) == ("no", "no", "parked")


def test_an_empty_tag_makes_no_replica() -> None:
    desk = Desk()
    far = desk.clock.now() + timedelta(days=700)
    desk.vault.put("plain", "x", expires=far, tags={"ReplicaOf": ""})
    assert judged(desk)["plain"]["managed"] == "no"


def test_a_replica_of_another_vault_is_taken_at_its_word_where_only_its_own_is_listed() -> None:
    """Nothing of another vault was read. The report of all vaults compares the two tags."""
    desk = Desk()
    other = desk.world.add_vault("other")
    desk.world.grant(desk.ada, VAULT_ACTIONS, other.resource_id)
    desk.vault.put("copy", "x", tags={"ReplicaOf": f"{other.url}/secrets/none"})
    env = desk.beside(other)
    states = {
        words: [
            row["state"]
            for row in desk.run("report", "-o", "json", *words, env=env).json["secrets"]
        ]
        for words in ((), ("--vault", "prod"))
    }
    assert states == {(): ["parked"], ("--vault", "prod"): ["ok"]}


@pytest.mark.parametrize("enabled", [True, False])
def test_a_secret_does_not_comply_whose_superseded_credential_nothing_revokes(
    *, enabled: bool
) -> None:
    desk = managing(days_left=10)
    asyncio.run(desk.work(NAME))
    if enabled:
        other = desk.account("elsewhere")
        desk.write(NAME, other.keys["key1"].value, 80, ProviderAddress=other.resource_id)
    else:
        desk.vault.amend(desk.latest(NAME), enabled=False)
    desk.clock.advance(13 * 86_400)
    assert judged(desk)[NAME]["compliant"] == "yes"
    desk.clock.advance(2 * 86_400)
    row = judged(desk)[NAME]
    verdicts = {point: row[point] for point in ("managed", "not overdue", "not parked")}
    assert verdicts == {"managed": "yes", "not overdue": "yes", "not parked": "no"}
    assert (row["compliant"], row["state"]) == ("no", "parked")


def test_the_policy_document_is_no_credential() -> None:
    desk = Desk(policy=True)
    desk.vault.put(OWN.name, EMPTY)
    assert desk.run("report").code == 0


def test_json_and_html_hold_the_same_secrets() -> None:
    desk = a_desk()
    names = set(judged(desk))
    for words in (("--format", "json"), ("--json",)):
        assert {row["secret"] for row in desk.run("report", *words).json["secrets"]} == names
    page = desk.run("report", "--format", "html").out
    assert all(f'<th scope="row">{name}<small>' in page for name in names)
    assert "secrets: 7, not compliant: 5" in page


@pytest.mark.parametrize("kind", ["csv", "html", "json"])
def test_a_report_is_written_to_a_file(kind: str, tmp_path: Path) -> None:
    desk, path = a_desk(), tmp_path / "report"
    ran = desk.run("report", "--format", kind, "--out", str(path))
    assert (ran.code, ran.out) == (1, "")
    assert path.read_bytes() == desk.run("report", "--format", kind).out.encode()
    desk.run("report", "--out", str(tmp_path / "none" / "report")).ends(2, "cannot be written")


@pytest.mark.parametrize(
    "evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "|x", "%x", "＝1", "\x00=1"]
)
def test_no_cell_is_a_formula_to_a_spreadsheet(evil: str) -> None:
    (_, cell) = csv.reader(io.StringIO(as_csv([{"owner": evil}])))
    assert cell[0][0] in ("'", "?")
    assert "\t" not in cell[0]


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize(
    "evil", ["x;=1", "x; =1", "x,@SUM(A1)", "=1;=1", 'x;"=1"', "x;y,;+1", "x\t=1"]
)
def test_no_cell_is_a_formula_where_it_is_taken_apart_at_another_separator(
    evil: str, separator: str
) -> None:
    """Spreadsheets part at what the reader's country parts at."""
    text = csv_text([], [["well", evil, "end"]])
    (cells,) = csv.reader(io.StringIO(text), delimiter=separator)
    assert [cell for cell in cells if cell.strip(' "').startswith(FORMULA)] == []


def test_a_sign_within_a_cell_that_parts_nothing_stays_as_it_is() -> None:
    text = "a-b = 5 %, c+d; e@f"
    assert harmless(text) == text


ELEMENTS = (
    "html head meta title style body h1 h2 main p ul li b div section span small colgroup col "
    "table caption thead tbody tr th td br time wbr"
)
"""All that the page is made of."""


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = as_html([{"compliant": False, "owner": EVIL}], NOW)
    parsed = read(page)
    assert {element.tag for element in parsed.all()} <= {*ELEMENTS.split()}
    attributes = {name for element in parsed.all() for name in element.attributes}
    assert not attributes & {"src", "href", "onload", "onclick"}
    assert EVIL in parsed.text
    assert "default-src 'none'" in page
    assert "@media print" in page


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("report",), "records of the sources,,no,"),
        (("report", "--format", "html"), "could not be read: records of the sources."),
        (("report", "-o", "json"), '"problem": "listing the records was answered 403'),
        (("status",), "could not be read: records of the sources"),
        (("status", "-o", "json"), '"problem": "listing the records was answered 403'),
        (("plan",), ""),
        (("plan", "-o", "json"), '"problem": "listing the records was answered 403'),
    ],
)
def test_nothing_is_certified_where_the_records_cannot_be_read(
    command: tuple[str, ...], shown: str
) -> None:
    """Tags alone do not tell what leaked, or was left at a source."""
    desk = leaked_desk(edited=True)
    refuse(
        desk, 403, "AuthorizationPermissionMismatch", lambda sent: "comp=list" in sent.url, times=99
    )
    ran = desk.run(*command)
    ran.ends(4, "have the role Storage Blob Data Reader granted to you there")
    assert shown in ran.out


def test_a_vault_that_cannot_be_read_has_a_row_that_does_not_comply() -> None:
    desk = Desk()
    ran = desk.run("report", env=desk.beside(desk.world.add_vault("broken", group="elsewhere")))
    assert ran.out == "vault,compliant,reason\r\nbroken,no,could not be read\r\n"
    desk.secret("well", desk.account("welldata"), days_left=80)
    ran = desk.run("report", env=desk.beside(desk.world.vaults["broken"]))
    *_, row = csv.DictReader(io.StringIO(ran.out))
    row = {name: text for name, text in row.items() if text}
    assert row == {"vault": "broken", "compliant": "no", "reason": "could not be read"}


def test_a_vault_that_cannot_be_read_is_named_in_the_report_that_lacks_it() -> None:
    desk = a_desk()
    other = desk.world.add_vault("broken", group="elsewhere")
    env = desk.beside(other)
    ran = desk.run("report", "--format", "html", env=env)
    assert (ran.code, "could not be read: broken." in ran.out) == (4, True)
    assert desk.run("report", "-o", "json", env=env).json["unread"][0]["vault"] == "broken"


def test_a_vault_without_secrets_is_reported_as_that() -> None:
    desk = Desk()
    assert desk.run("report").out == "no secrets\r\n"
    assert "secrets: 0" in desk.run("report", "--format", "html").out


def test_the_page_judges_by_the_points_that_the_other_formats_have() -> None:
    (row, *_) = a_desk().run("report", "--format", "json").json["secrets"]
    assert {point.replace(" ", "_") for point in POINTS} <= set(row)


def test_what_does_not_comply_stands_first_with_the_points_that_it_breaks() -> None:
    page = a_desk().run("report", "--format", "html").out
    first, second = page.index("Not compliant: 5"), page.index("Compliant: 2")
    assert first < page.index(">unlimited<") < second < page.index(">well<")
    assert "no expiry, not rotated in time, overdue" in page


def test_totals_are_given_by_vault_and_owner() -> None:
    page = a_desk().run("report", "--format", "html").out
    assert "By vault" in page
    assert '<th scope="row">team-a</th><td class="number">1</td><td class="number">0</td>' in page


def test_the_page_takes_verdicts_and_times_as_programs_get_them_as_well() -> None:
    row = {"vault": "https://prod.vault.azure.net", "secret": "late", "owner": None}
    verdicts = {"compliant": False, "expiry_set": False, "age_days": 100, "validity_days": 90}
    times = {"last_written": "2026-11-02T09:00:00+00:00", "expires": None}
    page = as_html([{**row, **verdicts, **times}], NOW, ["https://broken.vault.azure.net"])
    assert "Not compliant: 1" in page
    assert "<small>no expiry</small>" in page
    assert "<time>2026-11-02</time><small>100 of 90 days</small>" in page
    assert '<td data-label="Expires">never</td>' in page
    assert "could not be read: https://broken.vault.azure.net." in page


def test_no_day_of_the_printed_report_is_broken_at_its_hyphens() -> None:
    """On A4 the columns of days were narrower than a day."""
    page = a_desk().run("report", "--format", "html").out
    assert "time { white-space: nowrap; }" in page
    assert re.search(r"<td data-label=\"Due\"><time>\d{4}-\d\d-\d\d</time></td>", page)
    assert not re.search(r"(?<!<time>)\b\d{4}-\d\d-\d\d</td>", page)


def test_key_pairs_that_rekey_has_the_vault_make_are_no_finding() -> None:
    """A vault lists each certificate as a secret, too, and nobody can tag that one."""
    desk = Desk()
    desk.vault.put("rekey-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "planted-value")
    ran = desk.run("report")
    (row,) = csv.DictReader(io.StringIO(ran.out))
    assert (ran.code, row["compliant"], row["state"]) == (0, "yes", "unmanaged")
    assert row["reason"] == "it holds key pairs that Rekey has the vault make"
