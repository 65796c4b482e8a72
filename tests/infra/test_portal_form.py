"""The portal's form asks for what the template needs.

What it hands over is what the template takes. Microsoft's published JSON schema of these files
knows neither today's handler nor lists that are read from Azure, so the rules are those of its
documentation:
https://learn.microsoft.com/azure/azure-resource-manager/managed-applications/create-uidefinition-overview.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from cli.setup.managed_vaults import parameters_file
from rotators import KINDS
from scripts.snapshots import COMPILED
from simulator.arm.deployments.providers import KINDS as KINDS_OF_AZURE
from simulator.azure import SUBSCRIPTION
from tests.infra.bicep import INFRA, bicep

FORM: dict[str, Any] = json.loads((INFRA / "createUiDefinition.json").read_text())
PARAMETERS = FORM["parameters"]
ELEMENTS = {
    "Microsoft.Common.CheckBox",
    "Microsoft.Common.DropDown",
    "Microsoft.Common.InfoBox",
    "Microsoft.Common.TextBox",
    "Microsoft.Solutions.ArmApiControl",
}
"""Those used here, of the elements that the documentation lists for this kind of file."""
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/prod-data"
VAULT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/prod/providers/Microsoft.KeyVault/vaults/contoso"
)
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/logs"
    "/providers/Microsoft.OperationalInsights/workspaces/contoso-logs"
)

GROUPS = ("2021-04-01", "2022-09-01")
"""Versions of Microsoft.Resources with which groups are listed."""


class Fields(dict[str, Any]):
    """An object whose properties are read with a dot; what is not there is null."""

    def __getattr__(self, name: str) -> Any:
        return wrapped(self.get(name))


def wrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return Fields(value)
    return [wrapped(item) for item in value] if isinstance(value, list) else value


FUNCTIONS: dict[str, Any] = {
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": lambda *parts: "".join(parts),
    "empty": lambda value: not value,
    "equals": lambda left, right: left == right,
    "filter": lambda items, keep: [item for item in items if keep(item)],
    "first": lambda items: items[0],
    "if_": lambda condition, yes, no: yes if condition else no,
    "last": lambda items: items[-1],
    "location": lambda: "westeurope",
    "map": lambda items, make: [make(item) for item in items],
    "parse": lambda text: wrapped(json.loads(text)),
    "replace": lambda text, old, new: text.replace(old, new),
    "skip": lambda items, count: items[count:],
    "split": lambda text, separator: text.split(separator),
    "string": json.dumps,
    "subscription": lambda: Fields(id=f"/subscriptions/{SUBSCRIPTION}"),
    "true": True,
}
"""As the documentation describes them; a function that is not here fails."""


def evaluated(expression: str, steps: dict[str, Any], basics: dict[str, Any] | None = None) -> Any:
    """Evaluate an expression of the form as the portal would."""
    text = re.sub(r"\((\w+)\) =>", r"lambda \1:", expression.removeprefix("[").removesuffix("]"))
    names = {**FUNCTIONS, "steps": lambda name: Fields(steps[name]), "basics": (basics or {}).get}
    return eval(re.sub(r"\bif\(", "if_(", text), {"__builtins__": {}, **names})  # noqa: S307 - our own file


def elements() -> dict[str, dict[str, Any]]:
    """Return every element by how expressions name it."""
    fields = {f"basics('{element['name']}')": element for element in PARAMETERS["basics"]}
    for step in PARAMETERS["steps"]:
        fields |= {
            f"steps('{step['name']}').{element['name']}": element for element in step["elements"]
        }
    return fields


def answers(**changed: Any) -> dict[str, Any]:
    """Return what somebody filled in."""
    vaults = {"chosen": [VAULT], "scopes": [GROUP], "kinds": ["storage-key"], "hasTopic": False}
    more = {"mails": "a@contoso.com, b@contoso.com", "hasLogs": False, "logsWorkspace": None}
    more |= {"outcomeTopic": True, "privateNetwork": False}
    return {
        "vaults": {name: changed.get(name, value) for name, value in vaults.items()},
        "more": {name: changed.get(name, value) for name, value in more.items()},
    }


def outputs(**changed: Any) -> dict[str, Any]:
    state = answers(**changed)
    return {
        name: evaluated(text, state, {"name": "rekey"})
        for name, text in PARAMETERS["outputs"].items()
    }


def test_what_is_read_from_azure_is_of_a_type_and_a_version_that_it_knows() -> None:
    """The portal shows an empty list in place of an error."""
    asked = [element["request"] for element in elements().values() if "request" in element]
    assert len(asked) == 3
    for request in asked:
        path, _, version = evaluated(request["path"], {}).partition("?api-version=")
        above, _, kind = path.partition("/providers/")
        groups = "" if kind else "/resourcegroups"
        assert (request["method"], above) == ("GET", f"/subscriptions/{SUBSCRIPTION}{groups}")
        assert version in (KINDS_OF_AZURE[kind].versions if kind else GROUPS)


def test_the_form_is_one_that_the_portal_reads() -> None:
    version, schemas = "0.1.2-preview", "https://schema.management.azure.com/schemas"
    assert (FORM["handler"], FORM["version"]) == ("Microsoft.Azure.CreateUIDef", version)
    assert FORM["$schema"] == f"{schemas}/{version}/CreateUIDefinition.MultiVm.json#"
    assert set(PARAMETERS) == {"config", "basics", "steps", "outputs"}
    assert {element["type"] for element in elements().values()} == ELEMENTS


def test_each_output_is_a_parameter_of_the_template_and_each_required_one_is_asked_for() -> None:
    template = json.loads(COMPILED.read_text())["parameters"]
    required = {name for name, parameter in template.items() if "defaultValue" not in parameter}
    nullable = {name for name, parameter in template.items() if parameter.get("nullable")}
    assert set(PARAMETERS["outputs"]) <= set(template)
    assert required - nullable <= set(PARAMETERS["outputs"])


def test_every_element_is_used_and_none_is_used_that_is_not_there() -> None:
    used = set(re.findall(r"(?:steps\('\w+'\)\.\w+|basics\('\w+'\))", json.dumps(PARAMETERS)))
    boxes = "Microsoft.Common.InfoBox"
    shown = {name for name, element in elements().items() if element["type"] == boxes}
    assert used == set(elements()) - shown


def test_what_the_form_hands_over_is_what_the_template_takes(tmp_path: Path) -> None:
    """The compiler judges it: the template's types are sealed, so a misspelt property fails.

    One vault that has a topic and one that has none, in one run: each takes the compiler seconds.
    """
    with_topic, without = (
        outputs(
            hasTopic=has_topic,
            kinds=["storage-key", "sql-admin-password"],
            hasLogs=True,
            logsWorkspace=WORKSPACE,
        )
        for has_topic in (True, False)
    )
    for (vault,) in (with_topic["vaults"], without["vaults"]):
        place = (vault["subscription"], vault["resourceGroup"], vault["name"])
        assert place == (SUBSCRIPTION, "prod", "contoso")
        assert (vault["scopes"], vault["kinds"]) == ([GROUP], ["storage-key", "sql-admin-password"])
    target = tmp_path / "form.bicepparam"
    target.write_text(
        parameters_file(
            with_topic["name"],
            [*with_topic["vaults"], {**without["vaults"][0], "name": "another"}],
            os.path.relpath(INFRA / "main.bicep", tmp_path),
            with_topic["logsWorkspace"],
        )
    )
    compiled = bicep("build-params", str(target), "--stdout")
    assert compiled.code == 0, compiled.said
    written = json.loads(json.loads(compiled.output)["parametersJson"])["parameters"]
    assert written["logsWorkspace"] == {"value": WORKSPACE}
    assert len(written["vaults"]["value"]) == 2


@pytest.mark.parametrize(
    ("has_logs", "chosen", "handed"),
    [(False, None, ""), (False, "w", ""), (True, "w", "w"), (True, None, "")],
)
def test_a_workspace_is_handed_over_only_where_logs_shall_be_looked_up(
    has_logs: bool, chosen: str | None, handed: str
) -> None:
    assert outputs(hasLogs=has_logs, logsWorkspace=chosen)["logsWorkspace"] == handed
    shown = elements()["steps('more').logsWorkspace"]["visible"]
    assert evaluated(shown, answers(hasLogs=has_logs)) is has_logs


def test_the_workspaces_of_the_subscription_are_offered() -> None:
    workspace = elements()["steps('more').logsWorkspace"]
    listed = {"value": [{"name": "contoso-logs", "id": WORKSPACE}]}
    offered = evaluated(
        workspace["constraints"]["allowedValues"], {"more": {"allWorkspaces": listed}}
    )
    assert offered == [{"label": "contoso-logs", "value": WORKSPACE}]


def test_a_second_system_topic_is_not_made() -> None:
    assert outputs(hasTopic=True)["vaults"][0]["events"] is False
    assert outputs()["vaults"][0]["events"] is True


@pytest.mark.parametrize(
    ("mails", "addresses"),
    [("", []), (None, []), ("a@b.c", ["a@b.c"]), ("a@b.c, d@e.f", ["a@b.c", "d@e.f"])],
)
def test_mail_addresses_become_a_list(mails: str | None, addresses: list[str]) -> None:
    assert outputs(mails=mails)["alertMails"] == addresses


def test_only_vaults_that_use_azure_rbac_are_offered() -> None:
    vault = elements()["steps('vaults').chosen"]
    shown = {
        "value": [
            {"name": "new", "id": f"{VAULT}-new", "properties": {"enableRbacAuthorization": True}},
            {"name": "old", "id": f"{VAULT}-old", "properties": {"enableRbacAuthorization": False}},
            {"name": "older", "id": f"{VAULT}-older", "properties": {}},
        ]
    }
    offered = evaluated(vault["constraints"]["allowedValues"], {"vaults": {"allVaults": shown}})
    assert offered == [{"label": "new", "value": f"{VAULT}-new"}]


def test_the_kinds_on_offer_are_those_that_the_template_gives_rights_for() -> None:
    offered = {
        choice["value"]
        for choice in elements()["steps('vaults').kinds"]["constraints"]["allowedValues"]
    }
    assert offered == set(KINDS) - {"service-principal-secret", "service-principal-certificate"}, (
        "applications need a step that no template can do"
    )


def test_the_name_is_held_to_what_the_template_takes() -> None:
    pattern = elements()["basics('name')"]["constraints"]["regex"]
    assert all(re.search(pattern, name) for name in ("rekey", "a1", "a-b", "a" * 20))
    wrong = ("", "a", "Rekey", "1a", "a-", "a_b", "a" * 21)
    assert not any(re.search(pattern, name) for name in wrong)
