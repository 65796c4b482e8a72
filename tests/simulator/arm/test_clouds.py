"""Azure's other clouds offer fewer api-versions, and what Rekey sends is offered in each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import cli.deployed
import cli.setup.discovered
import cli.sources
import cloud.follow_up.apps
from rotators.shared.database_engine import MYSQL, POSTGRESQL
from rotators.storage_key import StorageKey
from scripts.deploying import site
from scripts.snapshots import COMPILED
from simulator.arm.clouds import CLOUDS, offered
from tests.rotators.key_scenes import FAMILY

OTHERS = tuple(CLOUDS.values())
NEWER = {
    # Earlier versions do not say whether keys are switched off.
    ("Microsoft.Communication", "2025-09-01"),
    # Earlier versions do not say where a service is, and US Government has two domains for that.
    ("Microsoft.Search", "2025-05-01"),
}
"""What a kind cannot do without, although a cloud may not offer it: docs/deploy.md tells so."""


def resources(template: Any) -> Iterator[tuple[str, str]]:
    """Yield the type and the version of whatever a template makes or looks at."""
    if isinstance(template, dict):
        if "apiVersion" in template and str(template.get("type", "")).startswith("Microsoft."):
            yield template["type"], template["apiVersion"]
        for part in template.values():
            yield from resources(part)
    elif isinstance(template, list):
        for part in template:
            yield from resources(part)


def sent() -> Iterator[tuple[str, str]]:
    """Yield each namespace that app and scripts call, with the version that they ask for."""
    for facts in (*(member.kind.facts for member in FAMILY), StorageKey.facts):
        for top in facts.tops:
            yield top.partition("/")[0], facts.versions.get(top.lower(), facts.version)
    for engine in (POSTGRESQL, MYSQL):
        yield engine.provider.partition("/")[0], engine.version
    yield "Microsoft.Web", cloud.follow_up.apps.WEB
    yield "Microsoft.App", cloud.follow_up.apps.APP
    yield "Microsoft.Web", cli.deployed.WEB
    yield "Microsoft.Web", site.API_VERSION
    yield "Microsoft.Storage", cli.sources.STORAGE
    yield "Microsoft.EventGrid", cli.deployed.TOPICS
    yield "Microsoft.EventGrid", cli.setup.discovered.TOPICS
    yield "Microsoft.KeyVault", cli.setup.discovered.VAULTS
    yield "Microsoft.OperationalInsights", cli.setup.discovered.WORKSPACES


@pytest.mark.parametrize("where", OTHERS)
def test_the_template_asks_for_versions_that_every_cloud_offers(where: str) -> None:
    asked = set(resources(json.loads(COMPILED.read_text())))
    assert len(asked) > 20
    assert [one for one in asked if not offered(where, one[0].partition("/")[0], one[1:])] == []


@pytest.mark.parametrize("where", OTHERS)
def test_every_kind_and_command_asks_for_versions_that_every_cloud_offers(where: str) -> None:
    asked = set(sent())
    assert len(asked) > 20
    assert {one for one in asked if not offered(where, *one[:1], one[1:])} <= NEWER
