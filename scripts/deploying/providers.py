"""Registers the resource providers that a deployment needs.

Azure registers the providers of a template's own resources, but not those that they depend on. For
example, Azure refuses the app in a subnet without Microsoft.App.
https://learn.microsoft.com/azure/azure-resource-manager/management/resource-providers-and-types
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.az import AzError, az
from scripts.deploying.patience import StepError, say

ALWAYS = (
    "Microsoft.Authorization",
    "Microsoft.EventGrid",
    "Microsoft.Insights",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
    "Microsoft.Web",
)
FOR_A_NETWORK = ("Microsoft.App", "Microsoft.Network")
REGISTERED = "[?registrationState=='Registered'].namespace"
PRIVATE = re.compile(r"^\s*param\s+privateNetwork\s*=\s*true\b", re.MULTILINE)


def needed(parameters: Path) -> Sequence[str]:
    """Return the providers that a deployment with this parameter file needs."""
    private = parameters.exists() and PRIVATE.search(parameters.read_text(encoding="utf-8"))
    return (*ALWAYS, *FOR_A_NETWORK) if private else ALWAYS


def register(namespaces: Sequence[str], run: Callable[..., Any] = az) -> None:
    """Register the subscription for these providers; raises StepError if that is refused."""
    try:
        registered = {name.lower() for name in run("provider", "list", "--query", REGISTERED)}
    except AzError as error:
        raise StepError(f"providers: {error}") from None
    for namespace in namespaces:
        if namespace.lower() not in registered:
            say(f"providers: {namespace} is registered now, which takes a minute or two")
            _register(namespace, run)


def _register(namespace: str, run: Callable[..., Any]) -> None:
    try:
        run("provider", "register", "--namespace", namespace, "--wait")
    except AzError as error:
        fix = (
            "have an owner of the subscription run: az provider register --namespace "
            f"{namespace} --wait"
        )
        raise StepError(f"providers: {namespace} is not registered: {error}. Fix: {fix}") from None
