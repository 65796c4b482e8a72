"""What a simulated Azure was asked makes a history, too, in which a planted wrong answer is found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import prove
from scripts.check_history import check, main
from simulator.azure import Azure
from tests.proof.real import PREFIX, WITNESSED, RealCase, Stage
from tests.proof.run import Part, file_of, run

KILLED = RealCase("storage-key", ((19, "die after"),))
"""The process dies once the new version is in the vault."""
type Line = dict[str, Any]


OTHERS = (
    "service-principal-secret",
    "storage-key in two secrets",
    "sql-login-password of two logins",
    "sql-admin-password",
    "storage-sas",
)
NO_OVERLAP = OTHERS[3:]
"""One password; and signatures, which nobody can cut off but their key."""


def played(case: RealCase) -> Stage:
    stage = Stage(case, witnessed=True)
    asyncio.run(stage.play())
    return stage


@pytest.fixture(scope="module")
def stage() -> Stage:
    """A rotation whose process is killed, its overlap, and its retirement."""
    return played(KILLED)


def told(stage: Stage) -> list[Line]:
    return [json.loads(line) for line in stage.edge.lines] if stage.edge else []


@pytest.fixture
def lines(stage: Stage) -> list[Line]:
    return told(stage)


def found(lines: list[Line]) -> set[str]:
    """Return the promises that the checker calls broken."""
    return {text[:2] for _, text in check(map(json.dumps, lines))}


def reports(lines: list[Line]) -> list[str]:
    return [line["says"] for line in lines if line["do"] == "report"]


def applied(lines: list[Line], word: str) -> Iterator[tuple[Line, Line]]:
    """Yield each change by a call that has a word, with its line."""
    for line in lines:
        changes = line["changes"] if line["do"] == "applied" else ()
        yield from ((line, change) for change in changes if word in change)


def values_of(azure: Azure) -> set[str]:
    """Return every value that a simulated Azure holds."""
    keys = {key.value for account in azure.accounts.values() for key in account.keys.values()}
    secrets = (held for vault in azure.vaults.values() for held in vault.secrets.values())
    servers = azure.sql.servers.values()
    logins = (it for server in servers for it in (server.administrator, *server.logins.values()))
    return keys | {it.value for held in secrets for it in held} | {it.newest for it in logins}


def cut_off(lines: list[Line]) -> None:
    """Have the source refuse what was superseded, a second after its successor was written."""
    (before,) = (line["changes"] for line in lines if line["do"] == "given")
    terms = {change["secret"]: change["terms"] for change in before if "terms" in change}
    versions = ((line, it["secret"]) for line, it in applied(lines, "version"))
    line, secret = next(it for it in versions if "source" in terms[it[1]])
    mine = [change for change in before if change.get("secret") == secret]
    (old,) = (change["credential"] for change in mine if "version" in change)
    changes = [{"source": terms[secret]["source"], "drops": old}]
    lines.insert(lines.index(line) + 1, {"t": line["t"], "do": "source", "changes": changes})


def unproven(lines: list[Line]) -> None:
    """Have every source refuse whoever proves a credential."""
    for line in lines:
        if line.pop("accepted", None):
            line["refused"] = True


def unlocked(lines: list[Line]) -> None:
    """Have nobody ever get a lock."""
    for line, change in applied(lines, "lock"):
        assert line["do"] == "applied"
        change["holder"] = 0


def silent(lines: list[Line]) -> None:
    """Have nobody report anything."""
    lines[:] = [line for line in lines if line["do"] != "report"]


PLANTED = {"P2": unlocked, "P3": unproven, "P4": cut_off, "P8": silent}


def test_a_history_of_the_sdks_is_accepted_and_holds_what_happened(lines: list[Line]) -> None:
    assert found(lines) == set()
    assert [line["do"] for line in lines].count("crash") == 1
    says, written = reports(lines), next(applied(lines, "version"))[0]
    assert says.count("retired") == 1
    assert not {"rotated", "healed"}.isdisjoint(says)
    *_, (ended, _) = applied(lines, "drops")
    assert ended["t"] - written["t"] >= 7 * 24 * 3600


@pytest.mark.parametrize("promise", PLANTED)
def test_a_planted_wrong_answer_is_found(promise: str, lines: list[Line]) -> None:
    PLANTED[promise](lines)
    assert promise in found(lines)


@pytest.mark.parametrize("name", OTHERS)
def test_each_strategy_has_a_history_without_values_in_which_wrong_answers_are_found(
    name: str,
) -> None:
    stage = played(RealCase(name))
    assert found(told(stage)) == set()
    assert not [it for it in stage.promises.planted if it in "\n".join(map(str, told(stage)))]
    for promise, plant in PLANTED.items():
        plant(lines := told(stage))
        is_notified = promise != "P4" or name not in NO_OVERLAP
        assert (promise in found(lines)) == is_notified, promise


def test_no_value_is_in_a_history(stage: Stage) -> None:
    values, text = values_of(stage.rig.world) | stage.promises.planted, stage.edge
    assert text
    assert len(values) > len(stage.promises.planted) > 2
    assert not [value for value in values if value in "\n".join(text.lines)]


def test_each_case_of_a_witnessed_kind_has_a_history_and_no_other(tmp_path: Path) -> None:
    cases = [str(RealCase(place)) for place in WITNESSED]
    part, other = Part("SDKs", iter(cases)), f"{PREFIX}sql-login-password of a user@"
    run([part], iter(lambda: None, 0), cores=1, histories=tmp_path)
    assert prove.main(["--replay", other, "--histories", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(map(file_of, cases))
    assert main([str(tmp_path)]) == 0
