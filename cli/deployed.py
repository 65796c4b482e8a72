"""What `rekey doctor --app` looks at: the app as Azure runs it. Nothing is changed.

Sources: https://learn.microsoft.com/rest/api/appservice/web-apps/list-functions and
…/list-application-settings,
https://learn.microsoft.com/rest/api/eventgrid/controlplane/system-topics/list-by-subscription.
Reader suffices for all but the application settings, which Azure gives to those alone who may list
them (Website Contributor).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from api.answers import BadRequest
from api.routes import ROUTES
from cli.checks import Check, finding
from cli.inherited import inherited
from cli.session import Session
from cloud.rest.arm import Arm
from cloud.rest.client import Json
from cloud.settings import Settings
from cloud.storage.backlog import EVENTS, backlog
from cloud.storage.host_storage import CONNECTION
from cloud.storage.watch import SLACK, AppWatch
from engine.errors import AccessDenied, ConfigError, RekeyError

SITE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.Web/sites/(?P<name>[^/]+)",
    re.IGNORECASE,
)
WEB, TOPICS = "2024-04-01", "2025-02-15"
TRIGGERS = (
    "on_vault_event",
    "on_event_grid",
    "sweep",
    "recheck",
    "sweep_vault",
    "rotate",
    "park",
)
"""The functions of function_app.py that HTTP does not call; a test holds both together."""
BUNDLED = frozenset(TRIGGERS) - {"sweep", "recheck"}
"""Those whose bindings the extension bundle brings."""
DEFINED = frozenset({*TRIGGERS, *(route.name for route in ROUTES)})
PYTHON = "3.13"
LOGS = "the app's log says why: see docs/runbook.md, section 'No sweep'"
BUNDLE = "deploy a package whose host.json names the extensionBundle, such as `make package` builds"
DEPLOY = "deploy the template again"


async def deployed(session: Session, app: str) -> AsyncIterator[Check]:
    """Check the app with this resource id."""
    place = SITE.fullmatch(app.rstrip("/"))
    if place is None:
        fix = (
            "write its resource id: az functionapp show --resource-group <group> --name "
            "<app> --query id"
        )
        raise BadRequest(f"{app[:200]!r} is not the resource id of an app", fix=fix)
    web = Arm(session.azure, WEB, role="Reader")
    for look in (_site(web, app), _functions(web, app), _settings(session, web, app)):
        async for check in _whole(look, app):
            yield check
    async for check in _whole(_queues(session), "the app's own storage account"):
        yield check
    async for check in _whole(_topics(session, place["subscription"]), "Event Grid"):
        yield check
    accounts = [session.settings.storage.account, session.settings.events.account]
    async for check in _seen(inherited(session.azure, place["subscription"], accounts)):
        yield check
    for vault in session.settings.scopes:
        async for check in _whole(_sweep(session, vault), vault):
            yield check


async def _whole(look: AsyncIterator[Check], where: str) -> AsyncIterator[Check]:
    """Go through one look; what it cannot see is a finding, and keeps the others from nothing."""
    try:
        async for check in look:
            yield check
    except RekeyError as error:
        yield finding(error, where)


async def _seen(look: AsyncIterator[Check]) -> AsyncIterator[Check]:
    """Go through a look at roles, which the deployer need not be allowed to see."""
    try:
        async for check in look:
            yield check
    except RekeyError as error:
        what = f"who may write the app's storage account was not looked at: {error.what}"
        yield Check("note", what, fix="have somebody with the role Reader run this")


async def _site(web: Arm, app: str) -> AsyncIterator[Check]:
    site = await web.read(app, "reading the app", app)
    properties: Json = site.get("properties") or {}
    state = properties.get("state")
    if state != "Running":
        yield Check("finding", f"the app is {state}", app, "az functionapp start")
    runtime = (properties.get("functionAppConfig") or {}).get("runtime") or {}
    if runtime and (runtime.get("name"), runtime.get("version")) != ("python", PYTHON):
        runs = f"{runtime.get('name')} {runtime.get('version')}"
        yield Check("finding", f"the app runs on {runs}, it needs python {PYTHON}", app, DEPLOY)
    if not (site.get("identity") or {}).get("type") or site["identity"]["type"] == "None":
        yield Check(
            "finding", "the app has no identity", app, f"{DEPLOY}: it assigns one, with its rights"
        )
    else:
        yield Check("fine", f"the app is {state}, with an identity", app)


async def _functions(web: Arm, app: str) -> AsyncIterator[Check]:
    """Compare what Azure indexed with what function_app.py defines."""
    indexed = {name: properties async for name, properties in _indexed(web, app)}
    missing = DEFINED - indexed.keys()
    if missing:
        named = ", ".join(sorted(missing))
        fix = BUNDLE if missing == BUNDLED else LOGS
        yield Check(
            "finding",
            f"Azure indexed {len(DEFINED - missing)} of {len(DEFINED)} functions, not {named}",
            app,
            fix,
        )
    disabled = sorted(name for name, properties in indexed.items() if properties.get("isDisabled"))
    for name in disabled:
        yield Check(
            "finding",
            f"the function {name} is disabled",
            app,
            f"remove AzureWebJobs.{name}.Disabled",
        )
    if unknown := indexed.keys() - DEFINED:
        yield Check("note", f"functions of another version: {', '.join(sorted(unknown))}", app)
    if not missing and not disabled:
        yield Check("fine", f"Azure indexed all {len(DEFINED)} functions", app)


async def _indexed(web: Arm, app: str) -> AsyncIterator[tuple[str, Json]]:
    async for entry in web.pages(f"{app}/functions", "listing the functions", app):
        # Azure calls a function <app>/<function>.
        yield str(entry.get("name", "")).rpartition("/")[2], entry.get("properties") or {}


async def _settings(session: Session, web: Arm, app: str) -> AsyncIterator[Check]:
    """Read the app's settings as the app will; their values may be secrets, and are not shown."""
    try:
        answer = await web.act(
            f"{app}/config/appsettings/list", "reading the application settings", app
        )
    except AccessDenied as error:
        yield Check(
            "note",
            f"the application settings were not checked: {error.what}",
            app,
            "have somebody with the role Website Contributor run this",
        )
        return
    values = {str(name): str(value) for name, value in (answer.get("properties") or {}).items()}
    checks = list(_wrong(values, session.settings, app))
    for check in checks:
        yield Check(check.result, check.what, app, check.fix)
    if not checks:
        yield Check("fine", "the application settings are in order", app)


