"""Kill the app's processes in earnest, again and again, and judge what its sources accept.

    python -m scripts.kill                 40 kills, in about half an hour
    python -m scripts.kill --kills 200     so many
    python -m scripts.kill --seed 4711     the requests, moments and victims of an earlier run

The moments are those of a real machine, so a seed shows the same plan, and not the same end.
Exits with 1 where a promise was broken; the log of the app is then kept, and named.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.killing import play


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, wait until nothing is left to do, and print what became of everything."""
    parser = argparse.ArgumentParser(prog="kill", description="Kill the app's processes at random.")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args(arguments)
    # The judge tries dead credentials, and each refusal would be a line before the result.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    began, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="rekey-killed-"))
    print(f"seed {options.seed}; the app's log: {folder / 'host.log'}", flush=True)
    killed = play(folder, options.seed, options.kills)
    print(
        f"{killed.kills} processes killed in {time.monotonic() - began:.0f} s,"
        f" {killed.accepted} requests accepted, {killed.versions} versions written;"
        f" {killed.tries:,} tries at the sources; {len(killed.leaked)} credentials called"
        f" compromised; a single slot refused for {killed.longest:.0f} s at most"
    )
    print(*(killed.problems or ["every promise held"]), sep="\n")
    return 1 if killed.problems else 0


if __name__ == "__main__":
    sys.exit(main())
