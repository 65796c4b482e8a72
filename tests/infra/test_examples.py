"""Every example can be deployed, by the compiler's word, and wires its consumer as Rekey reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.arguments import parser
from tests.cli.desk import Desk
from tests.cli.runbook import VALUES, of
from tests.infra.bicep import ROOT, bicep, warnings

FOLDER = ROOT / "examples"
EXAMPLES = sorted(path.parent.name for path in FOLDER.glob("*/main.bicep"))
REFRESHED = {"app-service": "Microsoft.Web/sites", "container-app": "Microsoft.App/containerApps"}
"""What Rekey refreshes, by the type of the resource."""
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
NAMED = ("subject", "secretName")
MOST_LINES = 40


def page(name: str) -> str:
    return (FOLDER / name / "README.md").read_text()


def compiled(name: str) -> dict[str, Any]:
    """Return what the compiler makes of an example; fails where it complains."""
    run = bicep("build", "--stdout", str(FOLDER / name / "main.bicep"))
    assert (run.code, warnings(run)) == (0, [])
    document: dict[str, Any] = json.loads(run.output)
    return document


def manifests() -> list[dict[str, Any]]:
    text = (FOLDER / "aks-external-secrets" / "external-secret.yaml").read_text()
    return list(yaml.safe_load_all(text))


def test_there_is_an_example_of_each_platform_and_all_are_listed() -> None:
    assert EXAMPLES == ["aks-external-secrets", "app-service", "container-app"]
    listed = re.findall(
        r"^\| \[([\w-]+)\]\(\1/README\.md\)", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(listed) == EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_compiles_without_a_warning_and_may_read_one_secret_only(name: str) -> None:
    template = compiled(name)
    resources = template["resources"]
    rows = resources.values() if isinstance(resources, dict) else resources
    (role,) = [row for row in rows if row["type"] == "Microsoft.Authorization/roleAssignments"]
    assert "Microsoft.KeyVault/vaults" in role["scope"]
    assert "secretName" in role["scope"]
    assert template["variables"]["secretsUser"] == SECRETS_USER


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_formatted(name: str, tmp_path: Path) -> None:
    text = (FOLDER / name / "main.bicep").read_text()
    copy = tmp_path / "main.bicep"
    copy.write_text(text)
    assert bicep("format", str(copy)).code == 0
    assert copy.read_text() == text


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_examples_page_is_short_and_its_commands_are_read(name: str) -> None:
    assert len(page(name).splitlines()) <= MOST_LINES
    assert of(page(name))
    for arguments in of(page(name), VALUES):
        assert parser().read(arguments).run


@pytest.mark.parametrize("name", REFRESHED)
def test_an_examples_policy_can_be_followed_and_names_what_the_template_makes(
    name: str, tmp_path: Path
) -> None:
    (block,) = re.findall(r"^ *```yaml\n(.*?)^ *```", page(name), re.MULTILINE | re.DOTALL)
    document = tmp_path / "policy.yaml"
    document.write_text(re.sub(r"^    ", "", block, flags=re.MULTILINE))
    ran = Desk(policy=True).run("policy", "validate", str(document))
    assert ran.code == 0, ran.out + ran.err
    (consumer,) = yaml.safe_load(document.read_text())["consumers"]
    (resource,) = consumer["resources"]
    assert f"/providers/{REFRESHED[name]}/" in resource
    template = compiled(name)
    assert consumer["match"] == {"secret": template["parameters"]["secretName"]["defaultValue"]}
    assert f"resourceId('{REFRESHED[name]}'," in template["outputs"]["consumer"]["value"]


def test_the_clusters_manifests_name_what_the_template_trusts_and_its_outputs() -> None:
    template = compiled("aks-external-secrets")
    account, store, external, deployment = manifests()
    named = {
        key: text["defaultValue"] for key, text in template["parameters"].items() if key in NAMED
    }
    namespace, trusted = named["subject"].values()
    assert {part["metadata"]["namespace"] for part in manifests()} == {namespace}
    assert account["metadata"]["name"] == trusted
    assert store["spec"]["provider"]["azurekv"]["serviceAccountRef"]["name"] == trusted
    assert external["spec"]["data"][0]["remoteRef"] == {"key": named["secretName"]}
    volume = deployment["spec"]["template"]["spec"]["volumes"][0]
    assert volume["secret"]["secretName"] == external["spec"]["target"]["name"]
    text = (FOLDER / "aks-external-secrets" / "external-secret.yaml").read_text()
    assert set(re.findall(r"<(\w+)>", text)) == set(template["outputs"])
