"""The hooks of `azd up`: choose, check and deploy patiently; then push the code and sweep once.

python -m scripts.deploying.azd preprovision|postdeploy

azd runs them with its environment's values as environment variables, and reads the environment
again afterwards: https://learn.microsoft.com/azure/developer/azure-developer-cli/azd-extensibility.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.consent import Typist
from cli.session import Connections, signed_in
from cli.setup import managed_vaults
from cli.setup.checks import NotReady, check, warnings
from cli.setup.discovered import Discovered, survey
from cli.setup.questions import choose, choose_logs
from cli.terminal import Terminal
from engine.errors import RekeyError
from scripts.clock import SystemClock
from scripts.deploying import ahead, finish, region
from scripts.deploying.manager import Manager
from scripts.deploying.patience import StepError, say
from scripts.deploying.signin import arm_endpoint
from scripts.deploying.signin import signed_in as signed_in_as

VAULTS = "DEPLOY_VAULTS"
"""The variable from which infra/main.bicepparam reads the template's parameter `vaults`."""
LOGS = "DEPLOY_LOGS_WORKSPACE"
"""The variable for its parameter `logsWorkspace`."""
PACKAGE = "DEPLOY_PACKAGE"
"""The variable for a package to deploy, such as a release's, instead of a build of the checkout."""
OWN_SIGN_IN = "AzureDeveloperCliCredential"
"""azd's sign-in in azure-identity, so that the hooks have the same identity as azd."""


def _manager() -> Manager:
    return Manager(signed_in_as(), arm_endpoint())


async def preprovision(env: Mapping[str, str], parts: Connections) -> Mapping[str, str]:
    """Have the vaults chosen if none are, and check everything; raises RekeyError.

    Returns the environment with what was chosen.
    """
    terminal = Terminal(sys.stdout, sys.stderr, plain=True)
    async with signed_in(env, parts) as azure:
        name = name_of(env)
        discovered = await survey(azure, name)
        _check_sign_in(env, discovered)
        chosen, logs = env.get(VAULTS, ""), env.get(LOGS, "")
        if chosen:
            entries: Sequence[Mapping[str, Any]] = managed_vaults.read(chosen, VAULTS)
        else:
            person = parts.person or _typist(env)
            vaults = await choose(azure, discovered, person, terminal)
            logs = logs or await choose_logs(azure, discovered, vaults, person, terminal)
            entries = [vault.to_json() for vault in vaults]
        await check(azure, name, entries, discovered, logs)
    for warning in warnings(entries):
        say(f"warning: {warning}")
    if not chosen:
        _remember(VAULTS, json.dumps(entries, separators=(",", ":")))
    if logs != env.get(LOGS, ""):
        _remember(LOGS, logs)
    names = ", ".join(str(entry["name"]) for entry in entries)
    say(f"Rekey will look after: {names}. To choose again: azd env set {VAULTS} ''")
    if logs:
        name = logs.rpartition("/")[2]
        say(
            f"Logs of storage accounts are looked up in {name}. To change it: azd env set {LOGS} ''"
        )
    return {**env, VAULTS: json.dumps(entries), LOGS: logs}


def name_of(env: Mapping[str, str], file: Path = ahead.PARAMETERS) -> str:
    """Return the deployment's name as the parameter file has it; without Bicep the environment's."""
    program = ahead.bicep(env)
    if program is None:
        return env.get("AZURE_ENV_NAME", "")
    # What the vaults are is read, and told if it is wrong, later.
    template, values = ahead.compiled(program, {**env, VAULTS: "[]"}, file)
    default = template["parameters"]["name"].get("defaultValue")
    return str(values.get("name", {}).get("value", default))


def _check_sign_in(env: Mapping[str, str], discovered: Discovered) -> None:
    subscription = env.get("AZURE_SUBSCRIPTION_ID", "")
    if subscription and subscription.lower() not in {
        seen.lower() for seen in discovered.subscriptions
    }:
        raise NotReady(
            [
                (
                    f"the sign-in does not see the subscription {subscription} of this "
                    "environment: azd auth login again"
                )
            ]
        )


def _typist(env: Mapping[str, str]) -> Typist:
    unattended = env.get("AZD_NON_INTERACTIVE", "").lower() in ("1", "true") or bool(env.get("CI"))
    if unattended or not sys.stdin.isatty():
        raise RekeyError(
            "Rekey cannot ask for the vaults to look after, since no person is at the terminal",
            fix=f"azd env set {VAULTS} '{managed_vaults.SHAPE}', with your names and ids",
        )
    return Typist()


def _remember(name: str, value: str) -> None:
    ran = subprocess.run(  # noqa: S603
        ["azd", "env", "set", name, value],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RekeyError(
            f"azd did not keep {name}: {ran.stderr.strip()}", fix=f"azd env set {name} '{value}'"
        )


def site_and_package(env: Mapping[str, str]) -> list[str]:
    """Return the id of the app, and the package if one is chosen; raises StepError."""
    missing = [
        name
        for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "appName")
        if not env.get(name)
    ]
    if missing:
        raise StepError(f"the environment lacks {', '.join(missing)}. Fix: azd provision")
    subscription = f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
    group = f"{subscription}/resourceGroups/{env['AZURE_RESOURCE_GROUP']}"
    package = env.get(PACKAGE, "")
    return [
        f"{group}/providers/Microsoft.Web/sites/{env['appName']}",
        *([package] if package else []),
    ]


def main(arguments: Sequence[str], parts: Connections | None = None) -> int:
    """Run the hook that the command line names, and return the exit code."""
    os.environ.setdefault("AZURE_TOKEN_CREDENTIALS", OWN_SIGN_IN)
    try:
        match list(arguments):
            case ["preprovision"]:
                kept = asyncio.run(preprovision(os.environ, parts or Connections()))
                if ahead.is_first(kept):
                    ahead.deploy(kept, _manager, region.look_as(kept), SystemClock())
            case ["postdeploy"]:
                return finish.main(site_and_package(os.environ))
            case _:
                say((__doc__ or "").strip())
                return 2
    except (RekeyError, StepError) as error:
        print(f"rekey: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
