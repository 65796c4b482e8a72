"""Look whether a deployed app can do its work, until it can or the time is over.

python -m scripts.deploying.verify SITE

SITE is the app's resource id. Asks `rekey doctor --app`: functions, queues, identity, topics, a
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

from scripts.deploying.patience import Clock, NotYetError, StepError, SystemClock, patiently, say
from scripts.deploying.signin import arm_endpoint, signed_in
from scripts.deploying.site import Site

ROOT = Path(__file__).resolve().parents[2]
START = timedelta(minutes=10)
"""How long functions may take to be there after a deployment, and a first sweep to end."""
OF_ONE = "/secrets/"
"""What a check of one secret has in its place."""
REFUSED = "was answered 403"
"""How a check says that the deployer may not look."""
FIX = (
    "rekey doctor --app says what is missing; docs/runbook.md says where the app's own messages are"
)


def verify(doctor: Callable[[], str], clock: Clock, limit: timedelta = START) -> None:
    """Ask the doctor until everything works; raises StepError with what does not when the time is over."""
    patiently("doctor", lambda: _healthy(doctor), clock, fix=FIX, limit=limit)
    say("doctor: everything that was deployed works")


def _healthy(doctor: Callable[[], str]) -> None:
    if problem := doctor():
        raise NotYetError(problem)


def ask_doctor(site: Site) -> str:
    """Ask the app itself and `rekey doctor --app`; return what is wrong in one line, empty if nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "settings.json")
        settings.write_text(json.dumps({"Values": site.settings()}))
        command = [sys.executable, "-m", "cli", "doctor", "--json", "--app", site.resource_id]
        command += ["--settings", str(settings)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        report = json.loads(ran.stdout)
    except ValueError:
        said = " ".join(ran.stderr.split())[-500:]
        return f"rekey doctor ended with {ran.returncode}: {said}"
    return "; ".join([*filter(None, [site.health()]), *problems(report)])


def problems(report: Mapping[str, Any]) -> list[str]:
    """Return what a report of the doctor's says against the deployment.

    What is wrong with a single secret is none of that. Nor is what the deployer may not read: the
    app,
    which may, is asked for its health.
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
