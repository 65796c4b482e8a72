"""What is wrong with the parameters is told before anything is deployed, with the fix."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from cloud.endpoints import SLOTS
from cloud.settings import Settings
from engine.errors import ConfigError
from tests.cloud.test_settings import NO_SCHEDULE
from tests.infra import deployed
from tests.infra.bicep import INFRA, PUBLIC_CLOUD, SUBSCRIPTION, predicted

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data"
WORKSPACES = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces"
GOOD = f"{{ name: 'contoso', scopes: ['{GROUP}'] }}"
OTHERS = """
param name = 'Rekey-'
param privateApp = true
param vaultEndpoints = true
param allowedAddresses = ['203.0.113.1/32']
param signInClientId = 'rekey'
param alertsTuned = { parkd: { enabled: false }, slow: { window: 'PT30M' } }
param logsWorkspace = 'contoso-logs'
param packageUri = 'http://example.com/rekey.zip?sv=1&sig=abc'
param policyDocument = 'https://other.vault.azure.net/secrets/policy'
param sweepSchedule = 'every hour'
param endpoints = {
  acme: {
    url: 'http://acme.example/rekey'
    key: 'https://contoso.vault.azure.net/secrets/acme-signing'
    strategy: 'many'
  }
  asked: {
    url: 'https://asked.example/rekey?code=1'
    key: 'https://other.vault.azure.net/secrets/acme-signing'
    strategy: 'two-slots'
  }
  odd: {
    url: 'https://user@odd.example/rekey#x'
    key: 'https://contoso.vault.azure.net/secrets/acme-signing/00000000000000000000000000000000'
    strategy: 'two-slots'
    slots: ['first', 'first']
  }
  many: {
    url: 'https://many.example//rekey'
    key: 'https://contoso.vault.azure.net/keys/acme-signing'
    strategy: 'many'
    slots: ['first']
  }
  single: {
    url: 'https://Single.example/rekey'
    key: 'https://contoso.vault.azure.net/secrets/acme-signing '
    strategy: 'single-slot'
    slots: []
    fields: []
  }
}
param diagnostics = false
param auditLogs = true
"""


def vaults(*entries: str) -> str:
    return "param vaults = [\n" + "\n".join(entries) + "\n]\n" + PUBLIC_CLOUD


def told(consumer: str) -> str:
    """Return a vault with one consumer."""
    return GOOD.replace("contoso'", f"told-{len(consumer)}'").replace(
        " }", f", consumers: ['{consumer}'] }}"
    )


def bound_to(scope: str) -> str:
    return f"{{ name: 'contoso-{len(scope)}', scopes: ['{scope}'] }}"


SERVED = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "REKEY_VAULTS": "https://contoso.vault.azure.net",
    "REKEY_SCOPES": json.dumps({"https://contoso.vault.azure.net": [GROUP]}),
}
"""The app's settings for the vault GOOD."""
WRONG = {
    "{ name: 'bare' }": "vault bare may rotate nothing: list scopes or applications",
    GOOD: "",
    GOOD.replace(
        "contoso", "Contoso"
    ): "contoso is listed twice, which would make two system topics",
    GOOD.replace("contoso", "https://contoso"): "vault https://contoso: write its bare name",
    bound_to("data"): "scope 'data' is none: write the id of a subscription",
    bound_to(
        f"{GROUP}/providers/Microsoft.Web/sites/app"
    ): "microsoft.web/sites/app' is none: write the id of",
    bound_to(f"/subscriptions/{SUBSCRIPTION}/resourceGroups//x"): "resourcegroups//x' is none",
    bound_to(
        "/subscriptions/mine/resourceGroups/data"
    ): "'/subscriptions/mine/resourcegroups/data' names no subscription's id",
    told(
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts/data"
    ): "microsoft.storage/storageaccounts/data' is none: write the id of",
    told(
        f"{GROUP}/providers/Microsoft.Web/sites/shop/slots/next"
    ): "slots/next' is none: write the id of",
    told(
        GROUP
    ): "resourcegroups/data' is none: write the id of an App Service or Functions app, or of a",
    told(
        "/subscriptions/mine/resourceGroups/shop/providers/Microsoft.Web/sites/shop"
    ): "names no subscription's id",
    told(f"{GROUP}/providers/Microsoft.App/containerApps/worker"): "",
    f"{{ name: 'lost', scopes: ['{GROUP}'], subscription: '{'z' * 36}' }}": (
        f"'{'z' * 36}' is no subscription's id"
    ),
    "{ name: 'strange', ownKinds: ['/kinds/'] }": "ownKinds '/kinds' is none",
    "{ name: 'stranger', ownKinds: ['acme-token'] }": "ownKinds 'acme-token' is none",
    "{ name: 'named', applications: ['my app'] }": "application 'my app' is no client id",
    f"{{ name: 'twofold', scopes: ['{GROUP}'], events: false, existingTopic: 'their-topic' }}": (
        "vault twofold: existingTopic means nothing with events: false"
    ),
    f"{{ name: 'kindless', scopes: ['{GROUP}'], kinds: [] }}": "vault kindless: kinds is empty",
}
"""Vaults, and what is said of each."""
ENDPOINTS = ("acme", "asked", "odd", "many", "single")
ALSO = (
    "name is 'Rekey-': write lower-case letters",
    "privateApp needs privateNetwork",
    "vaultEndpoints needs privateNetwork",
    "allowedAddresses means nothing with privateApp",
    "signInClientId 'rekey' is no client id: scripts/app_registration.py prints it",
    "alertsTuned names parkd: known are",
    "alertsTuned: the window of slow is shorter than PT1H",
    "logsWorkspace 'contoso-logs' is none: write the id of a Log Analytics workspace",
    "packageUri is no https URL",
    "packageUri holds a signature, which is a secret",
    "policyDocument 'https://other.vault.azure.net/secrets/policy' is no secret of a listed vault",
    "sweepSchedule is 'every hour': write six fields",
    *(f"endpoints: the url of {kind} is none: write https://" for kind in ENDPOINTS),
    *(f"endpoints: the key of {kind} is no secret of a listed vault: " for kind in ENDPOINTS[1:]),
    "endpoints: the slots of asked are not 2 ids of credentials for two-slots",
    "endpoints: the slots of odd are not 2 ids",
    "endpoints: the slots of many are not 0 ids",
    "endpoints: the slots of single are not 1 ids",
    "endpoints: the fields of single are none: list placeholders",
    "auditLogs needs diagnostics",
)
"""What is said of OTHERS."""


