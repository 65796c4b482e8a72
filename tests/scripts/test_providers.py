"""A deployment's resource providers: all that it needs are named, and registered where missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scripts.az import AzError
from scripts.deploying.patience import StepError
from scripts.deploying.providers import ALWAYS, FOR_A_NETWORK, needed, register
from tests.infra.bicep import ROOT, SNAPSHOTS, names, snapshot


def namespaces(value: Any) -> Iterator[str]:
    """Yield the providers of a deployment's resources, and of what a subnet is given to."""
    if isinstance(value, dict):
        if "serviceName" in value:
            yield value["serviceName"].partition("/")[0]
        for item in value.values():
            yield from namespaces(item)
    elif isinstance(value, list):
        for item in value:
            yield from namespaces(item)


@dataclass
class Az:
    """An `az` that knows providers."""

    registered: list[str]
    permitted: bool = True
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, *arguments: str) -> Any:
        self.calls.append(arguments)
        if arguments[:2] == ("provider", "list"):
            return self.registered
        if not self.permitted:
            raise AzError("(AuthorizationFailed) no register/action")
        return None


@pytest.mark.parametrize("name", names())
def test_every_provider_that_a_deployment_uses_is_named(name: str) -> None:
    resources = snapshot(name)["predictedResources"]
    used = {resource["type"].partition("/")[0] for resource in resources} | set(
        namespaces(resources)
    )
    assert used <= set(needed(SNAPSHOTS / f"{name}.bicepparam"))


def test_a_network_is_asked_for_only_where_the_parameters_say_so() -> None:
    networked = [
        name
        for name in names()
        if set(needed(SNAPSHOTS / f"{name}.bicepparam")) >= set(FOR_A_NETWORK)
    ]
    assert sorted(networked) == ["everything-on", "us-government"]


def test_only_what_is_missing_is_registered() -> None:
    az = Az([name.lower() for name in ALWAYS])
    register((*ALWAYS, *FOR_A_NETWORK), az)
    registered = [call[3] for call in az.calls if call[1] == "register"]
    assert registered == list(FOR_A_NETWORK)


def test_whoever_may_not_register_is_told_what_an_owner_must_run() -> None:
    with pytest.raises(StepError, match=r"az provider register --namespace Microsoft\.Web --wait"):
        register(["Microsoft.Web"], Az([], permitted=False))


def test_the_page_names_them() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    section = page.partition("## Resource providers")[2].partition("\n## ")[0]
    assert [name for name in (*ALWAYS, *FOR_A_NETWORK) if f"`{name}`" not in section] == []


def test_a_file_that_does_not_exist_needs_no_network(tmp_path: Path) -> None:
    assert needed(tmp_path / "none.bicepparam") == ALWAYS
