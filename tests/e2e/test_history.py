"""A story of the whole app, with a process killed, makes a history that anybody can check."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.cast import VAULT
from simulator_tests.host.waiting import wait_for
from tests.e2e.running import OURS_SIMULATED, product
from tests.e2e.test_crash import Death, is_publishing, kill, let_time_pass, reported
from tests.proof.test_edge import applied, cut_off, found, values_of

KILLED, RETIRED, ONE = "media-key", "backup-key", "sql-admin"
OTHERS = ("orders-key", "orders-sas", "crm-client", ONE, "sql-app")
"""A key, what is made from it, a secret of Entra, the one password of a server, and two logins."""


def reported_of(lines: list[str]) -> set[str]:
    """Return the secrets of which a rotation was reported."""
    rotations = [it for it in map(json.loads, lines) if it.get("says") == "rotated"]
    return {line["secret"].partition("/")[2] for line in rotations}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], set[str]]:
    """Play a rotation whose worker is killed and a retiring sweep; return history and values."""
    folder = tmp_path_factory.mktemp("history")
    with product(OURS_SIMULATED, folder, between_tries="00:00:02", witnessed=True) as running:
        witness, azure = running.witness, running.cloud.world
        assert witness
        values = values_of(azure)
        azure.faults.append(Death(is_publishing, after=True, kill=lambda: kill(running)))
        path = f"/api/secrets/{running.vault.name}/{KILLED}/rotate"
        assert running.app.post(path, {"force": True, "reason": "drill"})[0] == 202
        wait_for(lambda: '"crash"' in "".join(witness.lines), lambda: "the worker to be killed")
        let_time_pass(running)
        wait_for(lambda: reported(running, KILLED), lambda: "the retry")
        running.send("sweeps", json.dumps({"vault": running.vault.url}))
        wait_for(
            lambda: not all(it.enabled for it in running.vault.versions(RETIRED)),
            lambda: f"the retirement; log: {running.log.read_text()[-3000:]}",
        )
        wait_for(lambda: RETIRED in reported_of(witness.lines), lambda: f"the report of {RETIRED}")
        wait_for(witness.is_idle, lambda: f"an end; log: {running.log.read_text()[-3000:]}")
        values |= values_of(azure)
    return witness.lines, values


def test_it_is_accepted_and_holds_what_happened(story: tuple[list[str], set[str]]) -> None:
    lines: list[dict[str, Any]] = list(map(json.loads, story[0]))
    assert found(lines) == set()
    assert [line["do"] for line in lines].count("crash") == 1
    assert {KILLED, RETIRED, *OTHERS} <= reported_of(story[0])
    assert lines[-1]["do"] == "end"
    off = {it["secret"] for _, it in applied(lines, "version") if not it["enabled"]}
    assert off == {f"{VAULT}/{name}" for name in (RETIRED, ONE)}


def test_a_key_that_is_cut_off_in_its_overlap_is_found(story: tuple[list[str], set[str]]) -> None:
    lines: list[dict[str, Any]] = list(map(json.loads, story[0]))
    cut_off(lines)
    assert found(lines) == {"P4"}


def test_no_value_is_in_it(story: tuple[list[str], set[str]]) -> None:
    lines, values = story
    assert len(values) > 20
    assert not [value for value in values if value in "\n".join(lines)]
