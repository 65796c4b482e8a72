"""The right answer to each report, as the table in docs/leaks.md has it; and nothing else is cut off."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)

from api.answers import Answer
from api.leaks import Finding, Reports, taken
from leaks.feeds import READERS
from tests.api.test_github import POLICY, GitHub, deliver, hooked, numbered
from tests.api.test_leaks import audit, leak, passed_on, progress, rotate, settle
from tests.cli.test_leak import array, line
from tests.leaks.test_signatures import made
from tests.shared.policies import PolicyRig
from tests.shared.rig import CONNECTION_STRING
from tests.shared.scene import state

PAGE = Path(__file__).parents[2] / "docs" / "leaks.md"
DOCUMENT = POLICY.replace("[github]", "[api, github, gitleaks, trufflehog]")
YEAR = 365 * 86_400
type Report = Callable[[PolicyRig], Awaitable[Answer]]


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    report: Report
    answer: str
    """The status that an admin is told; of a delivery, the status of HTTP as well."""
    done: str = "nothing"
    secret: str = "app-key"
    """What the answer names, if it names something."""


def key(rig: PolicyRig) -> str:
    return rig.latest("app-key").value


def accepted(rig: PolicyRig) -> set[str]:
    return {key.value for it in rig.world.accounts.values() for key in it.accepted_keys()}


async def current(rig: PolicyRig) -> Answer:
    return await leak(rig.api(), f"STORAGE_KEY='{key(rig)}' # do not commit")


async def twice(rig: PolicyRig) -> Answer:
    first, second = [await leak(rig.api(), key(rig)) for _ in range(2)]
    assert first.body["incident"] == second.body["incident"]
    return second


async def inside(rig: PolicyRig) -> Answer:
    leaked = rig.latest("other").value
    assert leaked.startswith("DefaultEndpointsProtocol")
    return await leak(rig.api(), leaked)


async def superseded(rig: PolicyRig) -> Answer:
    leaked = key(rig)
    await rotate(rig)
    return await leak(rig.api(), leaked)


async def a_year_ago(rig: PolicyRig) -> Answer:
    leaked = key(rig)
    for _ in range(5):
        await rotate(rig)
        rig.clock.advance(YEAR // 4)
        await rig.service().rotate(rig.item("app-key", action="retire").to_json(), 1)
    answer = await leak(rig.api(), leaked)
    assert answer.body["refused"] < f"{rig.clock.now() - timedelta(days=300):%Y-%m-%d}"
    assert "tried at its source" in answer.body["proof"]
    return answer


async def former(rig: PolicyRig) -> Answer:
    first = rig.latest("app-key")
    await rotate(rig)
    rig.clock.advance(8 * 86_400)
    await rig.service().rotate(rig.item("app-key", action="retire").to_json(), 1)
    await passed_on(rig)
    answer = await leak(rig.api(), first.value)
    assert answer.body["version"] == first.version
    assert answer.body["reason"].endswith("passed on to https://prod.vault.azure.net/secrets/heir")
    return answer


async def replica(rig: PolicyRig) -> Answer:
    own = {"ReplicaOf": f"{rig.vault.url}/secrets/app-key", "ValueTemplate": "url?k={key}&v=1"}
    rig.vault.put("copy", "none yet", tags=own)
    copies = {"Replicas": f"{rig.vault.url}/secrets/copy"}
    rig.vault.amend(rig.latest("app-key"), tags={**rig.tags("app-key"), **copies})
    await rotate(rig)
    answer = await leak(rig.api(), rig.latest("copy").value)
    assert answer.body["version"] == rig.latest("app-key").version
    return answer


async def purged(rig: PolicyRig) -> Answer:
    await rotate(rig)
    leaked = key(rig)
    rig.vault.delete("app-key")
    rig.vault.deleted.clear()
    rig.clock.advance(60)
    answer = await leak(rig.api(), leaked)
    assert (answer.status, answer.body["accepted"]) == (202, True)
    assert answer.body["source"].endswith("/appdata")
    assert await progress(rig.api(), answer) == "needs a person"
    return answer


def of_container(rig: PolicyRig) -> str:
    access: dict[str, Any] = {"permission": "rl", "expiry": rig.clock.now() + timedelta(days=5)}
    return str(generate_container_sas("appdata", "uploads", account_key=key(rig), **access))


async def container_signature(rig: PolicyRig) -> Answer:
    address = f"https://appdata.blob.core.windows.net/uploads/a/b.txt?{of_container(rig)}"
    answer = await leak(rig.api(), f"curl '{address}'")
    assert answer.body["kind"] == "storage-key"
    return answer


async def bare_signature(rig: PolicyRig) -> Answer:
    answer = await leak(rig.api(), of_container(rig))
    assert answer.body["reason"].endswith("report it with its URL")
    return answer


def of_account(rig: PolicyRig) -> str:
    ends, may = rig.clock.now() + timedelta(days=5), AccountSasPermissions(read=True)
    return str(generate_account_sas("appdata", key(rig), ResourceTypes(object=True), may, ends))


async def account_signature(rig: PolicyRig, change: str = "") -> Answer:
    forged = of_account(rig).replace("sig=", f"sig={change}")
    return await leak(rig.api(), f"https://appdata.blob.core.windows.net/?{forged}")


async def bare_account_signature(rig: PolicyRig) -> Answer:
    return await leak(rig.api(), of_account(rig))


async def forged_signature(rig: PolicyRig) -> Answer:
    return await account_signature(rig, "A")


async def neighbours(rig: PolicyRig) -> Answer:
    theirs = made(64, "+ASt", "Default0")
    text = CONNECTION_STRING.format(account="neighbour1", key=theirs, suffix="core.windows.net")
    answer = await leak(rig.api(), text)
    assert answer.body["command"] == (
        "az graph query -q \"resources | where type =~ 'microsoft.storage/storageaccounts' "
        "and name =~ 'neighbour1' | project id, tags\""
    )
    return answer


async def lookalike(rig: PolicyRig) -> Answer:
    return await leak(rig.api(), "a" * 76 + "+ASt" + "bbbbbw==")


async def anything(rig: PolicyRig) -> Answer:
    return await leak(rig.api(), "hunter2-hunter2")


def scanned(scanner: str, written: Callable[[str], str], cut: int | None = None) -> Report:
    """Return the report of a scanner, cut off after so many characters."""

    async def report(rig: PolicyRig) -> Answer:
        findings, unread = READERS[scanner](written(key(rig))[:cut])
        assert unread == (1 if cut else 0)
        engine, answer = await rig.service().ready(), Answer(200, {"status": "nothing was found"})
        for value, location in findings:
            queued = await taken(engine, Reports(), Finding(value, scanner, location, "cli"))
            answer = await queued.post(engine)
        return answer

    return report


def delivered(times: int = 1, **headers: str) -> Report:
    """Return the same delivery of GitHub's, as often."""

    async def report(rig: PolicyRig) -> Answer:
        api = rig.api()
        return [await deliver(api, **headers) for _ in range(times)][-1]

    return report


