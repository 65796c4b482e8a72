"""Run the demo; exit code 0 means that every secret ended as expected and its value works."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from simulator.azure import Azure
from simulator.demo.app import KEY, App, AppError, running
from simulator.demo.cast import (
    APP,
    EVENTS_ACCOUNT,
    HOST_ACCOUNT,
    VAULT,
    Part,
    cast,
    scopes,
    stage,
    vaults,
)
from simulator.demo.kinds import Kinds, platform
from simulator.demo.lines import wrapped
from simulator.demo.operators import FIRST_POLICY, LEAKED, POLICY, Operators, Terminal
from simulator.keyvault.state import SecretVersion, Vault
from simulator.reach.names import resolve_localhost
from simulator.reach.server import Background, start_in_thread
from simulator.reach.shell import command_line

type Parts = tuple[Part, ...]

PATIENCE = 30.0
OK = 200
ENDED_WELL = "All as it should be: nothing was lost, nothing cut off early."
TRIES = (
    ("archive-key", "?dry_run=true", "{}"),
    ("archive-key", "", '{"force": true, "reason": "trying it"}'),
    ("archive-key", "", '{"compromised": true, "reason": "leaked"}'),
    ("legacy-key", "", ""),
    ("no-such-secret", "", ""),
)
"""Requests that the kept demo suggests: a secret, a query, a body."""
STARTED = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start; a long one is wrapped, but a command."""
    line = f"{time.monotonic() - STARTED:5.1f} s  {text}"
    print(line if text.startswith("$") else wrapped(line, 13), flush=True)


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
    }


def outcome(vault: Vault, part: Part, before: SecretVersion) -> str:
    """Return what happened to a secret, judged from the vault alone."""
    now = vault.versions(part.name)[-1]
    if (now.tags or {}).get("RekeyState", "").startswith("parked"):
        return "parked"
    if now.version == before.version:
        return "untouched"
    earlier = next(
        version for version in vault.versions(part.name) if version.version == before.version
    )
    gone = not earlier.enabled and "RekeyRetire" not in (now.tags or {})
    return "retired" if gone and part.ends == "retired" else "rotated"


def watch(vault: Vault, parts: Parts, before: dict[str, SecretVersion]) -> dict[str, str]:
    """Print events as they happen until every secret is finished; return each secret's outcome."""
    seen: dict[str, str] = {}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(
        seen.get(part.name, "untouched") != part.ends for part in parts
    ):
        for part in parts:
            now = outcome(vault, part, before[part.name])
            if now != seen.get(part.name, "untouched"):
                say(f"  {part.name}: {now}{_detail(vault.versions(part.name)[-1], now)}")
            seen[part.name] = now
        time.sleep(0.05)
    return seen


def _detail(version: SecretVersion, result: str) -> str:
    tags = version.tags or {}
    match result:
        case "parked":
            return f": {tags['RekeyReason']}"
        case "rotated":
            retire = tags.get("RekeyRetire", "").split(" ", 2)
            old = f"; {_short(retire[2])} works until {retire[0][:10]}" if len(retire) == 3 else ""  # noqa: PLR2004
            return f" to {_short(tags['CredentialId'])}, version {version.version[:8]}{old}"
        case _:
            credential = _short(tags.get("CredentialId", ""))
            return f" to {credential}: the superseded key is revoked and its version disabled"


def _short(credential: str) -> str:
    # A key's id is a GUID; a signature's names its key, and when it ends.
    credential = credential.partition("/")[0]
    return credential[:8] if len(credential) > 12 else credential  # noqa: PLR2004


def by_hand(app: App) -> None:
    """Rotate one secret as an operator would: read it, request a rotation, then force it."""
    path = f"/api/secrets/{VAULT}/media-key/rotate"
    for note, body in (("?dry_run=true", {}), ("", {}), ("", {"force": True, "reason": "demo"})):
        status, answer = app.post(path + note, body)
        say(f"  POST {path}{note} {json.dumps(body)} -> {status}: {_told(answer)}")


def needs_a_person(app: App) -> None:
    """Print the secrets that need a person, as an operator would ask in the morning."""
    _, listed = app.get("/api/secrets?state=attention")
    print(f"\nGET /api/secrets?state=attention -> {len(listed['secrets'])} secret(s) for a person:")
    for row in listed["secrets"]:
        since = f"{row['state']} since {row['parked_since']}"
        print(wrapped(f"  {row['secret']}: {since}: {row['reason']}", 13))


def _told(answer: dict[str, str]) -> str:
    if "fix" in answer:
        return f"{answer.get('reason') or answer['detail']}; fix: {answer['fix']}"
    return f"{answer.get('action') or answer['status']}, {answer['reason']}"


