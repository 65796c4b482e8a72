"""Every documented command of the Azure CLI, put to the Azure CLI itself.

What the simulator answers is run against it. Of the rest `az` says whether it knows the command and
all of its arguments.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulator_tests.az.program import AzureCli
from simulator_tests.az.stage import Stage
from tests.az import commands, values
from tests.parts import sampled

NAMED_ONLY = "are required"
"""What `az` says of a command that it knows, and that a text only names."""
GRAPH = "graph.microsoft.com"
COMPILES = "it compiles the template first, with a program that not every machine has"


NOT_RUN = {
    "account clear": "it would end the sign-in of the commands after it",
    "ad signed-in-user show": "no person can sign in without a browser",
    "ad app delete": "the commands beside it need the application",
    "bicep install": "it fetches a program",
    "cloud set": "the commands beside it need the cloud that the stage has set",
    "cloud update": "the commands beside it need the cloud that the stage has set",
    "deployment group create": COMPILES,
    "deployment group what-if": COMPILES,
    "extension add": "it fetches a package",
    "functionapp config appsettings list": "it asks for slots' settings, which none here has",
    "functionapp show": "it asks for the app's plan, and the simulated apps name none",
    "keyvault secret delete": "the commands beside it need the secret",
    "keyvault secret recover": "the commands beside it need the secret, which is not deleted",
    "login": "a person signs in with a browser; a pipeline's sign-in has tests of its own",
    "resource delete": "the commands beside it need the app",
    "role assignment delete": "there is no such assignment, and none would be left for the others",
    "role definition delete": "the simulated Azure looks up roles, and lists and deletes none",
    "role definition list": "the simulated Azure looks up roles, and lists and deletes none",
    "storage container list": "its key is a new one each time",
}
"""Commands that `az` is asked about but that are not run, with the reason."""
UNANSWERED = re.compile(
    r"InvalidResourceNamespace|InvalidResourceType|NoRegisteredProviderFound"
    r"|Resource not found for the segment|Unable to prompt for confirmation"
)
"""How the simulated Azure says that it has no such service, or `az` that a person has to confirm
first.

Then `az` is asked whether it knows the command.
"""
FILES = ("app.pem", "policy.yaml")
"""Files of the reader's, which commands send."""
QUERY = "--apps --resource-group --offset --analytics-query --output"
EXTENSIONS: dict[str, set[str]] = {
    "graph query": set(),
    "monitor app-insights query": {*QUERY.split(" ")},
}
"""Commands of extensions, which no package registry has, with their arguments as the extension's
source names them."""

SOURCES = [str(path.relative_to(commands.ROOT)) for path in commands.sources()]


@pytest.fixture(scope="module")
def furnished(stage: Stage) -> Stage:
    """Put what the commands name into the world, with the Azure CLI where it can."""
    world, az = stage.world, stage.az
    world.add_vault(values.DEMO)
    vault = world.add_vault(values.VAULT)
    vault.put(values.SECRET, "value", tags={"RekeyState": "parked"})
    vault.put("rekey-policy", "version: 1")
    for account, tags in ((values.STORAGE, {}), (values.EVENTS, {"contents": "events"})):
        made = world.add_account(account, group=values.GROUP)
        made.tags.update({"application": "rekey"} | tags)
    world.identities.add("rekey", values.IDENTITY)
    world.add_application("shop")
    world.add_log_workspace("central", group=values.GROUP)
    site = world.web.add(values.SITE)
    site.functions, site.keys = {"sweep": True}, {"functionKeys": {"default": "key"}}
    for file in FILES:
        (az.config.parent / file).write_text("a key")
    for account, queues in values.QUEUES.items():
        here = ("--auth-mode", "login", "--account-name", account)
        for queue in queues:
            az.answer("storage", "queue", "create", *here, "--name", queue)
        message = ("--queue-name", queues[0], "--content", "{}")
        az.answer("storage", "message", "put", *here, *message)
        for container in (values.DEAD_LETTERS, values.RECORDS):
            az.answer("storage", "container", "create", *here, "--name", container)
        event = ("--container-name", values.DEAD_LETTERS, "--name", values.BLOB, "--data", "{}")
        az.answer("storage", "blob", "upload", *here, *event)
    return stage


