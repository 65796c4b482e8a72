"""Deploy the template, and repeat that until Azure knows new roles and identities everywhere.

python -m scripts.deploying.template GROUP PARAMETERS [LOCATION]

With LOCATION the resource group is created first. Uses your `az` sign-in, and prints the resource
id of the app as its last line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.az import AzError, az
from scripts.clock import Clock, SystemClock
from scripts.deploying import providers, region
from scripts.deploying.patience import NotYetError, StepError, patiently, say

DEPLOYMENT = "rekey"
SPREADING = (
    "RoleDefinitionDoesNotExist",
    "PrincipalNotFound",
    "InaccessibleStorageException",
    "DeploymentActive",
    "StorageAccountOperationInProgress",
    "Managed Identity Authorization Error",
)
"""Codes of temporary errors:
https://learn.microsoft.com/azure/role-based-access-control/troubleshooting.

The third is caused by `packageUri`: https://github.com/Azure/azure-dev/issues/8026. The fifth is an
account on which something else is changed at that moment:
https://github.com/Azure/bicep-registry-modules/pull/487. The last is Event Grid's, which looks at a
topic's right to deliver when it makes the subscription:
https://github.com/Azure/bicep-registry-modules/issues/5205.
"""
FIX = (
    "check that the role or identity in the message exists, then run this again; "
    "repeating it is safe"
)


def deploy(
    group: str, parameters: str, location: str, clock: Clock, look: Callable[[str], Sequence[str]]
) -> str:
    """Deploy the template into a group and return the app's resource id; raises StepError.

    `look` returns why the app cannot run in a region. Nothing is made before that.
    """
    providers.register(providers.needed(Path(parameters)), az)
    if location:
        if problems := look(location):
            raise StepError(f"region: {'; '.join(problems)}. Nothing was made")
        _run("group", "create", "--name", group, "--location", location)
    say(f"template: {parameters} goes to the resource group {group}")
    deployed = patiently("template", lambda: _attempt(group, parameters), clock, fix=FIX)
    say("template: deployed")
    subscription = str(deployed["id"]).split("/")[2]
    app = deployed["properties"]["outputs"]["appName"]["value"]
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{app}"
    )


def _attempt(group: str, parameters: str) -> Mapping[str, Any]:
    try:
        answer: Mapping[str, Any] = az(
            *("deployment", "group", "create", "--resource-group", group),
            *("--name", DEPLOYMENT, "--parameters", parameters),
        )
    except AzError as error:
        codes = [code for code in SPREADING if code in str(error)]
        if codes:
            raise NotYetError(f"Azure answered {codes[0]}") from None
        raise StepError(f"template: {error}") from None
    return answer


def _run(*arguments: str) -> None:
    try:
        az(*arguments)
    except AzError as error:
        raise StepError(str(error)) from None


def main(
    arguments: Sequence[str],
    clock: Clock | None = None,
    look: Callable[[str], Sequence[str]] = region.look,
) -> int:
    """Run the command line and return the exit code."""
    if len(arguments) not in (2, 3) or not all(arguments[:2]):
        say((__doc__ or "").strip())
        return 2
    group, parameters, *location = arguments
    try:
        say(deploy(group, parameters, "".join(location), clock or SystemClock(), look))
    except StepError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
