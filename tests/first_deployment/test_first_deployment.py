"""From `git clone` to the first rotation in an account in which nothing was made before.

The resource group does not exist, no provider is registered, rights spread with a delay, and the
host starts slowly. The commands are those of docs/deploy.md, typed in a terminal; `az` is the Azure
CLI itself. Only a browser is not there to sign in with.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts import package as shipped
from simulator.keyvault.state import SecretVersion
from simulator_tests.az.program import AzureCli
from simulator_tests.host.waiting import wait_for
from tests.first_deployment.person import DATA, Person, person, sign_in
from tests.infra.bicep import ROOT
from tests.shared.image import mapped, need_wheels_of_the_image

INIT = "make init"
DEPLOY = "make deploy GROUP=rekey LOCATION=westeurope PARAMETERS=infra/my.bicepparam"
ANSWERS = "1\n1\n"
"""The vault, and the group with its source."""


@dataclass(frozen=True)
class Deployed:
    """An account after a first deployment."""

    person: Person
    before: SecretVersion
    codes: tuple[int, ...]
    shown: str


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the complete package, as a release ships it."""
    need_wheels_of_the_image()
    path = tmp_path_factory.mktemp("package") / "rekey.zip"
    shipped.build(path, shipped.complete(*shipped.layers(shipped.LAYERS)))
    return path


@pytest.fixture(scope="module")
def deployed(
    azure_cli: AzureCli, package: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    with person(azure_cli, tmp_path_factory.mktemp("by-az")) as newcomer:
        before = newcomer.secret
        typed = [
            newcomer.type(sign_in(newcomer)),
            newcomer.type(INIT, ANSWERS),
            newcomer.type(DEPLOY, PACKAGE=str(package)),
        ]
        codes, shown = zip(*typed, strict=True)
        yield Deployed(newcomer, before, codes, "".join(shown))


@pytest.fixture(scope="module")
def builds() -> dict[str, str]:
    """Fetch what a build of the checkout takes, and return where it is without a network."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    alone = ("run", "--frozen", "--quiet", "--isolated", "--only-group", "delivery", "python")
    subprocess.run([uv, *alone, "-c", ""], cwd=ROOT, check=True)  # noqa: S603
    kept = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True)  # noqa: S603
    return {"UV_CACHE_DIR": kept.stdout.strip(), "UV_PYTHON": sys.executable, "UV_OFFLINE": "1"}


@pytest.fixture(scope="module")
def by_azd(
    azure_cli: AzureCli,
    package: Path,
    builds: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    assert package.exists(), "what it is made of has been fetched"
    with person(azure_cli, tmp_path_factory.mktemp("by-azd")) as newcomer:
        before = newcomer.secret
        typed = [
            newcomer.type(sign_in(newcomer)),
            newcomer.type("azd auth login"),
            newcomer.type("azd up", ANSWERS, **builds),
        ]
        codes, shown = zip(*typed, strict=True)
        yield Deployed(newcomer, before, codes, "".join(shown))


@pytest.mark.nightly
def test_azd_up_leads_there_too_though_azd_gives_up_at_the_first_error(by_azd: Deployed) -> None:
    assert by_azd.codes == (0, 0, 0), by_azd.shown
    assert "Azure answered RoleDefinitionDoesNotExist; again in" in by_azd.shown
    assert "was not looked at" not in by_azd.shown
    assert "package: dist/rekey.zip is built" in by_azd.shown
    wait_for(
        lambda: by_azd.person.secret.version != by_azd.before.version,
        lambda: f"the first rotation; {by_azd.shown}",
    )


def test_three_commands_lead_from_an_empty_account_to_a_first_rotation(deployed: Deployed) -> None:
    assert deployed.codes == (0, 0, 0), deployed.shown
    assert "first sweep: secrets seen 1, managed 1" in deployed.shown
    azure = deployed.person.azure
    wait_for(
        lambda: deployed.person.secret.version != deployed.before.version,
        lambda: f"the first rotation; {deployed.shown}",
    )
    assert deployed.person.secret.value == azure.accounts["shopdata"].keys["key2"].value
    (site,) = azure.web.sites.values()
    assert DATA.lower() in site.plain["REKEY_SCOPES"].lower()


def test_the_commands_are_those_that_the_pages_lead_through() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    assert f"    az login\n    {INIT}\n    {DEPLOY}\n" in page
    assert re.search(r"    azd auth login\n    git clone .*\n    azd up\n", page)
    assert "    azd auth login\n        azd up\n" in (ROOT / "docs" / "quickstart.md").read_text()


def test_the_app_runs_the_libraries_of_the_package_that_was_pushed(deployed: Deployed) -> None:
    folder = deployed.person.azure.flex.folder
    own = str(folder / f"wwwroot-{len(deployed.person.azure.flex.uploads)}" / shipped.PACKAGES)
    loaded = {name for name in mapped(folder / "host.log") if "/uvloop/" not in name}
    packaged = {name for name in loaded if name.startswith(own)}
    assert packaged
    assert {name for name in loaded if "site-packages" in name} == packaged


def test_what_a_first_deployment_waits_for_is_said(deployed: Deployed) -> None:
    for said in (
        "providers: Microsoft.Web is registered now",
        "template: Azure answered RoleDefinitionDoesNotExist; again in",
        "template: Azure answered Managed Identity Authorization Error; again in",
        'Encountered an error (ServiceUnavailable) from host runtime."}}; again in',
        "doctor: everything that was deployed works",
    ):
        assert said in deployed.shown


def test_the_machine_s_own_identity_is_never_used(deployed: Deployed) -> None:
    azure = deployed.person.azure
    asked = [
        exchange.request.query
        for exchange in azure.exchanges
        if exchange.request.host == azure.domains.identity
    ]
    assert asked, "the app signs in this way"
    assert [query for query in asked if "client_id" not in query] == []
