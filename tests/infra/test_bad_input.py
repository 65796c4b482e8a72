"""What is wrong with the parameters is told before anything is deployed, with the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.bicep import PUBLIC_CLOUD, SUBSCRIPTION, predicted

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data"
GOOD = f"{{ name: 'contoso', scopes: ['{GROUP}'] }}"


def vaults(*entries: str) -> str:
    return "param vaults = [\n" + "\n".join(entries) + "\n]\n" + PUBLIC_CLOUD


CASES = {
    "no vault": (vaults(), "BCP333"),
    "a vault without scopes": (
        vaults("{ name: 'contoso' }"),
        "contoso may rotate nothing: list scopes or applications",
    ),
    "one vault twice": (
        vaults(GOOD, GOOD.replace("contoso", "Contoso")),
        "contoso is listed twice, which would make two system topics",
    ),
    "a vault by its URL": (vaults(GOOD.replace("contoso", "https://contoso")), "write its bare name"),
    "a vault's name too long": (vaults(GOOD.replace("contoso", "c" * 25)), "BCP332"),
    "a scope that is no id": (
        vaults(GOOD.replace(GROUP, "data")),
        "scope 'data' is none: write the id of a subscription",
    ),
    "a scope of a kind that nothing rotates": (
        vaults(GOOD.replace(GROUP, f"{GROUP}/providers/Microsoft.Web/sites/app")),
        "microsoft.web/sites/app' is none: write the id of",
    ),
    "a scope with a hole": (vaults(GOOD.replace(GROUP, f"/subscriptions/{SUBSCRIPTION}/resourceGroups//x")), "is none"),
    "a scope in no subscription": (vaults(GOOD.replace(SUBSCRIPTION, "mine")), "names no subscription's id"),
    "a subscription that is none": (
        vaults(f"{{ name: 'contoso', scopes: ['{GROUP}'], subscription: '{'z' * 36}' }}"),
        f"subscription '{'z' * 36}' is no subscription's id",
    ),
    "an application by its name": (
        vaults("{ name: 'contoso', applications: ['my app'] }"),
        "application 'my app' is no client id",
    ),
    "no kind": (vaults(f"{{ name: 'contoso', scopes: ['{GROUP}'], kinds: [] }}"), "kinds is empty"),
    "a kind that is none": (vaults(f"{{ name: 'contoso', scopes: ['{GROUP}'], kinds: ['ssh-key'] }}"), "BCP034"),
    "a misspelt property": (vaults(f"{{ name: 'contoso', scope: ['{GROUP}'] }}"), "BCP089"),
    "a name too long": (vaults(GOOD) + f"param name = '{'n' * 21}'", "BCP332"),
    "a name with capitals": (vaults(GOOD) + "param name = 'Rekey'", "name is 'Rekey': write lower-case letters"),
    "a name that ends in a dash": (
        vaults(GOOD) + "param name = 'rekey-'",
        "name is 'rekey-': write lower-case letters",
    ),
    "a private app without a network": (vaults(GOOD) + "param privateApp = true", "privateApp needs privateNetwork"),
    "endpoints without a network": (
        vaults(GOOD) + "param vaultEndpoints = true",
        "vaultEndpoints needs privateNetwork",
    ),
    "addresses for a private app": (
        vaults(GOOD)
        + "param privateNetwork = true\nparam privateApp = true\nparam allowedAddresses = ['203.0.113.1/32']",
        "allowedAddresses means nothing with privateApp",
    ),
    "a package over http": (
        vaults(GOOD) + "param packageUri = 'http://example.com/rekey.zip'",
        "packageUri is no https URL",
    ),
    "a package with a signature": (
        vaults(GOOD) + "param packageUri = 'https://example.com/rekey.zip?sv=1&sig=abc'",
        "packageUri holds a signature, which is a secret",
    ),
    "a cloud that nobody knows": (
        vaults(GOOD).replace("AzureCloud", "Mars"),
        "Microsoft Graph of the cloud Mars is not known",
    ),
}


@pytest.mark.parametrize(("parameters", "message"), CASES.values(), ids=CASES)
def test_a_wrong_parameter_is_refused_with_a_message_that_helps(parameters: str, message: str, tmp_path: Path) -> None:
    run = predicted(tmp_path, parameters)
    assert run.code != 0
    assert message in run.said
    assert not list(tmp_path.glob("*.snapshot.json"))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    run = predicted(tmp_path, vaults("{ name: 'one' }", "{ name: 'two' }") + "param name = 'Rekey'")
    assert "3 problem(s): name is 'Rekey'" in run.said
    assert "vault one may rotate nothing" in run.said
    assert "vault two may rotate nothing" in run.said


@pytest.mark.parametrize(("uses_rbac", "code"), [("false", 1), ("true", 0)])
def test_a_vault_that_uses_access_policies_is_refused_while_deploying(
    uses_rbac: str, code: int, tmp_path: Path
) -> None:
    parameters = (
        f"param vaultName = 'contoso'\nparam usesRbac = {uses_rbac}\nparam appPrincipalId = 'p'\nparam owner = 'o'"
    )
    run = predicted(tmp_path, parameters, "modules/vault-access.bicep")
    assert run.code == code
    assert ("az keyvault update --name contoso --enable-rbac-authorization true" in run.said) is (code == 1)


def test_what_is_written_in_another_case_or_with_blanks_and_a_slash_is_understood(tmp_path: Path) -> None:
    entry = f"{{ name: 'Contoso', scopes: ['  {GROUP.upper().replace('/SUBSCRIPTIONS', '/Subscriptions')}/ '] }}"
    assert predicted(tmp_path, vaults(entry)).code == 0
    assert f'"{GROUP.lower()}"'.replace('"', '\\"') in (tmp_path / "case.snapshot.json").read_text().lower().replace(
        "\\\\", "\\"
    )