@pytest.mark.parametrize("source", SOURCES)
def test_the_azure_cli_runs_or_knows_every_command_of(source: str, furnished: Stage) -> None:
    wrong = {
        str(command): complaint
        for command in commands.commands(commands.ROOT / source, values.VALUES)
        if (complaint := against(command, furnished))
    }
    assert not wrong
    assert not [
        path
        for path in furnished.az.config.parent.iterdir()
        if path != furnished.az.config and path.name not in FILES
    ], "a command wrote a file that its page does not speak of"


def against(command: commands.Command, stage: Stage) -> str:
    """Return what is to be said against a command; nothing if it is right."""
    if command.words in EXTENSIONS:
        options = {word for word in command.arguments if word.startswith("--")}
        unknown = options - EXTENSIONS[command.words]
        return f"unknown arguments {unknown}" if unknown else ""
    if command.names_only:
        complaint = stage.az.understands(*command.arguments)
        return "" if NAMED_ONLY in complaint else complaint
    if command.in_message or command.words in NOT_RUN:
        return stage.az.understands(*command.arguments)
    done = stage.az(
        *(argument.replace(GRAPH, stage.world.domains.graph) for argument in command.arguments)
    )
    if done.returncode and UNANSWERED.search(done.stderr):
        return stage.az.understands(*command.arguments)
    return done.stderr if done.returncode else ""


def test_commands_are_found_in_pages_workflows_programs_and_templates() -> None:
    kinds = {Path(source).suffix for source in SOURCES}
    assert kinds >= {".md", ".yml", ".py", ".bicep"}


def test_whatever_is_not_run_is_still_documented() -> None:
    documented = {
        command.words
        for path in commands.sources()
        for command in commands.commands(path, values.VALUES)
    }
    assert documented >= set(NOT_RUN) | set(EXTENSIONS)


MISTYPED = [
    ("keyvault secret show --vault-name prod --nme app-key", "--nme"),
    ("functionapp keys list --name rekey-abc", "--resource-group"),
    ("storage message peek --queue-name q --auth-mode logn", "logn"),
    ("account show --query [?", "jmespath"),
    # The Azure CLI loads all that it has, which takes twelve seconds.
    ("keyvault secret shwo --vault-name prod --name app-key", "shwo"),
]


@pytest.mark.parametrize(("arguments", "complaint"), sampled(MISTYPED, MISTYPED[:-1]))
def test_a_mistyped_command_is_noticed(arguments: str, complaint: str, azure_cli: AzureCli) -> None:
    assert complaint in azure_cli.understands(*arguments.split())


@pytest.mark.parametrize(
    ("shell", "arguments"),
    [
        ("az group show --name <group>", ["group", "show", "--name", values.GROUP]),
        ("X=$(az account show --query id) && echo", ["account", "show", "--query", "id"]),
        ('f() { az rest --url "$ID/x?a=b" > out; }', ["rest", "--url", f"{values.SITE}/x?a=b"]),
        (
            "az rest --body '{\"a\": 1}' \\\n  --url x  # why",
            ["rest", "--body", '{"a": 1}', "--url", "x"],
        ),
    ],
)
def test_a_command_is_read_as_the_shell_reads_it(shell: str, arguments: list[str]) -> None:
    assert list(commands.in_shell(shell, values.VALUES)) == [arguments]


@pytest.mark.parametrize(
    ("program", "command"),
    [
        (
            'f"run az keyvault update --name {vault.name} --sku premium, then"',
            "az keyvault update --name filled-in --sku premium",
        ),
        ('"make one (az keyvault create)"', "az keyvault create"),
        ('"sign in: az login"', "az login"),
    ],
)
def test_a_command_is_found_in_a_message(program: str, command: str) -> None:
    assert list(commands.in_python(program)) == [command]


@pytest.mark.parametrize(
    "shell",
    ["az a --b <nothing>", "az a --b $NOTHING", "az a … --b", "az a $(b)", "time az a --b"],
)
def test_what_nobody_can_fill_in_is_an_error(shell: str) -> None:
    with pytest.raises(commands.UnknownPlaceholderError):
        list(commands.in_shell(shell, values.VALUES))
