"""`rekey init` offers what there is, asks what to serve, and writes what the template takes."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cli.setup.checks import NotReady, check
from cli.setup.discovered import survey
from cli.setup.managed_vaults import parameters_file
from rotators import KINDS
from simulator.azure import SUBSCRIPTION
from tests.cli.setup.newcomer import PRODUCTION, READ_ACTIONS, Newcomer
from tests.infra.bicep import INFRA, bicep

OTHER_TENANT = "99999999-2222-4333-8444-555555555555"
WORKSPACES = f"{PRODUCTION}/providers/Microsoft.OperationalInsights/workspaces"
HERE = ("--vault", "prod", "--scope", PRODUCTION)


def reaching(parameters: Path) -> str:
    """Return the path from a parameter file to the real template."""
    return os.path.relpath(INFRA / "main.bicep", parameters.parent)


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Newcomer:
    monkeypatch.chdir(tmp_path)
    return Newcomer(tmp_path)


def test_vaults_and_scopes_are_offered_and_what_is_chosen_is_written(newcomer: Newcomer) -> None:
    newcomer.world.add_vault("test")
    newcomer.world.add_account("other", group="data")
    ran = newcomer.init(answers=["1", "2"])
    assert (ran.code, ran.err) == (0, "")
    assert "1  prod  (group production" in ran.out
    assert f"2  /subscriptions/{SUBSCRIPTION}/resourcegroups/data  (1 storage account)" in ran.out
    written = newcomer.parameters.read_text()
    assert "using 'main.bicep'" in written
    assert "name: 'prod'" in written
    assert f"'/subscriptions/{SUBSCRIPTION}/resourcegroups/data'" in written
    assert "test" not in written


def test_a_wrong_number_is_asked_again(newcomer: Newcomer) -> None:
    ran = newcomer.init(answers=["0", "two", "", "1,7", "1", "1"])
    assert ran.code == 0
    assert ran.out.count("write numbers from 1 to 1") == 4


@pytest.mark.parametrize(("answer", "written"), [("y", True), ("n", False)])
def test_the_right_to_change_sql_servers_is_asked_for(
    answer: str, written: bool, newcomer: Newcomer
) -> None:
    newcomer.world.sql.add_server("orders", "sqladmin", "F1rst-password-nobody-uses")
    ran = newcomer.init(answers=["1", "1", answer])
    assert ran.code == 0
    assert ("'sql-admin-password'" in newcomer.parameters.read_text()) is written
    assert "'storage-key'" in newcomer.parameters.read_text()


def test_a_workspace_with_logs_is_offered_and_written(newcomer: Newcomer) -> None:
    newcomer.world.add_log_workspace("audit", group="logs")
    chosen = newcomer.world.add_log_workspace("operations", group="logs")
    newcomer.world.add_log_workspace("unreadable", subscription=OTHER_TENANT)
    ran = newcomer.init(answers=["1", "1", "1,2", "3", "2"])
    assert (ran.code, ran.err) == (0, "")
    assert f"2  operations  (group logs, subscription {SUBSCRIPTION})" in ran.out
    assert "unreadable" not in ran.out
    assert ran.out.count("write one number from 1 to 2, or nothing") == 2
    assert f"param logsWorkspace = '{chosen.resource_id}'" in newcomer.parameters.read_text()


@pytest.mark.parametrize("reason", ["no storage key", "no workspace", "no right", "no answer"])
def test_no_workspace_need_be_chosen_and_where_logs_cannot_help_nobody_is_asked(
    reason: str, newcomer: Newcomer
) -> None:
    answers = ["1", "1"]
    if reason != "no workspace":
        newcomer.world.add_log_workspace("audit")
    if reason == "no storage key":
        newcomer.world.accounts.clear()
        newcomer.world.sql.add_server("orders", "sqladmin", "F1rst-password-nobody-uses")
        answers.append("y")
    if reason == "no right":
        newcomer.world.roles.assignments.clear()
        newcomer.world.grant(newcomer.ada, READ_ACTIONS[:-1], f"/subscriptions/{SUBSCRIPTION}")
    if reason == "no answer":
        answers.append("")
    ran = newcomer.init(answers=answers)
    assert (ran.code, ran.err) == (0, "")
    assert "logsWorkspace" not in newcomer.parameters.read_text()


def test_the_option_for_a_workspace_takes_the_place_of_the_question(newcomer: Newcomer) -> None:
    workspace = newcomer.world.add_log_workspace("audit").resource_id
    for arguments, answers in ((HERE, []), ((), ["1", "1"])):
        ran = newcomer.init(*arguments, "--logs-workspace", workspace, "--force", answers=answers)
        assert (ran.code, ran.err) == (0, "")
        assert f"param logsWorkspace = '{workspace}'" in newcomer.parameters.read_text()


@pytest.mark.parametrize(
    ("workspace", "problem"),
    [
        ("audit", "'audit' is no Log Analytics workspace: write its id, /subscriptions/<id>/"),
        (f"{PRODUCTION}/providers/Microsoft.Storage/storageAccounts/a", "is no Log Analytics"),
        (f"{WORKSPACES}/gone", "the workspace of logs cannot be read"),
        (f"{WORKSPACES.replace(SUBSCRIPTION, OTHER_TENANT)}/audit", "cannot be read"),
    ],
)
def test_a_workspace_that_is_none_or_out_of_sight_is_refused(
    workspace: str, problem: str, newcomer: Newcomer
) -> None:
    newcomer.init(*HERE, "--logs-workspace", workspace).ends(5, problem)
    assert not newcomer.parameters.exists()


def test_nobody_who_answers_leaves_nothing_behind(newcomer: Newcomer) -> None:
    newcomer.init(answers=["1"]).ends(5, "nobody answered")
    assert not newcomer.parameters.exists()


def test_without_a_terminal_it_says_what_to_write_in_place_of_answers(
    newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    newcomer.init(attended=False).ends(5, "rekey init --vault NAME --scope ID")


def test_options_take_the_place_of_questions(newcomer: Newcomer) -> None:
    ran = newcomer.init(
        *HERE, "--kind", "storage-key", "--kind", "sql-login-password", "--name", "keys"
    )
    assert (ran.code, ran.err) == (0, "")
    written = newcomer.parameters.read_text()
    assert "param name = 'keys'" in written
    assert "'sql-login-password'" in written
    assert "make deploy GROUP=keys" in ran.out


def test_a_file_that_is_there_is_overwritten_only_by_force(newcomer: Newcomer) -> None:
    newcomer.parameters.write_text("mine")
    newcomer.init(*HERE).ends(5, "--force")
    assert newcomer.parameters.read_text() == "mine"
    assert newcomer.init(*HERE, "--force").code == 0
    assert newcomer.parameters.read_text() != "mine"


def test_outside_a_checkout_it_says_where_to_run_it(newcomer: Newcomer) -> None:
    (newcomer.checkout / "infra" / "main.bicep").unlink()
    newcomer.init(*HERE).ends(5, "run this in a checkout")


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (("--scope", PRODUCTION), "name it with --vault"),
        (("--vault", "prod"), "say with --scope"),
        ((*HERE, "--name", "Prod_1"), "lower-case letters"),
    ],
)
def test_options_that_say_half_are_refused(
    arguments: tuple[str, ...], fix: str, newcomer: Newcomer
) -> None:
    newcomer.init(*arguments).ends(2, fix)


def test_everything_in_the_way_is_said_at_once_and_nothing_is_written(newcomer: Newcomer) -> None:
    newcomer.world.vault_resources.access_policies.add("prod")
    elsewhere = f"/subscriptions/{OTHER_TENANT}/resourceGroups/data"
    newcomer.init(*HERE, "--vault", "missing", "--scope", elsewhere).ends(
        5,
        "az keyvault update --name prod --enable-rbac-authorization true",
        "vault missing is not there",
        f"does not see the subscription of scope {elsewhere}",
    )
    assert not newcomer.parameters.exists()


@pytest.mark.parametrize(
    "scope",
    [
        "production",
        "",
        "/subscriptions",
        "/subscriptions/production",
        PRODUCTION.removeprefix("/"),
        PRODUCTION.replace("Groups", "Group"),
        f"{PRODUCTION}/providers",
        f"{PRODUCTION}/providers/Microsoft.Storage/storageAccounts",
        f"{PRODUCTION}/providers/Microsoft.Sql/servers/shop/logins/app",
        OTHER_TENANT,
    ],
)
def test_a_scope_that_the_template_would_refuse_is_refused(scope: str, newcomer: Newcomer) -> None:
    newcomer.init("--vault", "prod", "--scope", scope).ends(5, f"scope {scope!r} is none")
    assert not newcomer.parameters.exists()


@pytest.mark.parametrize(
    "scope",
    [
        f"/subscriptions/{SUBSCRIPTION}/",
        f" {PRODUCTION.lower()} ",
        f"{PRODUCTION}/providers/Microsoft.Storage/storageAccounts/olddata",
        f"{PRODUCTION}/providers/Microsoft.Sql/servers/shop/databases/orders",
    ],
)
def test_a_scope_of_any_width_that_the_template_takes_is_taken(
    scope: str, newcomer: Newcomer
) -> None:
    assert newcomer.init("--vault", "prod", "--scope", scope).code == 0


def test_a_vault_that_is_named_twice_is_refused(newcomer: Newcomer) -> None:
    newcomer.init(*HERE, "--vault", "PROD").ends(5, "vault prod is named twice")
    assert not newcomer.parameters.exists()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"subscription": OTHER_TENANT, "tenant": OTHER_TENANT}, f"in the tenant {OTHER_TENANT}"),
        ({"tenant": OTHER_TENANT}, f"in the tenant {OTHER_TENANT}"),
        ({"subscription": OTHER_TENANT}, "there, but your sign-in may not see it"),
    ],
)
def test_a_vault_of_another_tenant_or_out_of_sight_is_told_from_one_that_is_not_there(
    place: dict[str, str], words: str, newcomer: Newcomer
) -> None:
    newcomer.world.add_vault("partner", **place)
    ran = newcomer.init("--vault", "partner", "--scope", PRODUCTION)
    assert (ran.code, f"vault partner is {words}" in ran.err) == (5, True)
    assert (f"az login --tenant {OTHER_TENANT}" in ran.err) is ("tenant" in place)


@pytest.mark.parametrize(
    ("group", "written", "words"),
    [
        (
            PRODUCTION.upper().replace("/SUBSCRIPTIONS", "/subscriptions"),
            "existingTopic: 'audit'",
            "prod has the system topic audit already",
        ),
        (
            PRODUCTION.replace("production", "security"),
            "events: false",
            "the hourly sweep finds what is due",
        ),
    ],
)
def test_a_system_topic_that_is_there_is_used_or_leaves_the_vault_to_the_sweep(
    group: str, written: str, words: str, newcomer: Newcomer
) -> None:
    newcomer.add_topic("audit", group)
    newcomer.init(answers=["1", "1"]).ends(0, words)
    assert written in newcomer.parameters.read_text()


@pytest.mark.parametrize(
    ("group", "entry", "fix"),
    [
        (PRODUCTION, {}, "say existingTopic: 'audit'"),
        (PRODUCTION, {"existingTopic": "other"}, "say existingTopic: 'audit'"),
        (PRODUCTION.replace("production", "security"), {}, "say events: false"),
        (PRODUCTION, {"existingTopic": "audit"}, ""),
        (PRODUCTION, {"events": False}, ""),
    ],
)
async def test_an_entry_that_would_make_a_second_topic_is_refused_with_the_fix(
    group: str, entry: dict[str, object], fix: str, newcomer: Newcomer
) -> None:
    newcomer.add_topic("audit", group)
    azure = newcomer.sign_in()
    discovered = await survey(azure, "rekey")
    problems = ""
    try:
        await check(azure, "rekey", [{"name": "prod", **entry}], discovered)
    except NotReady as error:
        problems = str(error)
    assert (fix in problems, bool(problems)) == (True, bool(fix))


def test_the_topic_of_a_deployment_under_another_name_is_used(newcomer: Newcomer) -> None:
    newcomer.add_topic("rekey-old-prod", application="rekey")
    assert newcomer.init(*HERE).code == 0
    assert "existingTopic: 'rekey-old-prod'" in newcomer.parameters.read_text()


def test_a_topic_of_the_deployments_name_in_another_group_is_not_its_own(
    newcomer: Newcomer,
) -> None:
    newcomer.add_topic("rekey-prod", PRODUCTION.replace("production", "security"))
    assert newcomer.init(*HERE).code == 0
    assert "events: false" in newcomer.parameters.read_text()


def test_a_system_topic_that_rekey_made_is_no_obstacle(newcomer: Newcomer) -> None:
    newcomer.add_topic("rekey-prod")
    assert newcomer.init(*HERE).code == 0
    written = newcomer.parameters.read_text()
    assert "events" not in written
    assert "existingTopic" not in written


def test_more_vaults_than_fit_on_a_page_are_all_offered(newcomer: Newcomer) -> None:
    newcomer.world.vault_resources.page_size = 2
    for number in range(5):
        newcomer.world.add_vault(f"team-{number}")
    assert newcomer.init(answers=["6", "1"]).code == 0
    assert "name: 'team-4'" in newcomer.parameters.read_text()


def test_whoever_sees_no_vault_is_told_so(newcomer: Newcomer) -> None:
    newcomer.world.vaults.clear()
    newcomer.init().ends(5, "no Key Vault is in sight")


def test_what_is_written_is_what_the_compiler_reads_back(tmp_path: Path) -> None:
    """Microsoft's compiler judges quotes, what looks like an interpolation, and an empty list."""
    odd = {"name": "prod", "resourceGroup": "o'hara ${x} \\ y", "scopes": [PRODUCTION]}
    odd |= {"kinds": list(KINDS)}
    more: dict[str, Any] = {"name": "test", "scopes": [], "events": False, "applications": []}
    target = tmp_path / "my.bicepparam"
    target.write_text(parameters_file("keys", [odd, more], reaching(target)))
    ran = bicep("build-params", str(target), "--stdout")
    assert ran.code == 0, ran.said
    written = json.loads(json.loads(ran.output)["parametersJson"])["parameters"]
    assert written == {"name": {"value": "keys"}, "vaults": {"value": [odd, more]}}


