"""Whoever deploys for the first time: a fresh checkout, a terminal, the Azure CLI, an empty account."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from simulator.account.azure import EmptyAzure
from simulator.arm.deployments.tenant import Spread
from simulator.azure import SUBSCRIPTION
from simulator.identity import HOME_TENANT
from simulator.keyvault.state import SecretVersion
from simulator.reach.server import Background, start_in_thread
from simulator.world import Domains
from simulator_tests.az.program import AzureCli
from simulator_tests.az.stage import ADMINISTRATOR, CLOUD, administrator
from tests.infra.bicep import ROOT, compiler
from tests.programs import run, write
from tests.shared.terminal import in_terminal

AZD = ROOT / "simulated-azure" / "simulator_tests" / "azd.py"
SLOW = Spread(*(timedelta(minutes=minutes) for minutes in (3, 10, 3)))
"""Roles, rights and identities that need longer than the template waits by itself."""
DATA = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data"
WAITS = """
import json, os, runpy, time, urllib.request
from datetime import datetime
runpy.run_path({loopback!r})["resolve_localhost"]()
import scripts.clock

class SimulatedClock:
    def now(self):
        return datetime.fromisoformat(self.ask(0)["now"])
    def sleep(self, seconds):
        told = self.ask(seconds)
        time.sleep(0.1)
        while told["busy"]:
            time.sleep(0.2)
            told = self.ask(0)
    def ask(self, seconds):
        url = os.environ["SIMULATED_CLOCK"] + f"/?seconds={{seconds}}"
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)

scripts.clock.SystemClock = SimulatedClock
"""
"""Loaded by every Python of the checkout: the waits of scripts pass in the simulated Azure."""


def furnished(domains: Domains, folder: Path) -> EmptyAzure:
    """Return an account with what its owner has: a vault, whose secret is due, and its source."""
    azure = EmptyAzure(domains, folder, SLOW)
    vault, account = azure.add_vault("prod"), azure.add_account("shopdata", group="data")
    tags = {
        "ProviderAddress": account.resource_id,
        "CredentialId": "key1",
        "ValidityPeriodDays": "90",
    }
    expires = azure.now() + timedelta(days=10)
    vault.put("storage", account.keys["key1"].value, expires=expires, tags=tags)
    azure.furnish()
    # The machine has an identity of its own, as a virtual machine in Azure has, without any right.
    azure.managed_identity.system = azure.add_principal("machine")
    owner = azure.add_application(ADMINISTRATOR).principal
    assert owner
    azure.grant(owner, ["*"], f"/subscriptions/{SUBSCRIPTION}")
    azure.roles.owners.add(owner.oid)
    return azure


@dataclass(frozen=True)
class Person:
    """One person: what they are signed in to, and the checkout in which they type."""

    cloud: Background[EmptyAzure]
    az: AzureCli
    checkout: Path
    variables: Mapping[str, str]

    @property
    def azure(self) -> EmptyAzure:
        return self.cloud.world

    @property
    def secret(self) -> SecretVersion:
        version = self.azure.vaults["prod"].latest("storage")
        assert version
        return version

    def type(self, command: str, answers: str = "", **more: str) -> tuple[int, str]:
        """Type a command in a terminal, and answers; returns its exit code and all it showed."""
        return in_terminal(
            ["sh", "-c", command], self.checkout, {**self.variables, **more}, answers
        )


def cloned(folder: Path) -> Path:
    """Copy what a clone has, and nothing that git ignores."""
    kinds = ("--cached", "--others", "--exclude-standard", "-z")
    listed = run("git", "ls-files", *kinds, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@contextlib.contextmanager
def person(azure_cli: AzureCli, folder: Path) -> Iterator[Person]:
    """Serve an empty account to somebody with a fresh checkout and no sign-in."""
    checkout = cloned(folder / "rekey")
    with start_in_thread(lambda domains: furnished(domains, folder)) as cloud:
        cloud.world.environment = cloud.running.environment
        az = azure_cli.user(folder / "config", cloud.running.environment)
        manager = f"https://{cloud.world.domains.arm}"
        az.answer("cloud", "update", "--name", CLOUD, "--endpoint-resource-manager", manager)
        az.answer("cloud", "set", "--name", CLOUD)
        variables = _variables(cloud, az, folder, checkout)
        try:
            yield Person(cloud, az, checkout, variables)
        finally:
            cloud.world.flex.end()


def _variables(
    cloud: Background[EmptyAzure], az: AzureCli, folder: Path, checkout: Path
) -> dict[str, str]:
    programs = folder / "bin"
    programs.mkdir()
    (programs / "bicep").symlink_to(compiler())
    write(programs / "azd", f'#!/bin/sh\nexec {sys.executable} {AZD} "$@"\n')
    loopback = str(ROOT / "simulated-azure" / "simulator" / "reach" / "loopback.py")
    (programs / "sitecustomize.py").write_text(WAITS.format(loopback=loopback))
    return {
        **az.environment,
        "HOME": str(folder),
        "AZD_ENVIRONMENT": str(folder / "azd.json"),
        "PATH": f"{az.bin}:{programs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{programs}:{checkout}",
        "SIMULATED_CLOCK": f"https://clock.localhost:{cloud.running.port}",
        # What a first call fetches is here already.
        "UV": os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv"),
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
    }


def sign_in(person: Person) -> str:
    """Return the command with which a pipeline signs in; a person does so in a browser."""
    deployer = administrator(person.azure)
    secret = person.azure.directory.add_password(deployer).secret
    return (
        f"az login --service-principal --tenant {HOME_TENANT} --username {deployer.app_id} "
        f"--password '{secret}'"
    )
