"""A demo that is kept: what can be tried while it runs."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from demo.app import KEY, App
from demo.cast import VAULT
from demo.operators import BROKEN, MENDING

type Tries = tuple[tuple[str, ...], ...]

TRIES: Tries = (
    ("status",),
    ("who-read", f"{VAULT}/archive-key"),
    ("rotate", f"{VAULT}/archive-key", "--force", "--dry-run"),
    ("rotate", f"{VAULT}/archive-key", "--force", "--reason", "trying it", "--wait"),
    ("history", f"{VAULT}/archive-key"),
    ("plan", "--days", "60"),
)
"""Commands that a kept demo suggests."""
MENDS: Tries = (("show", f"{VAULT}/{BROKEN}"), MENDING)
"""What it suggests besides where a secret is broken still."""


def keep(app: App, rekey: Path, tries: Tries) -> None:
    """Keep everything running, and print what can be tried."""
    print(f"\nStill running: app {app.base}, log {app.log}.")
    print("The command line, in another terminal:")
    print(f'  rekey() {{ {shlex.quote(str(rekey))} "$@"; }}')
    for words in tries:
        print(f"  rekey {shlex.join(words)}")
    print(f"In a browser: {dashboard(app)}")
    print("Stop with Ctrl-C.", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


def dashboard(app: App) -> str:
    """Return the address of the page."""
    return f"{app.base}/api/dashboard?code={KEY}"