def table(
    cloud: Background[Azure], parts: Parts, before: dict[str, SecretVersion], ends: dict[str, str]
) -> bool:
    """Print how every secret ended; return whether all are as expected."""
    vault, well = cloud.world.vaults[VAULT], True
    row: Callable[..., str] = "{:<20}{:<11}{:<10}{:<10}{:<12}{:<12}{}".format
    print("\n" + row("secret", "ended", "was", "is", "credential", "expires", "opens its source"))
    print("-" * 92)
    for part in parts:
        now, ended = vault.versions(part.name)[-1], ends.get(part.name, "untouched")
        good = part.source.opens(cloud.world, now.value)
        well = well and good and ended == part.ends
        expires = datetime.fromtimestamp(now.expires or 0, UTC)
        credential = _short((now.tags or {}).get("CredentialId", ""))
        print(
            row(
                part.name,
                ended,
                before[part.name].version[:8],
                now.version[:8],
                credential,
                f"{expires:%Y-%m-%d}",
                "yes" if good else "NO",
            )
        )
    return well


def latest(cloud: Background[Azure], parts: Parts) -> dict[str, SecretVersion]:
    """Return the current version of each secret, by its name."""
    held = cloud.world.vaults
    return {part.name: held[part.vault].versions(part.name)[-1] for part in parts}


def play(cloud: Background[Azure], parts: Parts, app: App) -> bool:
    """Run the demo's steps; return whether all ended well."""
    vault = cloud.world.vaults[VAULT]
    before = latest(cloud, parts)
    say(f"vault {VAULT} holds {len(parts)} secrets:")
    for part in parts:
        say(f"  {part.name}: {part.story}")
    event = vault.near_expiry_event("orders-key")
    say(f"Event Grid delivers SecretNearExpiry for orders-key -> {app.deliver(event)}")
    say("an operator rotates media-key by hand:")
    by_hand(app)
    say("the app works; the sweep finds by its timer what no event told:")
    ends = watch(vault, parts, before)
    return table(cloud, parts, before, ends)


def keep(cloud: Background[Azure], app: App, sourced: Path) -> None:
    """Keep everything running, and print what can be tried."""
    vault = cloud.world.vaults[VAULT].url
    print(f"\nStill running: app {app.base}, vault {vault}, log {app.log}.")
    print("The command line, in another terminal:")
    print(f"  . {sourced} && rekey status")
    print("The HTTP API:")
    for name, note, body in TRIES:
        data = f" -d '{body}'" if body else ""
        path = f"{app.base}/api/secrets/{VAULT}/{name}/rotate{note}"
        headers = f"-H 'x-functions-key: {KEY}' -H \"Idempotency-Key: $(uuidgen)\""
        print(f"  curl -i -X POST {headers}{data} '{path}'")
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


def look(app: App) -> bool:
    """Ask for the page as a browser does; return whether it shows the incident."""
    status, page = app.get("/api/inventory")
    well = status == OK and LEAKED in str(page) and "a laptop was stolen" in str(page)
    say(f"the page for people, {dashboard(app)}: {status}, with secrets and the incident")
    return well


def act(
    cloud: Background[Azure], parts: Parts, app: App, environment: Mapping[str, str], folder: Path
) -> bool:
    """Run the whole demo, and keep it if that is wanted; return whether all ended well."""
    sourced = command_line(folder, environment)
    shop, others = (tuple(part for part in parts if part.vault == name) for name in vaults(parts))
    kinds = Kinds(cloud, others, latest(cloud, others), app, say)
    well = play(cloud, shop, app)
    needs_a_person(app)
    print(flush=True)
    cast = {part.name: part for part in shop}
    well &= Operators(cloud, cast, Terminal(sourced, say), folder).play(kinds.begin)
    well &= kinds.end()
    well &= look(app)
    print(f"\n{ENDED_WELL}" if well else f"\nNOT as it should be: see {app.log}", flush=True)
    if os.environ.get("KEEP"):
        keep(cloud, app, sourced)
    return well


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
    """Run the demo; return 0 if it ended well."""
    mind_signals()
    resolve_localhost()
    say("starting a simulated Azure on loopback (TLS)")
    parts = (*cast(), *platform())
    with start_in_thread(lambda domains: stage(domains, parts)) as cloud:
        os.environ |= cloud.running.environment
        say(
            "starting the app, as it is deployed, on Microsoft's Functions worker: all functions in "
            "one process, to be quick;"
        )
        say("(on Azure each queue and the timer have their own)")
        vault = cloud.world.vaults[VAULT]
        vault.put(POLICY, FIRST_POLICY)
        policy = {"REKEY_POLICY": f"{vault.url}/secrets/{POLICY}"}
        environment = settings(cloud, parts, "*/3 * * * * *") | policy
        try:
            with TemporaryDirectory(prefix="rekey-demo-") as folder, running(environment) as app:
                say(f"app ready at {app.base}")
                well = act(cloud, parts, app, environment, Path(folder))
        except AppError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print()
            return 128 + signal.SIGINT
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
