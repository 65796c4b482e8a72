"""The formal model, and the engine's own runs held against it. Needs Java, and skips without, but never in CI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.proof import spec_runs
from tests.proof.case import Case

ROOT = Path(__file__).parents[2]
TODAY = ("record", "gate", "proof")
"""Rules of the model that the engine does not follow yet: its runs are accepted without them."""
type Events = list[dict[str, Any]]


def spec(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run scripts/spec.py as `make spec` does."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    command = [uv, "run", "--frozen", "--isolated", "--only-group", "spec", "python", "scripts/spec.py"]
    done = subprocess.run([*command, *map(str, arguments)], cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode == 2 and "Nothing was checked" in done.stderr and not os.environ.get("CI"):
        pytest.skip(done.stderr.strip())
    return done


def replayed(path: Path) -> subprocess.CompletedProcess[str]:
    missing = [part for rule in TODAY for part in ("--without", rule)]
    return spec("--traces", path, *missing)


def test_the_quick_models_hold_and_their_bugs_break_what_they_must() -> None:
    done = spec("--quick")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_model_accepts_what_the_engine_does_under_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    every_fifth = islice(spec_runs.cases(("one/two-slots", "one/one-slot", "one/many")), 0, None, 5)
    runs, _ = spec_runs.write(path, every_fifth)
    assert runs > 100
    done = replayed(path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def without(do: str) -> Callable[[Events], Events]:
    return lambda events: [event for event in events if event["do"] != do]


def before_reading(events: Events) -> Events:
    """Move the first change of the source before the read that it is based on."""
    at = next(index for index, event in enumerate(events) if event["do"] == "issue")
    return [events[0], events[at], *events[1:at], *events[at + 1 :]]


def in_the_slot_in_use(events: Events) -> Events:
    return [{**event, "slot": 1} if event["do"] == "issue" else event for event in events]


def twice(do: str) -> Callable[[Events], Events]:
    return lambda events: [copy for event in events for copy in [event] * (1 + (event["do"] == do))]


def of_the_current_one(events: Events) -> Events:
    return [{**event, "credential": 3} if event["do"] == "revoke" else event for event in events]


def disabled_first(events: Events) -> Events:
    ends = next(index for index, event in enumerate(events) if event["do"] == "revoke")
    return [*events[:ends], events[ends + 1], events[ends], *events[ends + 2 :]]


FALSE: dict[str, Callable[[Events], Events]] = {
    "published unproven": without("prove"),
    "retired inside its overlap": without("pass"),
    "changed before it was read": before_reading,
    "the slot in use was replaced": in_the_slot_in_use,
    "published twice": twice("publish"),
    "the current credential revoked": of_the_current_one,
    "disabled while it still works": disabled_first,
    "acted without a lease": without("take"),
}


def test_the_model_refuses_runs_that_break_a_rule(tmp_path: Path) -> None:
    recorder = spec_runs.recorded(Case("one/two-slots"))
    path, runs = tmp_path / "runs.jsonl", []
    for name, falsify in FALSE.items():
        start = {"run": name, "strategy": "two", **recorder.start}
        runs += [json.dumps(line) for line in (start, *falsify(recorder.events))]
    path.write_text("\n".join(runs))
    done = replayed(path)
    assert done.returncode == 1
    assert not [name for name in FALSE if f"not accepted: {name}" not in done.stdout], done.stdout


def test_without_java_the_checker_says_so(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "spec.py")]
    environment = {"PATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 2
    assert "install a Java runtime" in done.stderr
