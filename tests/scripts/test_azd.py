"""azd's hooks, run as azd runs them.

The text of azure.yaml by sh, in a terminal, with an `azd` that keeps an environment. azd itself is
not here. What it does with hooks and .bicepparam files was read in its source (Azure/azure-dev): a
hook gets the environment's values as variables, what it sets with `azd env set` is read afterwards,
and the .bicepparam file is compiled with that right before the deployment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.deploying.ahead import PARAMETERS
from scripts.deploying.azd import name_of, site_and_package
from scripts.deploying.finish import main as finish
from scripts.deploying.patience import StepError
from simulator.azure import SUBSCRIPTION, Azure
from simulator.reach.server import Background, start_in_thread
from simulator.world import Domains
from tests.cli.setup.newcomer import READ_ACTIONS
from tests.infra.bicep import INFRA, ROOT, bicep, compiler
from tests.programs import run, write
from tests.scripts.deployed_app import Clock
from tests.scripts.flex import SITE, serving
from tests.shared.terminal import in_terminal

AZURE_YAML: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text())
KEEPER = """#!{python}
import pathlib, sys
assert sys.argv[1:3] == ["env", "set"] and len(sys.argv) == 5, sys.argv
pathlib.Path({here!r}, sys.argv[3]).write_text(sys.argv[4])
"""
ATTENDED = ("CI", "MAKEFLAGS", "MAKELEVEL")
"""What somebody at a terminal has not set."""
DATA = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/data"
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/logs"
    "/providers/Microsoft.OperationalInsights/workspaces/audit"
)


def stage(domains: Domains) -> Azure:
    azure = Azure(domains=domains)
    azure.add_vault("prod")
    azure.add_vault("test")
    azure.add_account("shopdata", group="data")
    azure.add_log_workspace("audit", group="logs")
    azure.managed_identity.system = azure.add_principal("ada")
    azure.grant(azure.managed_identity.system, READ_ACTIONS, f"/subscriptions/{SUBSCRIPTION}")
    return azure


@dataclass
class Azd:
    """A checkout with an azd environment, and the Azure that its person is signed in to."""

    cloud: Background[Azure]
    folder: Path

    def __post_init__(self) -> None:
        keeper = KEEPER.format(python=sys.executable, here=str(self.folder))
        write(self.folder / "azd", keeper)
        site = "from simulator.reach.names import resolve_localhost\nresolve_localhost()\n"
        (self.folder / "sitecustomize.py").write_text(site)

    def kept(self, name: str) -> str | None:
        file = self.folder / name
        return file.read_text() if file.exists() else None

    def hook(self, name: str, answers: str | None, **values: str) -> tuple[int, str]:
        """Run a hook, with answers typed in a terminal; return its code and all that it showed."""
        env = {
            **{key: text for key, text in os.environ.items() if key not in ATTENDED},
            **self.cloud.running.environment,
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "PYTHONPATH": f"{self.folder}:{ROOT}",
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "AZURE_ENV_NAME": "keys",
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            **values,
        }
        command = ["sh", "-c", AZURE_YAML["hooks"][name]["posix"]["run"]]
        return _alone(command, env) if answers is None else in_terminal(command, ROOT, env, answers)


def _alone(command: list[str], env: Mapping[str, str]) -> tuple[int, str]:
    ran = run(*command, env=env, stdin=subprocess.DEVNULL, timeout=600)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def cloud() -> Iterator[Background[Azure]]:
    with start_in_thread(stage) as running:
        yield running


@pytest.fixture
def azd(cloud: Background[Azure], tmp_path: Path) -> Azd:
    return Azd(cloud, tmp_path)


def parameters() -> dict[str, Any]:
    """Compile the parameters as azd does, and return them."""
    compiled = bicep("build-params", str(INFRA / "main.bicepparam"), "--stdout")
    assert compiled.code == 0, compiled.said
    known: dict[str, Any] = json.loads(json.loads(compiled.output)["parametersJson"])["parameters"]
    return known


OF_AZD = "param name = readEnvironmentVariable('AZURE_ENV_NAME', 'rekey')"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (OF_AZD, "keys"),
        (f"/*\nparam name = 'old'\n*/\n{OF_AZD}", "keys"),
        ("param name = 'contoso' // ours", "contoso"),
        ("param name = '''contoso'''", "contoso"),
        ("param name = 'a' == 'b' ? 'yes' : toLower('No')", "no"),
        ("", "rekey"),
    ],
)
def test_the_checks_are_of_the_name_that_is_deployed(
    written: str, name: str, tmp_path: Path
) -> None:
    """Under another one its own topic would count as one that was there before."""
    text, file = (INFRA / "main.bicepparam").read_text(), tmp_path / "main.bicepparam"
    assert OF_AZD in text
    using = os.path.relpath(INFRA / "main.bicep", tmp_path)
    file.write_text(text.replace(OF_AZD, written).replace("'main.bicep'", f"'{using}'"))
    env = {"AZURE_ENV_NAME": "keys", "DEPLOY_VAULTS": "no JSON"}
    assert name_of({**env, "AZD_BICEP_TOOL_PATH": compiler()}, file) == name


def test_without_a_compiler_the_name_is_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert name_of({"AZURE_ENV_NAME": "keys", "AZD_CONFIG_DIR": str(tmp_path)}) == "keys"


def test_azd_up_asks_which_vaults_and_scopes_and_the_template_gets_them(
    azd: Azd, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, shown = azd.hook("preprovision", "1\n1\n1\n")
    assert code == 0, shown
    assert "1  prod  (group production" in shown
    assert f"1  {DATA}  (1 storage account)" in shown
    assert "Logs of storage accounts are looked up in audit" in shown
    for name in ("DEPLOY_VAULTS", "DEPLOY_LOGS_WORKSPACE"):
        monkeypatch.setenv(name, azd.kept(name) or "")
    monkeypatch.setenv("AZURE_ENV_NAME", "keys")
    written = parameters()
    assert written["name"] == {"value": "keys"}
    vaults = [(vault["name"], vault["scopes"]) for vault in written["vaults"]["value"]]
    assert vaults == [("prod", [DATA])]
    assert written["logsWorkspace"] == {"value": WORKSPACE}


def test_a_workspace_of_logs_may_be_left_out(azd: Azd, monkeypatch: pytest.MonkeyPatch) -> None:
    code, shown = azd.hook("preprovision", "1\n1\n\n")
    assert (code, azd.kept("DEPLOY_LOGS_WORKSPACE")) == (0, None), shown
    monkeypatch.delenv("DEPLOY_LOGS_WORKSPACE", raising=False)
    assert parameters()["logsWorkspace"] == {"value": ""}


def test_a_fresh_clone_has_no_placeholder_to_be_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is empty where azd compiles it before a choice, and the template refuses it."""
    monkeypatch.delenv("DEPLOY_VAULTS", raising=False)
    assert parameters()["vaults"] == {"value": []}