def _wrong(values: Mapping[str, str], own: Settings, app: str) -> Iterator[Check]:
    for name in sorted(name for name, value in values.items() if not value):
        yield _empty(name, values, app)
    # The platform drops what is empty before the app sees it.
    kept = {name: value for name, value in values.items() if value}
    if "FUNCTIONS_WORKER_RUNTIME" in kept:
        yield Check(
            "finding",
            "FUNCTIONS_WORKER_RUNTIME is set, which Flex Consumption refuses",
            fix="remove it",
        )
    if kept.get("AzureWebJobsStorage"):
        fix = (
            "remove it, and set AzureWebJobsStorage__accountName and "
            "AzureWebJobsStorage__credential=managedidentity"
        )
        yield Check(
            "note",
            "AzureWebJobsStorage holds a key: an account that takes none refuses the whole app",
            fix=fix,
        )
    try:
        theirs = Settings.read(kept)
    except ConfigError as error:
        for problem in error.problems:
            what, _, fix = problem.rpartition(": ")
            yield Check("finding", what, fix=fix)
        return
    if differing := set(theirs.scopes) ^ set(own.scopes):
        named = ", ".join(sorted(differing))
        yield Check(
            "note",
            f"the app and this command line serve other vaults: {named}",
            fix="compare REKEY_VAULTS here and in the app",
        )


