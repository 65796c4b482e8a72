"""Schedules of the proof, recorded for the formal model.

`python -m tests.proof.spec_runs FILE [SCENARIO…]`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.proof import campaign
from tests.proof.case import Case
from tests.proof.kernel import FAULTS
from tests.proof.recorder import Recorder, lines
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Schedule
from tests.proof.watch import Broken

KINDS = ("two-slots", "one-slot", "many")
SLOTTED = ("two-slots", "many")
MODELLED = (
    *(
        f"{what}/{kind}"
        for what in (
            "one",
            "rotation",
            "forced",
            "drift",
            "incident-alone",
            "incident",
            "by-hand",
            "replicas",
        )
        for kind in KINDS
    ),
    *(
        f"{what}/{kind}"
        for what in ("retirement", "restore", "hostile", "drift-in-overlap")
        for kind in SLOTTED
    ),
)
"""Scenarios of which the model can say something."""


def recorded(case: Case) -> Recorder:
    """Play a case and return what was recorded of it; a broken promise is the proof's to report."""
    schedule = Schedule(SCENARIOS[case.scenario], case.director())
    recorder = Recorder(schedule.world, case.scenario.split("/")[1])
    try:
        schedule.play()
    except Broken as broken:
        recorder.left_out = str(broken)
    finally:
        schedule.close()
    return recorder


def cases(scenarios: Iterable[str]) -> Iterator[Case]:
    """Yield each scenario undisturbed, then with every fault at every call."""
    for name in scenarios:
        yield Case(name)
        for at in range(campaign.calls_of(name)):
            yield from (Case(name, ((at, mode),)) for mode in FAULTS)


def write(path: Path, chosen: Iterable[Case]) -> tuple[int, int]:
    """Write the runs of these cases as JSON lines.

    Returns how many, and how many more the model cannot judge.
    """
    runs = [(str(case), recorded(case)) for case in chosen]
    kept = [lines(name, recorder) for name, recorder in runs if not recorder.left_out]
    path.write_text("".join(f"{line}\n" for run in kept for line in run))
    return len(kept), len(runs) - len(kept)


def main(arguments: Sequence[str]) -> None:
    """Record every fault at every call of the named scenarios, or of all that the model knows."""
    logging.disable()
    kept, left_out = write(Path(arguments[0]), cases(arguments[1:] or MODELLED))
    print(f"{kept} runs recorded, {left_out} left out")  # noqa: T201 - this is a command


if __name__ == "__main__":
    main(sys.argv[1:])
