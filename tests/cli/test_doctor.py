"""`rekey doctor` looks at everything, due or not, changes nothing, and says how to mend it."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest
from azure.core.exceptions import ClientAuthenticationError

from simulator.faults import Fault
from simulator.reach.transport import SimulatedCredential
from simulator.storage.queue_store import NEVER, Message
from simulator.wire import json_response
from tests.cli.desk import Desk, managing
from tests.shared.scene import NAME
from tests.unchanged import unchanged

ELSEWHERE = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Storage/storageAccounts/zzz"


def findings(desk: Desk, *arguments: str) -> list[str]:
    """Return what a doctor finds, each with its place and fix; nothing may change by that."""
    with unchanged(desk):
        ran = desk.run("doctor", "--json", *arguments)
    texts = [
        f"{check['what']} | {check['where']} | {check['fix']}"
        for check in ran.json["checks"]
        if check["result"] == "finding"
    ]
    assert ran.json["findings"] == len(texts)
    assert ran.code == (1 if texts else 0)
    return texts


def test_where_all_is_well_every_check_is_shown_and_the_exit_code_is_0() -> None:
    desk = managing()
    ran = desk.run("doctor").ends(0, "note: key2, there since", "it may be in use elsewhere")
    assert ran.out.splitlines()[-1].endswith(", findings: 0")
    assert findings(desk) == []


def test_a_secret_that_is_not_due_is_rehearsed_all_the_same() -> None:
    desk = managing()
    desk.world.accounts["appdata"].allow_shared_key_access = False
    (finding,) = findings(desk)
    assert "does not accept keys" in finding
    assert "allow shared key access" in finding


def test_a_missing_right_names_the_role_to_grant() -> None:
    desk = Desk()
    other = desk.world.add_account("elsewhere", group="apart")
    desk.bound.append(other.resource_id.lower())
    desk.secret("other", other, days_left=80)
    (finding,) = findings(desk)
    assert "Storage Account Key Operator Service Role" in finding


@pytest.mark.parametrize(
    ("tags", "complaint"),
    [
        ({"ValidityPeriodDays": "sixty"}, "ValidityPeriodDays"),
        ({"ProviderAddress": ELSEWHERE}, "not bound"),
        ({"Replicas": "https://prod.vault.azure.net/secrets/copy"}, "404"),
        ({"ValueTemplate": "key={key}"}, "ValueTemplate"),
    ],
)
def test_what_would_park_a_secret_is_found_today(tags: dict[str, str], complaint: str) -> None:
    (finding,) = findings(managing(tags=tags))
    assert complaint in finding
    assert f"secrets/{NAME}" in finding


def test_messages_that_were_given_up_on_are_found() -> None:
    desk = managing()
    desk.queue("rotations-poison")
    assert findings(desk) == []
    now = desk.clock.now()
    desk.queue("rotations-poison").append(
        Message("1", base64.b64encode(b"{}").decode(), now, NEVER, now, "receipt")
    )
    (finding,) = findings(desk)
    assert "1 of rotations" in finding


@pytest.mark.parametrize(
    ("path", "status", "code", "message", "complaint"),
    [
        ("/secrets", 403, "ForbiddenByRbac", "no", "Key Vault Reader"),
        ("/secrets", 401, "Unauthorized", "AKV10032: Invalid issuer.", "another tenant"),
        ("/rotations", 403, "AuthorizationPermissionMismatch", "no", "Storage Queue Data Reader"),
    ],
)
def test_what_cannot_be_looked_at_is_found_with_what_to_do(
    path: str, status: int, code: str, message: str, complaint: str
) -> None:
    desk = managing()
    error = {"code": code, "message": message, "innererror": {"code": code}}
    refusal = json_response(status, {"error": error}, {"x-ms-error-code": code})
    desk.world.faults.append(Fault(lambda request: request.path == path, refusal, 9))
    (finding,) = findings(desk)
    assert complaint in finding


def test_without_a_token_nothing_else_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object, **__: object) -> None:
        raise ClientAuthenticationError("no")

    monkeypatch.setattr(SimulatedCredential, "get_token", nobody)
    desk = managing()
    (finding,) = findings(desk)
    assert "you are not signed in" in finding
    assert "az login" in finding
    assert not desk.calls()


@pytest.mark.parametrize(
    ("document", "count", "words"),
    [
        ("version: 1\n", 0, "can be followed"),
        ("version: 1\ndefalts: {}\n", 2, "defalts"),
        (None, 2, "rekey-policy"),
    ],
)
def test_a_policy_is_found_that_cannot_be_followed_or_is_not_there(
    document: str | None, count: int, words: str
) -> None:
    desk = managing()
    desk.policy = True
    if document:
        desk.vault.put("rekey-policy", document)
    assert len(findings(desk)) == count
    assert words in desk.run("doctor").out


def test_of_a_policy_that_cannot_be_followed_the_commands_are_named_that_go_back() -> None:
    desk = managing()
    desk.policy = True
    for document in ("version: 1\n", "version: 7\n"):
        desk.vault.put("rekey-policy", document)
        desk.clock.advance(60)
    fixes = [check["fix"] for check in desk.run("doctor", "--json").json["checks"]]
    (fix,) = {fix for fix in fixes if "rollback" in fix}
    history, back = re.findall(r"rekey (policy (?:history|rollback [^)]*))", fix)
    past = desk.run(*history.split(), "--json").json["versions"]
    words = [{"VERSION": past[1]["version"]}.get(word, word) for word in back.split()]
    desk.run(*words).ends(0, "pushed")


def test_one_vault_alone_can_be_looked_at() -> None:
    desk = managing()
    assert findings(desk, "--vault", "prod") == []
    assert desk.run("doctor", "--vault", "foreign").code == 5


def test_what_the_app_does_not_rotate_is_not_said_to_be_rotatable() -> None:
    desk = Desk()
    soon = desk.clock.now() + timedelta(days=5)
    replicas = {"Replicas": f"{desk.vault.url}/secrets/copy"}
    desk.secret("well", desk.account("welldata"), days_left=80, tags=replicas)
    desk.vault.put("copy", "x", expires=soon, tags={"ReplicaOf": f"{desk.vault.url}/secrets/well"})
    desk.vault.put("hand", "x", expires=soon, tags={"Manual": "true", "ValidityPeriodDays": "90"})
    desk.vault.put("plain", "x")
    ran = desk.run("doctor", "--json")
    by_name = {
        check["where"].rpartition("/")[2]: f"{check['result']}: {check['what']}"
        for check in ran.json["checks"]
    }
    primary = f"{desk.vault.url}/secrets/well"
    assert by_name["copy"] == f"fine: a replica, written when {primary} is rotated"
    assert by_name["hand"].startswith("finding: overdue: only a person rotates it")
    assert "plain" not in by_name
    assert ran.code == 1


def test_an_account_of_the_apps_that_takes_no_keys_is_found_with_the_settings_to_change() -> None:
    desk = managing()
    desk.host.allow_shared_key_access = False
    (finding,) = findings(desk)
    assert "AzureWebJobsStorage__credential=managedidentity" in finding
