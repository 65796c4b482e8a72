"""What would let a deployment fail: said before it begins, all at once, each with its fix."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.setup.discovered import Discovered, FoundVault, workspace_problem
from cloud.azure import Azure
from cloud.rest.arm import Arm
from engine.errors import RekeyError

NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])")
"""What infra/checks.bicep takes as a name."""
TENANT = re.compile(r'authorization="https://[^/"]+/([0-9a-f-]{36})"')
"""Where a vault's challenge names its tenant:
https://learn.microsoft.com/azure/key-vault/general/authentication."""

WORKSPACE_SHAPE = (
    "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.OperationalInsights"
    "/workspaces/<name>"
)
WORKSPACE = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/?#]+/providers/Microsoft\.OperationalInsights"
    r"/workspaces/[^/?#]+",
    re.IGNORECASE,
)
"""What infra/checks.bicep takes as a workspace."""
SCOPE = re.compile(
    r"/subscriptions/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(/resourceGroups/[^/?#]+(/providers(/[^/?#]+){3}(/databases/[^/?#]+)?)?)?",
    re.IGNORECASE,
)
"""How infra/checks.bicep wants a scope; it knows the types of resources, too."""
SCOPE_SHAPE = "the id of a subscription, a resource group, or a resource in one"
METADATA = "2022-09-01"
SUBSCRIPTION = re.compile(r"/subscriptions/[^/]+/?", re.IGNORECASE)
OPENS = "storage-key"
"""The kind whose keys open everything that an account holds; the template's choice for a vault."""


class NotReady(RekeyError):  # noqa: N818 - a state, like the errors of engine.errors
    """A deployment would fail; `problems` says why, each with its fix."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(
            f"the deployment would fail, so nothing was made; {len(problems)} problem(s):{lines}"
        )


async def check(
    azure: Azure,
    name: str,
    entries: Sequence[Mapping[str, Any]],
    discovered: Discovered,
    logs_workspace: str = "",
) -> None:
    """Raise NotReady with everything that is in the way of a deployment."""
    problems = name_problems(name)
    if logs_workspace:
        problems += await _logs_problems(azure, logs_workspace)
    names = Counter(str(entry["name"]).lower() for entry in entries)
    problems += [f"vault {twice} is named twice" for twice in names if names[twice] > 1]
    for entry in entries:
        problems += _scope_problems(entry, discovered)
        vault = discovered.named(str(entry["name"]))
        if vault is None:
            problems.append(await _unseen(azure, str(entry["name"]), discovered))
        else:
            problems += _problems(vault, entry, discovered)
    if problems:
        raise NotReady(problems)


def name_problems(name: str) -> list[str]:
    """Return what is wrong with the name that every resource's name begins with."""
    if NAME.fullmatch(name):
        return []
    rule = "2 to 20 lower-case letters, digits and dashes, beginning with a letter"
    return [f"the name is {name!r}, but must be {rule}"]


def warnings(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a deployment would allow that hardly anybody wants."""
    return [
        (
            f"vault {entry['name']}: the scope {scope} is a whole subscription. Whoever writes a "
            "secret there could have the keys of every storage account in it rotated, also of "
            "those in which other apps keep their code and state: name resource groups instead"
        )
        for entry in entries
        for scope in entry.get("scopes", ())
        if SUBSCRIPTION.fullmatch(str(scope)) and OPENS in (entry.get("kinds") or (OPENS,))
    ]


async def _logs_problems(azure: Azure, workspace: str) -> list[str]:
    if not WORKSPACE.fullmatch(workspace):
        return [f"{workspace!r} is no Log Analytics workspace: write its id, {WORKSPACE_SHAPE}"]
    problem = await workspace_problem(azure, workspace)
    return [f"the workspace of logs cannot be read: {problem}"] if problem else []


def _problems(vault: FoundVault, entry: Mapping[str, Any], discovered: Discovered) -> list[str]:
    problems = []
    if vault.tenant != discovered.tenant:
        problems.append(_elsewhere(vault.name, vault.tenant, discovered.tenant))
    if not vault.uses_rbac:
        problems.append(
            f"vault {vault.name} uses access policies: give its present users roles, then run "
            f"az keyvault update --name {vault.name} --enable-rbac-authorization true"
        )
    topic = discovered.topic_of(vault)
    if topic and entry.get("events", True) and entry.get("existingTopic") != topic.name:
        say = f"existingTopic: '{topic.name}'" if topic.is_beside_vault else "events: false"
        problems.append(
            f"vault {vault.name} has the system topic {topic.name} already, and there can "
            "be only one: "
            f"say {say} in its entry"
        )
    return problems


def _scope_problems(entry: Mapping[str, Any], discovered: Discovered) -> Iterator[str]:
    seen = {subscription.lower() for subscription in discovered.subscriptions}
    for scope in map(str, entry.get("scopes", ())):
        shape = SCOPE.fullmatch(scope.strip().removesuffix("/"))
        if not shape:
            yield f"vault {entry['name']}: scope {scope!r} is none: write {SCOPE_SHAPE}"
        elif shape[1].lower() not in seen:
            yield (
                f"vault {entry['name']}: your sign-in does not see the subscription of scope "
                f"{scope}: sign in as somebody who does; where it belongs to another tenant, "
                "deploy Rekey there"
            )


async def _unseen(azure: Azure, name: str, discovered: Discovered) -> str:
    tenant = await _tenant_of(azure, name)
    if tenant and tenant != discovered.tenant:
        return _elsewhere(name, tenant, discovered.tenant)
    if tenant:
        return (
            f"vault {name} is there, but your sign-in may not see it: give yourself Reader on "
            "it, and sign in again"
        )
    return f"vault {name} is not there: correct its name, or create it first"


def _elsewhere(name: str, tenant: str, ours: str) -> str:
    return (
        f"vault {name} is in the tenant {tenant}, you are signed in to {ours or 'none'}, and "
        "one identity cannot "
        f"work in both: deploy Rekey there too (az login --tenant {tenant}), and take the "
        "vault out here"
    )


async def _tenant_of(azure: Azure, name: str) -> str:
    """Return the tenant that a vault names to whoever asks without a token.

    Empty where there is no such vault.
    """
    from azure.core.exceptions import AzureError
    from azure.core.rest import HttpRequest

    from cloud.rest.client import quiet_pipeline

    url = f"https://{name}.{await _domain(azure)}"
    client = quiet_pipeline(azure, url)
    try:
        request = HttpRequest("GET", f"{url}/secrets", params={"api-version": "7.4"})
        response = await client.send_request(
            request, retry_total=1, connection_timeout=5, read_timeout=10
        )
    except AzureError:
        return ""
    challenge = TENANT.search(response.headers.get("WWW-Authenticate", ""))
    return challenge[1] if challenge else ""


async def _domain(azure: Azure) -> str:
    """Return the domain of the cloud's vaults, which Resource Manager tells anybody."""
    cloud = await Arm(azure, METADATA, "").read(
        "/metadata/endpoints", "reading the cloud's names", azure.arm_endpoint
    )
    return str(cloud["suffixes"]["keyVaultDns"]).lstrip(".")
