"""`rekey leak` takes values on standard input, from people and from scanners."""

from __future__ import annotations

import asyncio
import io
import json
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.leaks import MORE
from cli.codes import Exit
from leaks.feeds import READERS
from simulator.wire import Request
from tests.cli.desk import Desk, Ran, managing
from tests.shared.scene import refuse
from tests.shared.sql_rig import SQL_ACTIONS

TRUFFLEHOG = {
    "SourceMetadata": {
        "Data": {
            "Git": {"commit": "77b2a3e", "file": ".env", "repository": "https://x/y", "line": 4}
        }
    },
    "SourceID": 1,
    "SourceType": 16,
    "SourceName": "trufflehog - git",
    "DetectorType": 890,
    "DetectorName": "AzureStorage",
    "DecoderName": "PLAIN",
    "Verified": True,
    "RawV2": "",
    "Redacted": "",
    "ExtraData": None,
    "StructuredData": None,
}
"""A line as pkg/output/json.go of github.com/trufflesecurity/trufflehog at 0a99a12 writes it."""
GITLEAKS = {
    "Description": "Azure key",
    "StartLine": 4,
    "EndLine": 4,
    "StartColumn": 1,
    "EndColumn": 90,
    "Context": "",
    "File": ".env",
    "Commit": "77b2a3e",
    "Entropy": 5.1,
    "Author": "x",
    "Email": "x@northwind.example",
    "Date": "2026-11-01T00:00:00Z",
    "Message": "add settings",
    "Tags": [],
    "RuleID": "azure",
}
"""A finding as report/finding.go of github.com/gitleaks/gitleaks at 0534836 names its fields."""


def line(value: str, whole: str = "") -> str:
    return json.dumps({**TRUFFLEHOG, "Raw": value, "RawV2": whole})


def array(*values: str) -> str:
    return json.dumps([{**GITLEAKS, "Secret": value} for value in values])


def page(*values: str) -> str:
    """Return a page of alerts, with the fields that GitHub's API documents for one."""
    address = "https://github.com/o/r/security/secret-scanning/2"
    alert = {"number": 2, "html_url": address, "state": "open", "secret_type": "azure_sql_password"}
    return json.dumps([{**alert, "secret": value} for value in values])


@pytest.mark.parametrize(
    ("scanner", "text", "values", "unread"),
    [
        ("trufflehog", f"{line('one-secret')}\n\n{line('two-secret')}\n", ["one-secret", "two-secret"], 0),
        ("trufflehog", f"{line('one-secret')}\n{line('two-secret')[:-9]}", ["one-secret"], 1),
        ("trufflehog", line("one-id", "one-id:secret"), ["one-id", "one-id:secret"], 0),
        ("trufflehog", line("one-secret", "one-secret"), ["one-secret"], 0),
        ("trufflehog", '{"level": "info-0", "msg": "scanned"}\n', [], 0),
        ("trufflehog", "[1]\nnonsense", [], 2),
        ("gitleaks", array("one-secret", "two-secret"), ["one-secret", "two-secret"], 0),
        ("gitleaks", array("one-secret")[:-5], [], 1),
        ("gitleaks", '[{"Secret": 7}, 3, {"File": "x"}]', [], 3),
        ("gitleaks", "{}", [], 1),
        ("gitleaks", array("REDACTED", "REDACT", "one-sec...", "two-secret"), ["two-secret"], 3),
        ("gitleaks", "[" * 100_000, [], 1),
        ("github", page("one-secret", "two-secret"), ["one-secret", "two-secret"], 0),
        ("github", f"{page('one-secret')}\n{page('two-secret')}\n", ["one-secret", "two-secret"], 0),
        ("github", f"[{page('one-secret')},{page('two-secret')}]", ["one-secret", "two-secret"], 0),
        ("github", f"{page('one-secret')}{page('two-secret')[:-9]}", ["one-secret"], 1),
        ("github", '{"message": "Bad credentials"}', [], 1),
        ("github", '[{"secret": 7}, 3, {"number": 2}]', [], 3),
        ("github", "[" * 100_000, [], 1),
    ],
)  # fmt: skip
def test_a_report_is_read_as_far_as_it_can_be_and_the_rest_is_counted(
    scanner: str, text: str, values: list[str], unread: int
) -> None:
    findings, count = READERS[scanner](text)
    assert ([value for value, _ in findings], count) == (values, unread)


