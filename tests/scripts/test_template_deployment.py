"""The template is deployed again where a role or identity still spreads, and for nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from scripts import az, grant_graph
from scripts.deploying.providers import ALWAYS
from scripts.deploying.template import main
from tests.programs import write
from tests.scripts.deployed_app import START, Clock

AZ = """#!{python}
import json, pathlib, sys
here = pathlib.Path({here!r})
if sys.argv[1:3] == ["provider", "list"]:
    sys.exit(print((here / "providers").read_text()))
with (here / "calls").open("a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
refusals = (here / "refusals").read_text().splitlines()
if sys.argv[1:3] == ["group", "create"]:
    print("{{}}")
elif refusals:
    (here / "refusals").write_text("\\n".join(refusals[1:]))
    sys.exit("ERROR: " + refusals[0])
else:
    group = "/subscriptions/s/resourceGroups/rekey"
    outputs = {{"appName": {{"type": "String", "value": "rekey-abc"}}}}
    deployment = group + "/providers/Microsoft.Resources/deployments/rekey"
    print(json.dumps({{"id": deployment, "properties": {{"outputs": outputs}}}}))
"""
SPREADING = (
    (
        '{"code": "DeploymentFailed", "details": [{"code": "RoleDefinitionDoesNotExist", '
        '"message": "x"}]}'
    ),
    '{"code": "PrincipalNotFound", "message": "Principal 1 does not exist in the directory 2."}',
    (
        '{"code": "Managed Identity Authorization Error", "message": "Managed identity for event '
        "subscription does not have authorization to deliver to the endpoint. Visit "
        'aka.ms/egmsivalidation for more details."}'
    ),
    (
        '{"code": "StorageAccountOperationInProgress", "message": "An operation is currently '
        'performing on this storage account that requires exclusive access."}'
    ),
    '{"code": "DeploymentActive", "message": "Unable to edit or replace deployment \'rekey\'"}',
    '{"code": "InaccessibleStorageException", "message": "BlobUploadFailedException: 403"}',
)
"""The third and the fourth: issue 5205 and pull request 487 of Azure/bicep-registry-modules."""
SITE = "/subscriptions/s/resourceGroups/rekey/providers/Microsoft.Web/sites/rekey-abc"


@dataclass
class Cli:
    """An `az` on the path that refuses the template as often as it is told to."""

    folder: Path

    def refuse(self, *messages: str) -> None:
        (self.folder / "refusals").write_text("\n".join(messages))

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    write(tmp_path / "az", AZ.format(python=sys.executable, here=str(tmp_path)))
    (tmp_path / "providers").write_text(json.dumps(ALWAYS))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    made = Cli(tmp_path)
    made.refuse()
    return made


def test_the_last_line_is_the_codes_site(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rekey", "infra/my.bicepparam"], Clock()) == 0
    assert capsys.readouterr().out.splitlines()[-1] == SITE
    (call,) = cli.calls
    assert call[:3] == ["deployment", "group", "create"]
    options = "--resource-group rekey --name rekey --parameters infra/my.bicepparam --output json"
    assert sorted(call[3:]) == sorted(options.split())


def test_with_a_region_the_group_is_made_first(cli: Cli) -> None:
    arguments = ["rekey", "infra/my.bicepparam", "westeurope"]
    assert main(arguments, Clock(), lambda _: ()) == 0
    assert cli.calls[0][:2] == ["group", "create"]
    assert cli.calls[0][-3:] == ["westeurope", "--output", "json"]


def test_a_provider_that_is_missing_is_registered_before_anything_is_made(cli: Cli) -> None:
    (cli.folder / "providers").write_text(json.dumps(ALWAYS[1:]))
    assert main(["rekey", "infra/my.bicepparam", "westeurope"], Clock(), lambda _: ()) == 0
    registered, *others = cli.calls
    assert registered[:4] == ["provider", "register", "--namespace", ALWAYS[0]]
    assert [call[0] for call in others] == ["group", "deployment"]


def test_what_is_not_known_yet_is_tried_again(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    cli.refuse(*SPREADING)
    assert main(["rekey", "infra/my.bicepparam"], Clock()) == 0
    assert len(cli.calls) == len(SPREADING) + 1
    words = "template: Azure answered RoleDefinitionDoesNotExist; again in 10 s"
    assert words in capsys.readouterr().out


def test_the_wait_has_a_bound(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    cli.refuse(*SPREADING * 50)
    clock = Clock()
    assert main(["rekey", "infra/my.bicepparam"], clock) == 1
    assert timedelta(minutes=10) < clock.now() - START < timedelta(minutes=16)
    assert "then run this again" in capsys.readouterr().out


def test_any_other_refusal_ends_the_deployment_with_what_azure_said(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.refuse("vault prod uses access policies: give its present users roles")
    assert main(["rekey", "infra/my.bicepparam"], Clock()) == 1
    assert len(cli.calls) == 1
    assert "vault prod uses access policies" in capsys.readouterr().out


def test_nothing_is_made_in_a_region_that_cannot_run_the_app(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    (cli.folder / "calls").touch()
    arguments = ["rekey", "infra/my.bicepparam", "westindia"]
    assert main(arguments, Clock(), lambda region: [f"{region} has no Flex Consumption"]) == 1
    assert cli.calls == []
    assert "region: westindia has no Flex Consumption. Nothing was made" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["", ""], ["rekey", ""], ["", "infra/my.bicepparam"]])
def test_what_make_was_not_told_is_named_and_nothing_is_sent(
    cli: Cli, arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Make passes a variable that nobody has set as an empty text."""
    (cli.folder / "calls").touch()
    assert main(arguments, Clock()) == 2
    assert "GROUP PARAMETERS [LOCATION]" in capsys.readouterr().out
    assert cli.calls == []


@pytest.mark.parametrize("script", [main, grant_graph.main])
def test_without_the_azure_cli_a_script_ends_with_the_fix(
    script: Callable[[Sequence[str]], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    az.cloud.cache_clear()
    guid = "00000000-0000-0000-0000-000000000000"
    assert script([guid, guid]) == 1
    shown = capsys.readouterr()
    assert "the Azure CLI is not on the path. Fix: install it" in shown.out + shown.err