def test_what_init_writes_is_what_the_template_takes(newcomer: Newcomer) -> None:
    """The template's types are sealed, so a property that it does not know fails here."""
    newcomer.add_topic("audit")
    workspace = newcomer.world.add_log_workspace("logs").resource_id
    assert newcomer.init(*HERE, "--logs-workspace", workspace).code == 0
    real = newcomer.parameters.read_text().replace("main.bicep", reaching(newcomer.parameters))
    newcomer.parameters.write_text(real)
    ran = bicep("build-params", str(newcomer.parameters), "--stdout")
    assert ran.code == 0, ran.said


@pytest.mark.parametrize(
    ("scope", "kinds", "warned"),
    [
        (f"/subscriptions/{SUBSCRIPTION}", (), True),
        (f"/subscriptions/{SUBSCRIPTION}", ("--kind", "sql-admin-password"), False),
        (PRODUCTION, (), False),
    ],
)
def test_a_scope_that_opens_every_account_of_a_subscription_is_warned_of(
    scope: str, kinds: tuple[str, ...], warned: bool, newcomer: Newcomer
) -> None:
    ran = newcomer.init("--vault", "prod", "--scope", scope, *kinds)
    assert ran.code == 0
    assert newcomer.parameters.exists()
    assert ("is a whole subscription" in ran.err) is warned