def _empty(name: str, values: Mapping[str, str], app: str) -> Check:
    """Return what an empty setting does; beside its identity form it closes the host's storage.

    Hosts answered 401 then: Azure/azure-functions-host, issues 11782, 11787 and 11636.
    """
    if name == CONNECTION and any(other.startswith(f"{name}__") for other in values):
        place = SITE.fullmatch(app.rstrip("/"))
        assert place  # noqa: S101 - the app was found by it
        return Check(
            "finding",
            f"{name} is empty beside {name}__…, where the host may find no storage and answer 401",
            fix=(
                f"az functionapp config appsettings delete --resource-group {place['group']} "
                f"--name {place['name']} --setting-names {name}"
            ),
        )
    what = f"the app setting {name} is empty, so the app is started without it"
    return Check("finding", what, fix="set or remove it")


async def _queues(session: Session) -> AsyncIterator[Check]:
    lengths = await backlog(session.settings.storage, session.settings.events, session.azure)
    for name in (name for name, length in lengths.items() if length is None):
        yield Check(
            "finding",
            f"the queue {name} does not exist",
            fix=f"{DEPLOY}, or create it: az storage queue create",
        )
    if None not in lengths.values():
        yield Check("fine", "every queue exists")


async def _topics(session: Session, subscription: str) -> AsyncIterator[Check]:
    """See whether each vault has a topic whose events reach the queue."""
    events = Arm(session.azure, TOPICS, role="Reader")
    bound = {
        scope.split("/")[2]
        for scopes in session.settings.scopes.values()
        for scope in scopes
        if scope[0] == "/"
    }
    topics: dict[str, Json] = {}
    for place in sorted({subscription.lower(), *bound}):
        path = f"/subscriptions/{place}/providers/Microsoft.EventGrid/systemTopics"
        async for topic in events.pages(
            path, "listing the system topics", f"/subscriptions/{place}"
        ):
            source = str((topic.get("properties") or {}).get("source", "")).lower()
            if "/microsoft.keyvault/vaults/" in source:
                topics[source.rpartition("/")[2]] = topic
    for vault in session.settings.scopes:
        name = (urlsplit(vault).hostname or "").partition(".")[0]
        if name not in topics:
            yield Check(
                "finding",
                "no system topic sends the vault's events",
                vault,
                f"{DEPLOY} with this vault in `vaults`",
            )
        else:
            account = session.settings.events.account
            yield await _subscription(events, vault, topics[name], account)


async def _subscription(events: Arm, vault: str, topic: Json, account: str) -> Check:
    path, broken = f"{topic['id']}/eventSubscriptions", ""
    async for subscription in events.pages(path, "listing the event subscriptions", vault):
        properties = subscription.get("properties") or {}
        delivery = (properties.get("deliveryWithResourceIdentity") or {}).get("destination")
        destination = delivery or properties.get("destination") or {}
        target = destination.get("properties") or {}
        if target.get("queueName") != EVENTS:
            continue
        if not str(target.get("resourceId", account)).lower().endswith(account.lower()):
            broken = f"leading to another storage account than {account}, which the app reads"
            continue
        if properties.get("provisioningState") == "Succeeded":
            return Check("fine", f"the vault's events go to the queue {EVENTS}", vault)
        broken = str(properties.get("provisioningState"))
    if broken:
        return Check(
            "finding", f"the subscription to the vault's events is {broken}", vault, DEPLOY
        )
    return Check(
        "finding",
        f"the vault's topic has no subscription that leads to the queue {EVENTS}",
        vault,
        DEPLOY,
    )


async def _sweep(session: Session, vault: str) -> AsyncIterator[Check]:
    watch = session.service.watch
    assert isinstance(watch, AppWatch)  # noqa: S101 - the session builds the app's own parts
    record = await watch.known(vault)
    if record is None or not record.swept:
        due = f" before {record.due:%Y-%m-%d %H:%M}Z" if record else ""
        yield Check(
            "finding",
            f"no sweep of the vault has finished{due}",
            vault,
            f"wait for the first one. If none comes, {LOGS}",
        )
    elif record.due + SLACK < session.now():
        late = session.now() - record.due
        hours = late / timedelta(hours=1)
        yield Check("finding", f"the vault's sweep is overdue by {hours:.1f} hours", vault, LOGS)
    else:
        yield Check("fine", f"was swept; the next sweep is due {record.due:%Y-%m-%d %H:%M}Z", vault)
