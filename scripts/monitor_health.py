"""Watch an app after a deployment and decide whether it is healthy.

python scripts/monitor_health.py --app NAME --duration 10m [--insights APPLICATION_ID]
[--needs-sweep]

The app is healthy if GET /api/health answers 200 with {"status": "ok"} for the whole duration. Up
to two failed tries in a row are allowed, except at the end, since a deployment restarts the app.
The telemetry must show no more parked secrets, incomplete sweeps and exceptions than in an equal
time before. With --needs-sweep a sweep must have completed too. Without --insights the answers
alone decide. Exit code 0: healthy. 1: not healthy. 2: unknown, so the deployment is not confirmed
either.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from azure.core.credentials import TokenCredential

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # So that it runs as a file too.

from scripts.clock import Clock, SystemClock
from scripts.health_signals import COMPLETED, App, Count, NoAnswerError, Telemetry

HEALTHY, UNHEALTHY, UNKNOWN = 0, 1, 2
IN_A_ROW = 3
"""After so many bad answers in a row, a restart is no longer the explanation."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


@dataclass(frozen=True)
class Plan:
    """What to watch, and for how long."""

    app: App
    telemetry: Telemetry | None
    duration: timedelta
    every: timedelta
    needs_sweep: bool


def watch(plan: Plan, clock: Clock) -> int:
    """Watch until time is over or the app is unhealthy; print steps, return the exit code."""
    deployed, bad = clock.now(), 0
    while True:
        problem = plan.app.problem()
        bad = bad + 1 if problem else 0
        _say(clock, f"health: {problem or 'ok'}")
        over = clock.now() - deployed >= plan.duration
        if bad >= IN_A_ROW or (over and bad):
            return _verdict(UNHEALTHY, [f"health: {problem}"])
        if over:
            return _judge(plan, deployed, clock)
        clock.sleep(plan.every.total_seconds())


def _judge(plan: Plan, deployed: datetime, clock: Clock) -> int:
    if plan.telemetry is None:
        return _verdict(HEALTHY, [])
    try:
        counts = plan.telemetry.counts(deployed, plan.duration)
    except NoAnswerError as error:
        return _verdict(UNKNOWN, [str(error)])
    for signal, count in sorted(counts.items()):
        _say(clock, f"{signal}: {count.after:g}, {count.before:g} before")
    problems = worse(counts, needs_sweep=plan.needs_sweep)
    return _verdict(UNHEALTHY if problems else HEALTHY, problems)


def worse(counts: dict[str, Count], *, needs_sweep: bool) -> list[str]:
    """Return what got worse since the deployment."""
    bad = [
        f"more {signal} than before"
        for signal, count in counts.items()
        if signal != COMPLETED and count.grew
    ]
    swept = counts.get(COMPLETED, Count(0, 0)).after > 0
    return bad + ([] if swept or not needs_sweep else ["no sweep completed"])


def _say(clock: Clock, text: str) -> None:
    print(f"{clock.now():%H:%M:%S} {text}", flush=True)


def _verdict(code: int, problems: Sequence[str]) -> int:
    word = {HEALTHY: "healthy", UNHEALTHY: "NOT HEALTHY", UNKNOWN: "UNKNOWN"}[code]
    print(f"{word}{': ' if problems else ''}{'; '.join(problems)}")
    return code


def duration(text: str) -> timedelta:
    """Read 30s, 10m or 1h."""
    match = re.fullmatch(r"(\d{1,4})([smh])", text)
    if not match or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a duration such as 30s, 10m or 1h")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--app", help="name of the app, as the deployment's output appName says it")
    where.add_argument(
        "--url", help="URL of the app, where it is not https://NAME.azurewebsites.net"
    )
    parser.add_argument("--duration", type=duration, default="10m", help="how long to watch")
    parser.add_argument("--every", type=duration, default="30s", help="how often to ask the app")
    parser.add_argument("--insights", help="application id of Application Insights")
    parser.add_argument(
        "--insights-endpoint", default="https://api.applicationinsights.io", help="for other clouds"
    )
    parser.add_argument("--needs-sweep", action="store_true", help="require a completed sweep")
    return parser


def main(
    arguments: Sequence[str], clock: Clock | None = None, credential: TokenCredential | None = None
) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    app = App(options.url or f"https://{options.app}.azurewebsites.net")
    telemetry = None
    if options.insights:
        telemetry = Telemetry(
            options.insights_endpoint, options.insights, credential or _signed_in()
        )
    plan = Plan(app, telemetry, options.duration, options.every, options.needs_sweep)
    return watch(plan, clock or SystemClock())


def _signed_in() -> TokenCredential:
    from azure.identity import AzureCliCredential

    return AzureCliCredential()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
