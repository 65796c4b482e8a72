"""The doctor as a deployment asks it: own process and sign-in, settings as Azure holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.deployed import DEFINED
from cloud.storage.backlog import EVERY
from scripts.deploying.signin import arm_endpoint, signed_in
from scripts.deploying.site import Site
from scripts.deploying.verify import ask_doctor
from simulator.azure import SUBSCRIPTION, Azure
from simulator.reach.names import resolve_localhost
from simulator.reach.server import Background, start_in_thread
from simulator.storage.queues import QueueService
from simulator.world import Domains
from tests.infra.bicep import ROOT

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/rekey-abc"
OWNER = ("Microsoft.Web/*", "Microsoft.EventGrid/*")
"""What an owner may do with the resources that are looked at."""


def stage(domains: Domains) -> Azure:
    azure = Azure(domains=domains)
    vault = azure.add_vault("prod")
    azure.add_account("rekeyhost")
    azure.managed_identity.system = azure.add_principal("ada")
    azure.grant(azure.managed_identity.system, OWNER, f"/subscriptions/{SUBSCRIPTION}")
    azure.event_grid.add(
        f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/prod", vault.resource_id
    )
    service = next(service for service in azure.services if isinstance(service, QueueService))
    for name in EVERY:
        service.queues.create("rekeyhost", name, {}, azure.now())
    azure.web.add(SITE).functions = dict.fromkeys(DEFINED, True)
    return azure


class Healthy(Site):
    """A site whose app answers that it can work: no app runs behind the simulated site."""

    def health(self) -> str:
        return ""


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Background[Azure]]:
    (tmp_path / "sitecustomize.py").write_text(
        "from simulator.reach.names import resolve_localhost\nresolve_localhost()\n"
    )
    with start_in_thread(stage) as running:
        for name, value in running.running.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        undo = resolve_localhost()
        yield running
        undo()


def deploy(cloud: Background[Azure], **settings: str) -> None:
    """Give the app the settings that the template gives it."""
    vault = cloud.world.vaults["prod"].url
    cloud.world.web.sites[SITE.lower()].plain = {
        "REKEY_VAULTS": vault,
        "REKEY_SCOPES": json.dumps({vault: [GROUP.lower()]}),
        "AzureWebJobsStorage": cloud.running.connection_string("rekeyhost"),
        **{
            name: text
            for name, text in cloud.running.environment.items()
            if name.startswith(("REKEY", "AZURE_A"))
        },
        **settings,
    }


def test_what_works_but_was_not_swept_yet_says_only_that(cloud: Background[Azure]) -> None:
    deploy(cloud)
    complaint = ask_doctor(Healthy(SITE, signed_in(), arm_endpoint()))
    assert complaint.startswith("no sweep of the vault has finished (https://prod.")
    assert ";" not in complaint


def test_settings_that_stop_the_app_are_said(cloud: Background[Azure]) -> None:
    deploy(cloud, REKEY_VAULTS="")
    complaint = ask_doctor(Healthy(SITE, signed_in(), arm_endpoint()))
    assert "REKEY_VAULTS is empty" in complaint
