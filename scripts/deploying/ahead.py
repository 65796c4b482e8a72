"""The first deployment under azd: the template is deployed ahead of azd, until errors have passed.

azd gives up at the first error, and some errors of a first deployment pass by themselves. What azd
then deploys is there already. azd has made the resource group by then, and has fetched Bicep:
cli/azd/cmd/up.go and pkg/infra/provisioning/bicep/bicep_provider.go of Azure/azure-dev.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.clock import Clock
from scripts.deploying.manager import Manager
from scripts.deploying.patience import NotYetError, StepError, patiently, say
from scripts.deploying.providers import needed
from scripts.deploying.template import FIX, SPREADING

PARAMETERS = Path("infra", "main.bicepparam")
DEPLOYMENTS, PROVIDERS = "2024-03-01", "2021-04-01"
POLL = 5
"""Seconds between two looks at a deployment."""
ENDED = frozenset({"Succeeded", "Failed", "Canceled"})
BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Answers to a request that Azure takes a moment later."""


def is_first(env: Mapping[str, str]) -> bool:
    """Return whether azd knows where to deploy, and has not deployed yet."""
    known = env.get("AZURE_SUBSCRIPTION_ID") and env.get("AZURE_RESOURCE_GROUP")
    return bool(known) and not env.get("appName")


def deploy(
    env: Mapping[str, str],
    manager: Callable[[], Manager],
    look: Callable[[], Sequence[str]],
    clock: Clock,
) -> None:
    """Register what is missing and deploy the template; raises StepError.

    `look` returns why the app cannot run in the region.
    """
    program = bicep(env)
    if program is None:
        say("template: no Bicep was found, so azd deploys it alone")
        return
    template, parameters = compiled(program, env)
    azure, subscription = manager(), f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
    for namespace in needed(PARAMETERS):
        _register(azure, subscription, namespace, clock)
    if problems := look():
        raise StepError(f"region: {'; '.join(problems)}. Nothing was made")
    group = f"{subscription}/resourceGroups/{env['AZURE_RESOURCE_GROUP']}"
    say(f"template: goes to the resource group {env['AZURE_RESOURCE_GROUP']}, ahead of azd")
    body = {"properties": {"mode": "Incremental", "template": template, "parameters": parameters}}
    path = f"{group}/providers/Microsoft.Resources/deployments/rekey"
    patiently("template", lambda: _attempt(azure, path, body, clock), clock, fix=FIX)
    say("template: deployed")


def bicep(env: Mapping[str, str]) -> str | None:
    """Return the path of azd's Bicep, or of another one; None if there is none."""
    if named := env.get("AZD_BICEP_TOOL_PATH"):
        return named
    folder = Path(env.get("AZD_CONFIG_DIR") or Path.home() / ".azd", "bin")
    name = "bicep.exe" if os.name == "nt" else "bicep"
    return str(folder / name) if (folder / name).is_file() else shutil.which("bicep")


def compiled(
    program: str, env: Mapping[str, str], file: Path = PARAMETERS
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return template and parameters, as the file has them with azd's environment."""
    ran = subprocess.run(  # noqa: S603 - azd's own compiler
        [program, "build-params", str(file), "--stdout"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise StepError(f"template: it does not compile: {ran.stderr.strip()[-500:]}")
    built = json.loads(ran.stdout)
    return json.loads(built["templateJson"]), json.loads(built["parametersJson"])["parameters"]


def _register(azure: Manager, subscription: str, namespace: str, clock: Clock) -> None:
    path = f"{subscription}/providers/{namespace}"
    if _state(azure, path) == "Registered":
        return
    say(f"providers: {namespace} is registered now, which takes a minute or two")
    fix = f"have an owner of the subscription run: az provider register --namespace {namespace}"
    patiently("providers", lambda: _ask_for(azure, path, fix), clock, fix=fix)
    patiently("providers", lambda: _registered(azure, path), clock, fix=fix)


def _ask_for(azure: Manager, path: str, fix: str) -> None:
    answer = azure.send("POST", f"{path}/register", PROVIDERS)
    if answer.status_code in BUSY:
        raise NotYetError(f"Azure answered {answer.status_code}")
    if answer.status_code >= 400:  # noqa: PLR2004
        raise StepError(f"providers: {answer.text()}. Fix: {fix}")


def _registered(azure: Manager, path: str) -> None:
    if (state := _state(azure, path)) != "Registered":
        raise NotYetError(f"{path.rpartition('/')[2]} is {state}")


def _state(azure: Manager, path: str) -> str:
    answer = azure.send("GET", path, PROVIDERS)
    shown = answer.json() if answer.status_code == 200 else {}  # noqa: PLR2004
    return str(shown.get("registrationState") or f"answered {answer.status_code}")


def _attempt(azure: Manager, path: str, body: dict[str, Any], clock: Clock) -> None:
    answer = azure.send("PUT", path, DEPLOYMENTS, body)
    if answer.status_code in BUSY:
        raise NotYetError(f"Azure answered {answer.status_code}")
    if answer.status_code >= 400:  # noqa: PLR2004
        raise _failure(answer.text())
    operation, state = answer.headers.get("Azure-AsyncOperation", ""), answer.json()
    while operation and state.get("status") not in ENDED:
        clock.sleep(POLL)
        answer = azure.send("GET", operation)
        if answer.status_code >= 300:  # noqa: PLR2004
            raise NotYetError(f"following the deployment was answered {answer.status_code}")
        state = answer.json()
    if state.get("status", "Succeeded") != "Succeeded":
        raise _failure(json.dumps(state.get("error")))


def _failure(text: str) -> Exception:
    codes = [code for code in SPREADING if code in text]
    return NotYetError(f"Azure answered {codes[0]}") if codes else StepError(f"template: {text}")