def test_where_nobody_can_be_asked_the_hook_names_the_variable_to_set(azd: Azd) -> None:
    code, shown = azd.hook("preprovision", None)
    assert code != 0
    assert "azd env set DEPLOY_VAULTS '[{" in shown
    assert azd.kept("DEPLOY_VAULTS") is None


@pytest.mark.parametrize("unattended", [{"AZD_NON_INTERACTIVE": "true"}, {"CI": "true"}])
def test_unattended_it_asks_nobody_in_a_terminal(unattended: dict[str, str], azd: Azd) -> None:
    code, shown = azd.hook("preprovision", "1\n1\n", **unattended)
    assert code != 0
    assert "azd env set DEPLOY_VAULTS" in shown


def test_what_was_chosen_before_is_checked_and_not_asked_again(azd: Azd) -> None:
    chosen = json.dumps([{"name": "prod", "scopes": [DATA]}])
    values = {"DEPLOY_VAULTS": chosen, "DEPLOY_LOGS_WORKSPACE": WORKSPACE}
    code, shown = azd.hook("preprovision", None, **values)
    assert (code, [azd.kept(name) for name in values]) == (0, [None, None]), shown
    assert "Rekey will look after: prod" in shown
    assert "azd env set DEPLOY_LOGS_WORKSPACE ''" in shown


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"DEPLOY_VAULTS": "prod"}, "DEPLOY_VAULTS is not a list of vaults: write [{"),
        ({"DEPLOY_VAULTS": '[{"name": "gone"}]'}, "vault gone is not there"),
        ({"AZURE_SUBSCRIPTION_ID": "another"}, "the sign-in does not see the subscription another"),
    ],
)
def test_what_would_fail_is_said_first(values: dict[str, str], complaint: str, azd: Azd) -> None:
    code, shown = azd.hook("preprovision", None, **values)
    assert (code != 0, complaint in shown) == (True, True), shown


