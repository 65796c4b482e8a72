"""Each thing that a deployment rests on is needed: without any of them it goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import RekeyError
from simulator.arm.deployments.delivery import deliver
from simulator.arm.deployments.engine import DeploymentFailed
from simulator.arm.deployments.functions import TemplateError
from tests.infra.bicep import names
from tests.infra.customer import TOPIC, CustomerTenant
from tests.infra.deployed_app import SUBSCRIPTIONS, DeployedApp

type Sets = dict[str, dict[str, Any]]
CLOSED = ("everything-on", "us-government")
OPEN = ("three-subscriptions",)


def refused(customer: CustomerTenant) -> str:
    with pytest.raises(DeploymentFailed) as failure:
        customer.deploy()
    return str(failure.value)


def site(customer: CustomerTenant) -> dict[str, Any]:
    """Return the app's properties in the template."""
    properties: dict[str, Any] = customer.module("app")["resources"]["app"]["properties"]
    return properties


def reached(customer: CustomerTenant) -> set[str | None]:
    """Return where events end up when rights have spread: queue, dead letters, nowhere."""
    customer.deploy()
    customer.clock.advance(customer.spread.rights.total_seconds())
    queue = DeployedApp(customer).events_queue
    targets = {
        deliver(customer.tenant, resource) for resource in customer.tenant.of_kind(SUBSCRIPTIONS)
    }
    return {
        "queue" if target == queue else target and target.rpartition("/")[2] for target in targets
    }


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("setting", ["ftpsState", "netFrameworkVersion", "http20Enabled"])
def test_a_setting_that_flex_does_not_have_is_refused(name: str, setting: str, sets: Sets) -> None:
    customer = CustomerTenant(sets[name])
    site(customer)["siteConfig"][setting] = "Disabled"
    named = f"(Site.SiteConfig.{setting[0].upper()}{setting[1:]}) for Flex Consumption sites"
    assert named in refused(customer)


def test_the_runtime_as_a_setting_is_refused(sets: Sets) -> None:
    customer = CustomerTenant(sets["everything-off"])
    settings = customer.template["resources"]["app"]["properties"]["parameters"]["settings"]
    inner = settings["value"].removeprefix("[").removesuffix("]")
    runtime = "createObject('FUNCTIONS_WORKER_RUNTIME', 'python')"
    settings["value"] = f"[union({inner}, {runtime})]"
    assert "FUNCTIONS_WORKER_RUNTIME" in refused(customer)


@pytest.mark.parametrize(
    ("wait", "name", "reason"),
    [
        *(("rolesSpread", name, "RoleDefinitionDoesNotExist") for name in names()),
        *(
            ("rightsSpread", name, "Managed Identity Authorization Error")
            for name in names()
            if name != "everything-off"
        ),
    ],
)
def test_a_role_or_a_right_that_is_used_before_it_has_spread_is_refused(
    wait: str, name: str, reason: str, sets: Sets
) -> None:
    customer = CustomerTenant(sets[name])
    customer.template["resources"][wait]["copy"]["count"] = 0
    assert reason in refused(customer)


def test_code_that_is_deployed_before_rights_have_spread_is_refused(sets: Sets) -> None:
    customer = CustomerTenant(sets["everything-on"])
    customer.template["resources"]["rightsSpread"]["copy"]["count"] = 0
    # They take long, which hides it.
    for module in ("storageEndpoints", "eventEndpoints", "topicEndpoint", "vaultEndpoint"):
        customer.template["resources"]["app"]["dependsOn"].remove(module)
    assert "InaccessibleStorageException" in refused(customer)


def test_an_identity_that_is_not_said_to_be_new_is_not_found(sets: Sets) -> None:
    customer = CustomerTenant(sets["everything-off"])
    del customer.module("monitoring")["resources"]["appMayPublish"]["properties"]["principalType"]
    assert "PrincipalNotFound" in refused(customer)


@pytest.mark.parametrize(
    ("name", "module", "forgotten"),
    [
        ("everything-on", "vaultAccess", "eventStorage"),
        ("everything-on", "storage", "monitoring"),
        ("everything-off", "app", "storage"),
        ("everything-on", "alertRules", "monitoring"),
        ("everything-on", "workbookTiles", "monitoring"),
        ("everything-on", "topicEndpoint", "topic"),
        ("everything-on", "storageEndpoints", "network"),
        ("everything-on", "appEndpoint", "app"),
        ("everything-on", "package", "app"),
    ],
)
def test_what_is_made_before_what_it_rests_on_is_refused(
    name: str, module: str, forgotten: str, sets: Sets
) -> None:
    customer = CustomerTenant(sets[name], delays={forgotten: 900})
    customer.template["resources"][module]["dependsOn"].remove(forgotten)
    reason = refused(customer)
    assert "NotFound" in reason or "does not exist" in reason


