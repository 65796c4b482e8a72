"""`rekey doctor --app` sees whether the deployed app works, and fails loudly where it does not."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.deployed import BUNDLED, DEFINED, TRIGGERS
from engine.state.sweep_order import SweepOrder
from simulator.arm.event_grid import EventSubscription
from simulator.arm.web import Site
from simulator.host.describe import describe_app
from simulator.rbac import ROLES
from simulator.storage.queues import QueueService
from tests.cli.desk import Desk, Ran
from tests.cloud.storage.watching import queues
from tests.shared.scene import NAME
from tests.unchanged import unchanged

ROOT = Path(__file__).parents[2]
SEES = (
    "Microsoft.Web/sites/read",
    "Microsoft.Web/sites/functions/read",
    "Microsoft.EventGrid/systemTopics/read",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions/read",
)
HOUR = timedelta(hours=1)


class Deployed(Desk):
    """A desk beside an app that was deployed, and works."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.secret(NAME, self.account("appdata"), days_left=80)
        subscription = "/".join(self.group.split("/")[:3])
        self.world.grant(self.ada, SEES, subscription)
        self.world.grant(self.ada, ("Microsoft.Web/sites/config/list/action",), subscription)
        self.app = f"{self.group}/providers/Microsoft.Web/sites/rekey-app"
        self.site: Site = self.world.web.add(self.app)
        self.site.functions = dict.fromkeys(DEFINED, True)
        self.site.plain = {
            **{name: text for name, text in self.env.items() if name.startswith("REKEY")},
            "AzureWebJobsStorage__accountName": "rekeyhost",
        }
        topic = f"{self.group}/providers/Microsoft.EventGrid/systemTopics/prod"
        self.topic = self.world.event_grid.add(topic, self.vault.resource_id)
        queues(self)

    async def swept(self) -> None:
        now = self.clock.now()
        await self.service().sweep_vault(
            SweepOrder(self.vault.url, now - HOUR, now, HOUR).to_json()
        )

    def lose(self, action: str) -> None:
        """Take away every role that has this action."""
        held = self.world.roles.assignments
        self.world.roles.assignments = [role for role in held if action not in role.actions]

    def doctor(self) -> tuple[Ran, list[dict[str, Any]]]:
        """Return what a doctor finds; nothing may change by that."""
        with unchanged(self):
            ran = self.run("doctor", "--json", "--app", self.app)
        problems = [check for check in ran.json["checks"] if check["result"] == "finding"]
        assert ran.code == (1 if problems else 0)
        return ran, problems


@pytest.fixture
def works() -> Deployed:
    """Return an app that was swept."""
    deployed = Deployed()
    asyncio.run(deployed.swept())
    return deployed


def only(problems: list[dict[str, Any]]) -> dict[str, Any]:
    (finding,) = problems
    assert finding["fix"], "each finding names its fix"
    return finding


def test_the_functions_that_it_expects_are_those_of_function_app() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    functions = describe_app(ROOT, {**os.environ, **sample})
    assert {function["name"] for function in functions} == DEFINED


def test_an_app_that_works_has_no_finding(works: Deployed) -> None:
    ran, problems = works.doctor()
    assert problems == []
    for text in ("indexed all", "every queue exists", "events go to the queue", "was swept"):
        assert text in ran.out


def test_without_an_app_nothing_of_it_is_looked_at(works: Deployed) -> None:
    works.site.functions = {}
    assert works.run("doctor").code == 0


@pytest.mark.parametrize("name", TRIGGERS)
def test_any_function_that_is_missing_or_disabled_is_named(name: str, works: Deployed) -> None:
    works.site.functions[name] = False
    assert name in only(works.doctor()[1])["what"]
    del works.site.functions[name]
    assert name in only(works.doctor()[1])["what"]


@pytest.mark.parametrize(
    ("changes", "complaint", "fix"),
    [
        ({"python": "3.11"}, "on python 3.11, it needs python 3.13", "deploy the template again"),
        ({"state": "Stopped"}, "the app is Stopped", "az functionapp start"),
        ({"identity": "None"}, "no identity", "deploy the template again"),
        ({"functions": {}}, f"Azure indexed 0 of {len(DEFINED)} functions", "runbook"),
        (
            {"functions": dict.fromkeys(DEFINED - BUNDLED, True)},
            "not on_event_grid, on_vault_event, park, rotate, sweep_vault",
            "extensionBundle",
        ),
    ],
)
def test_what_is_wrong_with_the_app_itself_is_found(
    changes: dict[str, Any], complaint: str, fix: str, works: Deployed
) -> None:
    for name, value in changes.items():
        setattr(works.site, name, value)
    finding = only(works.doctor()[1])
    assert complaint in finding["what"]
    assert fix in finding["fix"]


