"""What Rekey writes satisfies Azure's built-in policies for secrets, also where they deny."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from simulator_tests import specs
from simulator_tests.keyvault.policy_rules import Judge, fields
from tests.infra import deployed
from tests.infra.bicep import snapshot
from tests.shared.policies import EMPTY, OWN, PolicyRig
from tests.shared.rig import Rig
from tests.shared.scene import send

ASSIGNMENT = "Microsoft.Authorization/policyAssignments"


def assignments(name: str) -> list[dict[str, Any]]:
    return [resource["properties"] for resource in deployed.of_type(snapshot(name), ASSIGNMENT)]


def definitions() -> dict[str, dict[str, Any]]:
    """Return Microsoft's definitions for secrets by their ids."""
    documents = [
        json.loads(path.read_text())
        for path in Path(specs.require(), "policy").glob("Secrets_*.json")
    ]
    return {definition["id"]: definition for definition in documents}


@cache
def judges() -> dict[str, Judge]:
    """Return a judge for each assignment of the whole deployment, by the name of its definition."""
    known = definitions()
    return {
        known[assignment["policyDefinitionId"]]["properties"]["displayName"]: Judge(
            known[assignment["policyDefinitionId"]],
            {key: parameter["value"] for key, parameter in assignment["parameters"].items()},
        )
        for assignment in assignments("everything-on")
    }


def objections(rig: Rig, version: SecretVersion) -> list[str]:
    """Return the policies that a version does not satisfy now."""
    return [
        title
        for title, judge in judges().items()
        if judge.objects(fields(version), rig.clock.now())
    ]


@dataclass(frozen=True)
class DenyingVault:
    """A vault that refuses every write after which a version, new or old, would not comply."""

    rig: Rig
    refused: list[str]

    async def __call__(self, request: Request, call: Call) -> Response:
        """Let a request through, or refuse it. Only the status is known of what Azure answers."""
        writes = (
            request.method in ("PUT", "PATCH")
            and request.host.startswith("prod.vault.")
            and request.body
        )
        if writes and (problems := objections(self.rig, self._after(request))):
            self.refused.extend(problems)
            return json_response(
                403, {"error": {"code": "Forbidden", "message": f"Disallowed: {problems}"}}
            )
        return await call()

    def _after(self, request: Request) -> SecretVersion:
        """Return the version as it would be once the request is carried out."""
        body, now = json.loads(request.body), int(self.rig.clock.now().timestamp())
        name, version = [*request.path.strip("/").split("/"), ""][1:3]
        kept = self.rig.vault.find(name, version) if request.method == "PATCH" else None
        attributes = body.get("attributes") or {}
        before = kept or SecretVersion(name, version, "", created=now, updated=now)
        return replace(
            before,
            expires=attributes.get("exp", before.expires),
            not_before=attributes.get("nbf", before.not_before),
            content_type=body.get("contentType", before.content_type),
        )


def test_every_demand_is_assigned_as_microsofts_definitions_have_it() -> None:
    known, titles = definitions(), judges().keys()
    assert {title.partition(" ")[2] for title in titles} >= {"should have content type set"}
    assert len(titles) == 4
    for assignment in assignments("everything-on"):
        declared = known[assignment["policyDefinitionId"]]["properties"]["parameters"]
        assert set(assignment["parameters"]) == set(declared)
        assert assignment["parameters"]["effect"]["value"] in declared["effect"]["allowedValues"]


def test_policies_are_assigned_once_a_group_and_only_show_unless_told_to_deny() -> None:
    assigned = deployed.of_type(snapshot("three-subscriptions"), ASSIGNMENT)
    groups = {assignment["id"].partition("/providers/")[0] for assignment in assigned}
    assert len(groups) == 3
    assert len(assigned) == 12
    for name, effects in (
        ("three-subscriptions", {"Audit"}),
        ("everything-on", {"Deny"}),
        ("everything-off", set()),
    ):
        parameters = [assignment["parameters"] for assignment in assignments(name)]
        assert {chosen["effect"]["value"] for chosen in parameters} == effects


async def test_a_rotated_secret_satisfies_every_policy_although_the_one_before_it_did_not() -> None:
    rig = Rig()
    rig.secret("app-key", rig.account("appdata"), days_left=None)
    old = replace(rig.latest("app-key"), content_type=None)
    assert len(objections(rig, old)) == 3
    await rig.service().rotate(rig.item("app-key", force=True).to_json(), 1)
    new = rig.latest("app-key")
    assert new.version != old.version
    assert objections(rig, new) == []


async def test_a_vault_that_denies_what_does_not_comply_accepts_a_whole_life_of_a_secret() -> None:
    rig = Rig()
    account = rig.account("appdata")
    rig.secret("app-key", account)
    old, vault = rig.latest("app-key"), DenyingVault(rig, [])
    await rig.service(vault).rotate(rig.item("app-key").to_json(), 1)
    rig.clock.advance(timedelta(days=8).total_seconds())
    await rig.service(vault).rotate(rig.item("app-key", action="retire").to_json(), 1)
    assert vault.refused == []
    assert rig.latest("app-key").version != old.version
    assert account.keys["key1"].value != old.value
    assert [version.enabled for version in rig.vault.versions("app-key")] == [False, True]


@pytest.mark.parametrize(("days", "refused"), [(90, False), (400, True)])
async def test_the_policy_document_can_be_changed_in_such_a_vault_if_a_person_said_how_long_it_lives(
    days: int, refused: bool
) -> None:
    rig = PolicyRig()
    ends = rig.clock.now() + timedelta(days=days)
    newest = rig.vault.put(OWN.name, EMPTY, expires=ends).version
    vault = DenyingVault(rig, [])
    body = json.dumps({"document": f"{EMPTY}rules: []\n", "reason": "r", "replacing": newest})
    answer = await send(rig.api(vault), "http_push_policy", body=body.encode())
    assert (answer.status != 200, bool(vault.refused)) == (refused, refused)


@pytest.mark.parametrize(("days", "refused"), [(90, False), (400, True)])
async def test_the_denying_vault_denies_what_is_valid_too_long(days: int, refused: bool) -> None:
    """Else the test above could not fail."""
    rig = Rig()
    rig.secret("app-key", rig.account("appdata"), tags={"ValidityPeriodDays": str(days)})
    vault = DenyingVault(rig, [])
    await rig.service(vault).rotate(rig.item("app-key").to_json(), 5)
    title = "Secrets should have the specified maximum validity period"
    assert (title in vault.refused) is refused


@pytest.mark.parametrize(
    ("days", "objected"),
    [(179, set()), (180, set()), (181, {"Secrets should not be active for longer"})],
)
def test_an_unreplaced_version_shows_once_its_time_is_over(days: int, objected: set[str]) -> None:
    rig = Rig()
    rig.secret("app-key", rig.account("appdata"), days_left=365)
    version = rig.latest("app-key")
    rig.clock.advance(timedelta(days=days).total_seconds())
    assert {title.partition(" than")[0] for title in objections(rig, version)} == objected
