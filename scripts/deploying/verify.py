"""Look whether a deployed app can do its work, until it can or the time is over.

python -m scripts.deploying.verify SITE

SITE is the app's resource id. Asks `rekey doctor --app`: functions, queues, identity, topics, a sweep.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from scripts.deploying.patience import Clock, NotYetError, StepError, SystemClock, patiently, say
from scripts.deploying.signin import arm_endpoint, signed_in
from scripts.deploying.site import Site

ROOT = Path(__file__).resolve().parents[2]
START = timedelta(minutes=10)
"""How long functions may take to be there after a deployment, and a first sweep to end."""
FIX = "rekey doctor --app says what is missing; docs/runbook.md says where the app's own messages are"


def verify(doctor: Callable[[], str], clock: Clock, limit: timedelta = START) -> None:
    """Ask the doctor until everything works; raises StepError with what does not when the time is over."""
    patiently("doctor", lambda: _healthy(doctor), clock, fix=FIX, limit=limit)
    say("doctor: everything that was deployed works")


def _healthy(doctor: Callable[[], str]) -> None:
    if problem := doctor():
        raise NotYetError(problem)


def ask_doctor(site: Site) -> str:
    """Run `rekey doctor --app`; return its findings in one line, empty if there are none."""
    command = [sys.executable, "-m", "cli", "doctor", "--app", site.resource_id]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode == 0:
        return ""
    findings = [line for line in f"{ran.stdout}\n{ran.stderr}".splitlines() if line.startswith(("finding", "rekey"))]
    return "; ".join(findings) or f"rekey doctor ended with {ran.returncode}"


def main(arguments: Sequence[str], clock: Clock | None = None, doctor: Callable[[Site], str] = ask_doctor) -> int:
    """Do what the command line asks for; returns the exit code."""
    if len(arguments) != 1 or not arguments[0].startswith("/subscriptions/"):
        say((__doc__ or "").strip())
        return 2
    site = Site(arguments[0].rstrip("/"), signed_in(), arm_endpoint())
    try:
        verify(lambda: doctor(site), clock or SystemClock())
    except StepError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
