"""The example package of examples/own-kind on the kit's stand, whole or broken in one place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from conformance.kit import PROMISES, Check, run
from conformance.packages import PackageStand

PACKAGE = Path(__file__).parents[2] / "examples" / "own-kind" / "package"
sys.path.insert(0, str(PACKAGE))

from acme_rekey.client import over_https  # noqa: E402
from acme_rekey.rotator import AcmeToken  # noqa: E402 - its folder is on the path from here on
from acme_rekey.sandbox import FakeAcme, Sandbox  # noqa: E402

__all__ = [
    "CHECKS",
    "AcmeToken",
    "FakeAcme",
    "Sandbox",
    "broken",
    "over_https",
    "stand",
    "verdicts",
]

KIND = "acme-token"
CHECKS = PROMISES
"""All that is checked of the contract."""


def stand(kind: type[Any] = AcmeToken, sandbox: Callable[[Any], Any] = Sandbox) -> PackageStand:
    """Return the example's stand, with another class in place of its own."""

    class Played(Sandbox):
        def rotator(self, calls: Any) -> Any:
            made = super().rotator(calls)
            made.__class__ = kind
            return made

    return PackageStand(KIND, Played if sandbox is Sandbox else sandbox, kind)


async def verdicts(
    played: Any, checks: tuple[Check, ...] = CHECKS, seconds: float = 60.0
) -> Mapping[str, tuple[str, ...]]:
    return {verdict.check: verdict.broken async for verdict in run(played.begin, checks, seconds)}


async def broken(
    played: Any, checks: tuple[Check, ...] = CHECKS, seconds: float = 60.0
) -> Mapping[str, tuple[str, ...]]:
    """Return the checks that found something, with what."""
    problems_by_check = await verdicts(played, checks, seconds)
    return {check: problems for check, problems in problems_by_check.items() if problems}
