"""The formal model, and the engine's own runs held against it.

Needs Java, and skips without, but never in CI.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.proof import spec_runs
from tests.proof.case import Case
from tests.proof.recorder import lines

ROOT = Path(__file__).parents[2]
type Events = list[dict[str, Any]]


def spec(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run scripts/spec.py as `make spec` does."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    command = [
        uv,
        "run",
        "--frozen",
        "--isolated",
        "--only-group",
        "spec",
        "python",
        "scripts/spec.py",
    ]
    done = subprocess.run(  # noqa: S603
        [*command, *map(str, arguments)], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode == 2 and "Nothing was checked" in done.stderr and not os.environ.get("CI"):
        pytest.skip(done.stderr.strip())
    return done


@pytest.mark.nightly
def test_the_quick_models_hold_and_their_bugs_break_what_they_must() -> None:
    done = spec("--quick")
    assert done.returncode == 0, done.stdout + done.stderr


MENDED = (
    # Who died between publishing and disabling left a version enabled whose value is dead.
    "one/one-slot@15:die before",
    # A superseded credential whose version could not be read was reported as retired without a
    # proof.
    "retirement/many@38:forbid",
    # A superseded credential was revoked although the source refused the current version.
    "drift-in-overlap/two-slots@3:forbid",
    # A repair that was tried again named its own version as the one to retire.
    "drift-in-overlap/two-slots@16:die after",
    # Who could not prove what it had added removed that at once, which the model did not know.
    "one/many@9:forbid",
    # What was forced, announced and refused was left to time, and the current version confirmed.
    "forced/many@11:forbid",
    "forced/many@12:forbid",
)


def shown(event: dict[str, Any]) -> str:
    """Name an event: a step of the plan by that, too."""
    return f"plan {event['step']}" if event["do"] == "plan" else str(event["do"])


def without(do: str) -> Callable[[Events], Events]:
    """Leave out these events."""
    return lambda events: [event for event in events if shown(event) != do]


def before(do: str, *inserted: dict[str, Any]) -> Callable[[Events], Events]:
    """Insert events before the first one of a kind."""

    def changed(events: Events) -> Events:
        at = [*map(shown, events)].index(do)
        return [*events[:at], *inserted, *events[at:]]

    return changed


def until(do: str, *added: dict[str, Any]) -> Callable[[Events], Events]:
    """End a run before the first event of a kind, and go on in another way."""
    return lambda events: [*events[: [*map(shown, events)].index(do)], *added]


def swapped(do: str, other: str) -> Callable[[Events], Events]:
    """Exchange the first event of one kind with the first of another kind that follows."""

    def changed(events: Events) -> Events:
        names = [*map(shown, events)]
        first = names.index(do)
        second = names.index(other, first)
        changed = list(events)
        changed[first], changed[second] = changed[second], changed[first]
        return changed

    return changed


def other(do: str, **fields: object) -> Callable[[Events], Events]:
    return lambda events: [{**event, **fields} if shown(event) == do else event for event in events]


def untried(events: Events) -> Events:
    return [event for event in events if event["do"] != "verify" or event["accepted"]]


def unread(events: Events) -> Events:
    """Let the credential that was revoked be unreadable, where it was tried."""
    hidden = [
        {"do": "unread", "w": event["w"]}
        if event["do"] == "verify" and not event["accepted"]
        else event
        for event in events
    ]
    return [
        event
        for index, event in enumerate(hidden)
        if event["do"] != "unread" or hidden[index - 1]["do"] != "unread"
    ]


PHASES = {
    "issue": "issuing",
    "publish": "publishing",
    "roll back": "publishing",
    "revoke": "retiring",
}


def step(do: str, **fields: object) -> dict[str, Any]:
    return {"do": do, "w": 1, "phase": PHASES.get(do, "idle"), "next_check": True, **fields}


def planned(name: str) -> dict[str, Any]:
    return step("plan", step=name, parked=False)


TAKE, READ, END = step("take", kind="rotate"), step("read", version=1), step("release")
AGAIN = (
    step("publish", credential=3),
    END,
    TAKE,
    step("read", version=1),
    planned("rotate"),
    step("issue", credential=4, slot=2),
)
UNSEEN = {
    "recheck": "a recheck comes minutes later: the proof bounds how long a source may refuse the vault",
    "late recheck": "a run shows no minutes",
    "report first": "who has lost its lease leaves the report to another, and a run may end before",
    "keep unreported": "a run shows what is reported, not what the state remembers of it",
    "pass whole": "the recorded runs have one secret for a source",
    "one owner": "the recorded runs have one secret for a source",
    "one overlap": "the recorded runs are asked for one rotation at a time",
}
"""Rules of which no run can show that they are broken."""
FALSE: dict[str, tuple[str, str, Callable[[Events], Events]]] = {
    "pending write: a write is not announced": (
        "pending write",
        "one/two-slots",
        without("prepare"),
    ),
    "wait: a read that lags is believed": ("wait", "one/two-slots", until("publish", *AGAIN)),
    "lease: published after the lease has gone to another": (
        "lease",
        "one/two-slots",
        before("publish", {**TAKE, "w": 2}, {**END, "w": 2}),
    ),
    "fresh read: published over what a person wrote": (
        "fresh read",
        "one/two-slots",
        before("publish", {"do": "person", "credential": 4}),
    ),
    "verify: published unverified": ("verify", "one/two-slots", without("verify")),
    "verify current: reported as done while the source refuses it": (
        "verify current",
        "drift/two-slots",
        until("verify", step("reported", result="confirmed", incident=False)),
    ),
    "overlap: retired inside its overlap": ("overlap", "one/two-slots", without("pass")),
    "spare: the current credential is revoked": (
        "spare",
        "one/two-slots",
        other("revoke", credential=3),
    ),
    "evidence: a credential of somebody else is revoked": (
        "evidence",
        "one/many",
        other("revoke", credential=2),
    ),
    "clean up: what an interrupted try made stays": (
        "clean up",
        "one/many@11:die before",
        without("clean up"),
    ),
    "repair first: retired before the current version is repaired": (
        "repair first",
        "drift-in-overlap/two-slots@3:forbid",
        until("plan verify", planned("retire"), step("revoke", credential=1)),
    ),
    "restore first: what is to be restored is retired": (
        "restore first",
        "restore/two-slots",
        until(
            "plan restore",
            {"do": "pass", "version": 1},
            planned("retire"),
            step("revoke", credential=1),
        ),
    ),
    "out of use: reported while a dead version stays enabled": (
        "out of use",
        "one/one-slot",
        without("disable"),
    ),
    "read back: what cannot be read is believed to be gone": ("read back", "one/many", unread),
    "confirm revoked: what was revoked is not tried": ("confirm revoked", "one/two-slots", untried),
    "store: an incident is not noted": ("store", "incident-alone/two-slots", without("store")),
    "consent: a replica is written without it": (
        "consent",
        "replicas/two-slots",
        before("copy", {"do": "withdraw"}),
    ),
    "copies first: the primary before its replica": (
        "copies first",
        "replicas/two-slots",
        swapped("copy", "publish"),
    ),
    "roll back: rolled back what a person has replaced": (
        "roll back",
        "one/one-slot",
        until("prepare", {"do": "person", "credential": 4}, step("roll back", credential=1)),
    ),
    "revoked: rolled back to what a person took away": (
        "revoked",
        "one/one-slot",
        before("issue", {"do": "revokes", "credential": 1}),
    ),
    "phase: a change is sent while the state says that nothing goes on": (
        "phase",
        "one/two-slots",
        other("issue", phase="idle"),
    ),
    "phase: the state says nothing of an incident": (
        "phase",
        "incident-alone/two-slots",
        other("revoke", phase="retiring"),
    ),
    "next check: a change is sent that nothing comes back to": (
        "next check",
        "one/two-slots",
        other("issue", next_check=False),
    ),
    "next check: nothing comes back to what is to be retired": (
        "next check",
        "one/two-slots",
        other("release", next_check=False),
    ),
    "changed before it was read": ("", "one/two-slots", swapped("read", "issue")),
    "the slot in use is replaced": ("", "one/two-slots", other("issue", slot=1)),
    "published twice": ("", "one/two-slots", before("publish", step("publish", credential=3))),
    "disabled while it still works": ("", "one/two-slots", swapped("revoke", "disable")),
    "acted without a lease": ("", "one/two-slots", without("take")),
    "an incident ends while the leak works": (
        "",
        "incident-alone/many",
        until("revoke", step("reported", result="rotated", incident=True)),
    ),
    "something else is done while the leak works": (
        "",
        "incident-alone/many",
        until("revoke", step("reported", result="confirmed", incident=False)),
    ),
    "replaced although nobody asks for it": (
        "",
        "one/two-slots",
        other("plan verify", step="rotate"),
    ),
    "verified and no more, where a rotation is asked for": (
        "",
        "one/two-slots",
        until("plan rotate", planned("verify")),
    ),
    "restored although nobody asks for it": (
        "",
        "restore/two-slots",
        other("take", kind="recheck"),
    ),
    "a repair that is taken for a rotation": (
        "",
        "drift/two-slots",
        other("plan verify", step="rotate"),
    ),
    "retired in its overlap, to no effect": (
        "",
        "one/two-slots",
        before("pass", {**TAKE, "kind": "retire"}, step("read", version=2), planned("retire"), END),
    ),
    "revoked as leaked, where nothing leaked": (
        "",
        "one/two-slots",
        other("plan retire", step="revoke"),
    ),
    "reported before it is repaired": ("", "drift/two-slots", until("prepare", planned("report"))),
    "nothing done, where a rotation is asked for": (
        "",
        "one/two-slots",
        until("plan rotate", planned("conclude"), END),
    ),
    "revoked in a step that revokes nothing": ("", "one/two-slots", without("plan retire")),
    "published in a step that publishes nothing": (
        "",
        "one/two-slots",
        before("publish", planned("claim")),
    ),
    "disabled in a step that disables nothing": (
        "",
        "one/one-slot",
        before("disable", planned("claim")),
    ),
}
"""Runs that no engine of ours may show: which rule they break, the run that they are made from, and
how."""


def recorded_runs() -> Iterator[tuple[str, list[str]]]:
    """Yield runs of the engine under faults of every kind, and the mended ones; each as lines."""
    chosen = islice(spec_runs.cases(spec_runs.MODELLED), 0, None, 121)
    for case in (*chosen, *map(Case.parse, MENDED)):
        recorder = spec_runs.recorded(case)
        if not recorder.left_out:
            yield str(case), lines(str(case), recorder)


def false_runs() -> Iterator[tuple[str, list[str]]]:
    """Yield the runs that no engine may show, each as lines."""
    for name, (_, case, falsify) in FALSE.items():
        recorder = spec_runs.recorded(Case.parse(case))
        assert not recorder.left_out, recorder.left_out
        falsified = falsify(recorder.events)
        assert falsified != recorder.events, name
        yield name, [lines(name, recorder)[0], *map(json.dumps, falsified)]


def test_the_model_accepts_what_the_engine_does_and_refuses_a_run_for_every_rule_that_it_breaks(
    tmp_path: Path,
) -> None:
    runs = dict(recorded_runs())
    assert len(runs) > 110
    assert set(MENDED) <= set(runs)
    path = tmp_path / "runs.jsonl"
    path.write_text(
        "".join(f"{line}\n" for run in (runs | dict(false_runs())).values() for line in run)
    )
    done = spec("--traces", path)
    refused = set(re.findall(r"^not accepted: (.*), event \d+: ", done.stdout, re.MULTILINE))
    assert refused == set(FALSE), done.stdout[-4000:] + done.stderr


def test_every_deliberate_bug_has_a_false_run_or_a_reason() -> None:
    bugs = {
        bug["without"]
        for bug in tomllib.loads((ROOT / "docs" / "spec" / "models.toml").read_text())["bug"]
    }
    assert bugs - {rule for rule, _, _ in FALSE.values()} == set(UNSEEN)


def test_without_java_the_checker_says_so(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "spec.py")]
    environment = {"PATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 2
    assert "install a Java runtime" in done.stderr