async def redelivered(rig: PolicyRig) -> Answer:
    await deliver(rig.api(), numbered(1))
    return await deliver(rig.api(), numbered(2))


async def flood(rig: PolicyRig) -> Answer:
    """A thousand reports of what nobody holds: the first of each minute are judged."""
    api, before = rig.api(), state(rig)
    rig.calls()
    answers = [await leak(api, f"false-report-{n:04}") for n in range(1000)]
    assert Counter(answer.status for answer in answers) == {200: 30, 429: 970}
    assert rig.calls()["vault"] < 10
    assert state(rig) == before
    return answers[0]


async def cut(rig: PolicyRig) -> Answer:
    whole = json.dumps({"action": "created", "alert": {"number": 191}})
    return await deliver(rig.api(), whole[:-9].encode())


async def no_alert(rig: PolicyRig) -> Answer:
    (github,) = (service for service in rig.world.services if isinstance(service, GitHub))
    github.status = 404
    return await deliver(rig.api())


ALIVE, CUT = "`alive`", "that version is cut off"
CASES: Mapping[str, Case] = {
    "a current key, in a line of code": Case(current, ALIVE, CUT),
    "the same twice on one day": Case(twice, ALIVE, CUT),
    "a current connection string": Case(inside, ALIVE, CUT, "other"),
    "a superseded key in its overlap": Case(superseded, ALIVE, CUT),
    "a key that was superseded a year ago": Case(a_year_ago, "`refused`, when and by which proof"),
    "a key of the source's former owner": Case(former, "`refused`, with the owner of today"),
    "a replica's value, in its own form": Case(replica, ALIVE, CUT),
    "a key whose secret is purged": Case(purged, ALIVE, "its incident asks for a person"),
    "a SAS of a container": Case(container_signature, ALIVE, CUT),
    "the same without its URL, which no secret holds": Case(
        bare_signature, "`unknown`, and asks for the URL"
    ),
    "a SAS of an account": Case(account_signature, ALIVE, CUT),
    "a SAS of an account, without its URL": Case(bare_account_signature, ALIVE, CUT),
    "the same with another signature": Case(forged_signature, "`unknown`"),
    "a neighbouring tenant's connection string": Case(neighbours, "`not ours`, with a query"),
    "what only looks like a key": Case(lookalike, "`unknown`"),
    "anything else": Case(anything, "`unknown`"),
    "a thousand false reports": Case(flood, "`unknown`, of 30 a minute; 429 of the others"),
    "a finding of TruffleHog": Case(scanned("trufflehog", line), ALIVE, CUT),
    "a finding of gitleaks": Case(scanned("gitleaks", array), ALIVE, CUT),
    "the same cut in the middle": Case(scanned("gitleaks", array, 90), "counted as unread"),
    "an alert of GitHub": Case(delivered(), "202 `received`", CUT),
    "the same delivery three times": Case(delivered(3), "202 `received`", CUT),
    "the same alert in two deliveries": Case(redelivered, "202 `received`", CUT),
    "an alert that is not signed": Case(delivered(x_hub_signature_256=""), "401"),
    "an alert with a forged signature": Case(
        delivered(x_hub_signature_256=f"sha256={'0' * 64}"), "401"
    ),
    "an alert that is cut in the middle": Case(cut, "202 `received`"),
    "an alert that GitHub does not know": Case(no_alert, "503, to be delivered again"),
}


