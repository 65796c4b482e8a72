"""Run the demo; exit code 0 means that every secret ended as expected and its value works."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from demo.app import ROOT, App, AppError, running
from demo.cast import (
    APP,
    ELSEWHERE_ID,
    EVENTS_ACCOUNT,
    HOST_ACCOUNT,
    VAULT,
    cast,
    few,
    permit,
    scopes,
    stage,
    vaults,
)
from demo.command import command_line
from demo.kept import MENDS, TRIES, keep
from demo.kinds import platform
from demo.lines import say
from demo.operators import FIRST_POLICY, POLICY
from demo.tour import play_main_job
from demo.watching import Parts
from demo.whole import play_all
from simulator.azure import Azure
from simulator.reach.names import resolve_localhost
from simulator.reach.server import Background, start_in_thread

FOLDER = ROOT / ".tools" / "demo"
"""Holds all that a demo writes, until it ends."""
SWEEP_SECONDS = 2
ENDED_WELL = "All as it should be: nothing was lost, nothing cut off early."


def settings(cloud: Background[Azure], parts: Parts, schedule: str) -> dict[str, str]:
    """Return the app's settings, as the deployment would set them."""
    urls = [cloud.world.vaults[name].url for name in vaults(parts)]
    return {
        **cloud.running.environment,
        "AzureWebJobsStorage": cloud.running.connection_string(HOST_ACCOUNT),
        "RekeyEvents": cloud.running.connection_string(EVENTS_ACCOUNT),
        "REKEY_VAULTS": ",".join(urls),
        "REKEY_SCOPES": json.dumps(dict.fromkeys(urls, scopes(parts))),
        "REKEY_SWEEP_SCHEDULE": schedule,
        "REKEY_IDENTITY_NAME": APP,
        "REKEY_LOGS_WORKSPACE": str(*cloud.world.logs.workspaces),
    }


def act(cloud: Background[Azure], parts: Parts, app: App, rekey: Path) -> bool:
    """Run the demo, and keep it if that is wanted; return whether all ended well."""
    everything = bool(os.environ.get("ALL"))
    play = play_all if everything else play_main_job
    well = play(cloud, parts, app, rekey)
    print(f"\n{ENDED_WELL}" if well else f"\nNOT as it should be: see {_kept(app)}", flush=True)
    if os.environ.get("KEEP"):
        permit(cloud.world, ELSEWHERE_ID)
        keep(app, rekey, (*MENDS, *TRIES) if everything else TRIES)
    return well


def _kept(app: App) -> str:
    """Keep the app's log beyond the end of the demo, and return its path."""
    return str(shutil.copy(app.log, FOLDER / "failed.log"))


def stop(number: int, frame: object) -> NoReturn:
    """Exit on a termination signal, once, so that everything that was started is stopped."""
    del frame
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def mind_signals() -> None:
    """Turn termination signals into an orderly exit.

    The host treats SIGHUP (a closed terminal) as a deployment, so it would go on running.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def main() -> int:
    """Run the demo in a folder of its own below this one; return 0 if it ended well."""
    mind_signals()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        return run(Path(folder))


def run(folder: Path) -> int:
    """Run the demo; return 0 if it ended well."""
    resolve_localhost()
    parts = (*cast(), *platform()) if os.environ.get("ALL") else few()
    say("starting a simulated Azure on loopback (TLS)")
    with start_in_thread(lambda domains: stage(domains, parts)) as cloud:
        os.environ |= cloud.running.environment
        say("starting the app, as it is deployed, on Microsoft's Functions worker: one process for")
        say("all functions, to be quick (on Azure each queue and the timer have their own)")
        vault = cloud.world.vaults[VAULT]
        vault.put(POLICY, FIRST_POLICY)
        policy = {"REKEY_POLICY": f"{vault.url}/secrets/{POLICY}"}
        environment = settings(cloud, parts, f"*/{SWEEP_SECONDS} * * * * *") | policy
        try:
            with running(environment) as app:
                say(f"app ready at {app.base}")
                well = act(cloud, parts, app, command_line(folder, environment))
        except AppError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print()
            return 128 + signal.SIGINT
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