def test_all_problems_are_told_at_once_with_fixes_and_nothing_is_deployed(tmp_path: Path) -> None:
    run = predicted(tmp_path, vaults(*WRONG) + OTHERS)
    assert run.code != 0
    expected = [message for message in (*WRONG.values(), *ALSO) if message]
    assert [message for message in expected if message not in run.said] == []
    assert f"{len(expected)} problem(s): " in run.said
    assert not list(tmp_path.glob("*.snapshot.json"))


@pytest.mark.parametrize(
    ("workspace", "code"),
    [
        (f"{GROUP}/providers/Microsoft.Storage/storageAccounts/logs", 1),
        (f"{WORKSPACES.replace(SUBSCRIPTION, 'mine')}/contoso", 1),
        (f"{WORKSPACES.upper()}/contoso", 0),
    ],
)
def test_a_workspace_of_logs_is_named_by_its_id(workspace: str, code: int, tmp_path: Path) -> None:
    run = predicted(tmp_path, vaults(GOOD) + f"\nparam logsWorkspace = '{workspace}'")
    assert run.code == code, run.said
    assert (f"logsWorkspace '{workspace}' is none" in run.said) is bool(code)


IN_VAULT = "https://contoso.vault.azure.net/secrets"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (f"{IN_VAULT}/rekey-policy", 0),
        (f"{IN_VAULT}/Rekey-Policy/", 0),
        (f"{IN_VAULT}/rekey-policy/{'0' * 32}", 1),
        (f"{IN_VAULT}/", 1),
        ("https://contoso.vault.azure.net/keys/rekey-policy", 1),
        ("rekey-policy", 1),
    ],
)
def test_the_policy_document_is_named_as_the_app_takes_it(
    document: str, code: int, tmp_path: Path
) -> None:
    run = predicted(tmp_path, vaults(GOOD) + f"\nparam policyDocument = '{document}'")
    assert run.code == code, run.said


