"""The simulated Resource Manager refuses what the real one refuses, beyond what the template's own tests show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator.arm.deployments.engine import DeploymentFailed, Engine
from simulator.arm.deployments.expressions import ExpressionError, parsed
from simulator.arm.deployments.functions import TemplateError
from simulator.arm.deployments.ids import Place
from simulator.arm.deployments.scope import Scope
from simulator.arm.deployments.tenant import ASSIGNMENT, DEFINITION, IDENTITY, Tenant
from simulator.arm.deployments.unique import guid, unique_string
from simulator.clock import VirtualClock

PLACE = Place("00000000-0000-0000-0000-000000000001", "rekey")
ROLE = "11111111-1111-1111-1111-111111111111"
READER = {"actions": ["Microsoft.Storage/storageAccounts/read"]}
NAME = "22222222-2222-2222-2222-222222222222"
OWN = {"type": IDENTITY, "apiVersion": "2024-11-30", "name": "own", "location": "westeurope"}
DEFINED = {
    "type": DEFINITION,
    "apiVersion": "2022-04-01",
    "name": ROLE,
    "properties": {"roleName": "Reads", "assignableScopes": [PLACE.id], "permissions": [READER]},
}
ASSIGNED = {
    "type": ASSIGNMENT,
    "apiVersion": "2022-04-01",
    "name": NAME,
    "dependsOn": ["own"],
    "properties": {
        "principalId": "[reference('own').principalId]",
        "principalType": "ServicePrincipal",
        "roleDefinitionId": f"[subscriptionResourceId('{DEFINITION}', '{ROLE}')]",
    },
}

ACCOUNT = {
    "type": "Microsoft.Storage/storageAccounts",
    "apiVersion": "2025-06-01",
    "name": "data",
    "location": "westeurope",
}
PLAN = {
    "type": "Microsoft.Web/serverfarms",
    "apiVersion": "2024-11-01",
    "name": "plan",
    "location": "westeurope",
    "sku": {"name": "FC1", "tier": "FlexConsumption"},
}
SITE = {
    "type": "Microsoft.Web/sites",
    "apiVersion": "2024-11-01",
    "name": "app",
    "location": "westeurope",
    "dependsOn": ["plan"],
    "properties": {"serverFarmId": "[resourceId('Microsoft.Web/serverfarms', 'plan')]"},
}


def tenant() -> tuple[Tenant, VirtualClock]:
    clock = VirtualClock()
    made = Tenant(clock.now, "a-tenant", "westeurope")
    made.add_group(PLACE)
    return made, clock


def deploy(resources: dict[str, Any], into: tuple[Tenant, VirtualClock] | None = None) -> Tenant:
    """Deploy resources, with an identity among them."""
    made, clock = into or tenant()
    Engine(made, clock).deploy({"resources": {"own": OWN, **resources}}, {}, PLACE)
    return made


def refused(resources: dict[str, Any], into: tuple[Tenant, VirtualClock] | None = None) -> str:
    with pytest.raises(DeploymentFailed) as failure:
        deploy(resources, into)
    ((_, error),) = failure.value.details
    return error.code


def assigned(**properties: Any) -> dict[str, Any]:
    return {"assigned": {**ASSIGNED, "properties": {**ASSIGNED["properties"], **properties}}}  # type: ignore[dict-item]


def known_role() -> tuple[Tenant, VirtualClock]:
    """Return a tenant in which the role has been known for long."""
    made, clock = tenant()
    deploy({"defined": DEFINED}, (made, clock))
    clock.advance(3600)
    return made, clock


def test_a_role_that_was_never_defined_does_not_exist() -> None:
    assert refused(assigned()) == "RoleDefinitionDoesNotExist"


@pytest.mark.parametrize(
    "properties",
    [{"principalId": "[deployer().objectId]"}, {"principalType": "User"}],
)
def test_a_principal_of_another_type_than_is_said_gets_no_role(properties: dict[str, str]) -> None:
    assert refused(assigned(**properties), known_role()) == "UnmatchedPrincipalType"


def test_a_role_is_known_once_it_has_spread_and_permits_what_it_lists_once_the_right_has() -> None:
    made, clock = known_role()
    deploy(assigned(), (made, clock))
    oid = made.principal(f"{PLACE.id}/providers/{IDENTITY}/own")
    scope = f"{PLACE.id}/providers/Microsoft.Storage/storageAccounts/data"
    assert not made.may(oid, "Microsoft.Storage/storageAccounts/read", scope)
    clock.advance(made.spread.rights.total_seconds())
    assert made.may(oid, "Microsoft.Storage/storageAccounts/read", scope)
    assert not made.may(oid, "Microsoft.Storage/storageAccounts/write", scope)
    assert not made.may("somebody", "Microsoft.Storage/storageAccounts/read", scope)
    assert not made.may(oid, "Microsoft.Storage/storageAccounts/read", "/subscriptions/another")


def test_a_role_cannot_be_given_outside_of_its_scopes() -> None:
    made, clock = known_role()
    elsewhere = Place(PLACE.subscription, "elsewhere")
    made.add_group(elsewhere)
    with pytest.raises(DeploymentFailed, match="RoleAssignmentScopeNotAssignableToRoleDefinition"):
        Engine(made, clock).deploy({"resources": {"own": OWN, **assigned()}}, {}, elsewhere)


def test_an_identity_that_does_not_exist_is_not_found_even_if_it_is_said_to_be_new() -> None:
    assert (
        refused(assigned(principalId="33333333-3333-3333-3333-333333333333"), known_role())
        == "PrincipalNotFound"
    )


def test_an_assignment_stays_with_whom_it_was_given_to() -> None:
    into = known_role()
    deploy(assigned(), into)
    other = {**OWN, "name": "other"}
    changed = {**ASSIGNED, "dependsOn": ["other"]}
    changed["properties"] = {
        **ASSIGNED["properties"],  # type: ignore[dict-item]
        "principalId": "[reference('other').principalId]",
    }
    assert (
        refused({"other": other, "assigned": changed}, into) == "RoleAssignmentUpdateNotPermitted"
    )


def test_an_assignments_name_is_a_guid() -> None:
    assert refused({"assigned": {**ASSIGNED, "name": "mine"}}) == "InvalidRoleAssignmentId"


def test_two_roles_cannot_have_one_name() -> None:
    into = known_role()
    other = {**DEFINED, "name": "44444444-4444-4444-4444-444444444444"}
    assert refused({"defined": other}, into) == "RoleDefinitionWithSameNameExists"


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (
            {"type": "Microsoft.Made/up", "apiVersion": "2025-01-01", "name": "x"},
            "InvalidResourceType",
        ),
        ({**OWN, "name": "x", "apiVersion": "1999-01-01"}, "NoRegisteredProviderFound"),
        (
            {
                "type": "Microsoft.Storage/storageAccounts",
                "apiVersion": "2023-05-01",
                "name": "Data",
            },
            "AccountNameInvalid",
        ),
        (
            {
                "type": "Microsoft.Storage/storageAccounts/queueServices",
                "apiVersion": "2023-05-01",
                "name": "nobody/default",
            },
            "ParentResourceNotFound",
        ),
        ({**OWN, "name": "[fail('wrong')]"}, "InvalidTemplate"),
    ],
)
def test_what_is_no_resource_is_refused(resource: dict[str, Any], code: str) -> None:
    if code == "InvalidTemplate":
        with pytest.raises(TemplateError, match="wrong"):
            deploy({"resource": resource})
    else:
        assert refused({"resource": resource}) == code


def test_the_name_of_a_deleted_vault_is_kept() -> None:
    vault = {"type": "Microsoft.KeyVault/vaults", "apiVersion": "2026-02-01", "name": "prod"}
    into = tenant()
    into[0].deleted = {"prod"}
    assert refused({"vault": vault}, into) == "ConflictError"
    deploy({"vault": {**vault, "name": "another"}}, into)


WORKSPACE = {
    "type": "Microsoft.OperationalInsights/workspaces",
    "apiVersion": "2023-09-01",
    "name": "logs",
    "location": "westeurope",
}


def test_a_deleted_workspace_comes_back_where_it_was_and_its_name_is_kept_anywhere_else() -> None:
    into = tenant()
    id_ = f"{PLACE.id}/providers/{WORKSPACE['type']}/logs".lower()
    into[0].deleted = {f"{id_} in westeurope"}
    assert refused({"logs": {**WORKSPACE, "location": "northeurope"}}, into) == "Conflict"
    deploy({"logs": WORKSPACE}, into)
    assert into[0].deleted == set()


def test_what_somebody_was_given_by_hand_cannot_be_given_again_under_another_name() -> None:
    into = known_role()
    deploy(assigned(), into)
    again = {"assigned": {**assigned()["assigned"], "name": NAME.replace("2", "4")}}
    assert refused(again, into) == "RoleAssignmentExists"
    deploy(assigned(), into)


def app(region: str, memory: int, instances: int) -> dict[str, Any]:
    """Return an app on Flex Consumption with its plan and its storage."""
    account = {**ACCOUNT, "location": region}
    container = {
        "apiVersion": ACCOUNT["apiVersion"],
        "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
        "name": "data/default/code",
        "dependsOn": ["blobs"],
    }
    blobs = {
        **container,
        "type": "Microsoft.Storage/storageAccounts/blobServices",
        "name": "data/default",
        "dependsOn": ["data"],
    }
    identity = "[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'own')]"
    storage = {
        "value": "https://data.blob.core.windows.net/code",
        "authentication": {"userAssignedIdentityResourceId": identity},
    }
    site = {
        **SITE,
        "location": region,
        "dependsOn": ["plan", "container", "own"],
        "identity": {"userAssignedIdentities": {identity: {}}},
        "properties": {
            **SITE["properties"],  # type: ignore[dict-item]
            "functionAppConfig": {
                "deployment": {"storage": storage},
                "scaleAndConcurrency": {
                    "instanceMemoryMB": memory,
                    "maximumInstanceCount": instances,
                },
            },
        },
    }
    plan = {**PLAN, "location": region}
    return {"data": account, "blobs": blobs, "container": container, "plan": plan, "site": site}


@pytest.mark.parametrize(
    ("region", "memory", "instances", "said"),
    [
        ("westeurope", 512, 1, ""),
        ("northeurope", 2048, 40, ""),
        ("northeurope", 2048, 39, "maximumInstanceCount must be between 40 and 1000"),
        ("northeurope", 2048, 1001, "maximumInstanceCount"),
        ("canadaeast", 512, 40, "instanceMemoryMB 512 is invalid"),
        ("northeurope", 1024, 40, "instanceMemoryMB 1024 is invalid"),
    ],
)
def test_not_every_region_has_few_or_small_instances(
    region: str, memory: int, instances: int, said: str
) -> None:
    into = tenant()
    into[0].without_small = {"canadaeast"}
    if not said:
        deploy(app(region, memory, instances), into)
        return
    with pytest.raises(DeploymentFailed, match=said):
        deploy(app(region, memory, instances), into)


def test_what_depends_on_a_refused_resource_is_not_made() -> None:
    made, clock = tenant()
    wrong = {**OWN, "name": "x", "apiVersion": "1999-01-01"}
    with pytest.raises(DeploymentFailed):
        deploy(
            {"wrong": wrong, "after": {**OWN, "name": "after", "dependsOn": ["wrong"]}},
            (made, clock),
        )
    assert made.has(f"{PLACE.id}/providers/{IDENTITY}/own")
    assert not made.has(f"{PLACE.id}/providers/{IDENTITY}/after")


def test_resources_that_wait_for_each_other_are_told() -> None:
    first = {**OWN, "name": "first", "dependsOn": ["second"]}
    second = {**OWN, "name": "second", "dependsOn": ["first"]}
    with pytest.raises(ExpressionError, match="wait for each other"):
        deploy({"first": first, "second": second})


def test_work_at_once_takes_as_long_as_its_longest_part_and_a_loop_in_series_the_sum() -> None:
    made, clock = tenant()
    began = clock.now()
    deploy({f"own{number}": {**OWN, "name": f"own{number}"} for number in range(50)}, (made, clock))
    at_once = clock.now() - began
    began = clock.now()
    loop = {"name": "many", "count": 50, "mode": "serial", "batchSize": 1}
    deploy({"many": {**OWN, "name": "[format('x{0}', copyIndex())]", "copy": loop}}, (made, clock))
    assert clock.now() - began >= at_once + timedelta(seconds=49)


@pytest.mark.parametrize("text", ["parameters('a'", "a b", "f(1))", "$"])
def test_what_is_no_expression_is_told(text: str) -> None:
    with pytest.raises(ExpressionError):
        parsed(text)


@pytest.mark.parametrize(
    "expression", ["[unheard()]", "[parameters('none')]", "[reference('nothing').id]", "[a.b()]"]
)
def test_what_an_expression_names_and_is_not_there_is_told(expression: str) -> None:
    scope = Scope({"functions": []}, {}, PLACE, "rekey", tenant()[0])
    with pytest.raises(ExpressionError):
        scope.value(expression)


def test_a_text_that_begins_with_two_brackets_is_meant_as_it_is() -> None:
    assert Scope({}, {}, PLACE, "rekey", tenant()[0]).value("[[no expression]") == "[no expression]"


def test_names_depend_on_their_parts_alone() -> None:
    assert unique_string("a", "b") == unique_string("a", "b") != unique_string("a", "c")
    assert len(unique_string("")) == 13
    assert guid("a", "b") == guid("a", "b") != guid("a")


@pytest.mark.parametrize(
    ("facts", "resources", "said"),
    [
        ({"taken": {"data"}}, {"data": ACCOUNT}, "account named data is already taken"),
        ({"taken": {"app"}}, {"plan": PLAN, "site": SITE}, "name app already exists"),
        ({"without_flex": {"westeurope"}}, {"plan": PLAN}, "Requested features are not supported"),
        ({"without_quota": {"westeurope"}}, {"plan": PLAN}, "completed without additional quota"),
    ],
)
def test_a_name_that_is_taken_and_a_region_that_cannot_run_an_app_are_refused(
    facts: dict[str, Any], resources: dict[str, Any], said: str
) -> None:
    made, clock = tenant()
    vars(made).update(facts)
    with pytest.raises(DeploymentFailed) as failure:
        deploy(resources, (made, clock))
    ((_, error),) = failure.value.details
    assert said in str(error)
