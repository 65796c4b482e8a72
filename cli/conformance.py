"""`rekey conformance`: play everything that a kind must keep against one of one's own."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from cli.codes import Exit
from cli.terminal import COLOURS, Terminal
from conformance.endpoint_file import Plan
from conformance.endpoints import EndpointStand
from conformance.kit import EVERY, Verdict, run
from conformance.packages import PackageStand


async def conformance(terminal: Terminal, args: Namespace) -> int:
    """Run every check, and show what the kind breaks; raises ConfigError where none can run."""
    stand: PackageStand | EndpointStand
    if args.endpoint:
        stand = EndpointStand.at(Plan.read(args.kind, Path(args.endpoint)))
    else:
        stand = PackageStand.find(args.kind)
    verdicts = list[Verdict]()
    try:
        if isinstance(stand, EndpointStand):
            await stand.reach()
        async for verdict in run(stand.begin, (*stand.checks, *EVERY)):
            verdicts.append(verdict)
            if terminal.is_for_people:
                _show(terminal, verdict)
            terminal.progress(f"{len(verdicts)} checks played")
    finally:
        await stand.close()
    terminal.progress("")
    broken = sum(bool(verdict.broken) for verdict in verdicts)
    rows = [asdict(verdict) for verdict in verdicts]
    if not terminal.data({"kind": args.kind, "broken": broken, "checks": rows}, "checks"):
        terminal.line(f"checks: {len(verdicts)}, broken: {broken}", "1")
    return Exit.FOUND if broken else Exit.FINE


def _show(terminal: Terminal, verdict: Verdict) -> None:
    terminal.progress("")
    result = "finding" if verdict.broken else "fine"
    terminal.line(f"{result}: {verdict.check}", COLOURS.get(result, ""))
    for problem in verdict.broken:
        terminal.line(f"    {problem}")