RARE = re.compile(r" (29|30|31) (2|feb) ")
"""A day that a usual year does not have: the app alone knows how long a month is."""
SCHEDULES = (
    "0 */15 6-18 * jan,Feb Mon-FRI",
    "0,30 5/15 0-23/2 31 1-12 SUN",
    "0 0 22-2 * * *",
    "0 0 0 * * fri-mon",
    "0 0 0 L * *",
    "0 0 3 * * Sunday",
    "0 1/2/3 * * * *",
    "0 -5 * * * *",
    *(schedule for schedule in NO_SCHEDULE if not RARE.search(schedule)),
)
READS = """
import {{ scheduleProblems }} from '{checks}'
param schedules string[]
output right string[] = filter(schedules, schedule => empty(scheduleProblems(schedule)))
"""


def test_the_template_takes_the_schedules_that_the_app_takes(tmp_path: Path) -> None:
    template = tmp_path / "reads.bicep"
    template.write_text(READS.format(checks=os.path.relpath(INFRA / "checks.bicep", tmp_path)))
    run = predicted(tmp_path, f"param schedules = {[*SCHEDULES]}", str(template))
    assert run.code == 0, run.said
    document = json.loads((tmp_path / "case.snapshot.json").read_text())
    assert document["outputs"]["right"] == [*filter(sweeps, SCHEDULES)]


def sweeps(schedule: str) -> bool:
    """Return whether the app starts with a schedule."""
    return starts_with(REKEY_SWEEP_SCHEDULE=schedule)


def starts_with(**settings: str) -> bool:
    """Return whether the app starts with these settings beside those that it needs."""
    try:
        Settings.read(SERVED | settings)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize(
    "rest",
    [
        "strategy: 'two-slots', slots: ['first', 'Second.2'], fields: ['token', 'user_1']",
        "strategy: 'single-slot'",
        "strategy: 'single-slot', slots: ['only']",
        "strategy: 'many'",
    ],
)
def test_the_app_takes_an_endpoint_that_the_template_takes(rest: str, tmp_path: Path) -> None:
    key = "HTTPS://Contoso.vault.azure.net/secrets/Acme-1/"
    entry = f"{{ url: 'https://a-1.example:8443/Re_key/v1.~/', key: '{key}', {rest} }}"
    run = predicted(tmp_path, vaults(GOOD) + f"\nparam endpoints = {{ acme: {entry} }}")
    assert run.code == 0, run.said
    deployment = json.loads((tmp_path / "case.snapshot.json").read_text())
    assert Settings.read(deployed.settings(deployment)).endpoints


SLOTTED: dict[str, Any] = {
    "url": "https://a.example/r",
    "key": f"{IN_VAULT}/k",
    "strategy": "two-slots",
    "slots": ["a", "b"],
    "fields": ["t"],
}
HOSTS = (
    *("a-1.example:8443", "localhost", "1.2.3.4:1", "a.example:65535", "a.example:00080", "a" * 63),
    *("a.example:0", "a.example:65536", "a.example:", "a.example:https", "a.example:1:2", ":443"),
    *("a.example.", ".a.example", "a..example", "-a.example", "a-.example", "a_b.example"),
    *(
        "A.example",
        "a" * 64,
        "a." * 123 + "example",
        "a." * 124 + "example",
        "a.example:000001",
        "",
    ),
)
REQUESTS = (
    *(SLOTTED | {"url": f"https://{host}/r"} for host in HOSTS),
    *(
        SLOTTED | {"url": f"https://a.example{path}"}
        for path in ("", "/", "/Re_k/v1.~-/", "//", "/a:1")
    ),
    *(SLOTTED | {"slots": ["b", slot]} for slot in ("7", "B", "b", ".a", "-a", "_a", "a.-_")),
    *(SLOTTED | {"slots": ["b", "a" * most]} for most in (100, 101)),
    *(SLOTTED | {"slots": None, "strategy": strategy} for strategy in SLOTS),
    SLOTTED | {"fields": None},
    *(
        SLOTTED | {"fields": [name]}
        for name in ("t_2", "2fa", "_t", "T", "t-2", "t" * 40, "t" * 41)
    ),
    *(SLOTTED | {"key": f"{IN_VAULT}/{'k' * most}"} for most in (127, 128)),
)
ENDPOINTS_READ = """
import {{ endpointProblems }} from '{checks}'
import {{ fullVault }} from '{types}'
param vaults fullVault[]
param entries array
output right array = filter(entries, entry => empty(endpointProblems({{ acme: entry }}, vaults, '.vault.azure.net')))
"""
FULL = """param vaults = [{ name: 'contoso', resourceGroup: '', subscription: '', scopes: [], applications: []
  ownKinds: [], consumers: [], kinds: [], events: false, existingTopic: '' }]"""