@pytest.mark.parametrize("name", CASES)
async def test_each_report_gets_the_right_answer_and_cuts_off_nothing_else(name: str) -> None:
    case = CASES[name]
    rig, github = hooked(DOCUMENT)
    await audit(rig, "app-key", "other")
    answer = await case.report(rig)
    word = case.answer.partition("`")[2].partition("`")[0]
    assert not case.answer[0].isdigit() or answer.status == int(case.answer[:3])
    assert not word or answer.body["status"] == word
    assert answer.body.get("secret") in (None, case.secret)
    assert bool(rig.messages("rotations")) == (case.done != "nothing")
    if case.done == CUT:
        await only_that_is_cut_off(rig, case.secret, answer.body.get("version"), github.value)


async def only_that_is_cut_off(rig: PolicyRig, name: str, reported: str | None, first: str) -> None:
    values = {version.version: version.value for version in rig.vault.versions(name)}
    text, current = values.get(str(reported), first), rig.latest(name).version
    (leaked,) = (key for key in accepted(rig) if key in text)
    await settle(rig)
    assert leaked not in accepted(rig)
    for kept in ("app-key", "other"):
        assert any(key in rig.latest(kept).value for key in accepted(rig))
    made = rig.vault.versions(name)[len(values) :]
    assert len(made) == (reported in (None, current)), "one rotation, of what is current alone"


def test_the_page_has_the_same_table() -> None:
    rows = [f"| {name} | {case.answer} | {case.done} |" for name, case in CASES.items()]
    table = PAGE.read_text().partition("## What each report comes to\n")[2].partition("\n## ")[0]
    assert [row for row in table.splitlines() if row.startswith("|")][2:] == rows
