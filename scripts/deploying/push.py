"""Put a complete package on an app, and wait until the app's rights have spread.

python -m scripts.deploying.push SITE PACKAGE

SITE is the app's resource id. For minutes after a first deployment Azure refuses the package, since
the app's identity may not write to its storage account yet. A template cannot wait for that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from scripts.clock import Clock, SystemClock
from scripts.deploying.patience import NotYetError, StepError, patiently, say
from scripts.deploying.signin import arm_endpoint, signed_in
from scripts.deploying.site import Site

POLL = 5
"""Seconds between two checks of a deployment."""
LONGEST = timedelta(minutes=10)
"""How long one deployment may take before it is repeated."""
UNKNOWN = 4
"""How many times in a row Azure may not know a new deployment."""
FIX = (
    "see that the app's identity has Storage Blob Data Owner on its storage account, that you "
    "have Website "
    "Contributor on the app, and that its network lets you in; then run this again"
)


def push(site: Site, package: Path, clock: Clock) -> None:
    """Put a package on a site; raises StepError."""
    content = package.read_bytes()
    say(f"code: {package} goes to {site.name}")
    patiently("code", lambda: _attempt(site, content, clock), clock, fix=FIX)
    say("code: deployed")


def _attempt(site: Site, content: bytes, clock: Clock) -> None:
    """Publish once, and follow the deployment to its end.

    Azure may not know a new deployment for a moment. A deployment that was known and no longer is
    has ended, since its worker is recycled afterwards.
    """
    deployment = site.publish(content)
    began, unknown, known = clock.now(), 0, False
    while clock.now() - began < LONGEST and unknown < UNKNOWN:
        ended = site.is_published(deployment)
        if ended or (ended is None and known):
            return
        known, unknown = ended is not None, unknown + (ended is None)
        clock.sleep(POLL)
    raise NotYetError(
        "Azure does not know the deployment" if unknown else "the deployment has not ended yet"
    )


def main(arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Run the command line and return the exit code."""
    if len(arguments) != 2 or not arguments[0].startswith("/subscriptions/"):  # noqa: PLR2004
        say((__doc__ or "").strip())
        return 2
    try:
        site = Site(arguments[0].rstrip("/"), signed_in(), arm_endpoint())
        push(site, Path(arguments[1]), clock or SystemClock())
    except StepError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