def test_a_report_that_cannot_be_read_is_not_one_without_findings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran = leak(a_desk(), "[", "--from", "gitleaks", monkeypatch=monkeypatch)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "rekey: findings that cannot be read: 1\n"


def test_a_finding_says_where_it_was() -> None:
    assert READERS["trufflehog"](line("v"))[0] == [("v", "https://x/y 77b2a3e .env 4")]
    assert READERS["gitleaks"](array("v"))[0] == [("v", ".env:4 at 77b2a3e")]
    address = "https://github.com/o/r/security/secret-scanning/2"
    assert READERS["github"](page("v"))[0] == [("v", address)]


def a_desk() -> Desk:
    desk = managing(name="billing")
    desk.clock.advance(60)
    return desk


def leak(desk: Desk, stdin: str, *options: str, monkeypatch: pytest.MonkeyPatch) -> Ran:
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    return desk.run("leak", *options)


@pytest.mark.parametrize(
    ("options", "code", "messages"),
    [(("--json",), 1, {"tell"}), (("--json", "--yes"), 0, {"rotate"})],
)
def test_a_person_sees_what_it_is_and_yes_cuts_it_off(
    options: tuple[str, ...], code: int, messages: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = a_desk()
    value = desk.latest("billing").value
    ran = leak(desk, f"{value}\n", *options, monkeypatch=monkeypatch)
    (answer,) = ran.json["leaks"]
    assert (ran.code, answer["status"], answer["secret"]) == (code, "alive", "billing")
    assert {message["action"] for message in desk.messages("rotations")} == messages
    assert value not in ran.out + ran.err


@pytest.mark.parametrize("feed", [(), ("--from", "lines"), ("--from", "gitleaks")])
def test_a_byte_order_mark_hides_no_value(
    feed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PowerShell puts one before what it sends."""
    desk = a_desk()
    value = desk.latest("billing").value
    text = array(value) if "gitleaks" in feed else value
    ran = leak(desk, f"\ufeff{text}", *feed, "--json", monkeypatch=monkeypatch)
    assert [answer["status"] for answer in ran.json["leaks"]] == ["alive"]


def test_the_command_it_answers_with_cuts_the_version_off(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    ran = leak(desk, desk.latest("billing").value, "--json", monkeypatch=monkeypatch)
    (answer,) = ran.json["leaks"]
    words = [*answer["command"].split()[1:], "--yes", "--json"]
    begun = desk.run(*words)
    assert (begun.code, begun.json["version"]) == (0, answer["version"])
    (item,) = [item for item in desk.messages("rotations") if item["action"] == "rotate"]
    assert (item["version"], item["compromised"], item["since"]) == (answer["version"], True, "")


def test_who_reports_a_history_is_told_what_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may lock a login for many wrong passwords."""
    desk, dead = Desk(), ["F1rst-password-nobody-uses"]
    server = desk.world.sql.add_server("orders", "sqladmin", dead[0])
    desk.world.grant(desk.identity, SQL_ACTIONS, desk.group)
    tags = {"ProviderAddress": server.resource_id, "ValidityPeriodDays": "90"}
    desk.vault.put("sql", dead[0], expires=desk.clock.now() + timedelta(days=5), tags=tags)
    for _ in range(5):
        desk.clock.advance(8 * 86_400)
        asyncio.run(desk.service().rotate(desk.item("sql", force=True).to_json(), 1))
        dead.append(desk.latest("sql").value)
    ran = leak(desk, "\n".join(dead[:-1]), "--json", monkeypatch=monkeypatch)
    (answer,) = ran.json["leaks"]
    assert answer["status"] == "refused"
    assert answer["reason"].endswith(MORE)


def test_a_scanners_findings_are_judged_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    text = "\n".join([line("none-of-ours-99"), line(desk.latest("billing").value)])
    ran = leak(desk, text, "--from", "trufflehog", "--yes", "--json", monkeypatch=monkeypatch)
    assert [answer["status"] for answer in ran.json["leaks"]] == ["unknown", "alive"]
    incidents: list[dict[str, Any]] = desk.run("incident", "list", "--json").json["incidents"]
    assert [".env" in incident["reason"] for incident in incidents] == [True]


def test_each_line_is_judged_and_unknown_ones_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.secret("orders", desk.account("orders1"), days_left=80)
    lines = [f"A={desk.latest('billing').value}", "", "# a comment", "DEBUG=1"]
    text = "\n".join([*lines, f"B={desk.latest('orders').value}"])
    options = ("--from", "lines", "--location", "a wiki")
    ran = leak(desk, text, *options, monkeypatch=monkeypatch)
    assert (ran.out.count("status"), ran.out.count("alive")) == (2, 2)
    assert "what else was found is unknown: 2" in ran.err
    reasons = [message["reason"] for message in desk.messages("rotations")]
    assert ["leaked: a wiki" in reason for reason in reasons] == [True, True]


def test_many_findings_are_cut_off_the_most_dangerous_first_and_five_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = a_desk()
    for number in range(20):
        desk.secret(f"key-{number:02}", desk.account(f"account{number}"), days_left=80)
    text = "\n".join(line(desk.latest(f"key-{at:02}").value) for at in range(20))
    refuse(desk, 503, "ServerBusy", lambda request: request.host.startswith("account7."), 99)
    ran = leak(desk, text, "--from", "trufflehog", "--yes", "--json", monkeypatch=monkeypatch)
    assert ran.code == 0
    posted = sorted(desk.queue("rotations"), key=lambda message: message.visible)
    names = [json.loads(b64decode(message.body))["secret"] for message in posted]
    assert names[-1] == "key-07", "nobody knows whether it works"
    spread = posted[-1].visible - posted[0].visible
    assert len(names) == 20
    assert spread.total_seconds() == pytest.approx(19 / 5, abs=1)


@pytest.mark.parametrize("key", ["", "leaks:\n  keySecret: leak-key\n"], ids=["unkeyed", "keyed"])
def test_a_value_that_two_secrets_hold_is_cut_off_in_both(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a key of prints, one of them has its print already."""
    desk = Desk(policy=True)
    desk.vault.put("rekey-policy", f"version: 1\n{key}")
    desk.vault.put("leak-key", "k" * 40)
    value = desk.secret("billing", desk.account("bill1"), days_left=80).value
    desk.clock.advance(60)
    asyncio.run(desk.service().rotate(desk.item("billing", action="audit").to_json(), 1))
    orders = desk.account("orders1")
    orders.keys["key1"] = replace(orders.keys["key1"], value=value)
    desk.secret("orders", orders, days_left=80)
    desk.clock.advance(60)
    ran = leak(desk, value, "--yes", monkeypatch=monkeypatch)
    assert ran.code == 0, ran.err
    assert "orders" in ran.out
    waiting = [item["secret"] for item in desk.messages("rotations") if item["compromised"]]
    assert sorted(waiting) == ["billing", "orders"]


def test_an_unjudged_finding_keeps_no_other_leak_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    unread = desk.secret("unread", desk.account("unread"), days_left=80).value
    text = "\n".join([line(unread), line(desk.latest("billing").value)])
    refuse(desk, 403, "Forbidden", lambda request: "/secrets/unread/" in request.path)
    ran = leak(desk, text, "--from", "trufflehog", "--yes", "--json", monkeypatch=monkeypatch)
    assert ran.code == Exit.AZURE, ran.err
    (item,) = desk.messages("rotations")
    assert item["secret"] == "billing"


def test_a_leak_that_cannot_be_stored_keeps_no_other_one_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk, refused = a_desk(), set[str]()
    for number in range(20):
        desk.secret(f"key-{number:02}", desk.account(f"account{number}"), days_left=80)
    text = "\n".join(line(desk.latest(f"key-{at:02}").value) for at in range(20))

    def the_first(request: Request) -> bool:
        if request.method == "PUT" and "incidents/" in request.path and not refused:
            refused.add(request.path)
        return request.method == "PUT" and request.path in refused

    refuse(desk, 503, "ServerBusy", the_first, 99)
    ran = leak(desk, text, "--from", "trufflehog", "--yes", "--json", monkeypatch=monkeypatch)
    assert (ran.code, len(refused)) == (Exit.AZURE, 1)
    posted = {item["secret"] for item in desk.messages("rotations")}
    assert len(posted) == 19
    assert {answer["secret"] for answer in json.loads(ran.out)["leaks"]} == posted


@pytest.mark.parametrize(
    ("argv", "stdin", "code"),
    [(("hunter2-hunter2",), "", 2), ((), "  \n", 5), ((), "x" * 20_000, 5)],
)
def test_a_value_as_an_argument_or_none_at_all_is_refused_and_not_repeated(
    argv: tuple[str, ...], stdin: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = leak(a_desk(), stdin, *argv, monkeypatch=monkeypatch)
    assert ran.code == code
    assert "hunter2" not in ran.out + ran.err
