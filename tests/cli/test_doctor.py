"""`rekey doctor` looks at everything beforehand, due or not, changes nothing, and says how to mend what it finds."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from azure.core.exceptions import ClientAuthenticationError

from simulator.faults import Fault
from simulator.reach.transport import SimulatedCredential
from simulator.storage.queue_store import NEVER, Message
from simulator.wire import json_response
from tests.cli.desk import Desk
from tests.shared.scene import NAME, state


def desk(**options: object) -> Desk:
    found = Desk()
    found.secret(NAME, found.account("appdata"), days_left=80, **options)  # type: ignore[arg-type]
    return found


def findings(found: Desk, *arguments: str) -> list[str]:
    """Return what a doctor finds, each with its place and fix; nothing may change by that."""
    before = state(found)
    ran = found.run("doctor", "--json", *arguments)
    assert state(found) == before
    told = [
        f"{each['what']} | {each['where']} | {each['fix']}"
        for each in ran.json["checks"]
        if each["result"] == "finding"
    ]
    assert ran.json["findings"] == len(told)
    assert ran.code == (1 if told else 0)
    return told


def test_where_all_is_well_every_check_is_shown_and_the_exit_code_is_0() -> None:
    found = desk()
    ran = found.run("doctor")
    assert ran.code == 0
    assert "note: key2, there since" in ran.out
    assert "it may be in use elsewhere" in ran.out
    assert ran.out.splitlines()[-1].endswith(", findings: 0")
    assert findings(found) == []


def test_a_secret_that_is_not_due_is_rehearsed_all_the_same() -> None:
    found = desk()
    found.world.accounts["appdata"].allow_shared_key_access = False
    (told,) = findings(found)
    assert "does not accept keys" in told
    assert "allow shared key access" in told


def test_a_missing_right_names_the_role_to_grant() -> None:
    found = Desk()
    other = found.world.add_account("elsewhere", group="apart")
    found.bound.append(other.resource_id.lower())
    found.secret("other", other, days_left=80)
    (told,) = findings(found)
    assert "Storage Account Key Operator Service Role" in told


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"ValidityPeriodDays": "sixty"}, "ValidityPeriodDays"),
        (
            {
                "ProviderAddress": "/subscriptions/x/resourceGroups/y/providers/Microsoft.Storage/storageAccounts/zzz"
            },
            "not bound",
        ),
        ({"Replicas": "https://prod.vault.azure.net/secrets/copy"}, "404"),
        ({"ValueTemplate": "key={key}"}, "ValueTemplate"),
    ],
)
def test_what_would_park_a_secret_one_day_is_found_today(tags: dict[str, str], told: str) -> None:
    (finding,) = findings(desk(tags=tags))
    assert told in finding
    assert f"secrets/{NAME}" in finding


def test_a_replica_that_does_not_consent_is_found() -> None:
    found = desk(tags={"Replicas": "https://prod.vault.azure.net/secrets/copy"})
    found.vault.put("copy", "x")
    (told,) = findings(found)
    assert "does not consent" in told


def test_messages_that_were_given_up_on_are_found() -> None:
    found = desk()
    found.queue("rotations-poison")
    assert findings(found) == []
    now = found.clock.now()
    found.queue("rotations-poison").append(
        Message("1", base64.b64encode(b"{}").decode(), now, NEVER, now, "receipt")
    )
    (told,) = findings(found)
    assert "1 of rotations" in told


def test_a_vault_that_cannot_be_listed_is_found() -> None:
    found = desk()
    refusal = json_response(
        403,
        {
            "error": {
                "code": "Forbidden",
                "message": "no",
                "innererror": {"code": "ForbiddenByRbac"},
            }
        },
    )
    found.world.faults.append(Fault(lambda each: each.path == "/secrets", refusal, 9))
    (told,) = findings(found)
    assert "Key Vault Secrets Officer" in told


def test_without_a_token_nothing_else_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object, **__: object) -> None:
        raise ClientAuthenticationError("no")

    monkeypatch.setattr(SimulatedCredential, "get_token", nobody)
    found = desk()
    (told,) = findings(found)
    assert "you are not signed in" in told
    assert "az login" in told
    assert not found.calls()


def test_a_policy_that_cannot_be_followed_is_found_with_its_problems() -> None:
    found = desk()
    found.policy = True
    found.vault.put("rekey-policy", "version: 1\ndefalts: {}\n")
    told = findings(found)
    assert any("defalts" in each for each in told)


def test_a_policy_in_order_is_fine() -> None:
    found = desk()
    found.policy = True
    found.vault.put("rekey-policy", "version: 1\n")
    assert findings(found) == []
    assert "can be followed" in found.run("doctor").out


def test_one_vault_alone_can_be_looked_at() -> None:
    found = desk()
    assert findings(found, "--vault", "prod") == []
    assert found.run("doctor", "--vault", "foreign").code == 5


def test_a_queue_that_cannot_be_read_is_found() -> None:
    found = desk()
    refusal = json_response(403, {}, {"x-ms-error-code": "AuthorizationPermissionMismatch"})
    found.world.faults.append(Fault(lambda each: each.path == "/rotations", refusal, 1))
    (told,) = findings(found)
    assert "Storage Queue Data Contributor" in told


def test_a_policy_that_is_not_there_is_found_and_nothing_is_judged_without_it() -> None:
    found = desk()
    found.policy = True
    told = findings(found)
    assert len(told) == 2
    assert all("rekey-policy" in each for each in told)


def test_what_the_app_does_not_rotate_is_not_said_to_be_rotatable() -> None:
    found = Desk()
    soon = found.clock.now() + timedelta(days=5)
    found.vault.put(
        "copy", "x", expires=soon, tags={"ReplicaOf": f"{found.vault.url}/secrets/well"}
    )
    found.vault.put("hand", "x", expires=soon, tags={"Manual": "true", "ValidityPeriodDays": "90"})
    found.vault.put("plain", "x")
    ran = found.run("doctor", "--json")
    told = {
        each["where"].rpartition("/")[2]: (each["result"], each["what"])
        for each in ran.json["checks"]
    }
    assert told["copy"] == (
        "fine",
        f"a replica, written when {found.vault.url}/secrets/well is rotated",
    )
    assert told["hand"] == ("note", "only a person rotates it")
    assert "plain" not in told
    assert ran.code == 0


def test_a_vault_of_another_tenant_is_found_with_what_to_do() -> None:
    found = desk()
    refusal = json_response(
        401, {"error": {"code": "Unauthorized", "message": "AKV10032: Invalid issuer."}}
    )
    found.world.faults.append(Fault(lambda each: each.path == "/secrets", refusal, 9))
    (told,) = findings(found)
    assert "another tenant" in told


def test_an_account_of_the_apps_that_takes_no_keys_is_found_with_the_settings_to_change() -> None:
    found = desk()
    found.host.allow_shared_key_access = False
    (told,) = findings(found)
    assert "AzureWebJobsStorage__credential=managedidentity" in told