def test_a_module_that_takes_long_is_waited_for(sets: Sets) -> None:
    for module in ("storage", "eventStorage", "network", "monitoring"):
        CustomerTenant(sets["everything-on"], delays={module: 900}).deploy()


@pytest.mark.parametrize("name", names())
def test_a_network_needs_a_provider_that_no_template_registers(name: str, sets: Sets) -> None:
    customer = CustomerTenant(sets[name])
    customer.tenant.registered.clear()
    if name in CLOSED:
        assert "not registered to use namespace 'Microsoft.App'" in refused(customer)
    else:
        customer.deploy()


@pytest.mark.parametrize("name", [*CLOSED, *OPEN])
def test_events_by_any_other_identity_are_lost_at_a_closed_account(name: str, sets: Sets) -> None:
    customer = CustomerTenant(sets[name])
    use_the_apps_identity(customer)
    assert reached(customer) == ({None} if name in CLOSED else {"queue"})


def use_the_apps_identity(customer: CustomerTenant) -> None:
    """Let Event Grid deliver with the app's identity, which has all rights that it needs."""
    for entry in customer.parameters["vaults"]:
        entry.pop("existingTopic", None)
    customer.tenant.resources = {
        id_: resource
        for id_, resource in customer.tenant.resources.items()
        if resource.kind != TOPIC
    }
    vaults, owner = customer.module("vaultAccess"), "[parameters('owner')]"
    given = customer.template["resources"]["vaultAccess"]["properties"]["parameters"]["owner"]
    pass_on(vaults, "topic", {"value": owner})
    pass_on(customer.template, "vaultEvents", given)
    customer.module("vaultAccess", "topic")["resources"]["topic"]["identity"] = {
        "type": "UserAssigned",
        "userAssignedIdentities": {owner: {}},
    }
    properties = customer.module("vaultEvents")["resources"]["subscription"]["properties"]
    for kind in ("deliveryWithResourceIdentity", "deadLetterWithResourceIdentity"):
        properties[kind]["identity"] = {"type": "UserAssigned", "userAssignedIdentity": owner}
    del vaults["resources"]["events"]
    own, events = (
        customer.template["resources"][module]["properties"]["parameters"]
        for module in ("storage", "eventStorage")
    )
    events["appRoles"] = own["appRoles"]


def pass_on(template: dict[str, Any], module: str, owner: dict[str, str]) -> None:
    """Give a module the id of the app's identity."""
    properties = template["resources"][module]["properties"]
    properties["parameters"]["owner"] = owner
    properties["template"]["parameters"]["owner"] = {"type": "string"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"bypass": "None"}, {None}),
        ({"bypass": "AzureServices"}, {"queue"}),
        ({"publicNetworkAccess": "Disabled"}, {None}),
    ],
)
def test_events_reach_a_closed_account_only_as_those_of_a_trusted_service(
    rules: dict[str, str], expected: set[str | None], sets: Sets
) -> None:
    """They are not promised to reach an account without public access at all."""
    customer = CustomerTenant(sets["us-government"])
    properties = customer.module("eventStorage")["resources"]["account"]["properties"]
    (properties["networkAcls"] if "bypass" in rules else properties).update(rules)
    assert reached(customer) == expected


RIGHTS = {
    "queueDataMessageSender": "queueServices/default/queues/vault-events",
    "blobDataContributor": "blobServices/default/containers/dead-letters",
}
"""The rights of Event Grid, each with what is delivered to."""


def rights(customer: CustomerTenant) -> list[dict[str, Any]]:
    """Return the assignments to Event Grid in the template."""
    listed: list[dict[str, Any]] = customer.module("vaultAccess", "events", "access")["resources"]
    return listed


@pytest.mark.parametrize("right", RIGHTS)
def test_a_subscription_wants_each_of_event_grids_two_rights(right: str, sets: Sets) -> None:
    customer = CustomerTenant(sets["us-government"])
    listed = rights(customer)
    listed[:] = [assignment for assignment in listed if right not in assignment["name"]]
    assert len(listed) == 1
    assert "Managed Identity Authorization Error" in refused(customer)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_subscription_is_refused_where_a_right_is_too_low(right: str, sets: Sets) -> None:
    customer = CustomerTenant(sets["us-government"])
    (given,) = [assignment for assignment in rights(customer) if right in assignment["name"]]
    account = given["scope"].removeprefix("[").removesuffix("]")
    given["scope"] = f"[concat({account}, '/{RIGHTS[right]}')]"
    assert "Managed Identity Authorization Error" in refused(customer)


