"""Every call that the HTTP API takes.

One row a call, from which triggers, access control and the OpenAPI document follow.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from api import actions, github, incidents, leaks, listing, models, operations, policies, readers
from api.access import Caller, Role
from api.answers import Answer
from api.idempotency import HEADER, Queued
from api.metrics import metrics
from api.models import Verb
from api.page import problem
from api.page.filters import FILTERS, check
from api.page.incidents import one_incident
from api.page.inventory import inventory
from api.page.secret import one_secret
from api.request_models import IncidentBody, LeakBody, PolicyBody
from api.requests import Request
from api.route import Desk, Handler, Route
from engine.errors import TransientError
from engine.kinds import OwnKinds


def _act(verb: Verb) -> Handler:
    async def handle(at: Desk, request: Request, caller: Caller) -> Answer | Queued:
        if not request.flag("dry_run"):
            actions.guard(verb, request)
        return await actions.consider(at.engine, verb, request, caller)

    return handle


async def _list(at: Desk, request: Request, _: Caller) -> Answer:
    return await listing.list_secrets(at.engine, request)


async def _show(at: Desk, request: Request, _: Caller) -> Answer:
    return await listing.show(at.engine, request.secret(at.engine.policy))


async def _readers(at: Desk, request: Request, _: Caller) -> Answer:
    days = request.number("days", readers.DAYS, readers.MOST_DAYS, least=1)
    return await readers.who_read(at.engine, request.secret(at.engine.policy), days)


async def _page(at: Desk, request: Request, caller: Caller) -> Answer:
    check(request, at.engine.clock.now())
    request.kind(at.engine.kinds)
    if request.query.get("secret"):
        return await one_secret(at, request, caller)
    if request.query.get("incident"):
        return await one_incident(at, request)
    return await inventory(at, request, caller)


async def _metrics(at: Desk, request: Request, _: Caller) -> Answer:
    return await metrics(at, request)


async def _door(at: Desk, request: Request, _: Caller) -> Answer:
    # Which kinds there are is told to nobody who has not signed in.
    check(request, at.engine.clock.now())
    return await problem.door(request)


async def _follow(at: Desk, request: Request, _: Caller) -> Answer:
    wait = request.number("wait", 0, operations.MOST_WAIT)
    return await operations.follow(at.engine, operations.Operation.of(at.engine, request), wait)


async def _begin(at: Desk, request: Request, caller: Caller) -> Answer | Queued:
    return await incidents.begin(at.engine, request, caller)


async def _incidents(at: Desk, _: Request, __: Caller) -> Answer:
    return await incidents.newest(at.engine)


async def _progress(at: Desk, request: Request, _: Caller) -> Answer:
    return await incidents.follow(at.engine, request)


async def _report(at: Desk, request: Request, _: Caller) -> Answer:
    return await incidents.report(at.engine, request)


async def _leak(at: Desk, request: Request, caller: Caller) -> Answer:
    return await leaks.report(at.engine, at.reports, request, caller, at.note)


async def _github(at: Desk, request: Request, _: Caller) -> Answer:
    return await github.deliver(at.engine, at.reports, request, at.note)


async def _policy(at: Desk, _: Request, __: Caller) -> Answer:
    return await policies.show(at.policies)


async def _push(at: Desk, request: Request, caller: Caller) -> Answer:
    return await policies.push(at.policies, request, caller, at.note)


async def _openapi(_: Desk, __: Request, ___: Caller) -> Answer:
    return Answer(200, document())


async def _health(at: Desk, _: Request, __: Caller) -> Answer:
    """Answer whether the policy can be followed and every vault is swept in time.

    The answer may be some minutes old.
    """
    if obstacle := await at.watch.obstacle():
        what, _separator, fix = obstacle.partition(". Fix: ")
        raise TransientError(what, fix=fix)
    rotators = at.engine.rotators
    refused = len(rotators.refusals) if isinstance(rotators, OwnKinds) else 0
    vaults = len(at.engine.policy.scopes)
    return Answer.of(200, models.Health(status="ok", vaults=vaults, refused_kinds=refused))


ACTED = {"200": "Acted", "202": "Queued"}
SECRET = "secrets/{vault}/{name}"  # noqa: S105 - a path
_VERBS: dict[Verb, str] = {
    "rotate": "Rotate a secret if it is due, or at once where the body says so",
    "retire": "Revoke the superseded credential, if its overlap has passed",
    "restore": "Publish the superseded credential again, if the source still accepts it",
    "unpark": "Try a parked secret again now; its mark goes when that works",
}

ROUTES: tuple[Route, ...] = (
    Route(
        "http_list", "GET", "secrets", Role.READER, _list, (
            "List secrets with "
            "their state"
        ), {"200": "Secrets"},
        query=(*listing.FILTERS, "limit", "cursor"), heavy=True,
    ),
    Route("http_show", "GET", SECRET, Role.READER, _show, (
        "Show a secret and "
        "its history"
    ), {"200": "SecretWithHistory"}),
    Route(
        "http_readers", "GET", f"{SECRET}/readers", Role.READER, _readers,
        "Tell who read a secret, and which version each reader holds", {"200": "Readers"}, query=("days",),
    ),
    *(
        Route(
            f"http_{verb}", "POST", f"{SECRET}/{verb}", Role.OPERATOR, _act(verb), summary, ACTED,
            query=("dry_run", "wait"), body=actions.BODIES[verb], headers=(HEADER,),
        )
        for verb, summary in _VERBS.items()
    ),
    Route(
        "http_operation", "GET", f"{SECRET}/operations/{{operation}}", Role.READER, _follow,
        "Follow an operation to its end", {"200": "Operation", "202": "Operation"}, query=("action", "since", "force", "compromised", "wait"),
    ),
    Route(
        "http_incident", "POST", "incidents", Role.ADMIN, _begin,
        (
            "Rotate and cut off everything in a "
            "scope at once"
        ), {"200": "IncidentForecast", "202": "IncidentQueued"},
        query=("dry_run",), body=IncidentBody, headers=(HEADER,), heavy=True,
    ),
    Route(
        "http_incidents", "GET", "incidents", Role.READER, _incidents, (
            "List the incidents, the "
            "newest first"
        ),
        {"200": "Incidents"}, heavy=True,
    ),
    Route(
        "http_incident_progress", "GET", "incidents/{incident}", Role.READER, _progress,
        "Tell how far an incident has come", {"200": "IncidentProgress"}, heavy=True,
    ),
    Route(
        "http_incident_report", "GET", "incidents/{incident}/report", Role.READER, _report,
        "Tell what an incident did with each secret, as evidence", {"200": "IncidentReport"}, heavy=True,
    ),
    Route(
        "http_leak", "POST", "leaks", Role.REPORTER, _leak, "Report a value that has leaked",
        {"200": "Leak", "202": "Leak"}, body=LeakBody, confidential=True,
    ),
    Route(
        "http_leak_github", "POST", "leaks/github", None, _github,
        "Take an alert of GitHub's secret scanning, which its signature vouches for",
        {"202": "Leak"}, confidential=True,
    ),
    Route("http_policy", "GET", "policy", Role.READER, _policy, "Show the policy document", {"200": "Policy"}, follows_policy=False),
    Route(
        "http_push_policy", "PUT", "policy", Role.ADMIN, _push, (
            "Write a new version of the "
            "policy document"
        ),
        {"200": "Policy"}, query=("dry_run",), body=PolicyBody, headers=(policies.IF_MATCH,), follows_policy=False,
    ),
    Route(
        "http_openapi", "GET", "openapi.json", None, _openapi, "Describe every call", {"200": "OpenApi"}, follows_policy=False,
    ),
    Route(
        "http_dashboard", "GET", "inventory", Role.READER, _page, (
            "Show the inventory, or one "
            "secret, to people"
        ), {"200": "Html"},
        query=(*FILTERS, "limit", "cursor", "secret", "try", "days", "incident"), heavy=True,
    ),
    Route(
        "http_door", "GET", "dashboard", None, _door, (
            "Lead people to the inventory, or "
            "ask for a key"
        ), {"303": "Html"},
        query=(*FILTERS, "secret", "incident"), follows_policy=False,
    ),
    Route(
        "http_metrics", "GET", "metrics", Role.READER, _metrics, (
            "Expose expiry and rotation "
            "to Prometheus"
        ), {"200": "Metrics"},
        query=("vault",), heavy=True,
    ),
    Route("http_health", "GET", "health", None, _health, (
        "Tell a probe whether the "
        "app can work"
    ), {"200": "Health"}),
)  # fmt: skip


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What the platform lets a function take:
https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger."""


def allowed(path: str) -> tuple[str, ...]:
    """Return the methods that a path takes."""
    return tuple(
        method for candidate in ROUTES if candidate.path == path for method in candidate.methods
    )


def arriving(called: Route) -> list[str]:
    """Return the methods with which a call's function is started.

    The host answers 404 where no function takes a method. So the first of a path takes those that
    none takes, and
    answers 405 with what there is.
    """
    first = next(candidate for candidate in ROUTES if candidate.path == called.path)
    spare = [method for method in METHODS if method not in allowed(called.path)]
    return [*called.methods, *(spare if first is called else ())]


def route(name: str) -> Route:
    """Return a route by its name."""
    return next(candidate for candidate in ROUTES if candidate.name == name)


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document of this table; it is built when it is first asked for."""
    from api import openapi

    return openapi.document(ROUTES)