def test_the_template_takes_the_endpoints_that_the_app_takes(tmp_path: Path) -> None:
    template = tmp_path / "reads.bicep"
    places = {
        name: os.path.relpath(INFRA / f"{name}.bicep", tmp_path) for name in ("checks", "types")
    }
    template.write_text(ENDPOINTS_READ.format(**places))
    run = predicted(tmp_path, f"{FULL}\nparam entries = {written(REQUESTS)}", str(template))
    assert run.code == 0, run.said
    document = json.loads((tmp_path / "case.snapshot.json").read_text())
    assert document["outputs"]["right"] == [*filter(serves, REQUESTS)]


def written(value: object) -> str:
    """Return a value as a parameter file has it."""
    match value:
        case dict():
            return f"{{ {', '.join(f'{name}: {written(it)}' for name, it in value.items())} }}"
        case tuple() | list():
            return f"[{', '.join(map(written, value))}]"
        case None:
            return "null"
        case _:
            return f"'{value}'"


def serves(entry: dict[str, Any]) -> bool:
    """Return whether the app starts with an endpoint."""
    return starts_with(REKEY_ENDPOINTS=json.dumps({"acme": entry}))


def test_an_address_that_is_listed_twice_gets_one_mail(tmp_path: Path) -> None:
    twice = "\nparam alertMails = ['a@b.example', 'a@b.example']"
    assert predicted(tmp_path, vaults(GOOD) + twice).code == 0
    deployment = json.loads((tmp_path / "case.snapshot.json").read_text())
    group = deployed.only(deployment, "Microsoft.Insights/actionGroups")
    mails = [receiver["emailAddress"] for receiver in group["properties"]["emailReceivers"]]
    assert mails == ["a@b.example"]


def test_an_empty_list_of_vaults_is_refused_by_the_compiler(tmp_path: Path) -> None:
    assert "BCP333" in predicted(tmp_path, vaults()).said


def test_long_names_unknown_kinds_and_misspelt_properties_are_refused(tmp_path: Path) -> None:
    misspelt = f"{{ name: 'contoso', scope: ['{GROUP}'] }}"
    unknown = f"{{ name: 'contoso', scopes: ['{GROUP}'], kinds: ['ssh-key'] }}"
    entries = vaults(GOOD.replace("contoso", "c" * 25), misspelt, unknown)
    run = predicted(tmp_path, entries + f"param name = '{'n' * 21}'")
    assert run.code != 0
    assert "equal to 25) is too long" in run.said
    assert "equal to 21) is too long" in run.said
    assert "ssh-key" in run.said
    assert '"scope"' in run.said


def test_a_cloud_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    run = predicted(tmp_path, vaults(GOOD).replace("AzureCloud", "Mars"))
    assert run.code != 0
    assert "Microsoft Graph of the cloud Mars is not known" in run.said


@pytest.mark.parametrize(("uses_rbac", "code"), [("false", 1), ("true", 0)])
def test_a_vault_that_uses_access_policies_is_refused_while_deploying(
    uses_rbac: str, code: int, tmp_path: Path
) -> None:
    parameters = (
        f"param vaultName = 'contoso'\nparam usesRbac = {uses_rbac}\nparam appPrincipalId = "
        "'p'\nparam owner = 'o'\nparam certificates = false\nparam deployerId = ''"
    )
    run = predicted(tmp_path, parameters, "modules/vault-access.bicep")
    assert run.code == code
    assert ("az keyvault update --name contoso --enable-rbac-authorization true" in run.said) is (
        code == 1
    )


def test_another_case_and_blanks_and_a_slash_at_the_end_are_understood(tmp_path: Path) -> None:
    entry = f"{{ name: 'Contoso', scopes: ['  {GROUP.upper().replace('/SUBSCRIPTIONS', '/Subscriptions')}/ '] }}"
    assert predicted(tmp_path, vaults(entry)).code == 0
    assert f'"{GROUP.lower()}"'.replace('"', '\\"') in (
        tmp_path / "case.snapshot.json"
    ).read_text().lower().replace("\\\\", "\\")