@pytest.mark.parametrize(
    ("settings", "complaint", "fix"),
    [
        ({"REKEY_EVENT_TOPIC": ""}, "REKEY_EVENT_TOPIC is empty", "set or remove it"),
        ({"REKEY_VAULTS": "prod"}, "'prod' is not the URL of a vault", "write https://"),
        ({"REKEY_TYPO": "x"}, "REKEY_TYPO is not a setting", "REKEY_"),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, "Flex Consumption refuses", "remove it"),
    ],
)
def test_a_setting_that_is_wrong_or_empty_is_found(
    settings: dict[str, str], complaint: str, fix: str, works: Deployed
) -> None:
    works.site.plain |= settings
    problems = works.doctor()[1]
    assert [check for check in problems if complaint in check["what"] and fix in check["fix"]]


def test_a_connection_string_instead_of_an_identity_is_noted_not_shown(works: Deployed) -> None:
    secret = works.env["AzureWebJobsStorage"]
    works.site.plain["AzureWebJobsStorage"] = secret
    ran, problems = works.doctor()
    assert problems == []
    assert "AzureWebJobsStorage__credential=managedidentity" in ran.out
    assert works.host.keys["key1"].value not in ran.out + ran.err


def test_who_may_not_read_the_settings_is_told_and_the_rest_is_looked_at(works: Deployed) -> None:
    works.lose("Microsoft.Web/sites/config/list/action")
    ran, problems = works.doctor()
    assert problems == []
    assert "Website Contributor" in ran.out


@pytest.mark.parametrize("queue", ["vault-events", "rotations-poison", "sweeps-poison"])
def test_a_queue_that_does_not_exist_is_found(queue: str, works: Deployed) -> None:

    (service,) = (known for known in works.world.services if isinstance(known, QueueService))
    del service.queues._queues["rekeyhost", queue]
    finding = only(works.doctor()[1])
    assert f"the queue {queue} does not exist" in finding["what"]


def test_a_vault_whose_events_go_nowhere_is_found(works: Deployed) -> None:
    works.world.event_grid.topics.clear()
    assert "no system topic" in only(works.doctor()[1])["what"]


@pytest.mark.parametrize(
    ("subscriptions", "complaint"),
    [
        ([], "no subscription that leads to the queue vault-events"),
        ([EventSubscription("elsewhere")], "no subscription that leads to the queue vault-events"),
        ([EventSubscription(state="Failed")], "the subscription to the vault's events is Failed"),
        (
            [EventSubscription(account="/subscriptions/s/storageAccounts/another")],
            "is leading to another storage account than rekeyhost, which the app reads",
        ),
    ],
)
def test_a_subscription_that_leads_elsewhere_or_failed_is_found(
    subscriptions: list[EventSubscription], complaint: str, works: Deployed
) -> None:
    works.topic.subscriptions = subscriptions
    assert complaint in only(works.doctor()[1])["what"]


@pytest.mark.parametrize(
    "subscription",
    [
        EventSubscription(by_identity=False),
        EventSubscription(account="/x/storageAccounts/RekeyHost"),
    ],
)
def test_a_topic_that_existed_and_leads_to_the_account_that_the_app_reads_is_fine(
    subscription: EventSubscription, works: Deployed
) -> None:
    others = [EventSubscription(f"other-{number}") for number in range(30)]
    works.topic.subscriptions = [*others, subscription]
    assert works.doctor()[1] == []


def test_a_vault_that_was_never_swept_is_found() -> None:
    finding = only(Deployed().doctor()[1])
    assert finding["what"] == "no sweep of the vault has finished"


def test_a_sweep_that_is_overdue_is_found(works: Deployed) -> None:
    works.clock.advance(5 * 3600)
    assert only(works.doctor()[1])["what"] == "the vault's sweep is overdue by 4.0 hours"


def test_what_is_no_resource_id_is_refused_with_the_command_that_finds_it(works: Deployed) -> None:
    works.run("doctor", "--app", "rekey-app").ends(2, "az functionapp show")


def test_an_app_that_does_not_exist_is_found(works: Deployed) -> None:
    works.app += "-other"
    problems = works.doctor()[1]
    assert {check["where"].partition(",")[0] for check in problems} == {works.app}


