"""What arrived at the ingestion endpoint in a run of all scenes, in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.telemetry.tables import Row, row
from tests.parts import ROOT
from tests.programs import run

OFFLINE = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
}
"""Without these the exporter talks to Microsoft about itself."""


@dataclass(frozen=True)
class Arrived:
    """What one scene left at the endpoint; what host and Azure write beside it is imitated."""

    ended: datetime
    envelopes: list[dict[str, Any]]
    imitated: list[tuple[str, Row]]
    values: list[str]

    @property
    def rows(self) -> list[tuple[str, Row]]:
        return [row(envelope) for envelope in self.envelopes] + self.imitated


@dataclass(frozen=True)
class Run:
    """All scenes; `refused` is what the endpoint would not take."""

    scenes: dict[str, Arrived]
    refused: list[str]

    def own(self) -> Iterator[tuple[str, Row]]:
        """Yield every row that the app itself sent."""
        for scene in self.scenes.values():
            yield from (row(envelope) for envelope in scene.envelopes)


def play() -> str:
    """Play all scenes and return what arrived, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        # The exporter keeps what it could not send in the folder for temporary files.
        env = {**os.environ, **OFFLINE, "PYTHONPATH": str(ROOT), "TMPDIR": folder}
        done = run(sys.executable, "-m", "tests.infra.alerts.play", env=env, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def read(text: str) -> Run:
    run = json.loads(text)
    return Run({name: _arrived(**scene) for name, scene in run["scenes"].items()}, run["refused"])


def _arrived(
    ended: str, envelopes: list[Any], imitated: list[tuple[str, Row]], values: list[str]
) -> Arrived:
    rows = [
        (table, columns | {"timestamp": _time(columns["timestamp"])}) for table, columns in imitated
    ]
    return Arrived(_time(ended), envelopes, rows, values)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
