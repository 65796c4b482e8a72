"""A whole deployment on a strict Resource Manager: create, code, first sweep and rotation."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jmespath
import pytest

from cloud.storage.host_storage import HostStorage
from scripts.deploying.template import SPREADING
from simulator.arm.deployments.delivery import deliver
from simulator.arm.deployments.engine import DeploymentFailed
from simulator.arm.deployments.tenant import ASSIGNMENT, IDENTITY, Spread
from tests.infra.bicep import ROOT, names
from tests.infra.customer import CUSTOMER, CustomerTenant
from tests.infra.deployed_app import ACCOUNT, QUEUE, SUBSCRIPTIONS, DeployedApp
from tests.programs import run

type Sets = dict[str, dict[str, Any]]
SLOW = Spread(*(timedelta(minutes=minutes) for minutes in (3, 10, 3)))
"""Roles, rights and identities that need longer than the template waits by itself."""
CLIENT_ID = re.compile(r"client_?id$", re.IGNORECASE)
"""How settings are called that name an identity."""
INSIGHTS, OUTCOMES = "Insights/components", "EventGrid/topics"
FUNCTIONS = {
    *["on_vault_event", "on_event_grid", "sweep", "recheck", "sweep_vault", "rotate", "park"]
}
"""Those that no caller starts."""


def vaults(work: list[dict[str, Any]]) -> list[str]:
    return sorted(item["vault"] for item in work)


def urls(app: DeployedApp) -> list[str]:
    return sorted(app.world.vaults[vault].url for vault in app.sources)


@pytest.mark.parametrize("name", names())
async def test_the_first_try_ends_with_a_rotated_secret(name: str, sets: Sets) -> None:
    customer = CustomerTenant(sets[name])
    customer.deploy()
    app = DeployedApp(customer)
    before = {vault: app.secret(vault).value for vault in app.sources}
    app.wait_for_code()
    work = await app.first_sweep()
    assert vaults(work) == urls(app)
    for item in work:
        await app.rotate(item)
    for vault, account in app.sources.items():
        assert app.secret(vault).value == account.keys["key2"].value != before[vault]


@pytest.mark.parametrize("name", [name for name in names() if name != "everything-off"])
async def test_every_vaults_events_arrive_closed_storage_or_not(name: str, sets: Sets) -> None:
    customer = CustomerTenant(sets[name])
    customer.deploy()
    customer.clock.advance(customer.spread.rights.total_seconds())
    app = DeployedApp(customer)
    assert vaults(await app.events()) == urls(app)


@pytest.mark.parametrize("name", names())
def test_a_second_deployment_changes_nothing(name: str, sets: Sets) -> None:
    customer = CustomerTenant(sets[name])

    def deployed() -> Any:
        outputs, resources = customer.deploy(), customer.tenant.resources
        return outputs, {id_: (it.body, it.since) for id_, it in resources.items()}

    first = deployed()
    assert deployed() == first


def test_a_deployment_under_another_name_takes_over_what_another_left(sets: Sets) -> None:
    customer = CustomerTenant(sets["us-government"])
    customer.deploy()
    (vault,) = customer.parameters["vaults"]
    takes_over = {**vault, "existingTopic": f"rekey-{vault['name']}"}
    customer.parameters |= {"name": "other", "vaults": [takes_over]}
    customer.deploy()
    (subscription,) = customer.tenant.of_kind(SUBSCRIPTIONS)
    assert "/storageaccounts/otherev" in str(deliver(customer.tenant, subscription)).lower()
    page = (ROOT / "docs" / "uninstall.md").read_text()
    (query,) = re.findall(r"event-subscription show .* --query (\S+)", page)
    before = page.partition("az group delete")[0].partition("az resource delete")[0]
    assert query in before
    assert (
        "/storageaccounts/otherev" in str(jmespath.search(query, subscription.properties)).lower()
    )


def test_an_upgrade_leads_events_to_their_new_account_and_leaves_the_old_queue(sets: Sets) -> None:
    customer = CustomerTenant(sets["us-government"])
    customer.deploy()
    (own, events) = sorted(customer.all(ACCOUNT), key=lambda one: "contents" in one.body["tags"])
    old = f"{own.id}/queueServices/default/queues/vault-events"
    customer.add(old, QUEUE)
    (subscription,) = customer.tenant.of_kind(SUBSCRIPTIONS)
    before = json.loads(json.dumps(subscription.body).replace(events.id, own.id))
    customer.tenant.keep(replace(subscription, body=before))
    customer.deploy()
    (after,) = customer.tenant.of_kind(SUBSCRIPTIONS)
    assert after.id == subscription.id
    assert after.properties["filter"] == before["properties"]["filter"]
    queue = f"{events.id}/queueServices/default/queues/vault-events"
    assert deliver(customer.tenant, after) == queue
    assert customer.tenant.has(old)


def test_who_deployed_loses_what_stands_under_another_name_as_the_page_says(sets: Sets) -> None:
    customer = CustomerTenant(sets["us-government"])
    customer.deploy()
    page, rights = (ROOT / "docs" / "upgrade.md").read_text(), customer.tenant.resources
    (query,) = re.findall(r'az role assignment list --all .*--query "([^"]*)"', page)

    def listed() -> list[str]:
        shown = [
            right.shown()
            | {"id": right.id, "scope": right.id.partition("/providers/Microsoft.Auth")[0]}
            for right in customer.tenant.of_kind(ASSIGNMENT)
        ]
        rows = jmespath.search(query, shown) or []
        assert all("/microsoft.keyvault/vaults/" in scope.lower() for _, scope in rows)
        return [id_ for id_, _ in rows]

    made = {id_.lower() for id_ in listed()}
    assert made
    for id_ in made:
        earlier = f"{id_.rpartition('/')[0]}/00000000-0000-4000-8000-000000000000"
        customer.tenant.keep(replace(rights.pop(id_), id=earlier))
    with pytest.raises(DeploymentFailed, match="RoleAssignmentExists"):
        customer.deploy()
    for id_ in listed():
        del rights[id_.lower()]
    customer.deploy()
    assert {id_.lower() for id_ in listed()} == made


@pytest.mark.parametrize("name", names())
def test_what_spreads_slower_than_the_template_waits_is_deployed_again_and_then_succeeds(
    name: str, sets: Sets
) -> None:
    with pytest.raises(DeploymentFailed) as failure:
        CustomerTenant(sets[name], SLOW).deploy()
    refusals = [str(DeploymentFailed([detail])) for detail in failure.value.details]
    assert [text for text in refusals if not any(sign in text for sign in SPREADING)] == []
    customer = CustomerTenant(sets[name], SLOW)
    assert customer.deploy_patiently()["appName"].startswith(sets[name].get("name", "rekey"))


@pytest.mark.parametrize("name", names())
def test_every_function_is_indexed_as_deployed_and_its_queue_exists(name: str, sets: Sets) -> None:
    customer = CustomerTenant(sets[name])
    customer.deploy()
    settings = DeployedApp(customer).settings
    settings.pop("APPLICATIONINSIGHTS_CONNECTION_STRING")  # Nothing may leave this machine.
    command = [sys.executable, "-m", "simulator.host", "--app", ROOT, "--describe"]
    described = run(*command, env={"PATH": os.environ["PATH"], **settings}, check=True).stdout
    functions = {function["name"]: function["bindings"] for function in json.loads(described)}
    assert functions.keys() >= FUNCTIONS
    every = [binding for bindings in functions.values() for binding in bindings]
    triggers = [binding for binding in every if binding["type"] == "queueTrigger"]
    queues = {queue.id.rpartition("/")[2] for queue in customer.tenant.of_kind(QUEUE)}
    assert {trigger["queueName"] for trigger in triggers} <= queues
    for trigger in triggers:
        assert settings[f"{trigger['connection']}__credential"] == "managedidentity"
        named = HostStorage.from_settings(settings, trigger["connection"])
        assert named
        assert named.queue_url.startswith("https://")


def test_what_only_azure_knows_reaches_settings_and_outputs_from_where_it_belongs(
    sets: Sets,
) -> None:
    """Azure knows an identity by two ids: a process signs in by one, rights are given to the other."""
    customer = CustomerTenant(sets["everything-on"])
    customer.deploy()
    settings, identity = DeployedApp(customer).settings, customer.one(IDENTITY)
    own, name = identity.added["clientId"], identity.id.rpartition("/")[2]
    named = {name: text for name, text in settings.items() if CLIENT_ID.search(name)}
    assert named.keys() > {"AZURE_CLIENT_ID"}
    assert {name for name, text in named.items() if text != own} == set()
    insights, topic = (customer.one(f"Microsoft.{kind}") for kind in (INSIGHTS, OUTCOMES))
    expected = {
        # https://learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"Authorization=AAD;ClientId={own}",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": insights.added["ConnectionString"],
        "AZURE_TENANT_ID": customer.tenant.tenant_id,
        "REKEY_EVENT_TOPIC": topic.added["endpoint"],
        "REKEY_IDENTITY_NAME": name,
        "REKEY_LOGS_WORKSPACE": CUSTOMER,
    }
    assert {setting: settings[setting] for setting in expected} == expected
    site = customer.one("Microsoft.Web/sites")
    applications = {
        id_ for vault in sets["everything-on"]["vaults"] for id_ in vault["applications"]
    }
    outputs = {**customer.outputs, "applications": set(customer.outputs["applications"])}
    assert outputs == {
        "appName": site.id.rpartition("/")[2],
        "appUrl": f"https://{site.added['defaultHostName']}",
        "applications": applications,
        "identityName": name,
        "identityPrincipalId": identity.added["principalId"],
    }


def test_a_vaults_topic_is_made_in_the_vaults_own_region(sets: Sets) -> None:
    customer = CustomerTenant(sets["us-government"])
    (vault,) = customer.tenant.of_kind("Microsoft.KeyVault/vaults")
    vault.body = {**vault.body, "location": "usgovtexas"}
    customer.deploy()
    (topic,) = customer.tenant.of_kind("Microsoft.EventGrid/systemTopics")
    assert topic.body["location"] == "usgovtexas"


def test_a_vault_that_does_not_say_how_it_is_opened_has_access_policies(sets: Sets) -> None:
    """As have those that were made before Azure had roles for them."""
    customer = CustomerTenant(sets["us-government"])
    (vault,) = customer.tenant.of_kind("Microsoft.KeyVault/vaults")
    vault.body = {**vault.body, "properties": {}}
    with pytest.raises(DeploymentFailed, match="uses access policies"):
        customer.deploy()


def test_two_deployments_in_one_group_touch_nothing_of_each_other(sets: Sets) -> None:
    """Their names begin alike, as those of a storage account are cut."""
    customer = CustomerTenant({**sets["three-subscriptions"], "name": "rekey-production"})
    customer.deploy()
    before = {id_: (it.body, it.since) for id_, it in customer.tenant.resources.items()}
    customer.clock.advance(timedelta(days=1).total_seconds())
    quiet = [{**vault, "events": False} for vault in customer.parameters["vaults"]]
    for vault in quiet:
        vault.pop("existingTopic", None)
    customer.parameters |= {"name": "rekey-production-2", "vaults": quiet}
    customer.deploy()
    after = {id_: (it.body, it.since) for id_, it in customer.tenant.resources.items()}
    assert len(after) > len(before)
    assert [id_ for id_, made in before.items() if after[id_] != made] == []