def test_a_vault_that_has_a_topic_already_is_refused_another(sets: Sets) -> None:
    customer = CustomerTenant(sets["three-subscriptions"])
    del customer.parameters["vaults"][2]["existingTopic"]
    assert "only one system topic is allowed per source" in refused(customer)


def test_a_topic_that_exists_gets_the_subscription_and_keeps_everything_else(sets: Sets) -> None:
    customer = CustomerTenant(sets["three-subscriptions"])
    (topic,) = customer.tenant.of_kind(TOPIC)
    before = topic.body
    customer.deploy()
    assert customer.tenant.read(topic.id).body is before
    assert customer.tenant.has(f"{topic.id}/eventSubscriptions/rekey")


def test_a_topic_without_an_identity_is_refused_with_the_command_for_one(sets: Sets) -> None:
    customer = CustomerTenant(sets["three-subscriptions"])
    vault = customer.parameters["vaults"][2]
    customer.add_topic(vault, vault["existingTopic"], identity={"type": "None"})
    command = (
        "az eventgrid system-topic update --name contoso-three-9a1f --resource-group secrets "
        "--identity systemassigned"
    )
    assert command in refused(customer)


def test_a_topic_of_another_vault_is_refused(sets: Sets) -> None:
    customer = CustomerTenant(sets["three-subscriptions"])
    first, _, third = customer.parameters["vaults"]
    source = next(iter(customer.tenant.of_kind("Microsoft.KeyVault/vaults"))).id
    assert first["name"] in source
    customer.add_topic(third, third["existingTopic"], properties={"source": source})
    assert "existingTopic contoso-three-9a1f is not the system topic of" in refused(customer)


def test_an_alert_that_looks_back_less_than_it_waits_is_refused_at_once(sets: Sets) -> None:
    customer = CustomerTenant(sets["three-subscriptions"])
    customer.parameters["alertsTuned"] = {"expiring": {"window": "PT15M"}}
    before = set(customer.tenant.resources)
    with pytest.raises(TemplateError, match="the window of expiring is shorter than PT1H"):
        customer.deploy()
    assert set(customer.tenant.resources) == before


@pytest.mark.parametrize(
    ("query", "used"),
    [
        ("union *\n| where message has 'x'", "union"),
        ("search 'poison'", "search"),
        ("let a = traces;\nlet b = requests;\nunion a, b", "union"),
        ("traces\n| union requests\n| count", "union"),
    ],
)
def test_an_alert_whose_query_no_rule_takes_is_refused(query: str, used: str, sets: Sets) -> None:
    customer = CustomerTenant(sets["three-subscriptions"])
    (rule,) = [
        resource
        for resource in customer.module("alertRules")["resources"].values()
        if resource["type"] == "Microsoft.Insights/scheduledQueryRules"
    ]
    rule["properties"]["criteria"]["allOf"][0]["query"] = query
    assert f"uses '{used}', which an alert rule may not" in refused(customer)


def test_azure_itself_would_refuse_such_an_alert_only_amid_the_deployment(sets: Sets) -> None:
    customer = CustomerTenant(sets["three-subscriptions"])
    customer.parameters["alertsTuned"] = {"expiring": {"window": "PT15M"}}
    customer.template["variables"]["problems"] = []
    assert "must be greater than or equal to its frequency" in refused(customer)


def test_an_alert_waits_for_the_first_sweep_after_a_deployment(sets: Sets) -> None:
    customer = CustomerTenant(sets["three-subscriptions"])
    customer.deploy()
    (rule,) = [
        resource
        for resource in customer.tenant.of_kind("Microsoft.Insights/scheduledQueryRules")
        if "unswept" in resource.id
    ]
    query = rule.properties["criteria"]["allOf"][0]["query"]
    assert rule.properties["windowSize"] == "P2D"
    assert "where now() > datetime(2026-11-02T12:00:00Z)" in query  # Three hours after deployedAt.


@pytest.mark.parametrize("name", CLOSED)
async def test_without_endpoints_in_its_network_the_app_does_not_reach_its_closed_storage(
    name: str, sets: Sets
) -> None:
    customer = CustomerTenant(sets[name])
    customer.parameters["packageUri"] = ""
    del customer.template["resources"]["storageEndpoints"]
    customer.deploy()
    customer.clock.advance(customer.spread.rights.total_seconds())
    with pytest.raises(RekeyError, match="AuthorizationFailure"):
        await DeployedApp(customer).service().sweep({}, past_due=False)
