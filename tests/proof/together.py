"""What operators ask for while owners, people and other secrets do something else, or services go away.

Each half has scenarios of its own. Together they meet what neither meets alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.proof.circumstances import outages
from tests.proof.on_call import operators
from tests.proof.staging import Scenario

ELSEWHERE = re.compile(
    r"(moved|handed-over|adopted-in|put-back|written-again|owners|lacking|deleted|restored)"
    r"(-(?!when-leaked|exist)[a-z-]+)?/"
)
"""The scenarios in which somebody else does something meanwhile."""


def together(scenarios: Mapping[str, Scenario]) -> Iterator[Scenario]:
    """Return scenarios in which operators ask for everything in the middle of another one.

    In each second one services go away as well.
    """
    for name, scenario in scenarios.items():
        if ELSEWHERE.match(name):
            kind = name.partition("/")[2]
            moves = {**operators(kind), **scenario.moves}
            operated = replace(
                scenario,
                name=f"operated-{name}",
                moves=moves,
                mends=max(scenario.mends, 3),
                versions={},
                is_planned=False,
            )
            yield operated
            yield replace(
                operated,
                name=f"operated-away-{name}",
                moves={**outages(), **moves},
            )
