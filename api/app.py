"""Take one HTTP request from its arrival to its answer.

Let in, identify, demand the role, carry out, record.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from api.access import Caller, Role, demand, entra, identify, same_site
from api.answers import Answer, Forbidden, TooMany, Unauthorized, problem
from api.concurrency_limit import ConcurrencyLimit
from api.errors import NotAllowed
from api.idempotency import Queued, once
from api.incidents import NAME
from api.leaks import Reports
from api.operations import MOST_WAIT, Operation, follow
from api.page.problem import presented
from api.policies import MOST_BYTES
from api.requests import KEPT, VAULT, Request
from api.route import Desk, Route
from api.routes import allowed
from engine.deadline import ANSWER_SECONDS, bounded
from engine.engine import Engine
from engine.errors import RekeyError, TransientError
from engine.ports import Memory
from engine.secret import VERSION_ID
from engine.service import Service
from engine.state.policy import SCOPE

log = logging.getLogger("rekey.audit")
errors = logging.getLogger("rekey.api")

NOBODY = Caller("anybody", "", frozenset())
MOST_LISTINGS, MOST_WAITS, MOST_LOOKS, MOST_PROBES = 8, 12, 20, 8
MOST_DELIVERIES, MOST_LEAKS, MOST_OF_ONE, MOST_ACTS = 16, 24, 8, 64
"""How many requests one instance holds at a time: those that list whole vaults, those that wait for
an end, those that look at something else, what anybody may ask, GitHub's deliveries, reports of
leaks, those of one caller, and those that act. The host lets in a hundred: all together leave a
dozen of its places to those that act."""
MOST_RECORDED = 512
"""Characters of a body's text that the audit record shows: a source's id has fewer."""
FORMS = {
    "vault": VAULT,
    "name": NAME,
    "source": re.compile(f"({SCOPE.pattern})/*", re.IGNORECASE),
    "version": VERSION_ID,
    "replacing": VERSION_ID,
}
"""What texts of bodies look like. What looks otherwise may be a value that was put there."""


@dataclass(frozen=True)
class Api:
    """The HTTP API over the service."""

    service: Service
    memory: Memory
    env: Mapping[str, str]
    """The process's environment: where the platform says whether it signs callers in."""
    listings: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(MOST_LISTINGS))
    waits: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(MOST_WAITS))
    looks: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(MOST_LOOKS))
    leaks: ConcurrencyLimit = field(
        default_factory=lambda: ConcurrencyLimit(MOST_LEAKS, MOST_OF_ONE)
    )
    acts: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(MOST_ACTS))
    probes: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(MOST_PROBES))
    """What anybody may ask has a limit of its own: it must keep nobody out who has an incident at
    hand."""
    deliveries: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(MOST_DELIVERIES))
    """GitHub sends none again, so who asks for health keeps none out."""

    reports: Reports = field(default_factory=Reports)

    async def answer(self, route: Route, request: Request) -> Answer:
        """Answer one request. What goes wrong is a problem with what, where and the fix, never an exception."""
        answer = await self._answer(route, request)
        return answer.private(without_body=request.method == "HEAD")

    async def _answer(self, route: Route, request: Request) -> Answer:
        caller, begun = NOBODY, self.service.engine.clock.monotonic()
        try:
            if request.method not in route.methods:
                raise NotAllowed(request.method, allowed(route.path))  # noqa: TRY301 - answered like any other problem
            if route.role:
                caller = identify(request.headers, self.env, self.service.engine.clock.now())
                demand(caller, route.role)
                same_site(route.method, request.headers)
            request.known(route.query, confidential=route.confidential)
            if route.body:
                request.whole()
            wait = request.number("wait", 0, MOST_WAIT) if "wait" in route.query else 0
            async with bounded(ANSWER_SECONDS, "the request"):
                with self._let_in(route, request, caller, wait):
                    answer = await self._carry_out(route, request, caller)
            if not wait or "Location" not in answer.headers:
                return answer
            passed = self.service.engine.clock.monotonic() - begun
            return await self._waited(request, answer, wait, passed)
        except RekeyError as error:
            answer = problem(error, request.url)
            self._refused(route, request, caller, error, answer)
            return presented(route, request, answer)
        except Exception as error:  # noqa: BLE001 - an answer is owed, and the text of a stranger may hold anything
            errors.error("%s of %s failed: %s", route.name, caller, type(error).__name__)
            answer = problem(
                RekeyError(
                    "Rekey failed",
                    fix="see the app's log for the reason, then send the request again",
                ),
                request.url,
            )
            if route.method != "GET":
                why = f"Rekey failed: {type(error).__name__}"
                self._record("declined", route, request, caller, why, answer)
            return presented(route, request, answer)

    def _let_in(
        self, route: Route, request: Request, caller: Caller, wait: int
    ) -> AbstractContextManager[None]:
        """Return the place that a request takes, which raises TooMany where there is none.

        Whoever looks, or reports a leak, must not keep out who acts.
        """
        if route.role is None and not route.follows_policy:
            # It calls nothing outside: no crowd stays in it.
            return nullcontext()
        if route.role is None:
            return (self.probes if route.method == "GET" else self.deliveries).let_in()
        if route.method == "GET" or request.flag("dry_run"):
            return (self.listings if route.heavy else self.waits if wait else self.looks).let_in()
        # Holders of function keys are not told apart.
        is_named = entra(self.env)
        if not route.confidential or (is_named and caller.may(Role.ADMIN)):
            return self.acts.let_in()
        return self.leaks.let_in(caller.id if is_named else "")

    async def _carry_out(self, route: Route, request: Request, caller: Caller) -> Answer:
        engine = await self._ready(route) if route.follows_policy else self.service.engine
        service, runbook = self.service, self.env.get("REKEY_RUNBOOK", "")
        noted: list[Answer] = []

        def note(answer: Answer) -> None:
            if not noted:
                self._record("asked", route, request, caller, "", answer)
            noted.append(answer)

        at = Desk(engine, service.policies, service.watch, self.reports, note, runbook)

        async def handle() -> Answer | Queued:
            answer = await route.handler(at, request, caller)
            is_act = route.method != "GET" and not request.flag("dry_run")
            if is_act and isinstance(answer, Answer):
                note(answer)
            return answer

        if route.method == "GET" or route.confidential:
            return _done(await handle())
        return await once(self.memory, engine, request, caller, handle, note)

    async def _ready(self, route: Route) -> Engine:
        """Return the engine under the policy. Who need not sign in, or may only report, is told no name."""
        try:
            return await self.service.ready()
        except RekeyError as error:
            if route.role and not route.confidential:
                raise
            if route.role is None and route.method != "GET":
                # GitHub's, as far as anybody knows without a policy: it is not sent again.
                self.service.engine.reporter.given_up("leaks")
            what = "there is no policy that can be followed, so nothing is rotated"
            raise TransientError(
                what, fix="see the app's log, under rekey.policy", retry_after=error.retry_after
            ) from None

    async def _waited(self, request: Request, accepted: Answer, wait: int, passed: float) -> Answer:
        """Wait for the end of what was accepted, `wait` seconds from the request's arrival.

        Where that does not come in time, answer as without waiting.
        """
        location = urlsplit(accepted.headers["Location"])
        path = {**request.path, "operation": location.path.rpartition("/")[2]}
        polled = replace(request, path=path, query=dict(parse_qsl(location.query)))
        try:
            async with bounded(ANSWER_SECONDS - passed, "the wait"):
                with self.waits.let_in():
                    engine = await self.service.ready()
                    ended = await follow(engine, Operation.of(engine, polled), wait - passed)
        except Exception as error:  # noqa: BLE001 - it is accepted all the same: sending it again could do it twice
            errors.warning("an accepted request's end could not be seen: %s", type(error).__name__)
            return accepted
        return ended if ended.status == 200 else accepted  # noqa: PLR2004

    def _refused(
        self, route: Route, request: Request, caller: Caller, error: RekeyError, answer: Answer
    ) -> None:
        # What anybody may ask counts no refusal: strangers must not set off an alert.
        refused = isinstance(error, Unauthorized | Forbidden) and route.role is not None
        if refused:
            self.service.engine.reporter.denied("caller", route.name)
        if isinstance(error, TooMany) and route.role is None and route.method != "GET":
            # GitHub's, as far as anybody can tell: it is not sent again.
            self.service.engine.reporter.given_up("leaks")
        if refused or route.method != "GET":
            self._record(
                "refused" if refused else "declined", route, request, caller, str(error), answer
            )

    @staticmethod
    def _record(
        result: str, route: Route, request: Request, caller: Caller, why: str, answer: Answer
    ) -> None:
        """Write the audit record of one call by hand; without a `why` that is its own reason."""
        body = _body(route, request)
        entry = {
            "result": result,
            "action": route.name.removeprefix("http_"),
            "requested_by": str(caller),
            "vault": request.path.get("vault", "")[:64],
            "secret": request.path.get("name", "")[:127],
            "body": {
                name: _shown(name, part) for name, part in body.items() if part and name not in KEPT
            },
            "dry_run": request.query.get("dry_run", "").lower() == "true",
            "why": why or body.get("reason", ""),
            "status": answer.status,
            "location": answer.headers.get("Location", ""),
        }
        log.log(logging.WARNING if result == "refused" else logging.INFO, "%s", json.dumps(entry))


def _body(route: Route, request: Request) -> dict[str, Any]:
    """Return what the body holds, for the record; nothing of one that cannot be read, or has leaked."""
    if route.body is None or route.confidential:
        return {}
    try:
        return msgspec.structs.asdict(request.read(route.body, MOST_BYTES))
    except RekeyError:
        return {}


def _shown(name: str, part: str | bool) -> str | bool:  # noqa: FBT001 - a member of a body
    """Return a member of a body as the record shows it."""
    if isinstance(part, bool):
        return part
    form = FORMS.get(name)
    return part[:MOST_RECORDED] if form and form.fullmatch(part.strip()) else "(unreadable)"


def _done(answer: Answer | Queued) -> Answer:
    return answer if isinstance(answer, Answer) else answer.answer
