"""Check a deployed app until it works or the time is over.

python -m scripts.deploying.verify SITE

SITE is the app's resource id. `rekey doctor --app` checks functions, queues, identity, topics, a
sweep.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from scripts.clock import Clock, SystemClock
from scripts.deploying.patience import NotYetError, StepError, patiently, say
from scripts.deploying.signin import arm_endpoint, signed_in
from scripts.deploying.site import Site

ROOT = Path(__file__).resolve().parents[2]
START = timedelta(minutes=10)
"""The longest until the functions exist after a deployment, and until a first sweep ends."""
OF_ONE = "/secrets/"
"""A part of the place of every check of a single secret."""
REFUSED = "was answered 403"
"""A part of the message of a check that the deployer may not make."""
FIX = (
    "rekey doctor --app says what is missing; docs/runbook.md says where the app's own messages are"
)


def verify(doctor: Callable[[], str], clock: Clock, limit: timedelta = START) -> None:
    """Run the doctor until everything works; raises StepError with the remaining problems."""
    patiently("doctor", lambda: _healthy(doctor), clock, fix=FIX, limit=limit)
    say("doctor: everything that was deployed works")


def _healthy(doctor: Callable[[], str]) -> None:
    if problem := doctor():
        raise NotYetError(problem)


def ask_doctor(site: Site) -> str:
    """Return in one line what the app and `rekey doctor --app` report; empty for no problem."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "settings.json")
        settings.write_text(json.dumps({"Values": site.settings()}))
        command = [sys.executable, "-m", "cli", "doctor", "--json", "--app", site.resource_id]
        command += ["--settings", str(settings)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        report = json.loads(ran.stdout)
    except ValueError:
        message = " ".join(ran.stderr.split())[-500:]
        return f"rekey doctor ended with {ran.returncode}: {message}"
    return "; ".join([*filter(None, [site.health()]), *problems(report)])


def problems(report: Mapping[str, Any]) -> list[str]:
    """Return the findings of a doctor's report that concern the deployment.

    Findings about a single secret do not count. Nor do checks that the deployer has no right to
    make, since the app's own health covers them.
    """
    findings = [check for check in report["checks"] if check["result"] == "finding"]
    return [
        _told(check)
        for check in findings
        if OF_ONE not in check["where"] and REFUSED not in check["what"]
    ]


def _told(check: Mapping[str, str]) -> str:
    place = f" ({check['where']})" if check["where"] else ""
    return f"{check['what']}{place}. Fix: {check['fix']}"


def main(
    arguments: Sequence[str], clock: Clock | None = None, doctor: Callable[[Site], str] = ask_doctor
) -> int:
    """Run the command line and return the exit code."""
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
