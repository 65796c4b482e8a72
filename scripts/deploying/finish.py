"""Push the code to a new app, sweep once, check that everything works, and print the result.

python -m scripts.deploying.finish SITE [PACKAGE]

SITE is the app's resource id. Without PACKAGE one is built from this checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from scripts.clock import Clock, SystemClock
from scripts.deploying.patience import StepError, patiently, say
from scripts.deploying.push import push
from scripts.deploying.signin import arm_endpoint, signed_in
from scripts.deploying.site import ClosedError, Site
from scripts.deploying.verify import FIX, ROOT, START, ask_doctor, verify

BUILT = ROOT / "dist" / "rekey.zip"
HOUR = timedelta(minutes=75)
"""The longest until the first sweep by schedule has ended."""
UNMANAGED = frozenset({"unmanaged", "disabled"})
DUE = frozenset({"due", "overdue"})


def finish(site: Site, package: Path, clock: Clock, doctor: Callable[[], str]) -> None:
    """Deploy the code and check that it works; raises StepError.

    `doctor` returns the problems, empty if there are none.
    """
    push(site, package, clock)
    try:
        patiently("first sweep", site.sweep, clock, fix=FIX, limit=START)
        say("first sweep: started")
    except ClosedError as reason:
        say(f"first sweep: {reason}, so its schedule starts it")
        verify(doctor, clock, HOUR)
        say("first sweep: ended; rekey status shows what it saw")
        return
    verify(doctor, clock, START)
    say(
        result(
            [
                str(secret["state"])
                for secret in patiently("result", lambda: list(site.secrets()), clock, fix=FIX)
            ]
        )
    )


def result(states: Sequence[str]) -> str:
    """Return in a few lines what the first sweep saw, and the next steps."""
    count = Counter(states)
    managed = len(states) - sum(count[state] for state in UNMANAGED)
    due = sum(count[state] for state in DUE)
    lines = [
        (
            f"first sweep: secrets seen {len(states)}, managed {managed}, due {due}, parked "
            f"{count['parked']}"
        )
    ]
    if not managed:
        lines.append(
            "no secret is managed yet: tag one (docs/tags.md), or run rekey adopt (docs/cli.md)"
        )
    if due:
        lines.append("what is due is being rotated now: rekey status shows it")
    if count["parked"]:
        lines.append("what is parked needs a person: rekey status says why, and the way out")
    return "\n".join(lines)


def build() -> Path:
    """Build the complete package of this checkout, with the Python 3.13 that is there."""
    say(f"package: {BUILT.relative_to(ROOT)} is built")
    uv = os.environ.get("UV", "uv")
    alone = ("run", "--frozen", "--quiet", "--isolated", "--only-group", "delivery", "python")
    ran = subprocess.run(  # noqa: S603
        [uv, *alone, "scripts/package.py", str(BUILT), "--complete"],
        cwd=ROOT,
        env={**os.environ, "UV": uv},
        check=False,
    )
    if ran.returncode:
        raise StepError(
            f"package: it could not be built, exit code {ran.returncode}. Fix: see the "
            "messages above"
        )
    return BUILT


def main(
    arguments: Sequence[str], clock: Clock | None = None, doctor: Callable[[Site], str] = ask_doctor
) -> int:
    """Run the command line and return the exit code."""
    if len(arguments) not in (1, 2) or not arguments[0].startswith("/subscriptions/"):
        say((__doc__ or "").strip())
        return 2
    site = Site(arguments[0].rstrip("/"), signed_in(), arm_endpoint())
    try:
        package = Path(arguments[1]) if len(arguments) > 1 else build()
        finish(site, package, clock or SystemClock(), lambda: doctor(site))
    except StepError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
