from __future__ import annotations

from typing import Any

import pytest

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.keyvault.state import Vault
from simulator.rbac import ROLES
from simulator.world import Domains
from simulator_tests.caller import Caller, body_of
from simulator_tests.recordings import Player, moment, pairs
from simulator_tests.specs import load


def player(
    recorded: dict[str, Any], tenant: str = "12345678-1234-1234-1234-123456789012"
) -> tuple[Player, Vault]:
    """Return a player and the vault that the recording was made with.

    As far as its answers tell.
    """
    first = next(iter(recorded.values()))
    clock = VirtualClock(moment(first))
    azure = build_world(clock, Domains(login="login.windows.net"))
    vault = azure.add_vault(first["request"]["host"].partition(".")[0], tenant=tenant)
    vault.recoverable_days = 7
    vault.location = first["response"]["headers"].get("x-ms-keyvault-region", "")
    return Player(Caller(azure, officer(azure, vault, tenant)), clock), vault


def officer(azure: Azure, vault: Vault, tenant: str) -> Any:
    principal = azure.identities.add("officer", tenant=tenant)
    azure.grant(principal, ROLES["Key Vault Secrets Officer"], vault.resource_id)
    return principal


def test_the_recorded_life_of_a_secret_is_answered_alike() -> None:
    recorded = pairs("keyvault_secret_crud_7.3.json")
    playing, _ = player(recorded, "72f988bf-86f1-41af-91ab-2d7cd011db47")

    statuses = [playing.play(pair).status for pair in recorded.values()]

    assert statuses == [401, 200, 200, 200, 200, 200, 404, 200]


def test_a_deleted_secret_keeps_the_recorded_time_until_it_may_be_purged() -> None:
    recorded = pairs("keyvault_secret_crud_7.3.json")
    playing, _ = player(recorded, "72f988bf-86f1-41af-91ab-2d7cd011db47")
    answers = {name: playing.play(pair) for name, pair in recorded.items()}

    for body in (recorded["delete_secret"]["response"]["body"], body_of(answers["delete_secret"])):
        assert body["scheduledPurgeDate"] - body["deletedDate"] == 604_800


def test_the_recorded_refusal_of_a_disabled_secret_is_answered_alike() -> None:
    recorded = pairs("keyvault_disabled_secret_403.json")
    playing, _ = player(recorded)

    assert [playing.play(pair).status for pair in recorded.values()] == [401, 200, 403]


def test_the_recorded_search_for_a_missing_secret_is_answered_alike() -> None:
    recorded = pairs("keyvault_missing_secret_404.json")
    playing, _ = player(recorded)

    assert [playing.play(pair).status for pair in recorded.values()] == [401, 404]


def test_the_recorded_versions_of_a_missing_secret_are_an_empty_list() -> None:
    recorded = pairs("keyvault_list_paging.json")
    playing, _ = player(recorded)

    playing.play(recorded["list_versions_of_missing_secret_200"])


def test_the_recorded_pages_are_answered_alike() -> None:
    recorded = {
        name: pair
        for name, pair in pairs("keyvault_list_paging.json").items()
        if name.startswith("list_page")
    }
    playing, vault = player(recorded)
    vault.empty_pages = True
    vault.put("listSecretName-canlistsecretproperties-51074815250816990", "listed")
    vault.put("listSecretName-canlistsecretproperties-61074815250816990", "on the page after")

    assert [len(body_of(playing.play(pair))["value"]) for pair in recorded.values()] == [0, 1]


@pytest.fixture
def facts() -> dict[str, Any]:
    """What users reported about refusals, by case."""
    return {
        fact["case"]: fact
        for fact in load("recordings/keyvault_errors_from_issue_reports.json")["facts"]
    }


def test_throttling_looks_as_users_saw_it(
    facts: dict[str, Any], caller: Caller, vault: Vault
) -> None:
    fact = facts["throttled"]
    vault.put("password", "held")
    vault.others.limit = 0

    response = caller.secrets(vault, "GET", "secrets/password/")

    error = body_of(response)["error"]
    assert (response.status, error["code"], error.get("innererror")) == (
        429,
        fact["error_code"],
        fact["innererror"],
    )
    assert all(part in error["message"] for part in fact["message_contains"])
    assert len(response.body) == pytest.approx(fact["content_length"], abs=40)
    added_by_the_server = {"Date", "Content-Length", "x-ms-client-request-id"}
    assert set(response.headers) == set(fact["header_names"]) - added_by_the_server


def test_a_missing_role_looks_as_users_saw_it(
    facts: dict[str, Any], nobody: Caller, vault: Vault
) -> None:
    fact = facts["missing permission, RBAC vault"]

    response = nobody.secrets(vault, "GET", "secrets/password/")

    error = body_of(response)["error"]
    refusal = (response.status, error["code"], error["innererror"]["code"])
    assert refusal == (403, fact["error_code"], fact["innererror_code"])
    lines = error["message"].split(fact["message_lines_separated_by"])
    labels = [label.partition(":")[0] for label in fact["message_line_labels"]]
    assert [line.partition(":")[0] for line in lines if line.partition(":")[0] in labels] == labels
    assert "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'" in lines
    assert f"Resource: '{vault.resource_id}/secrets/password'".lower() in error["message"].lower()


def test_setting_a_deleted_name_looks_as_users_saw_it(
    facts: dict[str, Any], caller: Caller, vault: Vault
) -> None:
    fact = facts["set while the name is soft-deleted"]
    vault.put("password", "held")
    vault.deletion_delay *= 0
    vault.delete("password")

    response = caller.secrets(vault, "PUT", "secrets/password", {"value": "new"})

    assert (response.status, body_of(response)["error"]["innererror"]["code"]) == (
        fact["status"],
        fact["innererror_code"],
    )


def test_setting_a_name_that_is_being_recovered_looks_as_users_saw_it(
    facts: dict[str, Any], caller: Caller, vault: Vault
) -> None:
    fact = facts["set right after recover"]
    vault.put("password", "held")
    vault.delete("password")
    vault.recovery_delay = vault.deletion_delay
    vault.recover("password")

    response = caller.secrets(vault, "PUT", "secrets/password", {"value": "new"})

    assert (response.status, body_of(response)["error"]["innererror"]["code"]) == (
        fact["status"],
        fact["innererror_code"],
    )