def test_the_code_goes_to_the_app_that_the_template_made() -> None:
    env = {"AZURE_SUBSCRIPTION_ID": "s", "AZURE_RESOURCE_GROUP": "rekey", "appName": "rekey-abc"}
    assert site_and_package(env) == [SITE]
    assert site_and_package({**env, "DEPLOY_PACKAGE": "rekey.zip"}) == [SITE, "rekey.zip"]
    outputs = json.loads((INFRA / "azuredeploy.json").read_text())["outputs"]
    assert "appName" in outputs


def test_an_environment_without_a_deployment_is_told_to_make_one() -> None:
    with pytest.raises(
        StepError, match=r"lacks AZURE_RESOURCE_GROUP, appName\. Fix: azd provision"
    ):
        site_and_package({"AZURE_SUBSCRIPTION_ID": "s"})


def test_the_last_hook_ends_with_the_result_of_a_first_sweep(
    cloud: Background[Azure],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Signed in as azure-identity does it, through the simulated managed identity."""
    (tmp_path / "rekey.zip").write_bytes(b"the package")
    with serving(tmp_path, Clock()) as (flex, authority):
        for name, value in cloud.running.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        monkeypatch.setenv("REKEY_ARM_ENDPOINT", flex.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        flex.secrets = [{"state": "ok"}, {"state": "parked"}]
        code = finish([SITE, str(tmp_path / "rekey.zip")], flex.clock, lambda _: "")
    assert code == 0
    assert "secrets seen 2, managed 2, due 0, parked 1" in capsys.readouterr().out


def test_azure_yaml_has_a_way_for_either_kind_of_shell_and_binds_the_terminal() -> None:
    hooks = AZURE_YAML["hooks"]
    assert set(hooks) == {"preprovision", "postdeploy"}
    for name, hook in hooks.items():
        assert {kind: (way["shell"], way["interactive"]) for kind, way in hook.items()} == {
            "posix": ("sh", True),
            "windows": ("pwsh", True),
        }
        # PowerShell forgets how a program ended unless it is told.
        script = "./scripts/deploying/azd.ps1"
        assert hook["windows"]["run"] == f"{script} {name}; exit $LASTEXITCODE"
        assert (ROOT / script).is_file()


def test_azd_deploys_the_template_that_the_hook_has_deployed_ahead_of_it() -> None:
    infra = AZURE_YAML["infra"]
    assert Path(infra["path"], f"{infra['module']}.bicepparam") == PARAMETERS
    assert (ROOT / PARAMETERS).with_suffix(".bicep").is_file()


def test_windows_runs_the_hook_that_make_runs_and_stops_at_an_error() -> None:
    script = (ROOT / "scripts" / "deploying" / "azd.ps1").read_text()
    assert script.splitlines()[1] == "$ErrorActionPreference = 'Stop'"
    assert script.endswith(" python -m scripts.deploying.azd @args\nexit $LASTEXITCODE\n")