def test_without_the_right_to_look_each_look_says_so(works: Deployed) -> None:
    works.lose("Microsoft.Web/sites/read")
    problems = works.doctor()[1]
    assert len(problems) == 3
    assert all("Reader" in check["fix"] for check in problems)


@pytest.mark.parametrize("form", ["accountName", "blobServiceUri"])
def test_an_empty_setting_beside_the_identity_form_is_told_with_the_command_that_removes_it(
    form: str, works: Deployed
) -> None:
    works.site.plain["AzureWebJobsStorage"] = ""
    if form != "accountName":
        works.site.plain["AzureWebJobsStorage__blobServiceUri"] = "https://rekeyhost.blob.x"
    finding = only(works.doctor()[1])
    assert "AzureWebJobsStorage is empty beside AzureWebJobsStorage__" in finding["what"]
    assert finding["fix"].endswith("--name rekey-app --setting-names AzureWebJobsStorage")


SEES_ROLES = ("Microsoft.Authorization/*/read", "Microsoft.Storage/storageAccounts/read")
CORP = "/providers/Microsoft.Management/managementGroups/corp"


class Keyless(Deployed):
    """A deployed app whose account takes no keys, as the template makes it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.world.grant(self.ada, SEES_ROLES, "/".join(self.group.split("/")[:3]))
        for name in ("Storage Blob Data Contributor", "Storage Queue Data Contributor"):
            self.world.grant(self.ada, ROLES[name], self.host.resource_id)

    @property
    def env(self) -> dict[str, str]:
        settings = super().env
        del settings["AzureWebJobsStorage"]
        return {**settings, "AzureWebJobsStorage__accountName": "rekeyhost"}


@pytest.fixture
def roles() -> Keyless:
    deployed = Keyless()
    asyncio.run(deployed.swept())
    deployed.host.allow_shared_key_access = False
    return deployed


def told(deployed: Deployed) -> list[dict[str, Any]]:
    ran, problems = deployed.doctor()
    assert problems == [], "what others may do is no fault of the app"
    return [check for check in ran.json["checks"] if "storage account" in check["what"]]


def test_nobody_who_was_not_named_at_the_account_may_write_it(roles: Keyless) -> None:
    (check,) = told(roles)
    assert check["result"] == "fine"
    assert check["where"] == roles.host.resource_id


@pytest.mark.parametrize(
    "role", ["Storage Blob Data Contributor", "Storage Queue Data Contributor"]
)
@pytest.mark.parametrize("level", ["group", "subscription", "management group"])
def test_whoever_may_write_the_account_by_inheritance_is_listed(
    level: str, role: str, roles: Deployed
) -> None:
    subscription = "/".join(roles.group.split("/")[:3])
    scope = {"group": roles.group, "subscription": subscription}.get(level, CORP)
    eve = roles.world.add_principal("eve")
    roles.world.grant(eve, ROLES[role], scope)
    (check,) = told(roles)
    assert f"{eve.oid} may write the app's storage account by {role} at the " in check["what"]
    assert f"{level} {scope.rpartition('/')[2]}" in check["what"]
    assert f"--assignee {eve.oid} " in check["fix"]


def test_a_role_with_a_wildcard_counts_and_one_without_data_does_not(roles: Keyless) -> None:
    eve, bob = roles.world.add_principal("eve"), roles.world.add_principal("bob")
    everything = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"
    roles.world.grant(eve, [everything], roles.group)
    roles.world.grant(bob, ["Microsoft.Storage/storageAccounts/blobServices/containers/read"], CORP)
    (check,) = told(roles)
    assert eve.oid in check["what"]


def test_owners_are_counted_since_they_can_give_themselves_the_right(roles: Keyless) -> None:
    roles.world.grant(roles.world.add_principal("eve"), ROLES["Owner"], CORP)
    able = next(check for check in told(roles) if "administrators" in check["what"])
    assert "account: 1 (Owner at the management group corp)" in able["what"]


def test_whoever_may_list_the_keys_of_an_account_with_keys_may_write_it(roles: Keyless) -> None:
    roles.host.allow_shared_key_access = True
    eve = roles.world.add_principal("eve")
    roles.world.grant(eve, ROLES["Storage Account Key Operator Service Role"], roles.group)
    assert any(eve.oid in check["what"] for check in told(roles))


def test_whoever_may_not_see_roles_is_told_that_nobody_looked(works: Deployed) -> None:
    (check,) = told(works)
    assert check["what"].startswith("who may write the app's storage account was not looked at")
